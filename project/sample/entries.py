"""Turns the menus into entries: every song with its dates, plays, size and place on the disk filled in.

Whatever the menus leave open is derived from a digest of the song's key, so that the same menus always give the same
library and a new row never changes the others.
"""

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from project.sample.albums import read_albums
from project.sample.rest import LOOSE, SKIPPED
from project.sample.shapes import Album, Audio, Loose, Skipped, Version
from project.sample.versions import APART, SAME

FIRST_RIP = 2009  # the year the family began to copy its discs
NEWEST = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the library, complete. `recording` is None for what is no song."""

    key: str
    recording: str | None
    kind: str

    # What it says it is; blank and 0 mean that it does not say
    title: str
    artist: str
    album: str
    genre: str
    duration_ms: int
    audio: Audio
    album_artist: str = ""
    composer: str = ""
    disc: int = 0
    number: int = 0
    year: int = 0
    compilation: bool = False
    explicit: bool = False
    clean: bool = False
    flags: tuple[str, ...] = ()
    has_file: bool = True

    # What people did with it
    plays: int = 0
    skips: int = 0
    rating: int = 0
    loved: bool = False
    added_at: datetime = NEWEST
    played_at: datetime | None = None

    @property
    def persistent_id(self) -> str:
        return digest(f"persistent id of {self.key}")[:16].upper()

    @property
    def size_bytes(self) -> int:
        return self.duration_ms * self.audio.kbps // 8 + 20_000 + _number(f"size of {self.recording}", 60_000)


def all_entries() -> list[Entry]:
    """Return the whole library in the order in which iTunes would list it: as it was added."""
    entries = {entry.key: entry for album in read_albums() for entry in _songs_of(album)}
    for versions, is_same in ((APART, False), (SAME, True)):
        for version in versions:
            for original in _originals(version, entries):
                entry = _versioned(version, original, is_same, taken=entries.keys())
                entries[entry.key] = entry
    everything = [*entries.values(), *(_loose(row) for row in LOOSE), *(_skipped(row) for row in SKIPPED)]
    return sorted(everything, key=lambda entry: (entry.added_at, entry.key))


def _songs_of(album: Album) -> Iterator[Entry]:
    for place, song in enumerate(album.songs, start=1):
        key = f"{album.key}/{place}"
        entry = Entry(
            key=key,
            recording=key,
            kind="original",
            title=song.title,
            artist=song.artist,
            album_artist=album.artist,
            album=album.title,
            genre=album.genre,
            composer=album.composer,
            duration_ms=_milliseconds(song.length, key),
            disc=song.disc,
            number=song.number,
            year=album.year,
            audio=album.audio,
            compilation=album.compilation,
            explicit=song.explicit,
        )
        yield _with_habits(entry, added_with=album.key)


def _originals(version: Version, entries: dict[str, Entry]) -> list[Entry]:
    """Return the entries a version is made from: one, or a run such as `salt/1-8`."""
    run = re.fullmatch(r"(.+)/(\d+)-(\d+)", version.of)
    if run is None:
        return [entries[version.of]]
    return [entries[f"{run[1]}/{place}"] for place in range(int(run[2]), int(run[3]) + 1)]


def _versioned(version: Version, original: Entry, is_same: bool, *, taken: Collection[str]) -> Entry:
    key = _free_key(f"{original.key} {version.kind}", taken)
    artist = version.artist.replace("{}", original.artist)
    is_compilation = version.album_artist == "Various Artists"
    entry = replace(
        original,
        key=key,
        recording=original.recording if is_same else key,
        kind=version.kind,
        title=version.title.replace("{}", original.title),
        artist=artist,
        album_artist=_album_artist(version, original, artist),
        album=version.album.replace("{}", original.album),
        genre=version.genre.replace("{}", original.genre),
        duration_ms=_versioned_length(version, original, key),
        disc=original.disc if version.disc is None else version.disc,
        number=original.number if version.number is None else version.number,
        year=original.year if version.year is None else version.year,
        audio=version.audio or original.audio,
        compilation=is_compilation or (original.compilation if version.compilation is None else version.compilation),
        explicit=original.explicit if version.explicit is None else version.explicit,
        clean=version.clean,
        has_file=version.has_file,
    )
    entry = _with_habits(entry, added_with=f"{version.of} {version.kind}", not_before=original.added_at)
    plays = entry.plays if version.plays is None else version.plays
    return replace(
        entry,
        plays=plays,
        played_at=_played_at(entry.key, plays, entry.added_at),
        rating=entry.rating if version.rating is None else version.rating,
        loved=entry.loved or version.loved,
    )


def _album_artist(version: Version, original: Entry, artist: str) -> str:
    """Return the album artist of a version: named, or its own new artist, or as it was."""
    if version.album_artist != "{}":
        return version.album_artist
    return original.album_artist if "{}" in version.artist else artist


def _versioned_length(version: Version, original: Entry, key: str) -> int:
    """Return the length; another encoder adds or trims a few hundredths, the very same file does not."""
    if version.audio in (None, original.audio):
        return original.duration_ms + version.longer_ms
    return original.duration_ms + version.longer_ms + _number(f"padding of {key}", 60) - 30


def _loose(row: Loose) -> Entry:
    entry = Entry(
        key=row.key,
        recording=row.key,
        kind=row.kind,
        title=row.title,
        artist=row.artist,
        album=row.album,
        genre=row.genre,
        duration_ms=_milliseconds(row.length, row.key),
        number=row.number,
        audio=row.audio,
    )
    return _with_habits(entry, added_with=row.key)


def _skipped(row: Skipped) -> Entry:
    entry = _loose(Loose(row.key, row.reason, row.length, row.title, row.artist, row.album, row.genre, 0, row.audio))
    return replace(entry, recording=None, flags=row.flags, has_file=row.audio.ending != "", rating=0, loved=False)


def _with_habits(entry: Entry, *, added_with: str, not_before: datetime | None = None) -> Entry:
    """Fill in when an entry came, how often it was played and what people thought of it."""
    begin = not_before or datetime(max(FIRST_RIP, min(entry.year, 2024)), 1, 1, tzinfo=UTC)
    days = max(1, (NEWEST - begin).days // (3 if not_before is None else 2))
    added_at = begin + timedelta(days=1 + _number(f"added {added_with}", days), seconds=_number(added_with, 60_000))
    added_at += timedelta(seconds=20 * (100 * entry.disc + entry.number))  # an album arrives in its own order
    plays = _number(f"plays of {entry.key}", 40) if _number(f"played {entry.key}", 3) else 0
    return replace(
        entry,
        added_at=added_at,
        plays=plays,
        played_at=_played_at(entry.key, plays, added_at),
        skips=_number(f"skips of {entry.key}", 6) if _number(f"skipped {entry.key}", 4) == 0 else 0,
        rating=(0, 0, 0, 0, 60, 80, 100, 40)[_number(f"rating of {entry.key}", 8)],
        loved=_number(f"loved {entry.key}", 16) == 0,
    )


def _played_at(key: str, plays: int, added_at: datetime) -> datetime | None:
    if not plays:
        return None
    return added_at + (NEWEST - added_at) * _number(f"last played {key}", 1_000) / 1_000


def _milliseconds(length: str, key: str) -> int:
    """Read m:ss as the rounded length it is in a menu, and m:ss.mmm to the millisecond."""
    minutes, seconds = length.split(":")
    exact = round((int(minutes) * 60 + float(seconds)) * 1_000)
    return exact if "." in seconds or not exact else exact + _number(f"length of {key}", 1_000)


def _free_key(key: str, taken: Collection[str]) -> str:
    """Return the key, or with a 2, 3, ... when a song has several versions of one kind."""
    if key not in taken:
        return key
    count = 2
    while f"{key} {count}" in taken:
        count += 1
    return f"{key} {count}"


def _number(key: str, below: int) -> int:
    """Return a number that looks like chance and is always the same for the same key."""
    return int(digest(key)[:12], 16) % below


def digest(key: str) -> str:
    return hashlib.sha256(f"Reprise sample: {key}".encode()).hexdigest()
