"""What exports are made of: an analysis read block by block as plain rows, its members column by column.

A million members pass through here. The ORM would spend most of an export's time on turning text into values that
become text again, and so would a look at each value: columns are read, and written, as wholes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

import orjson
from django.db import connection, models

from duplicates.exceptions import AnalysisNotFound
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services.bulk_rows import SNAPSHOT_COLUMNS
from duplicates.services.difference import analysis_key

Row = tuple[Any, ...]
Columns = list[Sequence[Any]]
GROUPS_PER_BLOCK = 250  # so few that turning rows into columns finds them in the processor's cache

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
_POSITION = GROUP_FIELDS.index("position")
_NONE: list[dict[str, Any]] = []


@dataclass(frozen=True, slots=True)
class Block:
    """Some groups in order as columns GROUP_FIELDS, and all their members in order as columns READ."""

    groups: Columns
    sizes: list[int]  # how many members each group has
    columns: Columns  # moments are text here

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
    """Yield the groups of a saved analysis in order, block by block, each with its members: two queries a block.

    Raises AnalysisNotFound at the end when the analysis was deleted meanwhile: what was yielded is not all of it.
    """
    key = analysis_key(analysis)
    ((last,),) = _fetch("SELECT max(position) FROM duplicates_duplicateanalysisgroup WHERE analysis_id = %s", [key])
    for first in range(1, (last or 0) + 1, GROUPS_PER_BLOCK):
        # Not "the first 250 after this": without fresh counts PostgreSQL sorts all the rest to find them.
        asked = [key, first, first + GROUPS_PER_BLOCK - 1]
        groups = _group_columns(_columns(_fetch(_select_groups(), asked), len(GROUP_FIELDS)))
        of_member, *columns = _columns(_fetch(_select_members(), asked), 1 + len(READ))
        counts = Counter(of_member)
        yield Block(groups, [counts[position] for position in groups[_POSITION]], _member_columns(columns))
    if not DuplicateAnalysisResult.objects.filter(pk=analysis.pk).exists():  # its groups went while they were read
        raise AnalysisNotFound


def block_of(groups: Iterable[tuple[DuplicateAnalysisGroup, Sequence[DuplicateAnalysisTrack]]]) -> Block:
    """Return model instances as a block; for results that no row was saved of."""
    of_group, of_member = attrgetter(*GROUP_FIELDS), attrgetter(*READ)
    listed = list(groups)
    columns = _columns([of_member(member) for _, members in listed for member in members], len(READ))
    for place, kind in enumerate(MEMBER_KINDS):
        if kind == "moment":
            columns[place] = [moment and moment.isoformat() for moment in columns[place]]
    of_groups = _columns([of_group(group) for group, _ in listed], len(GROUP_FIELDS))
    return Block(of_groups, [len(members) for _, members in listed], columns)


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
        "WHERE analysis_id = %s AND position BETWEEN %s AND %s ORDER BY position"
    )


def _select_members() -> str:
    columns = ", ".join(_read_as(f"m.{name}", kind) for name, kind in zip(READ, MEMBER_KINDS, strict=True))
    return (
        f"SELECT g.position, {columns} FROM duplicates_duplicateanalysisgroup g "
        "JOIN duplicates_duplicateanalysistrack m ON m.group_id = g.id "
        "WHERE g.analysis_id = %s AND g.position BETWEEN %s AND %s ORDER BY g.position, m.position"
    )


def _read_as(column: str, kind: str) -> str:
    """Return how a column is read so that no driver makes Python's values of moments and flags: that costs most."""
    on_sqlite = connection.vendor == "sqlite"
    if kind == "moment":
        on_postgresql = f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
        return f"replace({column}, ' ', 'T')" if on_sqlite else on_postgresql
    return f"+{column}" if kind == "flag" and on_sqlite else column


def _group_columns(columns: Columns) -> Columns:
    for place, kind in enumerate(GROUP_KINDS):
        if kind == "moment":
            columns[place] = [moment and datetime.fromisoformat(moment) for moment in _iso(columns[place])]
    return columns


def _member_columns(columns: Columns) -> Columns:
    """Return moments as text, and lists instead of JSON."""
    for place, kind in enumerate(MEMBER_KINDS):
        if kind == "moment":
            columns[place] = _iso(columns[place])
        elif kind == "itunes_differences":
            columns[place] = [_NONE if text == "[]" else orjson.loads(text) for text in columns[place]]
    return columns


def _iso(moments: Sequence[str | None]) -> list[str | None]:
    """Return moments in UTC as ISO 8601 writes them: without a fraction where there is none."""
    return [moment and f"{moment.removesuffix('.000000')}+00:00" for moment in moments]
