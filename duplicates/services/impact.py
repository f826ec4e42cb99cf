"""Keeps saved analyses true when tracks go or come back: members, counts and decisions that follow from them.

A group counts its members in the library. When one is left it is resolved as `deleted`; when more are there again it is
what it was before. Other decisions stay: they were made by a person.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.utils.translation import gettext as _

from duplicates.choices import LedgerKind, Resolution
from duplicates.exceptions import LastCopy
from duplicates.models import AuditRecord, DuplicateAnalysisGroup, DuplicateAnalysisTrack, LedgerEntry, LibraryMark
from duplicates.services import audit
from library.changes import current_revision
from library.models import ChangeKind, LibraryChange, Track
from library.moved import as_json
from library.row_updates import update_rows

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

TRACKS_A_STEP = 1_000
READ_AGAIN = 10  # changes that touched no group: cheaper to read by every page than to mark as read, under a lock
DECISION = ("is_resolved", "resolution", "resolved_at", "resolved_by_id")
_OPEN: dict[str, Any] = {"is_resolved": False, "resolution": "", "resolved_at": None, "resolved_by_id": None}
_GROUP = DuplicateAnalysisGroup._meta.model_name
FOLLOWED = "group.followed_library"
_UNDECIDED = ("", Resolution.MANUAL_REVIEW)
_MARKED_AND_NEWEST = """\
SELECT mark.revision, value,
    (
        SELECT COUNT(*)
        FROM (SELECT 1 FROM library_librarychange WHERE revision > mark.revision AND revision <= value LIMIT %s) unread
    )
FROM library_libraryrevision
CROSS JOIN (SELECT COALESCE((SELECT revision FROM duplicates_librarymark WHERE id = 1), 0) AS revision) mark
WHERE id = 1
"""


@dataclass(frozen=True, slots=True)
class Decided:
    """A group whose decision followed from its count, before and after as JSON holds them."""

    group_id: int
    before: dict[str, Any]
    after: dict[str, Any]


def follow_library(*, now: datetime) -> int:
    """Bring saved analyses to what became of their tracks by other roads than clean-up; return how many tracks.

    Reads the library's change log from where it stopped last time, so it costs one small query when nothing happened.
    A group whose last copy went says when. Where no group is touched, nothing is locked or written: pages ask this
    while others decide.
    """
    marked, newest, changes = _marked_and_newest()
    if newest <= marked or (changes <= READ_AGAIN and not _not_followed(marked, newest)):
        return 0
    with transaction.atomic():
        LibraryMark.objects.get_or_create(pk=1)
        mark = LibraryMark.objects.select_for_update().get(pk=1)
        newest = current_revision()
        ids = _not_followed(mark.revision, newest)
        for part in batched(ids, TRACKS_A_STEP):
            _remember(follow_tracks(part, actor=None, now=now, may_lose=True), now=now)
        mark.revision = newest
        mark.save(update_fields=["revision"])
        if ids:
            audit.record("analyses.followed_library", actor=None, now=now, counts={"tracks": len(ids)})
    return len(ids)


def _remember(decided: Iterable[Decided], *, now: datetime) -> None:
    """Write down which groups were set aside when they lost their copies: no removal's ledger says it."""
    aside = {one.group_id: one for one in decided if one.before["resolution"] == Resolution.MANUAL_REVIEW}
    groups = DuplicateAnalysisGroup.objects.in_bulk(aside) if aside else {}
    audit.record_each(
        audit.new_record(FOLLOWED, actor=None, now=now, subject=group, before=aside[pk].before, after=aside[pk].after)
        for pk, group in groups.items()
    )


