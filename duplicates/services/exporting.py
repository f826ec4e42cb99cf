"""Exports: an analysis as JSON or CSV, streamed in blocks, with all groups, members, evidence and matches.

`export_analysis_results` yields bytes and keeps memory flat whatever the size; a result that could not be saved comes
from what its run kept. `request_export` and `write_export` put the same bytes into a private file that can be fetched
until it expires.
"""

import csv
import io
import os
import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from duplicates.choices import ExportFormat, ExportStatus
from duplicates.engine.evidence import decode_evidence
from duplicates.exceptions import AnalysisNotReady, InvalidOptions
from duplicates.models import (
    DuplicateAnalysisExport,
    DuplicateAnalysisGroup,
    DuplicateAnalysisResult,
    DuplicateAnalysisTrack,
)
from duplicates.services import audit, limits, staleness
from duplicates.services.bulk_rows import SNAPSHOT_COLUMNS
from duplicates.services.csv_cells import as_cell
from duplicates.services.work_folder import is_unsaved_result_kept
from library.folders import private_folder

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

Blocks = Iterator[list[tuple[DuplicateAnalysisGroup, list[DuplicateAnalysisTrack]]]]

FORMAT_VERSION = "1.0"
GROUPS_PER_BLOCK = 200

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
CSV_COLUMNS = ("analysis_id", *CSV_GROUP_COLUMNS.values(), *MEMBER_FIELDS, "itunes_differences", "evidence")


def export_analysis_results(
    analysis: DuplicateAnalysisResult,
    export_format: str,
    *,
    now: datetime,
    written: Callable[[int], None] | None = None,
) -> Iterator[bytes]:
    """Return the export in blocks. `written` hears the number of members so far.

    Raises InvalidOptions for an unknown format and AnalysisNotReady for an analysis without a result, before the first
    block.
    """
    _require_format(export_format)
    if is_unsaved_result_kept(analysis):
        from duplicates.services import unsaved  # noqa: PLC0415 (loads numpy and polars)

        detection = unsaved.load_unsaved(analysis)
        groups = unsaved.blocks_of_groups(analysis.pk, detection, size=GROUPS_PER_BLOCK)
        analysis = unsaved.as_if_saved(analysis, detection)
    else:
        _require_result(analysis)
        groups = _blocks_of_groups(analysis)
    writer = _json_blocks if export_format == ExportFormat.JSON else _csv_blocks
    return _counted(writer(analysis, groups, now), written or (lambda members: None))


def _counted(blocks: Iterator[tuple[bytes, int]], written: Callable[[int], None]) -> Iterator[bytes]:
    members = 0
    for block, count in blocks:
        members += count
        written(members)
        yield block


def _require_format(export_format: str) -> None:
    if export_format not in ExportFormat.values:
        raise InvalidOptions(f"{export_format!r} is no export format. Choose from {', '.join(ExportFormat.values)}.")


def _require_result(analysis: DuplicateAnalysisResult) -> None:
    if not analysis.is_readable:
        raise AnalysisNotReady(f"Analysis {analysis.pk} is {analysis.get_status_display().lower()}.")


def request_export(
    analysis: DuplicateAnalysisResult,
    export_format: str,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    enqueue: Callable[[uuid.UUID], None],
) -> DuplicateAnalysisExport:
    """Queue an export for a worker. Raises InvalidOptions, AnalysisNotReady or RateLimited."""
    _require_format(export_format)
    _require_result(analysis)
    limits.require_below(settings.EXPORTS_PER_HOUR, "export.requested", actor=actor, now=now, what="exports")
    with transaction.atomic():
        export = DuplicateAnalysisExport.objects.create(
            analysis=analysis,
            user_id=actor.pk if actor else None,
            format=export_format,
            file_name=download_name(analysis, export_format),
            created_at=now,
        )
        audit.record("export.requested", actor=actor, now=now, subject=export, after={"format": export_format})
        transaction.on_commit(partial(enqueue, export.pk))
    return export


def write_export(export_id: uuid.UUID, *, now: Callable[[], datetime] = timezone.now) -> DuplicateAnalysisExport:
    """Write a pending export to its private file and stamp it; a failure is kept on its row."""
    taken = DuplicateAnalysisExport.objects.filter(pk=export_id, status=ExportStatus.PENDING).update(
        status=ExportStatus.RUNNING
    )
    export = DuplicateAnalysisExport.objects.select_related("analysis", "user").get(pk=export_id)
    if not taken:
        return export
    try:
        _write_file(export, now())
    except Exception as error:
        export.status, export.error_message = ExportStatus.FAILED, "The export could not be written."
        export.save(update_fields=["status", "error_message"])
        audit.record("export.failed", actor=export.user, now=now(), subject=export, was_successful=False)
        raise error from None
    audit.record(
        "export.completed",
        actor=export.user,
        now=now(),
        subject=export,
        counts={"bytes": export.size_bytes, "rows": export.row_count},
    )
    return export


def export_path(export: DuplicateAnalysisExport) -> Path:
    """Return where the file of an export lies; the folder is private and never served."""
    return Path(settings.WORK_DIR) / "exports" / f"{export.pk.hex}.{export.format}"


