"""Brings removed copies back: one action, one batch or one person's day, exactly, whatever happened elsewhere since.

What somebody edited meanwhile by hand is a conflict: it is named field by field, and the caller says which value stays.
New values from an import are none; they are known to be the track's own.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from duplicates.choices import CleanupState, LaterEdits, LedgerKind
from duplicates.exceptions import DuplicatesError, NothingToUndo, UndoConflict
from duplicates.models import CleanupAction, KeeperChoice
from duplicates.services import audit, impact
from duplicates.services.keepers import undo_choice
from library import quarantine
from library.changes import recording
from library.models import Track
from library.quarantine import Conflict

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


@dataclass(slots=True)
class Undone:
    """What became of several actions: those undone, and those that were not, each with its error."""

    actions: list[CleanupAction] = field(default_factory=list)
    refused: list[tuple[CleanupAction, DuplicatesError]] = field(default_factory=list)


def undo_action(
    *,
    action: CleanupAction,
    actor: "AbstractBaseUser | None",
    now: datetime,
    later_edits: LaterEdits = LaterEdits.ASK,
) -> CleanupAction:
    """Bring back what one action removed: rows, values, playlist places and the state of every saved group.

    Raises UndoConflict with `facts["conflicts"]` when asked to ask and something was edited since, and NothingToUndo
    when it is undone already or its tracks are purged.
    """
    cause = f"analysis:{action.analysis_id}" if action.analysis_id else f"cleanup:{action.pk}"
    with audit.attempt("removal.undone", subject=action, actor=actor, now=now), recording(cause):
        action = CleanupAction.objects.select_for_update(of=("self",)).get(pk=action.pk)
        removed = _removed_by(action)
        found = quarantine.conflicts(removed)
        if found and later_edits == LaterEdits.ASK:
            raise UndoConflict(f"Edited since: {_named(found)}.", conflicts=found)
        moved = quarantine.restore(removed, keeps_later_edits=later_edits != LaterEdits.RESTORE)
        impact.follow_tracks(removed, actor=actor, now=now)
        _undo_choices(action, now=now)
        action.state, action.ended_at = CleanupState.UNDONE, now
        action.save(update_fields=["state", "ended_at"])
        audit.record(
            "removal.undone",
            actor=actor,
            now=now,
            subject=action,
            before={"action_id": str(action.pk), "state": CleanupState.DONE},
            after={"state": CleanupState.UNDONE, "track_ids": removed, "later_edits": later_edits},
            counts={"tracks": len(removed), "moved": len(moved), "conflicts": len(found)},
        )
    return action


def undo_batch(
    *,
    batch_id: uuid.UUID,
    actor: "AbstractBaseUser | None",
    now: datetime,
    later_edits: LaterEdits = LaterEdits.ASK,
) -> Undone:
    """Undo everything of one batch, the latest first; what cannot be undone is named and the rest goes on."""
    actions = CleanupAction.objects.done().filter(batch_id=batch_id)
    return _undo_each(actions.order_by("-created_at", "pk"), actor=actor, now=now, later_edits=later_edits)


def undo_day(
    *,
    user: "AbstractBaseUser",
    day: date,
    actor: "AbstractBaseUser | None",
    now: datetime,
    later_edits: LaterEdits = LaterEdits.ASK,
) -> Undone:
    """Undo what one person removed on one day of the current time zone, as `undo_batch` does."""
    start = timezone.make_aware(datetime.combine(day, time.min))
    end = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
    actions = CleanupAction.objects.done().filter(user_id=user.pk, created_at__gte=start, created_at__lt=end)
    return _undo_each(actions.order_by("-created_at", "pk"), actor=actor, now=now, later_edits=later_edits)


def _undo_each(
    actions: Iterable[CleanupAction], *, actor: "AbstractBaseUser | None", now: datetime, later_edits: LaterEdits
) -> Undone:
    outcome = Undone()
    for action in list(actions):
        try:
            outcome.actions.append(undo_action(action=action, actor=actor, now=now, later_edits=later_edits))
        except DuplicatesError as error:
            outcome.refused.append((action, error))
    return outcome


def _removed_by(action: CleanupAction) -> list[int]:
    """Return the tracks an action removed, when all of them can come back."""
    if action.state == CleanupState.UNDONE:
        raise NothingToUndo(f"{action} was undone already.")
    removed = list(action.entries.filter(kind=LedgerKind.TRACK).order_by("pk").values_list("track_id", flat=True))
    ids = [pk for pk in removed if pk is not None]
    here = set(Track.objects.quarantined().filter(pk__in=ids).values_list("pk", flat=True))
    if gone := [pk for pk in ids if pk not in here]:
        raise NothingToUndo(f"Track {', '.join(map(str, gone))} is not in quarantine any more.")
    return ids


def _undo_choices(action: CleanupAction, *, now: datetime) -> None:
    """Take back the keepers that were chosen for this removal."""
    made = action.entries.filter(kind=LedgerKind.KEEPER).values_list("after", flat=True)
    for choice in KeeperChoice.objects.filter(pk__in=list(made), undone_at=None).order_by("-pk"):
        undo_choice(choice, now=now)


def _named(conflicts: Iterable[Conflict]) -> str:
    return "; ".join(
        f"place {one.position} of playlist {one.playlist_id} holds {one.current or 'nothing'}, not {one.written}"
        if one.track_id is None
        else f"{one.field.replace('_', ' ')} of track {one.track_id} is {one.current!r}, not {one.written!r}"
        for one in conflicts
    )
