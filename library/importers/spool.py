"""The spool: a whole source, read and checked to its end, in one private file that an import then applies.

A spool is a file of lines: a header, a list for each track, objects for each playlist and its places, and a last line
with their number and checksum. A file without a matching last line is damaged and never applied. Beside it lies an
index of the keys, which finds entries that come twice and rows that are gone from the source without holding a
library's keys in memory; it can be made again from the spool.

While a process works on a spool it holds a lock on it. A spool without a lock belongs to nobody alive.
"""

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import batched, islice, takewhile
from pathlib import Path
from typing import IO, Any

import orjson

from library.importers.records import ImportedPlaylist, ImportedTrack, content_digest

VERSION = 1
LONGEST_KEY = 300
PLACES_A_LINE = 1_000
PLAYLIST, PLACES = b'{"playlist"', b'{"places"'  # how such lines start
KEYS_A_LOOK_UP = 500


class DamagedSpool(Exception):
    """The spool is not there, or not as it was written."""


class SpoolBusy(Exception):
    """Another process is working on the spool."""


class KeyIndex:
    """The keys of one source, on disk: which were seen, and how often content without a key came."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self._prepare()
        except sqlite3.Error:
            self.close()
            path.unlink(missing_ok=True)
            raise

    def _prepare(self) -> None:
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -1000",
            "CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID",
            "CREATE TABLE kept (key TEXT PRIMARY KEY) WITHOUT ROWID",
            "CREATE TABLE content (digest TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID",
            "BEGIN",
        ):
            self._connection.execute(statement)

    def add(self, key: str) -> bool:
        """Remember a key; return False when it was there before."""
        cursor = self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,))
        return cursor.rowcount == 1

    def keep(self, key: str) -> None:
        """Remember a key that must not count as missing, though nothing is imported for it."""
        self._connection.execute("INSERT OR IGNORE INTO kept VALUES (?)", (fitted_key(key),))

    def count_content(self, digest: str) -> int:
        """Return how often this content has come, this time included."""
        row = self._connection.execute(
            "INSERT INTO content VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times", (digest,)
        ).fetchone()
        return int(row[0])

    def missing(self, keys: Sequence[str]) -> set[str]:
        """Return those of `keys` that the source does not have."""
        found: set[str] = set()
        for start in range(0, len(keys), KEYS_A_LOOK_UP):
            part = keys[start : start + KEYS_A_LOOK_UP]
            marks = ",".join("?" * len(part))
            for table in ("seen", "kept"):
                query = f"SELECT key FROM {table} WHERE key IN ({marks})"  # noqa: S608 (our own two names)
                found.update(row[0] for row in self._connection.execute(query, part))
        return set(keys) - found

    def close(self) -> None:
        self._connection.close()
        self._path.unlink(missing_ok=True)


class SpoolWriter:
    """Writes a spool and keeps it locked until it is closed."""

    def __init__(self, path: Path, *, longest_key: int = LONGEST_KEY) -> None:
        self.path = path
        self._longest_key = longest_key
        self.keys = KeyIndex(keys_path(path))
        self._file: IO[bytes] = open_private(path)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._checksum = hashlib.sha256()
        self._tracks = self._playlists = self._lines = 0
        self._fields: tuple[str, ...] = ()
        self._kept: list[str] = []
        self.has_header = False

    def begin(self, fields: Sequence[str]) -> None:
        """Write the header: the fields that each track line holds, in their order."""
        self.has_header = True
        self._fields = tuple(fields)
        self._write({"version": VERSION, "fields": self._fields})

    def keep(self, key: str) -> None:
        """Note that the track with this key is still there, though it cannot be read today."""
        self.keys.keep(key)
        self._kept.append(fitted_key(key))

    def add_track(self, track: ImportedTrack) -> bool:
        """Write a track unless its key was there before; return whether it was written."""
        key = fitted_key(key_of(track, self.keys), self._longest_key)
        if not self.keys.add(key):
            return False
        self._write([key, *(getattr(track, name) for name in self._fields)])
        self._tracks += 1
        return True

    def add_playlist(self, playlist: ImportedPlaylist) -> None:
        """Write a playlist."""
        if not self.has_header:
            self.begin(())
        self._write({"playlist": [playlist.source_playlist_id, playlist.name, playlist.is_smart]})
        for keys in batched(playlist.source_track_ids, PLACES_A_LINE):
            self._write({"places": keys})
        self._playlists += 1

    def finish(self) -> int:
        """Write the last line and bring all of it to the disk; return how many lines there are to apply."""
        if not self.has_header:
            self.begin(())
        counts = {"tracks": self._tracks, "playlists": self._playlists, "kept": self._kept, "lines": self._lines}
        self._write(counts | {"sha256": self._checksum.hexdigest()})
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._tracks + self._playlists

    def close(self) -> None:
        """Let go of the lock; the file stays."""
        try:
            self._file.close()
        finally:
            self.keys.close()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        # On a full disk what is still buffered cannot be written, and nobody wants it any more.
        with suppress(OSError):
            self.close()

    def _write(self, value: object) -> None:
        line = orjson.dumps(value) + b"\n"
        self._checksum.update(line)
        self._file.write(line)
        self._lines += 1


class SpoolReader:
    """Reads a finished spool again: `tracks()` first, then `playlists()`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        trailer = _verified_trailer(path)
        self.track_count: int = trailer["tracks"]
        self.playlist_count: int = trailer["playlists"]
        self._kept: list[str] = trailer["kept"]
        with path.open("rb") as file:
            header = orjson.loads(file.readline())
        if header["version"] != VERSION:
            raise DamagedSpool(f"It was written by another version ({header['version']}).")
        self.fields: tuple[str, ...] = tuple(header["fields"])

    def tracks(self, *, skip: int = 0) -> Iterator[list[Any]]:
        """Yield `[key, value, …]` of each track after the first `skip`; values stand in the order of `fields`."""
        with self._path.open("rb") as file:
            tracks = (line for line in file if line.startswith(b"["))
            yield from map(orjson.loads, islice(tracks, skip, None))

    def playlists(self) -> Iterator[ImportedPlaylist]:
        """Yield the playlists."""
        with self._path.open("rb") as file:
            while line := file.readline():
                if line.startswith(PLAYLIST):
                    playlist_id, name, is_smart = orjson.loads(line)["playlist"]
                    places = _SpooledPlaces(self._path, file.tell())
                    yield ImportedPlaylist(playlist_id, name, is_smart, places)

    def rebuild_keys(self) -> KeyIndex:
        """Make the index of keys again, for a spool that somebody else wrote."""
        keys = KeyIndex(keys_path(self._path))
        for key, *_ in self.tracks():
            keys.add(key)
        for key in self._kept:
            keys.keep(key)
        return keys