def download_name(analysis: DuplicateAnalysisResult, export_format: str) -> str:
    """Return the file name people get: date, preset and the start of the id."""
    return f"duplicates-{analysis.created_at:%Y-%m-%d}-{analysis.preset}-{analysis.pk.hex[:8]}.{export_format}"


def _write_file(export: DuplicateAnalysisExport, now: datetime) -> None:
    target = export_path(export)
    private_folder(target.parent)
    partial_file = target.with_suffix(f".{secrets.token_hex(4)}.part")
    rows = 0

    def count(members: int) -> None:
        nonlocal rows
        rows = members

    try:
        with open(os.open(partial_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:  # noqa: PTH123
            for block in export_analysis_results(export.analysis, export.format, now=now, written=count):
                out.write(block)
        partial_file.replace(target)
    finally:
        partial_file.unlink(missing_ok=True)
    export.status, export.row_count, export.size_bytes = ExportStatus.COMPLETED, rows, target.stat().st_size
    export.expires_at = now + timedelta(hours=settings.EXPORT_LIFETIME_HOURS)
    export.save(update_fields=["status", "row_count", "size_bytes", "expires_at"])


def _json_blocks(analysis: DuplicateAnalysisResult, blocks: Blocks, now: datetime) -> Iterator[tuple[bytes, int]]:
    head = {"format_version": FORMAT_VERSION, "analysis": _analysis_values(analysis, now)}
    yield orjson.dumps(head)[:-1] + b',"groups":[', 0
    first = True
    for groups in blocks:
        texts = [orjson.dumps(_group_values(analysis, group, members)) for group, members in groups]
        if texts:
            yield (b"" if first else b",\n") + b",\n".join(texts), sum(len(members) for _, members in groups)
            first = False
    yield b"]}\n", 0


def _csv_blocks(analysis: DuplicateAnalysisResult, blocks: Blocks, now: datetime) -> Iterator[tuple[bytes, int]]:
    yield _csv_text([CSV_COLUMNS]), 0
    for groups in blocks:
        rows = [row for group, members in groups for row in _csv_rows(analysis, group, members)]
        yield _csv_text(rows), len(rows)


def _csv_rows(
    analysis: DuplicateAnalysisResult, group: DuplicateAnalysisGroup, members: list[DuplicateAnalysisTrack]
) -> Iterator[list[Any]]:
    shared = [analysis.pk, *(getattr(group, name) for name in CSV_GROUP_COLUMNS)]
    for member in members:
        own = [getattr(member, name) for name in MEMBER_FIELDS]
        differences = "; ".join(f"{d['field']}: {d['library']} | {d['itunes']}" for d in member.itunes_differences)
        yield [as_cell(value) for value in (*shared, *own, differences, _evidence_text(analysis, member))]


def _csv_text(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _blocks_of_groups(analysis: DuplicateAnalysisResult) -> Blocks:
    """Yield groups in order, block by block, each with its members: two queries a block."""
    last = 0
    while True:
        groups = list(
            analysis.groups.filter(position__gt=last)
            .order_by("position")
            .prefetch_related("members")[:GROUPS_PER_BLOCK]
        )
        if not groups:
            return
        last = groups[-1].position
        yield [(group, sorted(group.members.all(), key=lambda member: member.position)) for group in groups]


def _analysis_values(analysis: DuplicateAnalysisResult, now: datetime) -> dict[str, Any]:
    values = {name: getattr(analysis, name) for name in ANALYSIS_FIELDS}
    return {
        "analysis_id": str(analysis.pk),
        "user": analysis.user.get_username() if analysis.user else "system",
        **values,
        "exported_at": now,
        "staleness": staleness.get_staleness_level(analysis.age(now)),
    }


def _group_values(
    analysis: DuplicateAnalysisResult, group: DuplicateAnalysisGroup, members: list[DuplicateAnalysisTrack]
) -> dict[str, Any]:
    return {
        **{name: getattr(group, name) for name in GROUP_FIELDS},
        "band": group.band,
        "tracks": [_member_values(analysis, member) for member in members],
    }


def _member_values(analysis: DuplicateAnalysisResult, member: DuplicateAnalysisTrack) -> dict[str, Any]:
    return {
        **{name: getattr(member, name) for name in MEMBER_FIELDS},
        "itunes_differences": member.itunes_differences,
        "evidence": [] if member.is_canonical else _evidence(analysis, member),
    }


def _evidence(analysis: DuplicateAnalysisResult, member: DuplicateAnalysisTrack) -> list[dict[str, Any]]:
    return [
        {"comparison": part.comparison, "level": part.level, "bits": round(part.bits, 3)}
        for part in decode_evidence(member.evidence, bytes(analysis.learnt_tables or b""))
    ]


def _evidence_text(analysis: DuplicateAnalysisResult, member: DuplicateAnalysisTrack) -> str:
    if member.is_canonical:
        return ""
    parts = _evidence(analysis, member)
    return "; ".join(f"{part['comparison']}: {part['level']} ({part['bits']:+.1f})" for part in parts)
