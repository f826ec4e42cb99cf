"""Files sent over the network to be imported: streamed to a private folder, then imported like any other.

A small one is imported while its sender waits, a larger one by a worker. Whoever imports a file holds its lock, so an
open upload whose file is free belongs to nobody alive: the workers' tick gives it to the next worker, dry runs too. The
file goes when its import has ended, and after a day at the latest.
"""

import contextlib
import shutil
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.utils.translation import gettext as _

from library.folders import private_folder
from library.importers.opening import GZIP_MAGIC, open_source
from library.importers.records import UnreadableSource, storable
from library.importers.spool import DamagedSpool, SpoolBusy, SpoolLock
from library.importing import ImportRefused, Silence, new_import, run_import
from library.interrupted import (
    UPLOADED,
    complete_interrupted_imports,
    fail,
    remove_spool,
    spool_folder,
    spool_name,
)
from library.models import ImportStatus, LibraryImport
from library.numbers import number

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

# A file of this size is in before a worker has woken up.
IMPORTED_AT_ONCE_BYTES = 1_000_000
FORMATS = ("auto", "itunes", "csv")
PROGRESS_SECONDS = 1.0
PROGRESS_KEPT_SECONDS = 86_400
UNPACKED_RATIO = 20
STRAY_AFTER = timedelta(hours=24)
# A file that ends its worker, say for want of memory, must not end one after the other.
MOST_TRIES = 3
TRIES = "tries"  # the option that counts them
OPEN = (ImportStatus.QUEUED, ImportStatus.READING, ImportStatus.APPLYING)
UNAPPLIED = (ImportStatus.QUEUED, ImportStatus.READING)
_LONGEST_NAME = 150
_BLOCK = 1 << 20


def limit_bytes() -> int:
    """Return how large an upload may be."""
    return int(settings.UPLOAD_LIMIT_MB) * 1_000_000


def uploads_folder() -> Path:
    """Return the private folder of files sent here, made on first use."""
    return private_folder(Path(settings.WORK_DIR) / "uploads")


def import_upload(
    file: Path,
    *,
    name: str,
    wish: dict[str, Any],
    user: "AbstractBaseUser | None",
    now: datetime,
    enqueue: Callable[[uuid.UUID], None],
) -> LibraryImport:
    """Import a file that lies in the uploads folder, or queue it for a worker; return the row as it is then.

    `wish` holds what `new_import` takes. Raises `ImportRefused`, which names what is wrong with the file.
    """
    sweep_uploads(now=now)
    row = new_import(file_name=_safe(name), user=user, now=now, **wish)
    row.status = ImportStatus.QUEUED
    row.options[UPLOADED] = True
    target = private_folder(uploads_folder() / str(row.pk)) / row.file_name
    file.rename(target)
    if _is_large(target):
        with transaction.atomic():
            row.save()
            transaction.on_commit(partial(enqueue, row.pk))
        return row
    with SpoolLock(target):
        row.save()
        return _run(row, target, now=now)


def run_queued_upload(import_id: uuid.UUID, *, now: datetime) -> LibraryImport | None:
    """Import an upload that waits or whose process is gone; None where another has it, or it is over.

    A refusal is kept on its row.
    """
    row = LibraryImport.objects.filter(pk=import_id, status__in=OPEN).first()
    if row is None:
        return None
    try:
        with SpoolLock(_file_of(row)):
            row.refresh_from_db()  # whoever had it may have come to an end just now
            return _take_up(row, now=now)
    except SpoolBusy:
        return None
    except DamagedSpool:
        return _close_without_file(row, now=now)
    except ImportRefused as refused:
        return refused.import_row


def waiting_uploads(*, now: datetime) -> list[uuid.UUID]:
    """Return the uploads that nobody is at: queued, or begun by a process that is gone, the oldest first."""
    rows = LibraryImport.objects.filter(status__in=OPEN).order_by("started_at")
    return [row.pk for row in rows if UPLOADED in row.options and _is_free(row, now=now)]


def progress_of(row: LibraryImport) -> dict[str, Any]:
    """Return how far an import is: its stage and, where its end is known, the percentage."""
    told = cache.get(_key(row)) or {}
    stage, done, total = told.get("stage", ""), told.get("done", 0), told.get("total")
    if row.completed_at is not None:
        return {"stage": "", "done": row.seen_count, "total": row.seen_count, "percentage": 100.0}
    percentage = round(min(100.0, 100 * done / total), 1) if total else None
    return {"stage": stage, "done": done, "total": total, "percentage": percentage}


def sweep_uploads(*, now: datetime) -> int:
    """Remove files whose import is over or a day old; return how many went."""
    strays = stray_uploads(now=now)
    for entry in strays:
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
            _close_lost(entry.name, now=now)
        else:
            entry.unlink(missing_ok=True)
    return len(strays)


def stray_uploads(*, now: datetime) -> list[Path]:
    """Return what lies here for a day or more and nobody is at."""
    before, strays = (now - STRAY_AFTER).timestamp(), []
    for entry in uploads_folder().iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process swept it
            if entry.stat().st_mtime < before and not _is_at_work(entry):
                strays.append(entry)
    return strays


class _Told:
    """Writes how far an import is where every process can read it, about once a second."""

    def __init__(self, row: LibraryImport) -> None:
        self._key = _key(row)
        self._said: dict[str, Any] = {}
        self._told_at = 0.0

    def stage(self, name: str, total: int | None) -> None:
        self._said = {"stage": name, "done": 0, "total": total}
        self._tell()

    def advance(self, entries: int) -> None:
        self._said["done"] += entries
        if time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._tell()

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        cache.set(self._key, self._said, PROGRESS_KEPT_SECONDS)