class _SpooledPlaces:
    """The keys of one playlist, read from the spool each time."""

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._start = start

    def __iter__(self) -> Iterator[str]:
        with self._path.open("rb") as file:
            file.seek(self._start)
            for line in takewhile(lambda line: line.startswith(PLACES), file):
                yield from orjson.loads(line)["places"]


class SpoolLock:
    """Holds a spool that another process left, so that two runs never complete the same import."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise DamagedSpool("It is gone.") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise SpoolBusy from error
        # Whoever held the lock before may have finished and removed the file meanwhile.
        if not path.exists():
            self._file.close()
            raise SpoolBusy

    def __enter__(self) -> "SpoolLock":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def open_private(path: Path) -> IO[bytes]:
    """Create a file that nobody else may read."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def keys_path(path: Path) -> Path:
    return path.with_suffix(".keys")


def key_of(track: ImportedTrack, keys: KeyIndex) -> str:
    """Return the key a track is found by: its id, or its content and how many equal ones came before."""
    if not track.source_track_id:
        digest = content_digest(track)
        return f"content:{digest}:{keys.count_content(digest)}"
    return track.source_track_id


def fitted_key(key: str, longest: int = LONGEST_KEY) -> str:
    """Return a key that fits its column; of a longer one the start and a digest of all of it."""
    if len(key) <= longest:
        return key
    digest = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
    return f"{key[: longest - 17]}#{digest}" if longest > 17 else digest


def sweep(folder: Path, *, keep: Iterable[str], older_than: float) -> int:
    """Remove files no import refers to, whose writer is gone; return how many. `older_than` is a POSIX time."""
    kept = set(keep)
    removed = 0
    for path in folder.glob("*.spool"):
        with suppress(OSError, DamagedSpool, SpoolBusy):
            if path.name in kept or path.stat().st_mtime > older_than:
                continue
            with SpoolLock(path):
                path.unlink(missing_ok=True)
                keys_path(path).unlink(missing_ok=True)
                removed += 1
    for path in folder.glob("*.keys"):
        # The keys of a spool that could not even be begun.
        with suppress(OSError):
            if not path.with_suffix(".spool").exists() and path.stat().st_mtime <= older_than:
                path.unlink()
    return removed


def _verified_trailer(path: Path) -> dict[str, Any]:
    """Return what the last line says, after checking every byte; raise `DamagedSpool` otherwise."""
    checksum = hashlib.sha256()
    last = b""
    lines = 0
    try:
        with path.open("rb") as file:
            for line in file:
                checksum.update(last)
                last = line
                lines += 1
        trailer: dict[str, Any] = orjson.loads(last)
        is_whole = trailer["sha256"] == checksum.hexdigest()
        has_all_lines = lines == trailer["lines"] + 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedSpool("It is gone or cut short.") from error
    if not (is_whole and has_all_lines):
        raise DamagedSpool("Its checksum does not match.")
    return trailer
