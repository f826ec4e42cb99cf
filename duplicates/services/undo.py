"""Brings removed copies back: one action, one batch or one person's day, exactly, whatever happened elsewhere since.

What somebody edited meanwhile by hand is a conflict: it is named field by field, and the caller says which value stays.
New values from an import are none; they are known to be the track's own.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, date, datetime, time, timedelta
from itertools import batched, groupby
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.translation import gettext as _

from duplicates.choices import CleanupState, LaterEdits, LedgerKind
from duplicates.exceptions import DuplicatesError, NothingToUndo, UndoConflict
from duplicates.models import AuditRecord, CleanupAction, LedgerEntry
from duplicates.services import audit, impact
from duplicates.services.keepers import undo_choices
from library import quarantine
from library.changes import recording
from library.models import Track
from library.moved import Conflict, Moved

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

ACTIONS_A_TRANSACTION = 100
FIRST_YEAR = 1970


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
    with audit.attempt("removal.undone", subject=action, actor=actor, now=now), recording(_cause(action)):
        (undoing,) = undo_together([action.pk], actor=actor, now=now, later_edits=later_edits)
        if undoing.refused is not None:
            raise undoing.refused
    return undoing.action


@dataclass(slots=True)
class Undoing:
    """One action on its way back: what it removed, what was edited since, and why it cannot be undone."""

    action: CleanupAction
    removed: list[int] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    refused: DuplicatesError | None = None


def undo_together(
    action_ids: Sequence[uuid.UUID],
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    later_edits: LaterEdits = LaterEdits.ASK,
) -> list[Undoing]:
    """Undo actions, and return what became of each, in order; one that is refused stays as it was.

    Takes the same few queries for one action and for hundreds. Call it within `recording`.
    """
    locked = CleanupAction.objects.select_for_update(of=("self",)).in_bulk(sorted(action_ids))
    undoing = [Undoing(locked[pk]) for pk in action_ids]
    _look_at(undoing)
    for one in undoing:
        if one.refused is None and one.conflicts and later_edits == LaterEdits.ASK:
            one.refused = UndoConflict(
                _("Edited since: %(named)s.") % {"named": _named(one.conflicts)}, conflicts=one.conflicts
            )
    if going := [one for one in undoing if one.refused is None]:
        _bring_back(going, actor=actor, now=now, later_edits=later_edits)
    return undoing


def undo_batch(
    *,
    batch_id: uuid.UUID,
    actor: "AbstractBaseUser | None",
    now: datetime,
    later_edits: LaterEdits = LaterEdits.ASK,
) -> Undone:
    """Undo everything of one batch, the latest first; what cannot be undone is named and the rest goes on."""
    actions = CleanupAction.objects.done().filter(batch_id=batch_id)
    return undo_each(actions.order_by("-created_at", "pk"), actor=actor, now=now, later_edits=later_edits)


def undo_day(
    *,
    user: "AbstractBaseUser",
    day: date,
    actor: "AbstractBaseUser | None",
    now: datetime,
    later_edits: LaterEdits = LaterEdits.ASK,
) -> Undone:
    """Undo what one person removed on one day of the current time zone, as `undo_batch` does."""
    if not FIRST_YEAR <= day.year < MAXYEAR:
        return Undone()  # at the ends of time a day of one zone cannot be said in another
    start = timezone.make_aware(datetime.combine(day, time.min))
    end = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
    actions = CleanupAction.objects.done().filter(user_id=user.pk, created_at__gte=start, created_at__lt=end)
    return undo_each(actions.order_by("-created_at", "pk"), actor=actor, now=now, later_edits=later_edits)


def undo_each(
    actions: Iterable[CleanupAction], *, actor: "AbstractBaseUser | None", now: datetime, later_edits: LaterEdits
) -> Undone:
    """Undo actions by the hundred, each hundred in a transaction; a refusal keeps a record of its own."""
    outcome = Undone()
    for cause, together in groupby(list(actions), key=_cause):
        for part in batched(together, ACTIONS_A_TRANSACTION):
            with audit.attempt("removal.undone", actor=actor, now=now), recording(cause):
                ids = [one.pk for one in part]
                undoing = undo_together(ids, actor=actor, now=now, later_edits=later_edits)
                audit.record_each(_refusal(one, actor, now) for one in undoing if one.refused is not None)
            outcome.actions += [one.action for one in undoing if one.refused is None]
            outcome.refused += [(one.action, one.refused) for one in undoing if one.refused is not None]
    return outcome


def _refusal(undoing: Undoing, actor: "AbstractBaseUser | None", now: datetime) -> AuditRecord:
    assert undoing.refused is not None
    return audit.new_record(
        "removal.undone",
        actor=actor,
        now=now,
        subject=undoing.action,
        was_successful=False,
        message=str(undoing.refused),
        after={"code": undoing.refused.code},
    )


def _cause(action: CleanupAction) -> str:
    return f"analysis:{action.analysis_id}" if action.analysis_id else f"cleanup:{action.batch_id}"


def _look_at(undoing: Sequence[Undoing]) -> None:
    """Find what the actions removed and what was edited since; refuse those whose tracks cannot all come back."""
    of_action = {one.action.pk: one for one in undoing}
    entries = LedgerEntry.objects.filter(kind=LedgerKind.TRACK, action__in=of_action.keys()).order_by("pk")
    for action_id, track_id in entries.values_list("action_id", "track_id"):
        if track_id is not None:
            of_action[action_id].removed.append(track_id)
    ids = {pk for one in undoing for pk in one.removed}
    here = set(Track.objects.quarantined().filter(pk__in=ids).values_list("pk", flat=True))
    edited = quarantine.conflicts(here)
    for one in undoing:
        gone = [pk for pk in one.removed if pk not in here]
        if one.action.state == CleanupState.UNDONE:
            one.refused = NothingToUndo(_("%(action)s was undone already.") % {"action": one.action})
        elif gone:
            one.refused = NothingToUndo(
                _("Track %(ids)s is not in quarantine any more.") % {"ids": ", ".join(map(str, gone))}
            )
        # An edited value of a keeper stands once, however many copies the action merged into it.
        one.conflicts = list(dict.fromkeys(conflict for pk in one.removed for conflict in edited.get(pk, [])))


def _bring_back(
    undoing: Sequence[Undoing], *, actor: "AbstractBaseUser | None", now: datetime, later_edits: LaterEdits
) -> None:
    removed = [pk for one in undoing for pk in one.removed]
    moved = quarantine.restore(removed, keeps_later_edits=later_edits != LaterEdits.RESTORE)
    impact.follow_tracks(removed, actor=actor, now=now)
    ids = [one.action.pk for one in undoing]
    made = LedgerEntry.objects.filter(kind=LedgerKind.KEEPER, action__in=ids).values_list("after", flat=True)
    undo_choices([pk for pk in made if pk is not None], now=now)
    CleanupAction.objects.filter(pk__in=ids).update(state=CleanupState.UNDONE, ended_at=now)
    many = _moved_by(undoing, moved)
    for one in undoing:
        one.action.state, one.action.ended_at = CleanupState.UNDONE, now
    audit.record_each(
        audit.new_record(
            "removal.undone",
            actor=actor,
            now=now,
            subject=one.action,
            before={"action_id": str(one.action.pk), "state": CleanupState.DONE},
            after={"state": CleanupState.UNDONE, "track_ids": one.removed, "later_edits": later_edits},
            counts={"tracks": len(one.removed), "moved": many[one.action.pk], "conflicts": len(one.conflicts)},
        )
        for one in undoing
    )


def _moved_by(undoing: Sequence[Undoing], moved: Moved) -> Counter[uuid.UUID]:
    """Count the values and places that each action gave back; what two of them gave counts for the first."""
    by_keeper = {one.action.keeper_track_id: one.action.pk for one in reversed(undoing)}
    by_copy = {pk: one.action.pk for one in undoing for pk in one.removed}
    first = undoing[0].action.pk
    counts: Counter[uuid.UUID] = Counter()
    for keeper_id, values in moved.values.items():
        counts[by_keeper.get(keeper_id, first)] += len(values)
    for place in moved.places:
        owner = by_copy.get(place.after or 0) or by_keeper.get(place.before or 0) or first
        counts[owner] += 1
    return counts


def _named(conflicts: Iterable[Conflict]) -> str:
    return "; ".join(
        _("place %(position)s of playlist %(playlist_id)s holds %(current)s, not %(written)s")
        % {
            "position": one.position,
            "playlist_id": one.playlist_id,
            "current": one.current or _("nothing"),
            "written": one.written,
        }
        if one.track_id is None
        else _("%(field)s of track %(track_id)s is %(current)r, not %(written)r")
        % {
            "field": one.field.replace("_", " "),
            "track_id": one.track_id,
            "current": one.current,
            "written": one.written,
        }
        for one in conflicts
    )
