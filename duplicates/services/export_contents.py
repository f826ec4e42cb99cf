"""What an export says: groups and members as JSON, JSON Lines or CSV, in blocks of bytes, so that memory stays flat.

A million members pass through here, so they come as plain rows and not as model instances. The form of every format is
pinned by a test: programs of others read it.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, groupby, repeat
from operator import add, attrgetter, itemgetter
from typing import Any

import orjson
from django.db import connection

from duplicates.choices import ExportFormat
from duplicates.engine.evidence import decode_evidence
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.models.groups import VERSION_FIELDS, band_of, version_of
from duplicates.services import staleness
from duplicates.services.bulk_rows import SNAPSHOT_COLUMNS
from duplicates.services.csv_cells import as_cell
from duplicates.services.difference import analysis_key

Row = tuple[Any, ...]
GroupRows = tuple[Row, list[Row]]  # a group in the order of GROUP_FIELDS, its members in that of _READ
Blocks = Iterator[list[GroupRows]]

FORMAT_VERSION = "1.1"  # 1.1 added the version of a group, and what to fill in, to what 1.0 says
GROUPS_PER_BLOCK = 500

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
ANALYSIS_FIELDS = (
    "preset",
    "search_term",
    "sort_by",
    "min_confidence",
    "parameters",
    "status",
    "trigger",
    "created_at",
    "started_at",
    "completed_at",
    "library_track_count",
    "library_revision",
    "tracks_analyzed",
    "groups_found",
    "duplicates_found",
    "average_similarity",
    "not_enough_data_count",
    "processing_seconds",
    "figures",
)
# Columns of a group that a CSV row repeats for each of its members, with the name they get there.
CSV_GROUP_COLUMNS = {
    "position": "group",
    "group_key": "group_key",
    "confidence": "group_confidence",
    "member_count": "group_members",
    "keeper_rule": "keeper_rule",
    "keeper_reason": "keeper_reason",
    "is_resolved": "is_resolved",
    "resolution": "resolution",
    "resolved_at": "resolved_at",
}
# Filled in by people and read back by `import_decisions`: "yes" takes a member out of its group for good.
NOT_DUPLICATE = "not_duplicate"
CSV_COLUMNS = (
    "analysis_id",
    *CSV_GROUP_COLUMNS.values(),
    "group_version",
    NOT_DUPLICATE,
    *MEMBER_FIELDS,
    "itunes_differences",
    "evidence",
)


_READ = (*MEMBER_FIELDS, "itunes_differences", "evidence")
_IS_CANONICAL, _DIFFERENCES, _EVIDENCE = map(_READ.index, ("is_canonical", "itunes_differences", "evidence"))
_CONFIDENCE, _POSITION = GROUP_FIELDS.index("confidence"), GROUP_FIELDS.index("position")
_decided = itemgetter(*(GROUP_FIELDS.index(name) for name in VERSION_FIELDS))


def _places(*kinds: str) -> tuple[int, ...]:
    """Return where the columns of some types stand in a member's row."""
    model = DuplicateAnalysisTrack._meta
    return tuple(
        place
        for place, name in enumerate(_READ)
        if name not in ("track_id", "itunes_differences") and model.get_field(name).get_internal_type() in kinds
    )


_TEXTS, _FLAGS, _MOMENTS = _places("CharField", "TextField"), _places("BooleanField"), _places("DateTimeField")
# Only what begins so can need an escape.
_SUSPECT = frozenset("=+-@\t\r'")
_SHOWN = {True: "true", False: "false", None: None}
Rendered = Iterator[tuple[bytes, int]]  # a block, and how many members it holds


def render(analysis: DuplicateAnalysisResult, blocks: Blocks, export_format: str, now: datetime) -> Rendered:
    """Return the export in blocks, each with its number of members."""
    writers: dict[str, Callable[..., Rendered]] = {
        ExportFormat.JSON: _json,
        ExportFormat.JSONL: _json_lines,
        ExportFormat.CSV: _csv,
    }
    return writers[export_format](analysis, blocks, now, bytes(analysis.learnt_tables or b""))


