"""Brings a source into the library: read and checked to its end first, applied in short batches after.

Reading writes a spool in the private work folder and nothing else, so a damaged source changes nothing. Applying moves
the import's mark in the same transaction as each batch; a run that was killed is completed from its spool by the next
import, on whatever day that is. Every run leaves a `LibraryImport` row whose numbers add up: a refused one with
the sentence that says why, a dry run marked as such. A dry run walks the same plan and writes nothing but that row.
"""

import copy
import hashlib
import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from library.applying import Application, ImportProgress, what_is_there
from library.importers.reading import ReadingOptions, default_source, read_source, resolve_format
from library.importers.records import (
    ImportedItem,
    ImportedPlaylist,
    ImportedTrack,
    ImportProblem,
    SkippedEntry,
    SkippedPlaylist,
    SourceFacts,
    UnreadableSource,
    storable,
)
from library.importers.spool import SpoolReader, SpoolWriter
from library.interrupted import UPLOADED, complete, complete_interrupted_imports, fail, spool_folder, spool_name
from library.models import ImportStatus, LibraryImport
from library.reconciliation import Tally
from library.upserting import CATALOG, LIBRARY

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

logger = logging.getLogger(__name__)

LONGEST_SOURCE = 100
LONGEST_FILE_NAME = 500
PROGRESS_STEP = 500
# A problem with this code means that part of the source was not looked at, so nothing in it can be called vanished.
INCOMPLETE = "NOT_ALL_READ"


class ImportRefused(Exception):
    """The import did not happen, or stopped. The message is the sentence for the person; `code` is for machines."""

    def __init__(self, sentence: str, *, code: str, import_row: LibraryImport) -> None:
        super().__init__(sentence)
        self.code = code
        self.import_row = import_row


class Silence:
    """The progress nobody watches."""

    def stage(self, name: str, total: int | None) -> None:
        """Say nothing."""

    def advance(self, entries: int) -> None:
        """Say nothing."""


def import_library(
    *,
    path: Path,
    format: str = "auto",
    source: str = "",
    mapping: Mapping[str, str] | None = None,
    id_column: str = "",
    catalog: bool = False,
    dry_run: bool = False,
    keep_partial: bool = False,
    prune: bool = False,
    prune_last_copies: bool = False,
    user: "AbstractBaseUser | None" = None,
    now: datetime,
    progress: ImportProgress | None = None,
) -> LibraryImport:
    """Import what lies at `path` and return the reconciled row.

    1. Complete imports that were cut short, so that this one finds a settled library.
    2. Read the source to its end into a spool.
    3. Apply the spool in batches.

    Raises `ImportRefused` when the source cannot be read to its end (with `keep_partial` only if nothing of it can) or
    path and options contradict each other; the library is then as it was.
    """
    row = new_import(
        file_name=default_source(path),
        format=format,
        source=source,
        mapping=mapping,
        id_column=id_column,
        catalog=catalog,
        dry_run=dry_run,
        keep_partial=keep_partial,
        prune=prune,
        prune_last_copies=prune_last_copies,
        user=user,
        now=now,
    )
    return run_import(row, path, now=now, progress=progress)


def new_import(
    *,
    file_name: str,
    format: str = "auto",
    source: str = "",
    mapping: Mapping[str, str] | None = None,
    id_column: str = "",
    catalog: bool = False,
    dry_run: bool = False,
    keep_partial: bool = False,
    prune: bool = False,
    prune_last_copies: bool = False,
    user: "AbstractBaseUser | None" = None,
    now: datetime,
) -> LibraryImport:
    """Return the row of an import that is asked for; it is not saved."""
    return LibraryImport(
        source=fitted(source.strip()),
        format=format,
        file_name=file_name[-LONGEST_FILE_NAME:],
        is_catalog=catalog,
        is_dry_run=dry_run,
        options={
            "mapping": {field: storable(column) for field, column in (mapping or {}).items()},
            "id_column": storable(id_column),
            "keep_partial": keep_partial,
            "prune": prune,
            "prune_last_copies": prune_last_copies,
            "host": socket.gethostname(),
        },
        user_id=user.pk if user else None,
        started_at=now,
    )


