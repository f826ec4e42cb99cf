"""Reads the library into columns: all active tracks for matching, group members for keepers and snapshots.

One statement reads the tracks together with the revision they belong to, so both come from the same snapshot of the
database. Rows stream through in chunks; only columns stay.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
from django.db import connection, transaction

from duplicates.engine.records import KEEPER_SCHEMA, TRACK_SCHEMA, TrackColumns
from duplicates.services.decision_review import look_at_decisions
from library.changes import current_revision, net_changes_since
from library.models import ChangeKind, ITunesTrack, Track
from library.touches import current_mark

ROWS_PER_CHUNK = 20_000
IDS_PER_QUERY = 5_000

_TRACK_SQL = {"track_id": "t.id", "unparsed": "NULLIF(CAST(t.unparsed AS text), '{}')"}
_TRACK_COLUMNS = ", ".join(_TRACK_SQL.get(name, f"t.{name}") for name in TRACK_SCHEMA)
_EPOCH = {
    "sqlite": "CAST(strftime('%s', t.{0}) AS integer)",
    "postgresql": "CAST(extract(epoch FROM t.{0}) AS bigint)",
}


@dataclass(frozen=True, slots=True)
class Library:
    """What a run looks at: the active tracks as columns, their revision, and the pairs declared different."""

    columns: TrackColumns
    revision: int
    touch_mark: int  # what was played or rated before it is seen by whoever reads on
    not_duplicates: npt.NDArray[np.int64]

    def fingerprint(self) -> str:
        """Return hex digits that change whenever a run would see something else."""
        decided = hashlib.sha256(np.ascontiguousarray(self.not_duplicates).tobytes()).hexdigest()
        return f"{self.revision}-{len(self.columns)}-{decided[:16]}"


def load_library(*, report: Callable[[int], None] = lambda done: None) -> Library:
    """Read every active track. `report` hears the number of tracks read so far, chunk by chunk."""
    query = (
        f"SELECT {_TRACK_COLUMNS}, (SELECT value FROM library_libraryrevision WHERE id = 1) "
        "FROM library_track t WHERE t.quarantined_at IS NULL ORDER BY t.id"
    )
    mark, earlier = current_mark(), current_revision()
    chunks, revision, done = [], None, 0
    for rows in _rows(query):
        *values, revisions = zip(*rows, strict=True)
        revision = revisions[0]
        chunks.append(_track_frame(values))
        done += len(rows)
        report(done)
    frame = pl.concat(chunks, rechunk=True) if chunks else pl.DataFrame(schema=TRACK_SCHEMA)
    # Nothing was read, so no revision came with it; one read now could belong to a track added since.
    seen = earlier if revision is None else revision
    return Library(TrackColumns(frame), seen, mark, load_not_duplicates())


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of the library since a revision: tracks added or edited as they are now, ids of those removed."""

    changed: TrackColumns
    gone: npt.NDArray[np.int64]
    revision: int
    touch_mark: int

    def __len__(self) -> int:
        return len(self.changed) + len(self.gone)