def _file_of(row: LibraryImport) -> Path:
    return uploads_folder() / str(row.pk) / row.file_name


def _is_large(target: Path) -> bool:
    """Is this a file for a worker? What counts is its size unpacked: a small archive may hold hours of work."""
    try:
        with open_source(target) as stream:
            return _is_longer(stream, IMPORTED_AT_ONCE_BYTES)
    except UnreadableSource:
        return False  # refused at once


def _is_free(row: LibraryImport, *, now: datetime) -> bool:
    """Is nobody at this upload, and is there reason to try it again?"""
    if row.status == ImportStatus.APPLYING and row.options.get(TRIES, 0) >= MOST_TRIES:
        return False  # the next import completes it
    try:
        with SpoolLock(_file_of(row)):
            return True
    except SpoolBusy:
        return False
    except DamagedSpool:
        if now - row.started_at > STRAY_AFTER:
            _close_lost(str(row.pk), now=now)
        return False


def _is_at_work(folder: Path) -> bool:
    """Does a living process import the file in this folder?"""
    for file in folder.iterdir() if folder.is_dir() else ():
        try:
            with SpoolLock(file):
                continue
        except SpoolBusy:
            return True
        except DamagedSpool:  # it went meanwhile, or nobody can read it
            continue
    return False


def _take_up(row: LibraryImport, *, now: datetime) -> LibraryImport | None:
    """Begin, or begin again, what nobody is at. What had been read is read anew; what was being applied goes on."""
    if row.status not in OPEN:
        return None
    row.options[TRIES] = row.options.get(TRIES, 0) + 1
    if row.status == ImportStatus.APPLYING:
        row.save(update_fields=["options"])
        return _go_on(row, now=now)
    remove_spool(spool_folder() / spool_name(row))
    if row.options[TRIES] > MOST_TRIES:
        _forget_file(row)
        raise _refused(row, _("Several workers ended while they read it."), "UPLOAD_UNREADABLE", now)
    row.status, row.spool = ImportStatus.READING, spool_name(row)
    row.save(update_fields=["options", "status", "spool"])
    return _run(row, _file_of(row), now=now)


def _go_on(row: LibraryImport, *, now: datetime) -> LibraryImport:
    complete_interrupted_imports(now=now, progress=Silence())
    row.refresh_from_db()
    if row.completed_at is not None:
        _forget_file(row)
    return row


def _run(row: LibraryImport, target: Path, *, now: datetime) -> LibraryImport:
    """Import a file whose lock is held. It stays while its row has not ended: another process will need it."""
    try:
        _require_bounded(row, target, now)
        return run_import(row, target, now=now, progress=_Told(row))
    finally:
        with contextlib.suppress(Exception):  # the fault that brought us here is the one to tell
            if not LibraryImport.objects.filter(pk=row.pk, status__in=OPEN).exists():
                _forget_file(row)


def _forget_file(row: LibraryImport) -> None:
    shutil.rmtree(_file_of(row).parent, ignore_errors=True)
    cache.delete(_key(row))


def _require_bounded(row: LibraryImport, target: Path, now: datetime) -> None:
    """Refuse an archive that unpacks to far more than it is itself, before any of it is spooled."""
    try:
        with target.open("rb") as packed:
            if packed.read(2) != GZIP_MAGIC:
                return
        most = max(target.stat().st_size * UNPACKED_RATIO, IMPORTED_AT_ONCE_BYTES)
        with open_source(target) as stream:
            if _is_longer(stream, most):
                raise UnreadableSource(
                    _("Unpacked it is larger than %(most)s bytes.") % {"most": number(most)}, code="UPLOAD_TOO_LARGE"
                )
    except UnreadableSource as fault:
        raise _refused(row, str(fault), fault.code, now) from fault


def _is_longer(stream: IO[bytes], most: int) -> bool:
    read = 0
    while block := stream.read(_BLOCK):
        read += len(block)
        if read > most:
            return True
    return False


def _refused(row: LibraryImport, reason: str, code: str, now: datetime) -> ImportRefused:
    sentence = f"{row.file_name}: {reason}"
    row.report = {"readable_entries": 0, "code": code}
    fail(row, sentence, now=now)
    return ImportRefused(sentence, code=code, import_row=row)


def _close_without_file(row: LibraryImport, *, now: datetime) -> LibraryImport | None:
    """Close an upload that waits for a file which is not there. One that was begun may be in other hands."""
    if row.status != ImportStatus.QUEUED:
        return None
    return _refused(row, _("The file is gone. Send it again."), "UPLOAD_LOST", now).import_row


def _close_lost(name: str, *, now: datetime) -> None:
    """Close the row of an upload that no worker took up in time."""
    try:
        row = LibraryImport.objects.filter(pk=uuid.UUID(name), status__in=UNAPPLIED).first()
    except ValueError:
        return
    if row is not None:
        fail(row, f"{row.file_name}: no worker took it up within a day. Nothing was changed.", now=now)


def _key(row: LibraryImport) -> str:
    return f"import-progress-{row.pk}"


def _safe(name: str) -> str:
    """Return a file name that stays within its folder; it ends as the sender's does."""
    kept = storable(Path(name.replace("\\", "/")).name).encode("utf-8", "replace").decode()
    kept = "".join(letter for letter in kept if letter.isprintable() and letter not in "/\0").strip(". ")
    while len(kept.encode()) > _LONGEST_NAME:
        kept = kept[1:]
    return kept or "upload"