def read_groups(analysis: DuplicateAnalysisResult) -> Blocks:
    """Yield the groups of a saved analysis in order, block by block, each with its members: two queries a block."""
    last = 0
    while True:
        groups = list(
            analysis.groups.filter(position__gt=last).order_by("position").values_list(*GROUP_FIELDS)[:GROUPS_PER_BLOCK]
        )
        if not groups:
            return
        last = groups[-1][_POSITION]
        members = _members_between(analysis, groups[0][_POSITION], last)
        yield [(group, members.get(group[_POSITION], [])) for group in groups]


def rows_of(groups: Iterable[tuple[DuplicateAnalysisGroup, Sequence[DuplicateAnalysisTrack]]]) -> list[GroupRows]:
    """Return model instances as the rows `render` takes; for results that no row was saved of."""
    of_group, of_member = attrgetter(*GROUP_FIELDS), attrgetter(*_READ)
    return [(of_group(group), list(map(_with_moments, map(of_member, members)))) for group, members in groups]


def _with_moments(member: Row) -> Row:
    """Write the moments of a member the way the database's are read."""
    values = list(member)
    for place in _MOMENTS:
        values[place] = values[place] and values[place].isoformat()
    return tuple(values)


def _members_between(analysis: DuplicateAnalysisResult, first: int, last: int) -> dict[int, list[Row]]:
    """Return the members of groups by the place of their group, in order.

    Past the ORM, which would spend most of an export's time on turning text into values that become text again.
    """
    with connection.cursor() as cursor:
        cursor.execute(_select_members(), [analysis_key(analysis), first, last])
        rows = cursor.fetchall()
    if not rows:
        return {}
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for place in _MOMENTS:
        columns[1 + place] = list(map(_iso, columns[1 + place]))
    columns[1 + _DIFFERENCES] = [_NONE if text == "[]" else orjson.loads(text) for text in columns[1 + _DIFFERENCES]]
    found = groupby(zip(columns[0], zip(*columns[1:], strict=True), strict=True), key=itemgetter(0))
    return {position: [row for _, row in members] for position, members in found}


_NONE: list[dict[str, Any]] = []


def _select_members() -> str:
    """Return the query for the members of a block; moments come as text from a database that keeps them so."""
    moments = {_READ[place] for place in _MOMENTS}
    is_text = connection.vendor == "sqlite"
    columns = (f"CAST(m.{name} AS TEXT)" if is_text and name in moments else f"m.{name}" for name in _READ)
    return (
        f"SELECT g.position, {', '.join(columns)} FROM duplicates_duplicateanalysisgroup g "
        "JOIN duplicates_duplicateanalysistrack m ON m.group_id = g.id "
        "WHERE g.analysis_id = %s AND g.position BETWEEN %s AND %s ORDER BY g.position, m.position"
    )


def _iso(moment: Any) -> str | None:
    """Return a moment in UTC as ISO 8601, from SQLite's text for it or PostgreSQL's value."""
    if moment is None:
        return None
    if moment.__class__ is str:
        return f"{moment.replace(' ', 'T', 1)}+00:00"
    return str(moment.astimezone(UTC).isoformat())


# --- Formats ----------------------------------------------------------------------------------------------------------


def _json(analysis: DuplicateAnalysisResult, blocks: Blocks, now: datetime, tables: bytes) -> Rendered:
    """One object: what the analysis is, and all its groups."""
    yield orjson.dumps(_head(analysis, now))[:-1] + b',"groups":[', 0
    first = True
    for groups in blocks:
        texts = [orjson.dumps(_group_values(group, members, tables)) for group, members in groups]
        if texts:
            yield (b"" if first else b",\n") + b",\n".join(texts), _count(groups)
            first = False
    yield b"]}\n", 0


