"""Exports are written column by column; their bytes are those that the plain way, value by value, would write."""

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.models.groups import band_of
from duplicates.services import export_contents, export_rows
from duplicates.services.csv_cells import as_cell
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.exporting import export_analysis_results
from duplicates.services.options import AnalysisOptions
from tests.duplicates.library_of import make_library

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ODD = (
    *("", "plain", 'say "no"', "a,b", "tab\there", "line\nbreak", "cr\rhere", "back\\slash", "\x01\x1f\x7f", "null"),
    *("=1+1", "-1", "+1", "@x", "\tx", "'quoted", "'=1", "über 東京 🎵", "\u2028", " space ", '"', ",", "\\", '\\"'),
)
WHOLE = (None, 0, 1, 2**31 - 1)
REAL = (0.0, 1.0, 0.1 + 0.2, 1e-7, 1e-5, 123456789.125, 0.95)
MOMENTS = (None, NOW, NOW + timedelta(microseconds=5), datetime(1999, 12, 31, 23, 59, 59, 120000, tzinfo=UTC))


@pytest.fixture(params=["all odd", "all alike"])
def analysis(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> DuplicateAnalysisResult:
    """An analysis whose every column holds what its type can, or one value only."""
    monkeypatch.setattr(export_rows, "GROUPS_PER_BLOCK", 4)
    make_library(copies=3)
    made = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis
    draw = random.Random(11) if request.param == "all odd" else None
    for model, kinds in (
        (DuplicateAnalysisGroup, zip(export_rows.GROUP_FIELDS, export_rows.GROUP_KINDS, strict=True)),
        (DuplicateAnalysisTrack, zip(export_rows.READ, export_rows.MEMBER_KINDS, strict=True)),
    ):
        listed = list(kinds)
        for row in model.objects.all():
            values = {name: one for name, kind in listed if (one := _value(model, name, kind, draw)) is not _KEPT}
            model.objects.filter(pk=row.pk).update(**values)
    return made


_KEPT = object()
# What names rows, is bounded by a constraint or has a form of its own.
_LEFT = {
    *("position", "group_key", "member_count", "remaining_count", "is_resolved", "resolution", "keeper_track_id"),
    *("track_id", "is_canonical", "evidence", "duplicate_count", "resolved_at", "keeper_rule", "itunes_match_count"),
}


def _value(model: Any, name: str, kind: str, draw: random.Random | None) -> Any:
    if name in _LEFT:
        return _KEPT
    if kind == "itunes_differences":
        odd = [{"field": text, "library": "ü", "itunes": None} for text in ODD[2:5]]
        return draw.choice([[], odd[:1], odd]) if draw else []
    field = model._meta.get_field(name)
    choices: tuple[Any, ...] = {
        "text": tuple(text for text in ODD if not field.max_length or len(text) <= field.max_length),
        "whole": tuple(min(one, 9) if one and "Small" in field.get_internal_type() else one for one in WHOLE),
        "real": REAL,
        "flag": (True, False, None),
        "moment": MOMENTS,
    }[kind]
    if not field.null:
        choices = tuple(one for one in choices if one is not None)
    return draw.choice(choices) if draw else choices[-1]


def exported(analysis: DuplicateAnalysisResult, export_format: str) -> bytes:
    return b"".join(export_analysis_results(analysis, export_format, now=NOW))


def plain_groups(analysis: DuplicateAnalysisResult) -> list[dict[str, Any]]:
    """Return the groups as values, read by the ORM."""
    tables = bytes(analysis.learnt_tables)
    found = []
    for group in analysis.groups.order_by("position").prefetch_related("members"):
        members = sorted(group.members.all(), key=lambda member: member.position)
        tracks = [{name: getattr(member, name) for name in export_rows.READ} for member in members]
        for track in tracks:
            track["evidence"] = [] if track["is_canonical"] else export_contents._said(track["evidence"], tables)
        values = {name: getattr(group, name) for name in export_rows.GROUP_FIELDS}
        found.append({**values, "band": str(band_of(group.confidence)), "version": group.version, "tracks": tracks})
    return found


def test_json_is_what_orjson_writes(analysis: DuplicateAnalysisResult) -> None:
    head = orjson.dumps(export_contents._head(analysis, NOW))
    groups = [orjson.dumps(group) for group in plain_groups(analysis)]

    assert exported(analysis, "json") == head[:-1] + b',"groups":[' + b",\n".join(groups) + b"]}\n"
    assert exported(analysis, "jsonl") == b"".join(line + b"\n" for line in (head, *groups))


def test_csv_is_what_csv_writes(analysis: DuplicateAnalysisResult) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(export_contents.CSV_COLUMNS)
    for group in plain_groups(analysis):
        shared = [as_cell(group[name]) for name in export_contents.CSV_GROUP_COLUMNS]
        for track in group["tracks"]:
            evidence = "; ".join(
                f"{one['comparison']}: {one['level']} ({one['bits']:+.1f})" for one in track["evidence"]
            )
            differences = "; ".join(
                f"{one['field']}: {one['library']} | {one['itunes']}" for one in track["itunes_differences"]
            )
            values = [as_cell(track[name]) for name in export_rows.MEMBER_FIELDS]
            writer.writerow(
                [str(analysis.pk), *shared, group["version"], "", *values, as_cell(differences), as_cell(evidence)]
            )

    assert exported(analysis, "csv") == text.getvalue().encode()


def test_every_column_was_odd(analysis: DuplicateAnalysisResult) -> None:
    """What these tests look at: each kind of column of members, and nearly every one of them."""
    assert {"text", "whole", "real", "flag", "moment"} <= set(export_rows.MEMBER_KINDS)
    assert len(set(export_rows.READ) - _LEFT) > 30
