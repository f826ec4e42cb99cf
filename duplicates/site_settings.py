"""`site`: the settings that administrators may change while the site runs, as they hold now.

Whoever needs one reads it here and nowhere else: what an administrator chose in the admin, else what the environment
says. Every process asks the database again after `FRESH_SECONDS`, so all of them agree within that time.
`duplicates.services.changing_settings` changes them.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

logger = logging.getLogger("reprise.settings")

FRESH_SECONDS = 5.0


def variables() -> dict[str, Any]:
    """Return what can be changed while the site runs: Django's name of the setting → its declaration."""
    declared = settings.ENVIRONMENT.variables.values()
    return {variable.attribute: variable for variable in declared if variable.at_runtime}


class SiteSettings:
    """Attributes named like the settings. Raises AttributeError for one that only the environment decides."""

    def __init__(self) -> None:
        self._chosen: Mapping[str, float] = {}
        self._good_until = 0.0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in variables():
            raise AttributeError(f"{name} is no setting that can be changed while the site runs.")
        value = self.chosen().get(name)
        return getattr(settings, name) if value is None else value

    def chosen(self) -> Mapping[str, float]:
        """Return what administrators chose, by name; the rest follows the environment."""
        if time.monotonic() >= self._good_until:
            self.assume(_read(), for_seconds=FRESH_SECONDS)
        return self._chosen

    def forget(self) -> None:
        """Ask the database at the next look, as after a change."""
        self._good_until = 0.0

    def assume(self, chosen: Mapping[str, float], *, for_seconds: float) -> None:
        """Take these for what administrators chose, without a look."""
        self._chosen, self._good_until = chosen, time.monotonic() + for_seconds


site = SiteSettings()


def as_kind(name: str, value: float) -> float:
    """Return a number as the setting is: whole or not."""
    return int(value) if variables()[name].kind == "whole number" else float(value)


def contradictions(value_of: Callable[[str], Any]) -> list[tuple[str, str]]:
    """Return what is wrong with settings that are fine alone: a sentence and a hint each."""
    problems = []
    fresh, moderate, stale = (value_of(f"STALENESS_{level}_HOURS") for level in ("FRESH", "MODERATE", "STALE"))
    if not fresh < moderate < stale:
        problems.append(
            ("The staleness levels must grow: fresh < moderate < stale.", "REPRISE_STALENESS_*_HOURS: 1, 24, 168.")
        )
    return problems


def _read() -> dict[str, float]:
    """Read what was chosen. A value that an upgrade has put out of range is left to the environment, with a warning."""
    from duplicates.models import SiteSetting  # noqa: PLC0415 (models read settings, too)

    known, chosen = variables(), {}
    for name, value in SiteSetting.objects.values_list("name", "value"):
        if name in known and known[name].allows(value):
            chosen[name] = as_kind(name, value)
        elif name in known:
            logger.warning("%s=%s was chosen in the admin and is out of range; the environment decides", name, value)
    return chosen