def _marked_and_newest() -> tuple[int, int, int]:
    """Return up to which revision saved analyses have followed the library, its own, and how many changes lie between.

    More than READ_AGAIN are not counted.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MARKED_AND_NEWEST, [READ_AGAIN + 1])
        return cursor.fetchone() or (0, 0, 0)


def _not_followed(after: int, upto: int) -> list[int]:
    """Return the tracks that went or came between two revisions and of which a member says otherwise."""
    changes = LibraryChange.objects.filter(revision__gt=after, revision__lte=upto).exclude(kind=ChangeKind.MODIFIED)
    members = DuplicateAnalysisTrack.objects.filter(track_id__in=changes.values("track_id"))
    is_here = Exists(Track.objects.active().filter(pk=OuterRef("track_id")))
    wrong = members.filter((Q(still_exists=True) & ~is_here) | (Q(still_exists=False) & is_here))
    return list(wrong.order_by("track_id").values_list("track_id", flat=True).distinct())


def follow_tracks(
    track_ids: Iterable[int], *, actor: "AbstractBaseUser | None", now: datetime, may_lose: bool = False
) -> list[Decided]:
    """Bring every group with one of these tracks to what is true of them now; return whose decision changed.

    Raises LastCopy for a group that would be left without a copy, unless it `may_lose` it. Call it in the transaction
    that changed the tracks.
    """
    ids = set(track_ids)
    here = set(Track.objects.active().filter(pk__in=ids).values_list("pk", flat=True))
    members = DuplicateAnalysisTrack.objects.filter(track_id__in=ids)
    group_ids = list(members.order_by("group_id").values_list("group_id", flat=True).distinct())
    # Locked before their members are written, as whoever chooses a keeper does: else the two wait for each other.
    groups = list(DuplicateAnalysisGroup.objects.select_for_update().filter(pk__in=group_ids).order_by("pk"))
    members.filter(track_id__in=here, still_exists=False).update(still_exists=True, deleted_at=None)
    members.filter(track_id__in=ids - here, still_exists=True).update(still_exists=False, deleted_at=now)
    return _recount(groups, actor=actor, now=now, may_lose=may_lose)


def _recount(
    groups: list[DuplicateAnalysisGroup], *, actor: "AbstractBaseUser | None", now: datetime, may_lose: bool
) -> list[Decided]:
    """Count the members of these locked groups anew, and let the decisions follow that follow from the count."""
    ids = [group.pk for group in groups]
    there = DuplicateAnalysisTrack.objects.filter(group_id__in=ids, still_exists=True).values("group_id")
    counts = dict(there.annotate(many=Count("pk")).values_list("group_id", "many"))
    changed = [group for group in groups if group.remaining_count != counts.get(group.pk, 0)]
    before = _decisions_before([group for group in changed if group.resolution == Resolution.DELETED])
    rows, decided = [], []
    for group in changed:
        count = counts.get(group.pk, 0)
        if not count and not may_lose:
            raise LastCopy(
                _("This would remove the last copy of %(group)s in the analysis %(analysis)s.")
                % {"group": group, "analysis": group.analysis}
            )
        was, values = decision_of(group), _following_decision(group, count, before, actor=actor, now=now)
        kept = {name: getattr(group, name) for name in DECISION}
        rows.append((group.pk, count, None if count else now, *(kept | values).values()))
        if values:
            decided.append(Decided(group.pk, was, {name: as_json(value) for name, value in values.items()}))
    update_rows(DuplicateAnalysisGroup, ("remaining_count", "lost_at", *DECISION), rows)
    return decided


def _following_decision(
    group: DuplicateAnalysisGroup,
    count: int,
    before: Mapping[int, dict[str, Any]],
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> dict[str, Any]:
    """Return the decision a group takes on because of its count; nothing when it keeps the one it has."""
    if count == 1 and group.resolution in _UNDECIDED:
        by = actor.pk if actor else None
        return {"is_resolved": True, "resolution": Resolution.DELETED, "resolved_at": now, "resolved_by_id": by}
    if count > 1 and group.resolution == Resolution.DELETED:
        return before.get(group.pk, _OPEN)
    return {}


def _decisions_before(groups: Sequence[DuplicateAnalysisGroup]) -> dict[int, dict[str, Any]]:
    """Return what was decided before each group came to have one copy left, as far as that is written.

    What other removals say of it, undone ones or earlier, is not what it was: only who decided it as it is counts.
    """
    decided = {group.pk: group.resolved_at for group in groups}
    found: dict[int, dict[str, Any]] = {}
    for pk, before, after in _written(decided):
        if isinstance(before, dict) and isinstance(after, dict) and _moment(after) == decided[pk]:
            found[pk] = _from_json(before)
    return found


def _written(group_ids: Collection[int]) -> Iterator[tuple[int, Any, Any]]:
    """Yield group, decision before and after, wherever one became `deleted`: by the library, and by removals."""
    if not group_ids:
        return
    names = [str(pk) for pk in group_ids]
    records = AuditRecord.objects.filter(subject_type=_GROUP, subject_id__in=names, action=FOLLOWED).order_by("pk")
    for subject_id, before, after in records.values_list("subject_id", "before", "after"):
        yield int(subject_id), before, after
    entries = LedgerEntry.objects.filter(kind=LedgerKind.GROUP, group_id__in=group_ids).order_by("pk")
    for pk, before, after in entries.values_list("group_id", "before", "after"):
        if pk is not None:
            yield pk, before, after


def _moment(decision: dict[str, Any]) -> datetime | None:
    moment: datetime | None = _from_json(decision)["resolved_at"]
    return moment


def write_decisions(decisions: Mapping[int, dict[str, Any]]) -> None:
    """Write decisions as `decision_of` returned them, by group; who made one may have left since."""
    rows = {pk: _from_json(decision) for pk, decision in decisions.items()}
    people = {values["resolved_by_id"] for values in rows.values()} - {None}
    there = set(get_user_model().objects.filter(pk__in=people).values_list("pk", flat=True)) if people else set()
    for values in rows.values():
        if values["resolved_by_id"] not in there:
            values["resolved_by_id"] = None
    update_rows(DuplicateAnalysisGroup, DECISION, ((pk, *(v[name] for name in DECISION)) for pk, v in rows.items()))


def _from_json(decision: dict[str, Any]) -> dict[str, Any]:
    resolved_at = decision["resolved_at"]
    return decision | {"resolved_at": datetime.fromisoformat(resolved_at) if resolved_at else None}


def decision_of(group: DuplicateAnalysisGroup) -> dict[str, Any]:
    """Return what was decided about a group as JSON holds it."""
    return {name: as_json(getattr(group, name)) for name in DECISION}
