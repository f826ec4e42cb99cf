"""Applies a spool to the library in short transactions: tracks first, then playlists, then what vanished.

Each transaction also moves the import's mark forward, so a run that dies is taken up at the exact entry. Nobody else
writes tracks while a batch does: it holds the lock of the library revision. A dry run walks the same steps and writes
nothing.
"""

import copy
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import batched
from typing import Any, Protocol

from django.conf import settings
from django.db import OperationalError, connection
from django.db.models import Max, QuerySet

from library.changes import current_revision, recording
from library.importers.spool import KeyIndex, SpoolReader
from library.last_copies import last_copies
from library.models import ChangeKind, ITunesTrack, LibraryChange, LibraryImport, Playlist
from library.playlists import replace_playlist, vanished_playlists
from library.reconciliation import EXAMPLES
from library.sqlite_bulk import page_cache
from library.upserting import CATALOG, LIBRARY, BatchOutcome, RowWriter

logger = logging.getLogger(__name__)

# Small enough that no other writer of SQLite waits noticeably, large enough that the commit costs nothing.
BATCH_ROWS = 500
CACHE_KIB = 2_000
# From so many added rows on PostgreSQL's statistics are looked at as outdated.
ROWS_UNLIKE_BEFORE = 10_000
LARGEST_KEY = 2**63 - 1
COUNTS = (
    "added_count",
    "changed_count",
    "unchanged_count",
    "vanished_count",
    "pruned_count",
    "playlist_count",
    "report",
)


class ImportTakenOver(Exception):
    """Another run has taken over this import; it goes on there."""


