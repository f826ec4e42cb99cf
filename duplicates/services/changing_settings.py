"""Changes the settings that may be changed while the site runs, checked like the environment and audited."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction

from duplicates.exceptions import InvalidSetting
from duplicates.models import SiteSetting
from duplicates.services import audit
from duplicates.site_settings import as_kind, contradictions_of, site, variables

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def change_settings(
    values: Mapping[str, float | None], *, actor: "AbstractBaseUser | None", now: datetime
) -> dict[str, float | None]:
    """Let these values hold from now on, None standing for the environment's; return what really changed.

    Raises InvalidSetting, naming the first one that is wrong, and then changes nothing.
    """
    with audit.attempt("settings.changed", actor=actor, now=now):
        chosen = {name: _checked(name, value) for name, value in values.items()}
        with transaction.atomic():
            _wait_for_others()
            rows = {row.name: row for row in SiteSetting.objects.all()}
            before = {name: as_kind(name, rows[name].value) if name in rows else None for name in chosen}
            changed = {name: value for name, value in chosen.items() if value != before[name]}
            held = {name: as_kind(name, row.value) for name, row in rows.items() if name in variables()}
            _require_agreement(held | changed, changed)
            for name, value in changed.items():
                _store(name, value, actor=actor, now=now)
            if changed:
                was = {name: before[name] for name in changed}
                audit.record("settings.changed", actor=actor, now=now, before=_told(was), after=_told(changed))
            transaction.on_commit(site.forget)
    return changed


def _checked(name: str, value: float | None) -> float | None:
    if name not in variables():
        raise InvalidSetting(f"{name} is no setting that can be changed while the site runs.", setting=name)
    variable = variables()[name]
    if value is None:
        return None
    if not variable.allows(value) or as_kind(name, value) != value:
        raise InvalidSetting(
            f"{variable.name}: {value:g} is not accepted. It takes a {variable.kind}, "
            f"{variable.range_text} {variable.unit}.",
            setting=name,
        )
    return as_kind(name, value)


def _wait_for_others() -> None:
    """Let one change be over before the next looks. Rows cannot be locked that nobody has chosen yet.

    SQLite does so by itself: its transactions begin with the lock of a writer.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {SiteSetting._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")


def _require_agreement(chosen: Mapping[str, float | None], changed: Collection[str]) -> None:
    """Refuse changes that contradict each other, other choices or what the environment says of the others.

    What contradicted before, since the environment was changed, does not keep anybody from changing something else.
    """
    for contradiction in contradictions_of(chosen):
        if not set(changed).isdisjoint(contradiction.names):
            raise InvalidSetting(contradiction.sentence)


def _store(name: str, value: float | None, *, actor: "AbstractBaseUser | None", now: datetime) -> None:
    if value is None:
        SiteSetting.objects.filter(pk=name).delete()
        return
    by = actor.pk if actor else None
    SiteSetting.objects.update_or_create(pk=name, defaults={"value": value, "changed_at": now, "changed_by_id": by})


def _told(values: Mapping[str, float | None]) -> dict[str, Any]:
    """Return values for the audit trail; where the environment decides, what it says."""
    return {name: f"environment: {getattr(settings, name):g}" if v is None else v for name, v in values.items()}
