"""Saves a refresh that matched only what changed: groups that say the same are copied by the database, row by row.

Their identities and decisions come along. Every batch keeps the library still while it copies, so that no track
leaves between the look at it and the row that says it is there.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import batched

import polars as pl
from django.db import connection, transaction

from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.services import bulk_rows, claims
from duplicates.services.claims import Claim
from duplicates.services.detecting import Detection, FoundGroup
from duplicates.services.impact import follow_tracks
from duplicates.services.retrying import retrying
from duplicates.services.saving import GROUPS_PER_BATCH, Saved, group_row, member_row, saved_so_far, still_there, sweep
from library.changes import current_revision, hold_still
from library.copying import copy_rows
from library.models import ChangeKind, LibraryChange

COPIED_PER_BATCH = 20_000  # groups
_MAP = "duplicates_reused"
Placed = tuple[int, FoundGroup]


def save_again(
    detection: Detection, claimed: Claim, *, now: Callable[[], datetime], report: Callable[[int], None]
) -> tuple[Saved, int]:
    """Write all groups, from the beginning; return what was written and the smallest id of a group that is new.

    Places are those of the whole result. A new group that has lost its point meanwhile leaves its place free.
    """
    retrying(partial(sweep, claimed))
    reused, done = detection.reused, 0
    for start in range(0, reused.height, COPIED_PER_BATCH):
        part = reused.slice(start, COPIED_PER_BATCH)
        retrying(partial(_copy, part, detection.revision, claimed, now))
        done += part.height
        report(done)
    last = DuplicateAnalysisGroup.objects.filter(analysis_id=claimed.analysis_id).order_by("-pk").first()
    placed = zip(detection.fresh["place"].to_list(), detection.iter_groups(), strict=True)
    for batch in batched(placed, GROUPS_PER_BATCH):
        retrying(partial(_write, batch, detection, claimed, now))
        done += len(batch)
        report(done)
    return retrying(lambda: saved_so_far(claimed)), last.pk + 1 if last else 0


def _write(batch: tuple[Placed, ...], detection: Detection, claimed: Claim, now: Callable[[], datetime]) -> None:
    """Write new groups, unless an earlier try of this batch has."""
    found = detection.cross_reference
    with transaction.atomic():
        hold_still()
        claims.renew(claimed, now=now())
        if DuplicateAnalysisGroup.objects.filter(analysis_id=claimed.analysis_id, position=batch[-1][0]).exists():
            return
        present = bulk_rows.present_tracks([member.track_id for _, group in batch for member in group.members])
        complete = [(place, group, members) for place, group in batch if (members := still_there(group, present))]
        rows = [group_row(group, members, place, claimed.analysis_id, found) for place, group, members in complete]
        group_ids = bulk_rows.insert_groups(rows)
        bulk_rows.insert_members(
            (group_id, *member_row(number, member, found))
            for group_id, (_, _, members) in zip(group_ids, complete, strict=True)
            for number, member in enumerate(members)
        )


def _copy(part: pl.DataFrame, revision: int, claimed: Claim, now: Callable[[], datetime]) -> None:
    """Copy saved groups with their members to their new places, unless an earlier try of this batch has."""
    with transaction.atomic():
        hold_still()
        claims.renew(claimed, now=now())
        if DuplicateAnalysisGroup.objects.filter(analysis_id=claimed.analysis_id, position=part["place"][0]).exists():
            return
        ids = bulk_rows.reserve_ids(part.height)
        _name_rows(zip(part["group_id"].to_list(), ids, part["place"].to_list(), strict=True))
        with connection.cursor() as cursor:
            cursor.execute(_GROUPS_COPIED, [bulk_rows.key_value(claimed.analysis_id)])
            cursor.execute(_MEMBERS_COPIED)
        if current_revision() != revision:
            _follow(claimed, revision, now())


def _follow(claimed: Claim, revision: int, now: datetime) -> None:
    """Mark members that left the library since it was read."""
    left = LibraryChange.objects.filter(revision__gt=revision, kind=ChangeKind.DELETED).values("track_id")
    members = DuplicateAnalysisTrack.objects.filter(group__analysis_id=claimed.analysis_id, track_id__in=left)
    follow_tracks(list(members.values_list("track_id", flat=True)), actor=None, now=now, may_lose=True)


def _name_rows(rows: Iterator[tuple[int, int, int]]) -> None:
    """Write which saved group becomes which, and where, into a table of this connection."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS {_MAP} (old_id bigint, new_id bigint, place integer)")
        cursor.execute(f"DELETE FROM {_MAP}")
        if connection.vendor == "postgresql":
            copy_rows(_MAP, ("old_id", "new_id", "place"), rows)
        else:
            cursor.executemany(f"INSERT INTO {_MAP} VALUES (%s, %s, %s)", list(rows))


def _copied(model: type[DuplicateAnalysisGroup | DuplicateAnalysisTrack], joined: str, given: dict[str, str]) -> str:
    """Return the statement that copies rows of a model, some columns as given."""
    columns = [str(field.column) for field in model._meta.concrete_fields]
    names = [name for name in columns if given.get(name, name)]
    values = ", ".join(given.get(name, f"o.{name}") for name in names)
    table = model._meta.db_table
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {_MAP} m JOIN {table} o ON {joined}"


# A decision counts while it stands; what an analysis before it lost or chose does not come along.
_GROUPS_COPIED = _copied(
    DuplicateAnalysisGroup,
    "o.id = m.old_id",
    {
        "id": "m.new_id",
        "analysis_id": "%s",
        "position": "m.place",
        "remaining_count": "o.member_count",
        "lost_at": "NULL",
        "resolution": "CASE WHEN o.is_resolved THEN o.resolution ELSE '' END",
        "resolved_at": "CASE WHEN o.is_resolved THEN o.resolved_at END",
        "resolved_by_id": "CASE WHEN o.is_resolved THEN o.resolved_by_id END",
    },
)
_MEMBERS_COPIED = _copied(
    DuplicateAnalysisTrack,
    "o.group_id = m.old_id",
    {"id": "", "group_id": "m.new_id", "still_exists": "TRUE", "deleted_at": "NULL"},
)
