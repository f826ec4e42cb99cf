"""Takes up imports whose process died: completes those that were applying, closes those that were still reading.

A living process holds the lock of its spool, so nothing here touches an import that is under way. An upload that is
still being read is left to `uploads`, which has its file and reads it again.
"""

import logging
import socket
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from library.applying import Application, ImportProgress, ImportTakenOver
from library.folders import private_folder
from library.importers.spool import DamagedSpool, SpoolBusy, SpoolLock, SpoolReader, keys_path, sweep
from library.models import ImportStatus, LibraryImport
from library.witnesses import tell

logger = logging.getLogger(__name__)

# A spool that is not here may lie on another machine whose import still runs; after a day nobody waits for it.
ANOTHER_MACHINE_HAS = timedelta(hours=24)
STRAY_SPOOLS_AFTER = timedelta(hours=1)
UPLOADED = "is_upload"  # the option of an import whose file came over the network


def spool_folder() -> Path:
    """Return the private folder of imports under way, made on first use."""
    return private_folder(Path(settings.WORK_DIR) / "imports")


def spool_name(row: LibraryImport) -> str:
    """Return the name of the spool of an import."""
    return f"{row.pk}.spool"


def complete_interrupted_imports(*, now: datetime, progress: ImportProgress) -> list[LibraryImport]:
    """Bring every import that was cut short to an end; return those that changed state, oldest first."""
    folder = spool_folder()
    open_rows = LibraryImport.objects.filter(status__in=[ImportStatus.READING, ImportStatus.APPLYING], is_dry_run=False)
    rows = list(open_rows.order_by("started_at"))
    ended = [row for row in rows if _end(row, folder / row.spool, now=now, progress=progress)]
    sweep(folder, keep=[row.spool for row in rows], older_than=(now - STRAY_SPOOLS_AFTER).timestamp())
    return ended


def _end(row: LibraryImport, path: Path, *, now: datetime, progress: ImportProgress) -> bool:
    """Complete or close one import; return False when somebody else is at it."""
    if row.status == ImportStatus.READING and UPLOADED in row.options:
        return False
    if not row.spool:
        return _close_unbegun(row, now=now)
    try:
        with SpoolLock(path):
            row.refresh_from_db()
            if row.status == ImportStatus.READING:
                fail(row, "The import was cut short while reading. Nothing was changed; import it again.", now=now)
            elif row.status == ImportStatus.APPLYING:
                _complete(row, path, now=now, progress=progress)
            else:
                return False
            remove_spool(path)
    except (SpoolBusy, ImportTakenOver):
        return False
    except DamagedSpool as error:
        return _give_up(row, path, str(error), now=now)
    return True


def _complete(row: LibraryImport, path: Path, *, now: datetime, progress: ImportProgress) -> None:
    logger.info("Completing the import of %s that was cut short after %s entries.", row.file_name, row.applied_entries)
    spool = SpoolReader(path)
    keys = spool.rebuild_keys()
    try:
        Application(row, spool, keys, progress=progress).run()
    finally:
        keys.close()
    complete(row, now=now)


def _close_unbegun(row: LibraryImport, *, now: datetime) -> bool:
    """Close an import without a spool once its process must be gone: nothing tells whether it lives."""
    if now - row.started_at < ANOTHER_MACHINE_HAS:
        return False
    fail(row, "The import was cut short before it began. Nothing was changed; import it again.", now=now)
    return True


def _give_up(row: LibraryImport, path: Path, reason: str, *, now: datetime) -> bool:
    is_elsewhere = row.options.get("host") != socket.gethostname() and not path.exists()
    if is_elsewhere and now - row.started_at < ANOTHER_MACHINE_HAS:
        return False
    fail(
        row,
        f"The import was cut short after {row.applied_entries:,} entries and its spool cannot be used: {reason} "
        "What was applied stays; import the file again to complete it.",
        now=now,
    )
    remove_spool(path)
    return True


def complete(row: LibraryImport, *, now: datetime) -> None:
    """Close an import whose every entry is applied."""
    row.status = ImportStatus.PARTIAL if row.options.get("is_partial") else ImportStatus.COMPLETED
    row.completed_at = now
    _close(row, "vanished_count", "pruned_count", "report")


def fail(row: LibraryImport, sentence: str, *, now: datetime) -> None:
    """Close an import that came to nothing, with the sentence that says why."""
    row.status = ImportStatus.FAILED
    row.completed_at = now
    row.error_message = sentence
    _close(row, "seen_count", "report", "error_message")


def _close(row: LibraryImport, *fields: str) -> None:
    """Save how a run ended. The row of a dry run, or of a run that could not begin, is written only now."""
    row.spool = ""
    is_new = row._state.adding or row.is_dry_run
    with transaction.atomic():
        row.save(update_fields=None if is_new else ["status", "completed_at", "spool", *fields])
        tell(row)


def remove_spool(path: Path) -> None:
    if path.is_file():
        path.unlink()
    keys_path(path).unlink(missing_ok=True)
