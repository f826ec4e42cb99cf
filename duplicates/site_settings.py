"""`site`: the settings that administrators may change while the site runs, as they hold now.

Whoever needs one reads it here and nowhere else: what an administrator chose in the admin, else what the environment
says. Every process asks the database again after `FRESH_SECONDS`, so all of them agree within that time.
`duplicates.services.changing_settings` changes them.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

logger = logging.getLogger("reprise.settings")

FRESH_SECONDS = 5.0


def variables() -> dict[str, Any]:
    """Return what can be changed while the site runs: Django's name of the setting → its declaration."""
    declared = settings.ENVIRONMENT.variables.values()
    return {variable.attribute: variable for variable in declared if variable.at_runtime}


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Settings that are fine alone and wrong together."""

    names: tuple[str, ...]
    sentence: str
    hint: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What administrators chose: what holds, and why the rest does not."""

    held: Mapping[str, float] = field(default_factory=dict)
    set_aside: Mapping[str, str] = field(default_factory=dict)  # name → why the environment decides instead


class SiteSettings:
    """Attributes named like the settings. Raises AttributeError for one that only the environment decides."""

    def __init__(self) -> None:
        self._chosen: Mapping[str, float] = {}
        self._good_until = 0.0
        self._warned_of: Mapping[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in variables():
            raise AttributeError(f"{name} is no setting that can be changed while the site runs.")
        value = self.chosen().get(name)
        return getattr(settings, name) if value is None else value

    def chosen(self) -> Mapping[str, float]:
        """Return what administrators chose, by name; the rest follows the environment."""
        if time.monotonic() >= self._good_until:
            choices = sort_choices(_rows())
            self._warn(choices.set_aside)
            self.assume(choices.held, for_seconds=FRESH_SECONDS)
        return self._chosen

    def _warn(self, set_aside: Mapping[str, str]) -> None:
        """Say once, not every five seconds, what was chosen and cannot hold."""
        for name, why in set_aside.items():
            if self._warned_of.get(name) != why:
                logger.warning("%s was chosen in the admin and is set aside: %s", variables()[name].name, why)
        self._warned_of = set_aside

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


def sort_choices(rows: Iterable[tuple[str, float]]) -> Choices:
    """Part what administrators chose into what holds and what cannot.

    A choice was checked when it was made; an upgrade may have narrowed its range since, or the environment may say
    something else of a setting it belongs with. Then the environment, which was checked at the start, decides about
    all of those that belong together: half of a choice is nobody's.
    """
    known, held, set_aside = variables(), {}, {}
    for name, value in rows:
        if name in known and known[name].allows(value):
            held[name] = as_kind(name, value)
        elif name in known:
            told = {"value": f"{value:g}", "range": known[name].range_text, "unit": known[name].unit}
            set_aside[name] = _("%(value)s is out of range: %(range)s %(unit)s.") % told
    for contradiction in contradictions_of(held):
        for name in contradiction.names:
            if held.pop(name, None) is not None:
                set_aside[name] = contradiction.sentence
    return Choices(held, set_aside)


def contradictions_of(chosen: Mapping[str, float | None]) -> list[Contradiction]:
    """Return what contradicts if these are chosen; None and what is not named follow the environment."""

    def value_of(name: str) -> Any:
        value = chosen.get(name)
        return getattr(settings, name) if value is None else value

    names = tuple(f"STALENESS_{level}_HOURS" for level in ("FRESH", "MODERATE", "STALE"))
    fresh, moderate, stale = map(value_of, names)
    if fresh < moderate < stale:
        return []
    told = {"fresh": f"{fresh:g}", "moderate": f"{moderate:g}", "stale": f"{stale:g}"}
    sentence = _(
        "The staleness levels must grow; fresh %(fresh)s, moderate %(moderate)s, stale %(stale)s hours do not."
    )
    return [Contradiction(names, sentence % told, "REPRISE_STALENESS_*_HOURS: 1, 24, 168.")]


def _rows() -> Iterable[tuple[str, float]]:
    from duplicates.models import SiteSetting  # noqa: PLC0415 (models read settings, too)

    return SiteSetting.objects.values_list("name", "value")