def _json_lines(analysis: DuplicateAnalysisResult, blocks: Blocks, now: datetime, tables: bytes) -> Rendered:
    """The analysis on the first line, a group on every other."""
    yield orjson.dumps(_head(analysis, now)) + b"\n", 0
    for groups in blocks:
        texts = (orjson.dumps(_group_values(group, members, tables)) for group, members in groups)
        yield b"".join(text + b"\n" for text in texts), _count(groups)


def _csv(analysis: DuplicateAnalysisResult, blocks: Blocks, now: datetime, tables: bytes) -> Rendered:
    """A row for each member, the columns of its group repeated."""
    yield _csv_text([CSV_COLUMNS]), 0
    shared_with = itemgetter(*(GROUP_FIELDS.index(name) for name in CSV_GROUP_COLUMNS))
    for groups in blocks:
        shared = [
            (str(analysis.pk), *map(as_cell, shared_with(group)), _version(group), "", len(members))
            for group, members in groups
        ]
        of_groups = chain.from_iterable(repeat(row[:-1], row[-1]) for row in shared)
        members = _cells([member for _, members in groups for member in members], tables)
        yield _csv_text(map(add, of_groups, members)), _count(groups)


def _cells(members: list[Row], tables: bytes) -> Iterable[Row]:
    """Return members as cells, column by column: most columns need nothing done."""
    if not members:
        return []
    columns: list[Sequence[Any]] = list(zip(*members, strict=True))
    spoken = [
        "" if is_canonical else _spoken(code, tables)
        for is_canonical, code in zip(columns[_IS_CANONICAL], columns[_EVIDENCE], strict=True)
    ]
    columns[_EVIDENCE] = spoken
    for place in _FLAGS:
        columns[place] = [_SHOWN[value] for value in columns[place]]
    columns[_DIFFERENCES] = [one and _difference_text(one) for one in columns[_DIFFERENCES]]
    for place in (*_TEXTS, _DIFFERENCES):
        columns[place] = [as_cell(text) if text and text[0] in _SUSPECT else text or "" for text in columns[place]]
    return zip(*columns, strict=True)


def _csv_text(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _difference_text(differences: list[dict[str, Any]]) -> str:
    return "; ".join(f"{one['field']}: {one['library']} | {one['itunes']}" for one in differences)


def _version(group: Row) -> str:
    return version_of(*_decided(group))


def _count(groups: list[GroupRows]) -> int:
    return sum(len(members) for _, members in groups)


# --- Values -----------------------------------------------------------------------------------------------------------


def _head(analysis: DuplicateAnalysisResult, now: datetime) -> dict[str, Any]:
    values = {name: getattr(analysis, name) for name in ANALYSIS_FIELDS}
    about = {
        "analysis_id": str(analysis.pk),
        "user": analysis.user.get_username() if analysis.user else "system",
        **values,
        "exported_at": now,
        "staleness": staleness.get_staleness_level(analysis.age(now)),
    }
    return {"format_version": FORMAT_VERSION, "analysis": about}


def _group_values(group: Row, members: list[Row], tables: bytes) -> dict[str, Any]:
    return {
        **dict(zip(GROUP_FIELDS, group, strict=True)),
        "band": band_of(group[_CONFIDENCE]),
        "version": _version(group),
        "tracks": [_member_values(member, tables) for member in members],
    }


def _member_values(member: Row, tables: bytes) -> dict[str, Any]:
    values = dict(zip(_READ, member, strict=True))
    values["evidence"] = [] if member[_IS_CANONICAL] else _said(member[_EVIDENCE], tables)
    return values


@lru_cache(maxsize=1 << 14)
def _said(code: int, tables: bytes) -> list[dict[str, Any]]:
    """Return the evidence of one member; none where another version of the matcher wrote it."""
    try:
        parts = decode_evidence(code, tables)
    except ValueError:
        return []
    return [{"comparison": part.comparison, "level": part.level, "bits": round(part.bits, 3)} for part in parts]


@lru_cache(maxsize=1 << 14)
def _spoken(code: int, tables: bytes) -> str:
    return "; ".join(f"{part['comparison']}: {part['level']} ({part['bits']:+.1f})" for part in _said(code, tables))
