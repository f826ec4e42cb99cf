"""Deletes removed copies whose time in quarantine is over, or sooner where somebody asks for it by itself.

What they gave stays with their keepers.

A copy whose keeper has gone meanwhile is perhaps the last there is: it is held until somebody decides about it.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from duplicates.choices import CleanupState, LedgerKind
from duplicates.exceptions import NothingToUndo
from duplicates.models import CleanupAction, LedgerEntry
from duplicates.services import audit
from library import quarantine
from library.changes import recording
from library.models import Track

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


@dataclass(frozen=True, slots=True)
class Purged:
    """How many copies one purge deleted, and how many it held because no keeper stands in for them."""

    deleted: int
    held: int


def expired_removals(*, now: datetime) -> list[uuid.UUID]:
    """Return the actions whose time is over and that have copies in quarantine, the oldest first."""
    waiting = LedgerEntry.objects.filter(
        kind=LedgerKind.TRACK, track_id__in=Track.objects.quarantined().values("pk"), action__expires_at__lte=now
    ).exclude(action__state=CleanupState.UNDONE)
    actions = CleanupAction.objects.filter(pk__in=waiting.values("action_id"))
    return list(actions.order_by("expires_at", "pk").values_list("pk", flat=True))


@audit.recorded("removal.purged", subject="action")
def purge_expired(action: CleanupAction, *, actor: "AbstractBaseUser | None", now: datetime) -> Purged:
    """Delete the copies of one removal. Raises NothingToUndo where it was undone, and before its time is over."""
    if action.state == CleanupState.UNDONE:
        raise NothingToUndo(_("%(action)s was undone already.") % {"action": action})
    if not CleanupAction.objects.expired(now).filter(pk=action.pk).exists():
        raise NothingToUndo(
            _("These copies wait in quarantine until %(until)s.") % {"until": action.expires_at.isoformat()}
        )
    return purge_removal(action.pk, actor=actor, now=now)


def purge_removal(
    action_id: uuid.UUID, *, actor: "AbstractBaseUser | None", now: datetime, is_early: bool = False
) -> Purged:
    """Delete the copies one action removed, except those that no keeper stands in for.

    Nothing happens before its time is over, unless `is_early` says that a person wants it all the same.
    """
    with recording("purge"):
        action = CleanupAction.objects.select_for_update(of=("self",)).get(pk=action_id)
        if action.state == CleanupState.UNDONE or (action.expires_at > now and not is_early):
            return Purged(0, 0)
        removed = action.entries.filter(kind=LedgerKind.TRACK).order_by("pk").values_list("track_id", flat=True)
        here = list(
            Track.objects.quarantined().filter(pk__in=list(removed)).order_by("pk").values_list("pk", flat=True)
        )
        held = [pk for pk in here if quarantine.root_keeper(pk) is None]
        deleted = quarantine.purge(pk for pk in here if pk not in held)
        if not held:
            action.state, action.ended_at = CleanupState.PURGED, now
            action.save(update_fields=["state", "ended_at"])
        if deleted:
            audit.record(
                "removal.purged",
                actor=actor,
                now=now,
                subject=action,
                before={"track_ids": [pk for pk in here if pk not in held]},
                after={"held": held},
                counts={"tracks": deleted, "held": len(held)},
            )
    return Purged(deleted, len(held))
