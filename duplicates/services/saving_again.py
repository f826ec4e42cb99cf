"""Saves a refresh that matched only what changed: groups that say the same are copied by the database, row by row.

Their identities and decisions come along. Most of them follow each other in the result as they did in the one before,
so a whole run of them is copied at once, all by the same distance. Every batch keeps the library still while it copies,
so that no track leaves between the look at it and the row that says it is there.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import batched

import numpy as np
import numpy.typing as npt
import polars as pl
from django.db import connection, transaction

from duplicates.exceptions import SaveFailed
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.services import bulk_rows
from duplicates.services.claims import Claim
from duplicates.services.detecting import Detection, FoundGroup
from duplicates.services.impact import follow_tracks
from duplicates.services.retrying import retrying
from duplicates.services.saving import GROUPS_PER_BATCH, Saved, is_next, sweep, write_groups
from library.changes import current_revision
from library.copying import copy_rows
from library.models import ChangeKind, LibraryChange
from library.sqlite_bulk import page_cache, unchecked_copies

COPIED_PER_BATCH = 50_000  # groups: a second or two in which nobody else can write to SQLite
# Rows of titles and keys go all over their indexes; with less, SQLite wrote the same pages again and again.
CACHE_KIB = 128_000
_RUNS = "duplicates_reused"
_RUN = ("first_id", "last_id", "id_shift", "place_shift")
Placed = tuple[int, FoundGroup]
Ints = npt.NDArray[np.int64]


def save_again(
    detection: Detection, claimed: Claim, *, now: Callable[[], datetime], report: Callable[[int], None]
) -> tuple[Saved, list[int]]:
    """Write all groups, from the beginning; return what was written and the ids of the groups that are new.

    Places are those of the whole result. A new group that has lost its point meanwhile leaves its place free.
    """
    retrying(partial(sweep, claimed))
    reused, done = detection.reused, 0
    with page_cache(CACHE_KIB):
        for start in range(0, reused.height, COPIED_PER_BATCH):
            part = reused.slice(start, COPIED_PER_BATCH)
            done += part.height
            with unchecked_copies():
                retrying(partial(_copy, part, done, detection.revision, claimed, now))
            report(done)
    last_copied = retrying(_newest_group)
    placed = zip(detection.fresh["place"].to_list(), detection.iter_groups(), strict=True)
    for batch in batched(placed, GROUPS_PER_BATCH):
        done += len(batch)
        retrying(partial(_write, batch, done, detection, claimed, now))
        report(done)
    fresh = retrying(lambda: _sizes_after(last_copied, claimed))
    members = int(reused["size"].sum()) + sum(fresh.values())
    return Saved(groups=reused.height + len(fresh), members=members), list(fresh)


def _newest_group() -> int:
    """Return the greatest id of a group, 0 where there is none; what is written from now on has a greater one."""
    return DuplicateAnalysisGroup.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def _sizes_after(last_copied: int, claimed: Claim) -> dict[int, int]:
    """Return the sizes of our groups with an id above one."""
    # Both ends: of a table it has counted nothing of yet, PostgreSQL takes all that is above one for a third of it.
    rows = DuplicateAnalysisGroup.objects.filter(pk__gt=last_copied, pk__lte=_newest_group())
    # Whose they are is asked here, or both databases would look at all groups of ours instead of the newest few.
    sizes = rows.values_list("pk", "analysis_id", "member_count")
    return {pk: size for pk, owner, size in sizes if owner == claimed.analysis_id}


def _write(
    batch: tuple[Placed, ...], done: int, detection: Detection, claimed: Claim, now: Callable[[], datetime]
) -> None:
    """Write new groups, unless an earlier try of this batch has."""
    with transaction.atomic():
        if is_next(done, claimed, now()):
            write_groups(batch, claimed.analysis_id, detection.cross_reference)


def _copy(part: pl.DataFrame, done: int, revision: int, claimed: Claim, now: Callable[[], datetime]) -> None:
    """Copy saved groups with their members to their new places, unless an earlier try of this batch has."""
    with transaction.atomic():
        if not is_next(done, claimed, now()):
            return
        ids = np.array(bulk_rows.reserve_ids(part.height), np.int64)
        _name_runs(_runs(part["group_id"].to_numpy(), ids, part["place"].to_numpy().astype(np.int64)))
        with connection.cursor() as cursor:
            cursor.execute(
                _copied(DuplicateAnalysisGroup, "id", _OF_A_GROUP), [bulk_rows.key_value(claimed.analysis_id)]
            )
            groups = cursor.rowcount
            cursor.execute(_copied(DuplicateAnalysisTrack, "group_id", _OF_A_MEMBER))
            if (groups, cursor.rowcount) != (part.height, part["size"].sum()):
                raise SaveFailed("The analysis that is refreshed was deleted meanwhile.")
        if current_revision() != revision:
            _follow(claimed, revision, now())


def _follow(claimed: Claim, revision: int, now: datetime) -> None:
    """Mark members that left the library since it was read."""
    left = LibraryChange.objects.filter(revision__gt=revision, kind=ChangeKind.DELETED).values("track_id")
    members = DuplicateAnalysisTrack.objects.filter(group__analysis_id=claimed.analysis_id, track_id__in=left)
    follow_tracks(list(members.values_list("track_id", flat=True)), actor=None, now=now, may_lose=True)


def _runs(old: Ints, new: Ints, place: Ints) -> Iterator[tuple[int, ...]]:
    """Yield the runs of groups whose old ids, new ids and places all go up by one, as first, last and two shifts."""
    ends = np.flatnonzero((np.diff(old) != 1) | (np.diff(new) != 1) | (np.diff(place) != 1))
    first, last = np.append(0, ends + 1), np.append(ends, len(old) - 1)
    columns = (old[first], old[last], new[first] - old[first], place[first] - old[first])
    return zip(*(column.tolist() for column in columns), strict=True)


def _name_runs(runs: Iterator[tuple[int, ...]]) -> None:
    """Write which saved groups become which, and where, into a table of this connection."""
    with connection.cursor() as cursor:
        columns = ", ".join(f"{name} bigint" for name in _RUN)
        cursor.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS {_RUNS} ({columns})")
        cursor.execute(f"DELETE FROM {_RUNS}")
        if connection.vendor == "postgresql":
            copy_rows(_RUNS, _RUN, runs)
        else:
            cursor.executemany(f"INSERT INTO {_RUNS} VALUES (%s, %s, %s, %s)", list(runs))


def _copied(
    model: type[DuplicateAnalysisGroup | DuplicateAnalysisTrack], group_column: str, given: dict[str, str]
) -> str:
    """Return the statement that copies rows of a model, some columns as given."""
    columns = [str(field.column) for field in model._meta.concrete_fields]
    names = [name for name in columns if given.get(name, name)]
    values = ", ".join(given.get(name, f"o.{name}") for name in names)
    table = model._meta.db_table
    run = f"WHERE o.{group_column} BETWEEN r.first_id AND r.last_id"
    # Both forms say the same and leave no choice: a run after the other, each one range of an index.
    rows = (
        f"LATERAL (SELECT * FROM {table} o {run} OFFSET 0) o"
        if connection.vendor == "postgresql"
        else f"{table} o {run}"
    )
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {_RUNS} r CROSS JOIN {rows}"


# A decision counts while it stands; what an analysis before it lost or chose does not come along.
_OF_A_GROUP = {
    "id": "o.id + r.id_shift",
    "analysis_id": "%s",
    "position": "o.id + r.place_shift",
    "remaining_count": "o.member_count",
    "lost_at": "NULL",
    "resolution": "CASE WHEN o.is_resolved THEN o.resolution ELSE '' END",
    "resolved_at": "CASE WHEN o.is_resolved THEN o.resolved_at END",
    "resolved_by_id": "CASE WHEN o.is_resolved THEN o.resolved_by_id END",
}
_OF_A_MEMBER = {"id": "", "group_id": "o.group_id + r.id_shift", "still_exists": "TRUE", "deleted_at": "NULL"}
