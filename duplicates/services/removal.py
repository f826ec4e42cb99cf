"""Removes duplicates without losing anything: merges them into the keeper and puts them in quarantine, or refuses.

Of two people at once one wins and the other is told: everything is decided under the lock of the library revision.
"""

import uuid
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from duplicates.choices import LedgerKind
from duplicates.models import CleanupAction, DuplicateAnalysisGroup, LedgerEntry
from duplicates.services import audit, guards, impact
from duplicates.services.impact import Decided
from duplicates.site_settings import site
from library import quarantine
from library.changes import recording
from library.models import Track
from library.quarantine import Moved, MovedPlace, as_json

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def remove_duplicates(
    *,
    group: DuplicateAnalysisGroup,
    keeper_id: int,
    removing: Collection[int],
    actor: "AbstractBaseUser | None",
    now: datetime,
    batch_id: uuid.UUID | None = None,
    seen_version: str = "",
) -> CleanupAction:
    """Merge copies of a group into its keeper and put them in quarantine; return the action, which can be undone.

    Raises the error that says why when a copy is gone, edited since, protected, declared different from the keeper or
    no direct match with it, when the group is decided already or not as the person saw it (`seen_version`), and
    LastCopy when any group of any analysis would lose its last copy.
    """
    with audit.attempt("duplicates.removed", subject=group, actor=actor, now=now), recording(_cause(group)):
        impact.follow_library(now=now)  # else a group might count a copy that an import has pruned
        group = DuplicateAnalysisGroup.objects.select_for_update(of=("self",)).get(pk=group.pk)
        guards.require_seen(group, seen_version)
        copies = _allowed(group, keeper_id, removing)
        action = _new_action(group, copies, actor=actor, now=now, batch_id=batch_id)
        moved = quarantine.remove(copies, keeper_id=keeper_id, now=now)
        decided = impact.follow_tracks([copy.pk for copy in copies], actor=actor, now=now)
        action.places_moved = sum(isinstance(one, MovedPlace) for one in moved)
        action.save(force_insert=True)
        _write_ledger(action, copies, moved, decided)
        _record(action, group, copies, decided, actor=actor, now=now)
    return action


def _cause(group: DuplicateAnalysisGroup) -> str:
    return f"analysis:{group.analysis_id}"


def _allowed(group: DuplicateAnalysisGroup, keeper_id: int, removing: Collection[int]) -> list[Track]:
    """Return the tracks to remove in the group's order, when nothing forbids it."""
    members = {member.track_id: member for member in group.members.order_by("position")}
    guards.require_open(group)
    guards.require_members(group, members, keeper_id=keeper_id, removing=removing)
    wanted = [pk for pk in members if pk in removing]
    tracks = Track.objects.select_for_update().in_bulk([keeper_id, *wanted])
    guards.require_present(members, tracks, [keeper_id, *wanted])
    guards.require_removable(members, tracks, wanted)
    guards.require_alike(members, keeper_id, wanted)
    guards.require_unchanged(group, members, tracks, [keeper_id, *wanted])
    return [tracks[pk] for pk in wanted]


def _new_action(
    group: DuplicateAnalysisGroup,
    copies: list[Track],
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    batch_id: uuid.UUID | None,
) -> CleanupAction:
    sizes = [copy.size_bytes for copy in copies]
    action_id = uuid.uuid4()
    return CleanupAction(
        action_id=action_id,
        batch_id=batch_id or action_id,
        analysis_id=group.analysis_id,
        group=group,
        label=str(group),
        keeper_track_id=group.keeper_track_id,
        user_id=actor.pk if actor else None,
        user_name=actor.get_username() if actor else "",
        created_at=now,
        expires_at=now + timedelta(days=site.QUARANTINE_DAYS),
        removed_count=len(copies),
        plays_moved=sum(copy.play_count for copy in copies),
        bytes_freed=None if None in sizes else sum(size or 0 for size in sizes),
    )


def _write_ledger(
    action: CleanupAction, copies: Iterable[Track], moved: Iterable[Moved], decided: Iterable[Decided]
) -> None:
    """Write one line for each track, value, place and group that changed."""
    entries = [
        LedgerEntry(
            action=action,
            kind=LedgerKind.TRACK,
            track_id=copy.pk,
            field="quarantined_at",
            after=as_json(action.created_at),
        )
        for copy in copies
    ]
    for one in moved:
        if isinstance(one, MovedPlace):
            entries.append(
                LedgerEntry(
                    action=action,
                    kind=LedgerKind.PLACE,
                    playlist_id=one.playlist_id,
                    position=one.position,
                    track_id=one.before,
                    before=one.before,
                    after=one.after,
                )
            )
        else:
            entries.append(
                LedgerEntry(
                    action=action,
                    kind=LedgerKind.VALUE,
                    track_id=one.track_id,
                    field=one.field,
                    before=one.before,
                    after=one.after,
                )
            )
    entries.extend(
        LedgerEntry(action=action, kind=LedgerKind.GROUP, group_id=one.group_id, before=one.before, after=one.after)
        for one in decided
    )
    LedgerEntry.objects.bulk_create(entries)


def _record(
    action: CleanupAction,
    group: DuplicateAnalysisGroup,
    copies: list[Track],
    decided: list[Decided],
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> None:
    audit.record(
        "duplicates.removed",
        actor=actor,
        now=now,
        subject=group,
        before={"removed": [{"track_id": copy.pk, "name": str(copy), "source": copy.source} for copy in copies]},
        after={"action_id": str(action.pk), "keeper_track_id": action.keeper_track_id},
        counts={
            "groups": len(decided),
            "tracks": action.removed_count,
            "plays": action.plays_moved,
            "playlist_places": action.places_moved,
            "bytes": action.bytes_freed,
        },
    )