def run_import(
    row: LibraryImport, path: Path, *, now: datetime, progress: ImportProgress | None = None
) -> LibraryImport:
    """Bring what lies at `path` in as the row says, and return it reconciled. Raises `ImportRefused`."""
    options = ReadingOptions(row.format, row.options["mapping"], row.options["id_column"])
    return _Import(row, path, options, now=now, progress=progress or Silence()).run()


class _Import:
    """One run, from path to reconciled row."""

    def __init__(
        self, row: LibraryImport, path: Path, options: ReadingOptions, *, now: datetime, progress: ImportProgress
    ) -> None:
        self._row = row
        self._path = path
        self._options = options
        self._now = now
        self._progress = progress
        self._target = CATALOG if row.is_catalog else LIBRARY
        self._tally = Tally()
        self._facts = SourceFacts()

    def run(self) -> LibraryImport:
        row = self._row
        spool = None
        try:
            if not row.is_dry_run:
                complete_interrupted_imports(now=self._now, progress=self._progress)
            row.options["began"] = what_is_there()
            row.status, row.spool = ImportStatus.READING, spool_name(row)
            spool = SpoolWriter(spool_folder() / row.spool, longest_key=self._target.longest_key)
            self._save()
            self._read_into(spool)
            entries = spool.finish()
            self._reckon()
            self._require_same_library(spool)
            self._settle(entries=entries)
            Application(row, SpoolReader(spool.path), spool.keys, progress=self._progress).run()
            complete(row, now=self._now)
        except BaseException as error:
            self._stop(error, spool)
            raise
        spool.remove()
        return row

    def _stop(self, error: BaseException, spool: SpoolWriter | None) -> None:
        """Leave a state that the next run understands: nothing happened, or the spool goes on from its mark."""
        if spool and self._row.status == ImportStatus.APPLYING and not self._row.is_dry_run:
            spool.close()
            return
        try:
            if self._row.status != ImportStatus.FAILED:
                reason = "on request" if isinstance(error, KeyboardInterrupt) else f"by an error: {_kind(error)}"
                fail(self._row, storable(f"The import was stopped {reason}. Nothing was changed."), now=self._now)
        finally:
            if spool:
                spool.remove()

    # --- Reading ----------------------------------------------------------------------------------------------------

    def _read_into(self, spool: SpoolWriter) -> None:
        try:
            self._row.format = resolve_format(self._path, self._options)
            if self._row.is_catalog and self._row.format != "itunes":
                raise UnreadableSource("Only an iTunes library can be the catalogue.", code="WRONG_FORMAT")
            self._consume(spool)
        except UnreadableSource as fault:
            can_be_kept = self._row.options["keep_partial"] and self._tally.seen
            if not can_be_kept:
                self._refuse(fault)
            self._row.options["is_partial"] = True
            self._row.error_message = self._sentence(fault)

    def _consume(self, spool: SpoolWriter) -> None:
        self._progress.stage("Reading", None)
        items = read_source(self._path, name=self._row.format, options=self._options, this_year=self._now.year)
        for number, item in enumerate(items, start=1):
            self._take(item, spool)
            if number % PROGRESS_STEP == 0:
                self._progress.advance(PROGRESS_STEP)

    def _take(self, item: ImportedItem, spool: SpoolWriter) -> None:
        match item:
            case ImportedTrack():
                if not spool.has_header:
                    spool.begin(self._fields())
                if spool.add_track(item):
                    self._tally.track(item)
                else:
                    self._tally.repeated(item)
            case SkippedEntry():
                self._tally.skip(item)
                if item.source_track_id:
                    spool.keep(item.source_track_id)
            case ImportedPlaylist():
                if self._target.has_playlists:
                    spool.add_playlist(item)
            case SkippedPlaylist():
                self._tally.skip_playlist(item)
            case SourceFacts():
                self._facts = replace(item, stated_fields=item.stated_fields or self._facts.stated_fields)
            case ImportProblem():
                self._tally.warn(item)
                if item.code == INCOMPLETE:
                    self._row.options["is_incomplete"] = True

    def _fields(self) -> tuple[str, ...]:
        """Return the fields each spooled track holds: what the source states and the target has."""
        stated = self._facts.stated_fields
        return tuple(name for name in self._target.fields if not stated or name in stated)

    def _reckon(self) -> None:
        """Write down what was read, and under which name it is kept."""
        row = self._row
        if not row.source:
            row.source = fitted(self._facts.library_id or row.file_name)
            # Where an upload lies says nothing of where it came from.
            if not self._facts.library_id and UPLOADED not in row.options:
                row.options["folder"] = hashlib.blake2b(bytes(self._path.resolve().parent), digest_size=8).hexdigest()
        row.seen_count = self._tally.seen
        row.report = self._tally.as_report() | {"application": self._facts.application}
        row.options["states_playlists"] = self._facts.states_playlists

    def _require_same_library(self, spool: SpoolWriter) -> None:
        """Refuse a file of a name known from another folder, unless it is plainly the same library moved.

        Nobody gave the source its name, so two libraries called `songs.csv` would overwrite each other.
        """
        row = self._row
        if not _came_from_another_folder(row):
            return
        plan = copy.deepcopy(row)
        plan.is_dry_run = True
        Application(plan, SpoolReader(spool.path), spool.keys, progress=Silence()).run()
        if not is_same_library(plan):
            self._refuse(
                UnreadableSource(
                    f"“{row.source}” was imported from another folder and holds other songs. Nothing was changed. Keep "
                    f"the two apart with --source NAME; --source “{row.source}” updates that one.",
                    code="SAME_NAME",
                )
            )
        sentence = "The last import of this name came from another folder; --source NAME keeps two libraries apart."
        row.report["warnings"].append({"code": "SAME_NAME", "message": sentence, "line": None})

    def _settle(self, *, entries: int) -> None:
        """Go on to applying what was read."""
        self._row.skipped_count = self._tally.skipped_total
        self._row.status = ImportStatus.APPLYING
        self._save()
        logger.info("Read %s entries of %s; %s to apply.", self._tally.seen, self._row.file_name, entries)

    # --- Refusing ---------------------------------------------------------------------------------------------------

    def _refuse(self, fault: UnreadableSource) -> NoReturn:
        self._row.seen_count = self._tally.seen
        self._row.report = {"readable_entries": self._tally.seen, "code": fault.code}
        fail(self._row, self._sentence(fault), now=self._now)
        raise ImportRefused(self._told(fault), code=fault.code, import_row=self._row) from fault

    def _sentence(self, fault: UnreadableSource) -> str:
        """Name the file and not its folder: the row is read by people who need not know this machine."""
        return storable(f"{self._row.file_name}: {fault}")

    def _told(self, fault: UnreadableSource) -> str:
        """Name the whole path to who gave it; where an upload lies is nobody's concern."""
        if UPLOADED in self._row.options:
            return self._sentence(fault)
        return storable(f"{os.fsencode(self._path).decode('utf-8', 'backslashreplace')}: {fault}")

    def _save(self) -> None:
        """Save the state between two steps. A dry run has none that a next run could take up."""
        if not self._row.is_dry_run:
            self._row.save()


