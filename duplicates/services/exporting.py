"""Exports: an analysis as JSON, JSON Lines or CSV, streamed, or written to a private file to be fetched.

`export_analysis_results` yields bytes and keeps memory flat whatever the size; a result that could not be saved comes
from what its run kept. `request_export` and `write_export` put the same bytes into a file: a small one at once, a large
one on a worker, which tells how far it is.
"""

import gzip
import hashlib
import os
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from duplicates.choices import ExportFormat, ExportStatus
from duplicates.exceptions import AnalysisNotReady, DiskFull, ExportGone, InvalidOptions
from duplicates.models import DuplicateAnalysisExport, DuplicateAnalysisResult
from duplicates.services import audit, export_contents, limits, storage_use
from duplicates.services.work_folder import is_unsaved_result_kept
from duplicates.site_settings import site
from library.folders import private_folder

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

# Up to so many members an export takes less time than a worker needs to wake up.
WRITTEN_AT_ONCE = 5_000
PROGRESS_SECONDS = 1.0
_COMPRESSION = 6  # the level of gzip itself


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
        found = unsaved.blocks_of_groups(analysis.pk, detection, size=export_contents.GROUPS_PER_BLOCK)
        groups: export_contents.Blocks = map(export_contents.rows_of, found)
        analysis = unsaved.as_if_saved(analysis, detection)
    else:
        _require_result(analysis)
        groups = export_contents.read_groups(analysis)
    return _counted(export_contents.render(analysis, groups, export_format, now), written or (lambda members: None))


def _counted(blocks: export_contents.Rendered, written: Callable[[int], None]) -> Iterator[bytes]:
    members = 0
    for block, count in blocks:
        members += count
        written(members)
        yield block


def _require_format(export_format: str) -> None:
    if export_format not in ExportFormat.values:
        raise InvalidOptions(
            _("%(export_format)r is no export format. Choose from %(values)s.")
            % {"export_format": export_format, "values": ", ".join(ExportFormat.values)}
        )


def _require_result(analysis: DuplicateAnalysisResult) -> None:
    if not analysis.is_readable:
        raise AnalysisNotReady(
            _("Analysis %(pk)s is %(status)s.") % {"pk": analysis.pk, "status": analysis.get_status_display().lower()}
        )


@audit.recorded("export.requested", subject="analysis")
def request_export(
    analysis: DuplicateAnalysisResult,
    export_format: str,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    enqueue: Callable[[uuid.UUID], None],
    is_compressed: bool = False,
) -> DuplicateAnalysisExport:
    """Write a small export at once and queue a large one for a worker; return its row as it is then.

    Raises InvalidOptions, AnalysisNotReady or RateLimited.
    """
    _require_format(export_format)
    _require_result(analysis)
    limits.require_below(site.EXPORTS_PER_HOUR, "export.requested", actor=actor, now=now, what="exports")
    storage_use.require_room(actor.pk if actor else None)
    members = analysis.groups_found + analysis.duplicates_found
    is_small = members <= WRITTEN_AT_ONCE
    with transaction.atomic():
        export = DuplicateAnalysisExport.objects.create(
            analysis=analysis,
            user_id=actor.pk if actor else None,
            format=export_format,
            is_compressed=is_compressed,
            file_name=download_name(analysis, export_format) + (".gz" if is_compressed else ""),
            total_rows=members,
            created_at=now,
        )
        audit.record("export.requested", actor=actor, now=now, subject=export, after={"format": export_format})
        if not is_small:
            transaction.on_commit(partial(enqueue, export.pk))
    return write_export(export.pk, now=lambda: now) if is_small else export


def write_export(export_id: uuid.UUID, *, now: Callable[[], datetime] = timezone.now) -> DuplicateAnalysisExport:
    """Write a pending export to its private file and stamp it; a failure is kept on its row.

    Raises ExportGone when it, or its analysis, was deleted meanwhile; nothing is left of it then.
    """
    waiting = DuplicateAnalysisExport.objects.filter(pk=export_id)
    taken = waiting.filter(status=ExportStatus.PENDING).update(status=ExportStatus.RUNNING, row_count=0)
    export = waiting.select_related("analysis", "user").first()
    if export is None:
        raise ExportGone
    if not taken:
        return export
    try:
        _write_file(export, now())
    except ExportGone:
        raise
    except Exception as error:
        export.status, export.error_message = ExportStatus.FAILED, "The export could not be written."
        waiting.update(status=export.status, error_message=export.error_message)
        audit.record("export.failed", actor=export.user, now=now(), subject=export, was_successful=False)
        if DiskFull.is_behind(error):
            raise DiskFull from error
        raise error from None
    audit.record(
        "export.completed",
        actor=export.user,
        now=now(),
        subject=export,
        counts={"bytes": export.size_bytes, "rows": export.row_count},
    )
    return export


