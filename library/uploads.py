"""Files sent over the network to be imported: streamed to a private folder, then imported like any other.

A small one is imported while its sender waits, a larger one by a worker. The file goes when its import has ended; one
whose worker died is left for the next worker, and swept after a day.
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
from library.importing import UPLOADED, ImportRefused, new_import, run_import
from library.interrupted import fail
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
    is_small = target.stat().st_size <= IMPORTED_AT_ONCE_BYTES
    with transaction.atomic():
        row.save()
        if not is_small:
            transaction.on_commit(partial(enqueue, row.pk))
    return _run(row, target, now=now) if is_small else row


def run_queued_upload(import_id: uuid.UUID, *, now: datetime) -> LibraryImport | None:
    """Import an upload that waits; None where another worker has it, or it is over. A refusal is kept on its row."""
    waiting = LibraryImport.objects.filter(pk=import_id, status=ImportStatus.QUEUED)
    if not waiting.update(status=ImportStatus.READING):
        return None
    row = LibraryImport.objects.get(pk=import_id)
    target = uploads_folder() / str(row.pk) / row.file_name
    try:
        return _run(row, target, now=now)
    except ImportRefused as refused:
        return refused.import_row


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
    before, gone = (now - STRAY_AFTER).timestamp(), 0
    for entry in uploads_folder().iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process swept it
            if entry.stat().st_mtime >= before:
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
                _close_lost(entry.name, now=now)
            else:
                entry.unlink()
            gone += 1
    return gone


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


def _run(row: LibraryImport, target: Path, *, now: datetime) -> LibraryImport:
    try:
        _require_bounded(row, target, now)
        return run_import(row, target, now=now, progress=_Told(row))
    finally:
        shutil.rmtree(target.parent, ignore_errors=True)
        cache.delete(_key(row))


def _require_bounded(row: LibraryImport, target: Path, now: datetime) -> None:
    """Refuse an archive that unpacks to far more than may be sent, before any of it is spooled."""
    most = limit_bytes() * UNPACKED_RATIO
    try:
        with target.open("rb") as packed:
            if packed.read(2) != GZIP_MAGIC:
                return
        with open_source(target) as stream:
            if _is_longer(stream, most):
                raise UnreadableSource(
                    _("Unpacked it is larger than %(most)s bytes.") % {"most": number(most)}, code="UPLOAD_TOO_LARGE"
                )
    except FileNotFoundError as error:
        raise _refused(row, _("The file is gone. Send it again."), "UPLOAD_LOST", now) from error
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


def _close_lost(name: str, *, now: datetime) -> None:
    """Close the row of an upload that no worker took up in time."""
    try:
        row = LibraryImport.objects.filter(pk=uuid.UUID(name), status=ImportStatus.QUEUED).first()
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