def _kind(error: BaseException) -> str:
    """Say what went wrong without what an error quotes: a path, or the host of the database."""
    return getattr(error, "strerror", None) or type(error).__name__


def _came_from_another_folder(row: LibraryImport) -> bool:
    """Does the name of this source come from its file alone, and did the last file of that name lie elsewhere?"""
    done = LibraryImport.objects.filter(source=row.source, is_catalog=row.is_catalog, completed_at__isnull=False)
    before = done.exclude(status=ImportStatus.FAILED).filter(is_dry_run=False).order_by("-started_at").first()
    return bool(
        before and "folder" in row.options and before.options.get("folder") not in (None, row.options["folder"])
    )


def is_same_library(plan: LibraryImport) -> bool:
    """Say by what an import would do whether it brings the library it would update: most songs stay what they are.

    An id alone says little, because many files number their rows from 1.
    """
    known = plan.changed_count + plan.unchanged_count
    renamed: int = plan.report["changed_fields"].get("title", 0)
    return (known - renamed) * 2 >= known + plan.vanished_count


def fitted(name: str) -> str:
    """Return a source name that fits its column; of a longer one the start and a digest of all of it."""
    name = storable(name)
    if len(name) <= LONGEST_SOURCE:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    return f"{name[: LONGEST_SOURCE - 17]}#{digest}"