@audit.recorded("export.deleted", subject="export")
def delete_export(export: DuplicateAnalysisExport, *, actor: "AbstractBaseUser | None", now: datetime) -> None:
    """Delete an export and its file; one that is being written stops and leaves nothing."""
    with transaction.atomic():
        audit.record("export.deleted", actor=actor, now=now, subject=export, counts={"bytes": export.size_bytes or 0})
        DuplicateAnalysisExport.objects.filter(pk=export.pk).delete()
    export_path(export).unlink(missing_ok=True)


def export_path(export: DuplicateAnalysisExport) -> Path:
    """Return where the file of an export lies; the folder is private and never served."""
    ending = ".gz" if export.is_compressed else ""
    return Path(settings.WORK_DIR) / "exports" / f"{export.pk.hex}.{export.format}{ending}"


def download_name(analysis: DuplicateAnalysisResult, export_format: str) -> str:
    """Return the file name people get: date, preset and the start of the id."""
    return f"duplicates-{analysis.created_at:%Y-%m-%d}-{analysis.preset}-{analysis.pk.hex[:8]}.{export_format}"


def _write_file(export: DuplicateAnalysisExport, now: datetime) -> None:
    """Write under another name, and give the file its own only when it is whole and still wanted."""
    target = export_path(export)
    private_folder(target.parent)
    partial_file = target.with_suffix(f".{secrets.token_hex(4)}.part")
    progress = _Progress(export)
    try:
        checksum = _write_blocks(
            partial_file,
            export_analysis_results(export.analysis, export.format, now=now, written=progress),
            is_compressed=export.is_compressed,
        )
        partial_file.replace(target)
    finally:
        partial_file.unlink(missing_ok=True)
    export.status, export.row_count, export.size_bytes = ExportStatus.COMPLETED, progress.rows, target.stat().st_size
    export.sha256, export.total_rows = checksum, progress.rows
    export.expires_at = now + timedelta(hours=site.EXPORT_LIFETIME_HOURS)
    stamped = ("status", "row_count", "size_bytes", "expires_at", "sha256", "total_rows")
    wanted = DuplicateAnalysisExport.objects.filter(pk=export.pk, status=ExportStatus.RUNNING)
    if not wanted.update(**{name: getattr(export, name) for name in stamped}):
        target.unlink(missing_ok=True)
        raise ExportGone


def _write_blocks(path: Path, blocks: Iterator[bytes], *, is_compressed: bool) -> str:
    """Write a new private file; return the SHA-256 of its bytes in hex."""
    digest = hashlib.sha256()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
        out = _Digesting(file, digest.update)
        if is_compressed:
            # Without a name or time inside, so that equal exports are equal files.
            with gzip.GzipFile("", "wb", _COMPRESSION, cast("IO[bytes]", out), mtime=0) as packed:
                for block in blocks:
                    packed.write(block)
        else:
            for block in blocks:
                out.write(block)
    return digest.hexdigest()


class _Digesting:
    """A file to write to that shows every byte to a digest."""

    def __init__(self, file: IO[bytes], digest: Callable[[bytes], None]) -> None:
        self._file, self._digest = file, digest

    def write(self, block: bytes) -> int:
        self._digest(block)
        return self._file.write(block)

    def flush(self) -> None:
        self._file.flush()


class _Progress:
    """Hears how many members are written and keeps it on the row, at most once a second."""

    def __init__(self, export: DuplicateAnalysisExport) -> None:
        self.rows = 0
        self._row = DuplicateAnalysisExport.objects.filter(pk=export.pk, status=ExportStatus.RUNNING)
        self._told_at = time.monotonic()

    def __call__(self, rows: int) -> None:
        """Raises ExportGone once nobody wants the export any more."""
        self.rows = rows
        if time.monotonic() - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = time.monotonic()
        if not self._row.update(row_count=rows):
            raise ExportGone
