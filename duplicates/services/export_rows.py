"""What exports are made of: an analysis read block by block as plain rows, its members column by column.

A million members pass through here. The ORM would spend most of an export's time on turning text into values that
become text again, and so would a look at each value: columns are read, and written, as wholes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import orjson
from django.db import connection, models

from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services.bulk_rows import SNAPSHOT_COLUMNS
from duplicates.services.difference import analysis_key

Row = tuple[Any, ...]
Columns = list[Sequence[Any]]
GROUPS_PER_BLOCK = 500

GROUP_FIELDS = (
    "position",
    "group_key",
    "title",
    "artist",
    "member_count",
    "duplicate_count",
    "total_plays",
    "confidence",
    "average_similarity",
    "cohesion",
    "keeper_track_id",
    "keeper_rule",
    "keeper_reason",
    "itunes_match",
    "itunes_match_count",
    "remaining_count",
    "is_resolved",
    "resolution",
    "resolved_at",
    "keeper_chosen_at",
)
MEMBER_FIELDS = (
    "track_id",
    *SNAPSHOT_COLUMNS,
    "is_canonical",
    "similarity",
    "match_weight",
    "matches_keeper",
    "itunes_match",
    "itunes_confidence",
    "itunes_persistent_id",
    "still_exists",
    "deleted_at",
)
READ = (*MEMBER_FIELDS, "itunes_differences", "evidence")
_IS_RESOLVED = GROUP_FIELDS.index("is_resolved")
_GROUP_MOMENTS = tuple(GROUP_FIELDS.index(name) for name in ("resolved_at", "keeper_chosen_at"))
_NONE: list[dict[str, Any]] = []


@dataclass(frozen=True, slots=True)
class Block:
    """Some groups in order, each a row of GROUP_FIELDS, and the columns READ of all their members in order."""

    groups: list[Row]
    sizes: list[int]  # how many members each group has
    columns: Columns

    def __len__(self) -> int:
        return sum(self.sizes)


Blocks = Iterator[Block]


def kind_of(model: type[models.Model], name: str) -> str:
    """Return what a column holds: text, whole, real, flag or moment; other values have the name of their field."""
    if name.endswith("track_id") and name != "source_track_id":
        return "whole"
    kind = str(model._meta.get_field(name).get_internal_type())
    kinds = {"CharField": "text", "TextField": "text", "FloatField": "real", "BooleanField": "flag"}
    if kind.endswith("IntegerField"):
        return "whole"
    return {**kinds, "DateTimeField": "moment"}.get(kind, name)


GROUP_KINDS = tuple(kind_of(DuplicateAnalysisGroup, name) for name in GROUP_FIELDS)
MEMBER_KINDS = tuple(name if name == "evidence" else kind_of(DuplicateAnalysisTrack, name) for name in READ)


def read_blocks(analysis: DuplicateAnalysisResult) -> Blocks:
    """Yield the groups of a saved analysis in order, block by block, each with its members: two queries a block."""
    key, last = analysis_key(analysis), 0
    while True:
        groups = [_group(row) for row in _fetch(_select_groups(), [key, last, GROUPS_PER_BLOCK])]
        if not groups:
            return
        first, last = groups[0][0], groups[-1][0]
        positions, *columns = _columns(_fetch(_select_members(), [key, first, last]), 1 + len(READ))
        counts = Counter(positions)
        yield Block(groups, [counts[group[0]] for group in groups], _member_columns(columns))


def block_of(groups: Iterable[tuple[DuplicateAnalysisGroup, Sequence[DuplicateAnalysisTrack]]]) -> Block:
    """Return model instances as a block; for results that no row was saved of."""
    of_group, of_member = attrgetter(*GROUP_FIELDS), attrgetter(*READ)
    listed = list(groups)
    columns = _columns([of_member(member) for _, members in listed for member in members], len(READ))
    for place, kind in enumerate(MEMBER_KINDS):
        if kind == "moment":
            columns[place] = [moment and moment.isoformat() for moment in columns[place]]
    return Block([of_group(group) for group, _ in listed], [len(members) for _, members in listed], columns)


def _fetch(query: str, values: list[Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _columns(rows: list[Row], count: int) -> Columns:
    return list(zip(*rows, strict=True)) if rows else [()] * count


def _select_groups() -> str:
    columns = ", ".join(map(_read_as, GROUP_FIELDS, GROUP_KINDS))
    return (
        f"SELECT {columns} FROM duplicates_duplicateanalysisgroup "
        "WHERE analysis_id = %s AND position > %s ORDER BY position LIMIT %s"
    )


def _select_members() -> str:
    columns = ", ".join(_read_as(f"m.{name}", kind) for name, kind in zip(READ, MEMBER_KINDS, strict=True))
    return (
        f"SELECT g.position, {columns} FROM duplicates_duplicateanalysisgroup g "
        "JOIN duplicates_duplicateanalysistrack m ON m.group_id = g.id "
        "WHERE g.analysis_id = %s AND g.position BETWEEN %s AND %s ORDER BY g.position, m.position"
    )


def _read_as(column: str, kind: str) -> str:
    """Read moments as text from a database that keeps them so, and flags as numbers: both cost least that way."""
    if kind == "moment" and connection.vendor == "sqlite":
        return f"CAST({column} AS TEXT)"
    return f"CAST({column} AS INTEGER)" if kind == "flag" else column


def _group(row: Row) -> Row:
    values = list(row)
    values[_IS_RESOLVED] = bool(row[_IS_RESOLVED])
    for place in _GROUP_MOMENTS:
        if row[place] is not None:
            values[place] = datetime.fromisoformat(_iso(row[place]))
    return tuple(values)


def _member_columns(columns: Columns) -> Columns:
    """Return moments as text, and lists instead of JSON."""
    for place, kind in enumerate(MEMBER_KINDS):
        if kind == "moment":
            columns[place] = [moment and _iso(moment) for moment in columns[place]]
        elif kind == "itunes_differences":
            columns[place] = [_NONE if text == "[]" else orjson.loads(text) for text in columns[place]]
    return columns


def _iso(moment: Any) -> str:
    """Return a moment in UTC as ISO 8601, from SQLite's text for it or PostgreSQL's value."""
    if moment.__class__ is str:
        return f"{moment.replace(' ', 'T', 1)}+00:00"
    return str(moment.astimezone(UTC).isoformat())