def load_changes(since: int) -> Changes:
    """Read the net changes after a revision, with the revision they belong to: one statement, one snapshot."""
    mark = current_mark()
    net, values = net_changes_since(since)
    query = (
        f"SELECT c.kind, c.track_id, r.value, {_TRACK_COLUMNS} FROM library_libraryrevision r "
        f"LEFT JOIN ({net}) c ON TRUE LEFT JOIN library_track t ON t.id = c.track_id WHERE r.id = 1 ORDER BY c.track_id"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        rows = cursor.fetchall()
    revision = rows[0][2] if rows else 0
    gone = [row[1] for row in rows if row[0] == ChangeKind.DELETED]
    there = [row[3:] for row in rows if row[0] in (ChangeKind.ADDED, ChangeKind.MODIFIED)]
    frame = _track_frame(list(zip(*there, strict=True))) if there else pl.DataFrame(schema=TRACK_SCHEMA)
    return Changes(TrackColumns(frame), np.array(gone, np.int64), revision, mark)


def load_tracks(track_ids: npt.NDArray[np.int64]) -> TrackColumns:
    """Read the given tracks as columns, removed ones too; ids that do not exist are missing."""
    query = f"SELECT {_TRACK_COLUMNS} FROM library_track t"
    frames = [_track_frame(list(zip(*rows, strict=True))) for rows in _rows_by_id(query, track_ids)]
    return TrackColumns(pl.concat(frames) if frames else pl.DataFrame(schema=TRACK_SCHEMA))


def count_active_tracks() -> int:
    """Return how many tracks the library holds now: all without those in quarantine, of which there is an index."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT COUNT(*) FROM library_track) - "
            "(SELECT COUNT(*) FROM library_track WHERE quarantined_at IS NOT NULL)"
        )
        count: int = cursor.fetchone()[0]
    return count


def count_catalog_entries() -> int:
    """Return how many entries the iTunes reference catalogue holds."""
    return ITunesTrack.objects.count()


def load_keeper_columns(track_ids: npt.NDArray[np.int64], *, report: Callable[[], None] = lambda: None) -> pl.DataFrame:
    """Read what the keeper rules weigh for the given tracks; tracks that are gone meanwhile are missing.

    `report` is called after each few thousand, a chance to stop.
    """
    selected = ", ".join(["t.id", *_selected(list(KEEPER_SCHEMA)[1:])])
    frames = []
    for rows in _rows_by_id(f"SELECT {selected} FROM library_track t", track_ids):
        frames.append(pl.DataFrame(rows, schema=KEEPER_SCHEMA, orient="row"))
        report()
    return pl.concat(frames) if frames else pl.DataFrame(schema=KEEPER_SCHEMA)


def load_members(track_ids: npt.NDArray[np.int64], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Read the fields named in `schema` of the given tracks, with `track_id` first; moments are seconds since 1970."""
    query = f"SELECT {', '.join(['t.id', *_selected(list(schema))])} FROM library_track t"
    wanted = {"track_id": pl.Int64(), **schema}
    frames = [_frame(rows, wanted) for rows in _rows_by_id(query, track_ids)]
    return pl.concat(frames) if frames else pl.DataFrame(schema=wanted)


def load_catalogue(schema: dict[str, pl.DataType], *, report: Callable[[], None]) -> pl.DataFrame:
    """Read the fields named in `schema` of the whole catalogue by persistent id; moments as in `load_members`."""
    query = (
        f"SELECT {', '.join(_selected(list(schema)))} FROM library_itunestrack t ORDER BY t.persistent_id, t.catalog"
    )
    frames = []
    for rows in _rows(query):
        frames.append(_frame(rows, schema))
        report()
    return pl.concat(frames, rechunk=True) if frames else pl.DataFrame(schema=schema)


def load_named(schema: dict[str, pl.DataType], persistent_ids: Iterable[str], isrcs: Iterable[str]) -> pl.DataFrame:
    """Read the fields named in `schema` of the entries with one of these keys, in the order of `load_catalogue`."""
    ids = [form for one in set(persistent_ids) for form in {one, one.upper(), one.lower()}]
    lists = {"persistent_id": ids or [""], "isrc": list(set(isrcs)) or [""]}
    named = " OR ".join(
        f"(t.{key} <> '' AND t.{key} IN ({', '.join(['%s'] * len(values))}))" for key, values in lists.items()
    )
    selected = ", ".join(_selected(list(schema))).replace("%", "%%")  # or SQLite's format of a moment would be a value
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {selected} FROM library_itunestrack t WHERE {named} ORDER BY t.persistent_id, t.catalog",
            [value for values in lists.values() for value in values],
        )
        rows = cursor.fetchall()
    return _frame(rows, schema) if rows else pl.DataFrame(schema=schema)


def _selected(names: Sequence[str]) -> list[str]:
    """Return the SQL that reads columns, moments as whole seconds."""
    epoch = _EPOCH[connection.vendor]
    return [epoch.format(name) if name.endswith("_at") else f"t.{name}" for name in names]


def _frame(rows: list[tuple[Any, ...]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    columns = zip(schema.items(), zip(*rows, strict=True), strict=True)
    return pl.DataFrame([pl.Series(name, cells, dtype=kind, strict=False) for (name, kind), cells in columns])


def load_snapshots(track_ids: npt.NDArray[np.int64], names: Sequence[str]) -> dict[int, tuple[Any, ...]]:
    """Read the named fields of the given tracks, by id; tracks that are gone meanwhile are missing."""
    found = {}
    for start in range(0, len(track_ids), IDS_PER_QUERY):
        ids = [int(track_id) for track_id in track_ids[start : start + IDS_PER_QUERY]]
        for values in Track.objects.filter(pk__in=ids).values_list("pk", *names).iterator(chunk_size=IDS_PER_QUERY):
            found[values[0]] = values[1:]
    return found


def load_not_duplicates() -> npt.NDArray[np.int64]:
    """Return the pairs of track ids that staff declared different, smaller id first."""
    return np.array(look_at_decisions().pairs, np.int64).reshape(-1, 2)


def _rows(query: str) -> Iterator[list[tuple[Any, ...]]]:
    # SQLite reads outside a transaction: `atomic` would take the write lock and keep every writer waiting.
    if connection.vendor == "sqlite":
        yield from _chunks(query)
        return
    with transaction.atomic():
        yield from _chunks(query)


def _chunks(query: str) -> Iterator[list[tuple[Any, ...]]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(ROWS_PER_CHUNK):
            yield rows


def _rows_by_id(query: str, track_ids: npt.NDArray[np.int64]) -> Iterator[list[tuple[Any, ...]]]:
    for start in range(0, len(track_ids), IDS_PER_QUERY):
        ids = ", ".join(str(int(track_id)) for track_id in track_ids[start : start + IDS_PER_QUERY])
        with connection.cursor() as cursor:
            cursor.execute(f"{query} WHERE t.id IN ({ids})")
            if rows := cursor.fetchall():
                yield rows


def _track_frame(values: Sequence[Sequence[Any]]) -> pl.DataFrame:
    series = []
    for (name, kind), column in zip(TRACK_SCHEMA.items(), values, strict=True):
        cells = [_unparsed_text(cell) for cell in column] if name == "unparsed" else column
        series.append(pl.Series(name, cells, dtype=kind, strict=False))
    return pl.DataFrame(series)


def _unparsed_text(cell: str | None) -> str | None:
    return None if cell is None else "\n".join(str(text) for text in orjson.loads(cell).values())