class ImportProgress(Protocol):
    """Who wants to know how far an import is. It may raise KeyboardInterrupt to stop it between two batches."""

    def stage(self, name: str, total: int | None) -> None: ...

    def advance(self, entries: int) -> None: ...


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep no log of statements meanwhile: with DEBUG on, Django would quote every value of a library into it."""
    connection.make_debug_cursor = connection.make_cursor  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        del connection.make_debug_cursor


def what_is_there() -> dict[str, int]:
    """Return up to where things were there when an import began: what comes later has not vanished from its source."""
    newest = {"catalogue": ITunesTrack, "playlist": Playlist}
    keys = {name: model._default_manager.aggregate(last=Max("pk"))["last"] or 0 for name, model in newest.items()}
    return {"revision": current_revision(), **keys}


def _name(title: str, artist: str) -> str:
    return f"{title or 'Untitled'} by {artist or 'unknown artist'}"[:200]


class Application:
    """One spool on its way into the library. `import_row` carries the counts and the mark."""

    def __init__(
        self, import_row: LibraryImport, spool: SpoolReader, keys: KeyIndex, *, progress: ImportProgress
    ) -> None:
        self._row = import_row
        self._spool = spool
        self._keys = keys
        self._progress = progress
        self._target = CATALOG if import_row.is_catalog else LIBRARY
        self._writes = not import_row.is_dry_run
        self._present_playlists: list[str] = []
        self._going: set[int] = set()

    def run(self) -> None:
        """Apply what is not applied yet: tracks, playlists, and the rows that the source does not have any more."""
        # A large cache would gain nothing: an import passes each page once.
        with page_cache(CACHE_KIB), _unlogged():
            self._run()
            self._count_anew()

    def _run(self) -> None:
        self._apply_tracks()
        if self._target.has_playlists:
            self._apply_playlists()
        # Of a source that was cut short nobody knows what it does not have.
        if not self._row.options.get("is_partial"):
            self._reckon_vanished()
            if self._target.has_playlists and self._row.options.get("states_playlists"):
                self._reckon_vanished_playlists()

    # --- Steps ------------------------------------------------------------------------------------------------------

    def _apply_tracks(self) -> None:
        writer = RowWriter(self._target, source=self._row.source, fields=self._spool.fields, import_id=self._row.pk)
        done = min(self._row.applied_entries, self._spool.track_count)
        self._progress.stage("Applying tracks", self._spool.track_count)
        self._progress.advance(done)
        for rows in batched(self._spool.tracks(skip=done), BATCH_ROWS):
            self._batch(len(rows), partial(writer.apply, rows, writes=self._writes), self._note_tracks)
            self._progress.advance(len(rows))

    def _apply_playlists(self) -> None:
        done = max(self._row.applied_entries - self._spool.track_count, 0)
        self._progress.stage("Applying playlists", self._spool.playlist_count)
        for number, playlist in enumerate(self._spool.playlists()):
            self._present_playlists.append(playlist.source_playlist_id)
            if number >= done:
                self._batch(
                    1,
                    partial(replace_playlist, playlist, source=self._row.source, writes=self._writes),
                    self._note_playlist,
                )
            self._progress.advance(1)

    def _reckon_vanished(self) -> None:
        """Count the rows the source does not have any more, and remove them if that was asked for."""
        self._row.vanished_count = self._row.pruned_count
        matched = self._spool.track_count if self._writes else self._row.changed_count + self._row.unchanged_count
        if self._target.rows_of(self._row.source).count() == matched:
            return
        self._progress.stage("Looking for what vanished", None)
        prunes = self._prunes
        for gone in self._vanished_rows():
            kept = self._last_copies(gone) if prunes else []
            going = [row for row in gone if row not in kept]
            self._batch(0, partial(self._remove, going if prunes else []), self._note_vanished(gone, kept))
            # A dry run removes nothing, and must name the last copy all the same when its fellow was in another batch.
            self._going.update(pk for pk, _ in going)
            self._progress.advance(len(gone))

    def _last_copies(self, gone: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Return the tracks that are the last of their kind; they go only when that was confirmed by itself."""
        if self._target is not LIBRARY or self._row.options.get("prune_last_copies"):
            return []
        last = last_copies([pk for pk, _ in gone], gone=self._going)
        return [row for row in gone if row[0] in last]

    @cached_property
    def _prunes(self) -> bool:
        """Is what vanished to be removed? If that was asked for and cannot be, the report says so once."""
        if not self._row.options.get("prune"):
            return False
        # An empty folder is more often a disk that is not there than a library somebody cleared.
        if not self._spool.track_count or self._row.options.get("is_incomplete"):
            reason = "Nothing was removed: not everything in the source could be looked at."
            self._row.report["warnings"].append({"code": "NOT_PRUNED", "message": reason, "line": None})
            return False
        return True

    def _vanished_rows(self) -> Iterator[list[tuple[int, str]]]:
        """Yield batches of (primary key, name) of the rows that the source has no key for.

        Rows in quarantine are left out: they are not part of the library, and what becomes of them is decided there.
        """
        key_field = self._target.key_field
        rows = self._known_rows()
        last_id = 0
        while page := list(
            rows.filter(pk__gt=last_id).order_by("pk").values_list("pk", key_field, "title", "artist")[:BATCH_ROWS]
        ):
            last_id = page[-1][0]
            gone = self._keys.missing([key for _, key, _, _ in page])
            found = [(pk, _name(title, artist)) for pk, key, title, artist in page if key in gone]
            came_since = self._came_since([pk for pk, _ in found])
            if found := [row for row in found if row[0] not in came_since]:
                yield found

    def _came_since(self, ids: list[int]) -> set[int]:
        """Return which of these rows another import of the source, or a person, has added since this one began."""
        began = self._row.options.get("began")
        if not ids or began is None:
            return set()
        if self._target is CATALOG:
            return {pk for pk in ids if pk > began["catalogue"]}
        # Asked of the log and not of the keys: a keeper that comes back has the one it had.
        added = LibraryChange.objects.filter(kind=ChangeKind.ADDED, revision__gt=began["revision"], track_id__in=ids)
        return set(added.values_list("track_id", flat=True))

    def _known_rows(self) -> QuerySet[Any]:
        """Return the rows of the source that are part of the library, or of the catalogue."""
        rows = self._target.rows_of(self._row.source)
        return rows.filter(quarantined_at__isnull=True) if self._target is LIBRARY else rows

    def _remove(self, gone: list[tuple[int, str]]) -> int:
        if not self._writes or not gone:
            return len(gone)
        # Asked again under the lock: a removal may have made one of them a keeper, or put it into quarantine, since.
        # Nor may it have been added again.
        staying = {pk for pk, _ in self._last_copies(gone)} | self._came_since([pk for pk, _ in gone])
        rows = self._known_rows().filter(pk__in=[pk for pk, _ in gone if pk not in staying])
        return rows.delete()[1].get(self._target.model._meta.label, 0)

    def _reckon_vanished_playlists(self) -> None:
        newest = self._row.options.get("began", {}).get("playlist", LARGEST_KEY)
        gone = vanished_playlists(self._row.source, self._present_playlists, newest=newest)
        if not gone:
            return
        prunes = self._prunes

        def remove() -> int:
            if prunes and self._writes:
                Playlist.objects.filter(pk__in=[pk for pk, _ in gone]).delete()
            return len(gone)

        def note(count: int) -> None:
            self._row.report["vanished_playlists"] = [name for _, name in gone[:EXAMPLES]]
            self._row.report["playlists"]["removed" if prunes else "vanished"] = count

        self._batch(0, remove, note)

    def _count_anew(self) -> None:
        """Have PostgreSQL look at a table that has grown: the next analysis may come before its own next look."""
        if connection.vendor == "postgresql" and self._writes and self._row.added_count > ROWS_UNLIKE_BEFORE:
            with connection.cursor() as cursor:
                cursor.execute(f"ANALYZE {connection.ops.quote_name(self._target.model._meta.db_table)}")

    # --- What each step did -----------------------------------------------------------------------------------------

    def _note_tracks(self, outcome: BatchOutcome) -> None:
        self._row.added_count += outcome.added
        self._row.changed_count += outcome.changed
        self._row.unchanged_count += outcome.unchanged
        if outcome.returned:
            self._row.report["returned"] = self._row.report.get("returned", 0) + outcome.returned
        counts = self._row.report["changed_fields"]
        for name, count in outcome.changed_fields.items():
            counts[name] = counts.get(name, 0) + count

    def _note_playlist(self, outcome: str) -> None:
        self._row.playlist_count += 1
        counts = self._row.report["playlists"]
        counts[outcome] = counts.get(outcome, 0) + 1

    def _note_vanished(self, gone: list[tuple[int, str]], kept: list[tuple[int, str]]) -> Callable[[int], None]:
        def note(removed: int) -> None:
            self._row.vanished_count += len(gone)
            self._row.pruned_count += removed
            examples = self._row.report["vanished"]
            examples.extend(name for _, name in gone[: max(EXAMPLES - len(examples), 0)])
            if kept:
                names = [*self._row.report.get("last_copies", []), *(name for _, name in kept)]
                self._row.report["last_copies"] = names

        return note

    # --- One transaction --------------------------------------------------------------------------------------------

    def _batch[T](self, entries: int, work: Callable[[], T], note: Callable[[T], None]) -> None:
        """Run `work` in one transaction that also saves its counts and moves the mark forward by `entries`.

        A passing fault of the database rolls all of it back and tries again. Raises `ImportTakenOver` when another run
        has moved the mark meanwhile.
        """
        if not self._writes:
            note(work())
            return
        before = {name: copy.deepcopy(getattr(self._row, name)) for name in COUNTS}
        pause = settings.DATABASE_RETRY_SECONDS
        for attempt in range(settings.DATABASE_RETRIES + 1):
            try:
                with recording(f"import:{self._row.pk}"):
                    note(work())
                    self._move_mark(entries)
                break
            except OperationalError as error:
                for name, value in before.items():
                    setattr(self._row, name, copy.deepcopy(value))
                if attempt == settings.DATABASE_RETRIES or connection.in_atomic_block:
                    raise
                logger.warning("The database was busy (%s); trying the batch again.", str(error).strip())
                time.sleep(pause + random.uniform(0, pause / 4))  # noqa: S311 (only to part two waiters)
                pause *= 2
        self._row.applied_entries += entries

    def _move_mark(self, entries: int) -> None:
        row = self._row
        moved = LibraryImport.objects.filter(pk=row.pk, status=row.status, applied_entries=row.applied_entries).update(
            applied_entries=row.applied_entries + entries, **{name: getattr(row, name) for name in COUNTS}
        )
        if not moved:
            raise ImportTakenOver(str(row.pk))
