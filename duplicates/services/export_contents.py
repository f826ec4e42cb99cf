"""What an export says: groups and members as JSON, JSON Lines or CSV, in blocks of bytes, so that memory stays flat.

The form of every format is pinned by a test: programs of others read it.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any

import orjson

from duplicates.choices import ExportFormat
from duplicates.engine.evidence import decode_evidence
from duplicates.models import DuplicateAnalysisResult
from duplicates.models.groups import VERSION_FIELDS, band_of, version_of
from duplicates.services import staleness
from duplicates.services.export_rows import GROUP_FIELDS, GROUP_KINDS, MEMBER_FIELDS, MEMBER_KINDS, READ, Block, Blocks
from duplicates.services.export_texts import Piece, csv_cells, json_object, rows_of

FORMAT_VERSION = "1.1"  # 1.1 added the version of a group, and what to fill in, to what 1.0 says

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


_IS_CANONICAL, _DIFFERENCES, _EVIDENCE = map(READ.index, ("is_canonical", "itunes_differences", "evidence"))
_CONFIDENCE = GROUP_FIELDS.index("confidence")
_CSV_GROUP_PLACES = tuple(map(GROUP_FIELDS.index, CSV_GROUP_COLUMNS))
# What only these two columns hold is written out before: as JSON, or as words.
_WRITTEN_OUT = ("itunes_differences", "evidence")
_JSON_KINDS = tuple("json" if kind in _WRITTEN_OUT else kind for kind in MEMBER_KINDS)
_CSV_KINDS = tuple("text" if kind in _WRITTEN_OUT else kind for kind in MEMBER_KINDS)
_BETWEEN = ",\n"  # groups of JSON
_decided = itemgetter(*map(GROUP_FIELDS.index, VERSION_FIELDS))
Rendered = Iterator[tuple[bytes, int]]  # a block, and how many members it holds


def render(analysis: DuplicateAnalysisResult, blocks: Blocks, export_format: str, now: datetime) -> Rendered:
    """Return the export in blocks, each with its number of members."""
    writers: dict[str, Callable[..., Rendered]] = {
        ExportFormat.JSON: _json,
        ExportFormat.JSONL: _json_lines,
        ExportFormat.CSV: _csv,
    }
    with_groups = (block for block in blocks if block.sizes)
    return writers[export_format](analysis, with_groups, now, bytes(analysis.learnt_tables or b""))


# --- JSON -------------------------------------------------------------------------------------------------------------


def _json(analysis: DuplicateAnalysisResult, blocks: Blocks, now: datetime, tables: bytes) -> Rendered:
    """One object: what the analysis is, and all its groups."""
    yield orjson.dumps(_head(analysis, now))[:-1] + b',"groups":[', 0
    unwanted = len(_BETWEEN)  # before the first group
    for block in blocks:
        yield _json_groups(block, tables, before=_BETWEEN)[unwanted:].encode(), len(block)
        unwanted = 0
    yield b"]}\n", 0


def _json_lines(analysis: DuplicateAnalysisResult, blocks: Blocks, now: datetime, tables: bytes) -> Rendered:
    """The analysis on the first line, a group on every other."""
    yield orjson.dumps(_head(analysis, now)) + b"\n", 0
    for block in blocks:
        yield _json_groups(block, tables, after="\n").encode(), len(block)


def _json_groups(block: Block, tables: bytes, *, before: str = "", after: str = "") -> str:
    """Return each group with its members as one object, with the same text before and after each."""
    bands = [str(band_of(confidence)) for confidence in block.groups[_CONFIDENCE]]
    pieces = json_object(
        (*GROUP_FIELDS, "band", "version"),
        (*_group_columns(block), bands, _versions(block)),
        (*GROUP_KINDS, "text", "text"),
    )
    groups = rows_of([before, *pieces, ',"tracks":['], len(block.sizes))
    members = iter(_json_members(block, tables))
    tracks = [",".join(islice(members, size)) for size in block.sizes]
    return "".join(chain.from_iterable(zip(groups, tracks, repeat(f"]}}{after}"), strict=False)))


def _json_members(block: Block, tables: bytes) -> list[str]:
    columns = list(block.columns)
    columns[_DIFFERENCES] = [orjson.dumps(one).decode() if one else "[]" for one in columns[_DIFFERENCES]]
    columns[_EVIDENCE] = _evidence(block, "[]", lambda code: _said_as_json(code, tables))
    return rows_of([*json_object(READ, columns, _JSON_KINDS), "}"], len(block))


# --- CSV --------------------------------------------------------------------------------------------------------------


def _csv(analysis: DuplicateAnalysisResult, blocks: Blocks, now: datetime, tables: bytes) -> Rendered:
    """A row for each member, the columns of its group repeated."""
    yield ",".join(CSV_COLUMNS).encode() + b"\r\n", 0
    for block in blocks:
        columns = _group_columns(block)
        of_group = csv_cells(
            (*(columns[place] for place in _CSV_GROUP_PLACES), _versions(block)),
            (*(GROUP_KINDS[place] for place in _CSV_GROUP_PLACES), "text"),
        )
        groups = rows_of(of_group, len(block.sizes))
        repeated = list(chain.from_iterable(map(repeat, groups, block.sizes)))
        pieces: list[Piece] = [f"{analysis.pk},", repeated, ",,", *_csv_members(block, tables), "\r\n"]
        yield "".join(rows_of(pieces, len(block))).encode("utf-8", "surrogatepass"), len(block)


def _csv_members(block: Block, tables: bytes) -> list[Piece]:
    columns = list(block.columns)
    columns[_DIFFERENCES] = [_difference_text(one) if one else "" for one in columns[_DIFFERENCES]]
    columns[_EVIDENCE] = _evidence(block, "", lambda code: _spoken(code, tables))
    return csv_cells(columns, _CSV_KINDS)


def _difference_text(differences: list[dict[str, Any]]) -> str:
    return "; ".join(f"{one['field']}: {one['library']} | {one['itunes']}" for one in differences)


# --- Values -----------------------------------------------------------------------------------------------------------


def _group_columns(block: Block) -> list[Sequence[Any]]:
    """Return the columns of the groups, moments as text."""
    return [
        [moment and moment.isoformat() for moment in column] if kind == "moment" else column
        for column, kind in zip(block.groups, GROUP_KINDS, strict=True)
    ]


def _versions(block: Block) -> list[str]:
    return list(map(version_of, *_decided(block.groups)))


def _evidence(block: Block, of_keeper: str, write: Callable[[int], str]) -> list[str]:
    """Return the evidence of each member; a keeper has none against itself."""
    codes = block.columns[_EVIDENCE]
    texts = {code: write(code) for code in set(codes)}
    return [
        of_keeper if is_canonical else texts[code]
        for is_canonical, code in zip(block.columns[_IS_CANONICAL], codes, strict=True)
    ]


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


def _said(code: int, tables: bytes) -> list[dict[str, Any]]:
    """Return the evidence of one member; none where another version of the matcher wrote it."""
    try:
        parts = decode_evidence(code, tables)
    except ValueError:
        return []
    return [{"comparison": part.comparison, "level": part.level, "bits": round(part.bits, 3)} for part in parts]


@lru_cache(maxsize=1 << 14)
def _said_as_json(code: int, tables: bytes) -> str:
    return orjson.dumps(_said(code, tables)).decode()


@lru_cache(maxsize=1 << 14)
def _spoken(code: int, tables: bytes) -> str:
    return "; ".join(f"{part['comparison']}: {part['level']} ({part['bits']:+.1f})" for part in _said(code, tables))
