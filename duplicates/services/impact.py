"""Keeps saved analyses true when tracks go or come back: members, counts and decisions that follow from them.

A group counts its members in the library. When one is left it is resolved as `deleted`; when more are there again it is
what it was before. Other decisions stay: they were made by a person.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q

from duplicates.choices import LedgerKind, Resolution
from duplicates.exceptions import LastCopy
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack, LedgerEntry
from library.models import Track
from library.quarantine import as_json

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

DECISION = ("is_resolved", "resolution", "resolved_at", "resolved_by_id")
_OPEN: dict[str, Any] = {"is_resolved": False, "resolution": "", "resolved_at": None, "resolved_by_id": None}
_UNDECIDED = ("", Resolution.MANUAL_REVIEW)


@dataclass(frozen=True, slots=True)
class Decided:
    """A group whose decision followed from its count, before and after as JSON holds them."""

    group_id: int
    before: dict[str, Any]
    after: dict[str, Any]


def follow_tracks(track_ids: Iterable[int], *, actor: "AbstractBaseUser | None", now: datetime) -> list[Decided]:
    """Bring every group with one of these tracks to what is true of them now; return whose decision changed.

    Raises LastCopy for a group that would be left without a copy. Call it in the transaction that changed the tracks.
    """
    ids = set(track_ids)
    here = set(Track.objects.active().filter(pk__in=ids).values_list("pk", flat=True))
    members = DuplicateAnalysisTrack.objects.filter(track_id__in=ids)
    groups = list(members.order_by("group_id").values_list("group_id", flat=True).distinct())
    members.filter(track_id__in=here, still_exists=False).update(still_exists=True, deleted_at=None)
    members.filter(track_id__in=ids - here, still_exists=True).update(still_exists=False, deleted_at=now)
    return recount(groups, actor=actor, now=now)


def recount(group_ids: list[int], *, actor: "AbstractBaseUser | None", now: datetime) -> list[Decided]:
    """Count the members of these groups anew, and let the decisions follow that follow from the count."""
    remaining = Count("members", filter=Q(members__still_exists=True))
    counts = dict(DuplicateAnalysisGroup.objects.filter(pk__in=group_ids).annotate(n=remaining).values_list("pk", "n"))
    decided = []
    for group in DuplicateAnalysisGroup.objects.select_for_update().filter(pk__in=group_ids).order_by("pk"):
        count = counts[group.pk]
        if count == group.remaining_count:
            continue
        if not count:
            raise LastCopy(f"This would remove the last copy of {group} in the analysis {group.analysis}.")
        before = _decision(group)
        values = _following_decision(group, count, actor=actor, now=now)
        DuplicateAnalysisGroup.objects.filter(pk=group.pk).update(remaining_count=count, lost_at=None, **values)
        if values:
            decided.append(Decided(group.pk, before, {name: as_json(value) for name, value in values.items()}))
    return decided


def _following_decision(
    group: DuplicateAnalysisGroup, count: int, *, actor: "AbstractBaseUser | None", now: datetime
) -> dict[str, Any]:
    """Return the decision a group takes on because of its count; nothing when it keeps the one it has."""
    if count == 1 and group.resolution in _UNDECIDED:
        by = actor.pk if actor else None
        return {"is_resolved": True, "resolution": Resolution.DELETED, "resolved_at": now, "resolved_by_id": by}
    if count > 1 and group.resolution == Resolution.DELETED:
        return _decision_before(group)
    return {}


def _decision_before(group: DuplicateAnalysisGroup) -> dict[str, Any]:
    """Return what was decided before the removal that left one copy; open where nothing is written about it."""
    entry = (
        LedgerEntry.objects.filter(kind=LedgerKind.GROUP, group_id=group.pk, after__resolution=Resolution.DELETED)
        .order_by("-pk")
        .first()
    )
    if entry is None or not isinstance(entry.before, dict):
        return _OPEN
    resolved_at = entry.before["resolved_at"]
    return entry.before | {"resolved_at": datetime.fromisoformat(resolved_at) if resolved_at else None}


def _decision(group: DuplicateAnalysisGroup) -> dict[str, Any]:
    return {name: as_json(getattr(group, name)) for name in DECISION}
