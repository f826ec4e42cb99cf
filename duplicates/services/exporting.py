"""Exports: an analysis as JSON, JSON Lines or CSV, streamed, or written to a private file to be fetched.

`export_analysis_results` yields bytes and keeps memory flat whatever the size; a result that could not be saved comes
from what its run kept. `request_export` and `write_export` put the same bytes into a file: a small one at once, a large
one on a worker, which tells how far it is.
"""

import gzip
import hashlib
import os
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
from duplicates.exceptions import AnalysisNotFound, AnalysisNotReady, DiskFull, ExportGone, InvalidOptions
from duplicates.models import DuplicateAnalysisExport, DuplicateAnalysisResult
from duplicates.services import audit, export_claims, export_contents, export_rows, limits, storage_limits
from duplicates.services.work_folder import is_unsaved_result_kept
from duplicates.site_settings import site
from library.folders import private_folder

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

# Up to so many members an export takes less time than a worker needs to wake up.
WRITTEN_AT_ONCE = 5_000
PROGRESS_SECONDS = 1.0
_COMPRESSION = 3  # half the time of gzip's own 6, for a file a quarter larger


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
        found = unsaved.blocks_of_groups(analysis.pk, detection, size=export_rows.GROUPS_PER_BLOCK)
        groups: export_rows.Blocks = map(export_rows.block_of, found)
        analysis = unsaved.as_if_saved(analysis, detection)
    else:
        _require_result(analysis)
        groups = export_rows.read_blocks(analysis)
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

    Raises InvalidOptions, AnalysisNotFound, AnalysisNotReady or RateLimited.
    """
    _require_format(export_format)
    _require_result(analysis)
    limits.require_below(site.EXPORTS_PER_HOUR, "export.requested", actor=actor, now=now, what="exports")
    storage_limits.require_room(actor.pk if actor else None)
    members = analysis.groups_found + analysis.duplicates_found
    is_small = members <= WRITTEN_AT_ONCE
    with transaction.atomic():
        _hold(analysis)
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


def _hold(analysis: DuplicateAnalysisResult) -> None:
    """Keep an analysis from being deleted within the transaction. Raises AnalysisNotFound when it was."""
    if not DuplicateAnalysisResult.objects.select_for_update().filter(pk=analysis.pk).values_list("pk").first():
        raise AnalysisNotFound


def write_export(export_id: uuid.UUID, *, now: Callable[[], datetime] = timezone.now) -> DuplicateAnalysisExport:
    """Write an export that waits to its private file and stamp it; a failure is kept on its row.

    Raises ExportGone when it, or its analysis, was deleted meanwhile; nothing is left of it then.
    """
    is_mine = export_claims.take_up(export_id, now=now())
    export = _row(export_id)
    if not is_mine:
        return export
    try:
        try:
            _write_file(export, now)
        except Exception as error:
            _note_failure(export, error, now())
            raise error from None
    except export_claims.LeaseLost:
        return _row(export_id)
    audit.record(
        "export.completed",
        actor=export.user,
        now=now(),
        subject=export,
        counts={"bytes": export.size_bytes, "rows": export.row_count},
    )
    return export


def _row(export_id: uuid.UUID) -> DuplicateAnalysisExport:
    row = DuplicateAnalysisExport.objects.filter(pk=export_id).select_related("analysis", "user").first()
    if row is None:
        raise ExportGone
    return row


def _note_failure(export: DuplicateAnalysisExport, error: Exception, now: datetime) -> None:
    """Keep a failure on the row. Raises LeaseLost where it is none of ours, and DiskFull where that is behind it."""
    if isinstance(error, export_claims.LeaseLost):
        raise error
    export.status, export.error_message = ExportStatus.FAILED, _("The export could not be written.")
    export_claims.end(export, status=export.status, error_message=export.error_message)
    audit.record("export.failed", actor=export.user, now=now, subject=export, was_successful=False)
    if DiskFull.is_behind(error):
        raise DiskFull from error


@audit.recorded("export.deleted", subject="export")
def delete_export(export: DuplicateAnalysisExport, *, actor: "AbstractBaseUser | None", now: datetime) -> None:
    """Delete an export and its file; one that is being written stops and leaves nothing."""
    with transaction.atomic():
        audit.record("export.deleted", actor=actor, now=now, subject=export, counts={"bytes": export.size_bytes or 0})
        DuplicateAnalysisExport.objects.filter(pk=export.pk).delete()
    _remove_files(export)


def exports_folder() -> Path:
    """Return the folder of all exports; it is private and never served."""
    return Path(settings.WORK_DIR) / "exports"


def export_path(export: DuplicateAnalysisExport) -> Path:
    """Return where the file of an export lies."""
    ending = ".gz" if export.is_compressed else ""
    return exports_folder() / f"{file_stem(export.pk, export.lease_token)}.{export.format}{ending}"


def file_stem(export_id: uuid.UUID, lease_token: uuid.UUID | None) -> str:
    """Return how the file of an export begins, up to its first dot: with whoever wrote it."""
    return f"{export_id.hex}-{lease_token.hex}" if lease_token else export_id.hex


def _remove_files(export: DuplicateAnalysisExport) -> None:
    """Remove all that was written of an export, the parts of writers that died among it."""
    for path in exports_folder().glob(f"{export.pk.hex}*"):
        path.unlink(missing_ok=True)


def download_name(analysis: DuplicateAnalysisResult, export_format: str) -> str:
    """Return the file name people get: date, preset and the start of the id."""
    return f"duplicates-{analysis.created_at:%Y-%m-%d}-{analysis.preset}-{analysis.pk.hex[:8]}.{export_format}"


def _write_file(export: DuplicateAnalysisExport, now: Callable[[], datetime]) -> None:
    """Write under another name, and give the file its own only when it is whole; it stays only if still wanted."""
    target = export_path(export)
    private_folder(target.parent)
    _remove_files(export)
    partial_file = target.with_suffix(".part")
    progress = _Progress(export, now)
    try:
        checksum = _write_blocks(
            partial_file,
            export_analysis_results(export.analysis, export.format, now=now(), written=progress),
            is_compressed=export.is_compressed,
        )
        partial_file.replace(target)
        export.status, export.row_count, export.size_bytes = (
            ExportStatus.COMPLETED,
            progress.rows,
            target.stat().st_size,
        )
        export.sha256, export.total_rows = checksum, progress.rows
        export.expires_at = now() + timedelta(hours=site.EXPORT_LIFETIME_HOURS)
        stamped = ("status", "row_count", "size_bytes", "expires_at", "sha256", "total_rows")
        export_claims.end(export, **{name: getattr(export, name) for name in stamped})
    except BaseException:
        partial_file.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        raise


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
    """Hears how many members are written; keeps it on the row, and the lease alive, at most once a second."""

    def __init__(self, export: DuplicateAnalysisExport, now: Callable[[], datetime]) -> None:
        self.rows = 0
        self._export, self._now = export, now
        self._told_at = time.monotonic()

    def __call__(self, rows: int) -> None:
        """Raises LeaseLost once nobody wants the export any more, or another process writes it."""
        self.rows = rows
        if time.monotonic() - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = time.monotonic()
        export_claims.renew(self._export, now=self._now(), row_count=rows)
