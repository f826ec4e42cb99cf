"""Walks a folder of audio files and yields what their tags say.

Every file is an entry: a track, or left out with a reason. Links to folders are not followed, so no loop can hold the
walk; a link to a file that lies in the folder anyway is no second copy of it. Names that are not UTF-8 are kept in a
form that leads back to the file.
"""

import hashlib
import math
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote_from_bytes

from library.importers.audio_workers import Answer, AudioWorkers
from library.importers.records import (
    TRACK_FIELDS,
    ImportedItem,
    ImportedTrack,
    ImportProblem,
    SkippedEntry,
    SkipReason,
    SourceFacts,
    UnreadableSource,
    storable,
)
from library.importers.values import (
    LARGEST_NUMBER,
    LARGEST_TRACK_NUMBER,
    LONGEST_DURATION_MS,
    parse_date,
    parse_flag,
    parse_isrc,
    parse_uuid,
)

UNREADABLE = "AUDIO_FOLDER_UNREADABLE"
# What nobody keeps songs in; never opened.
_NOT_AUDIO = """
    .7z .accurip .avi .bmp .csv .cue .db .doc .docx .exe .ffp .flv .gif .gz .htm .html .ini .itl .jpeg .jpg .json
    .lnk .log .lrc .m3u .m3u8 .m4v .md .md5 .mkv .mov .mpeg .mpg .nfo .ogv .par2 .pdf .pls .png .py .rar .rtf .sfv
    .srt .sub .tif .tiff .txt .url .webm .webp .wmv .xml .xspf .zip
"""
NOT_AUDIO_EXTENSIONS = frozenset(_NOT_AUDIO.split())
# Folders that applications and systems fill for themselves.
JUNK_FOLDERS = frozenset(
    {b"@eaDir", b".AppleDouble", b"__MACOSX", b".Trashes", b"$RECYCLE.BIN", b".git", b"lost+found"}
)
STATED_FIELDS = tuple(
    name
    for name in TRACK_FIELDS
    if name not in {"play_count", "skip_count", "last_played_at", "rating", "loved", "added_at"}
)
FORMATS: tuple[tuple[str, str], ...] = (
    ('codecs="vorbis"', "Ogg Vorbis"),
    ('codecs="opus"', "Opus"),
    ('codecs="speex"', "Speex"),
    ('codecs="flac"', "Ogg FLAC"),
    ("alac", "ALAC"),
    ("audio/mpeg", "MP3"),
    ("audio/flac", "FLAC"),
    ("audio/mp4", "AAC"),
    ("wav", "WAV"),
    ("aif", "AIFF"),
    ("wma", "WMA"),
    ("audio/ogg", "Ogg"),
)


@dataclass(frozen=True, slots=True)
class _File:
    """One file found on the walk; `reason` where it is already known that it is no track."""

    path: bytes
    reason: SkipReason | None = None


@dataclass(slots=True)
class _Walk:
    """The files of a folder in a fixed order, and what was passed by."""

    root: bytes
    linked_folders: int = 0
    junk_folders: int = 0
    closed_folders: list[bytes] = field(default_factory=list)

    def files(self) -> Iterator[_File]:
        """Yield every file, folder by folder, sorted by name."""
        folders = [self.root]
        while folders:
            inner: list[bytes] = []
            for entry in self._entries(folders.pop()):
                if entry.is_dir(follow_symlinks=False):
                    inner.append(entry.path)
                elif entry.is_symlink() and _leads_to(entry, stat.S_ISDIR):
                    self.linked_folders += 1
                else:
                    yield _File(entry.path, self._reason_against(entry))
            folders.extend(folder for folder in reversed(inner) if not self._is_junk(folder))

    def problems(self) -> Iterator[ImportProblem]:
        if self.closed_folders:
            names = ", ".join(readable(os.path.relpath(folder, self.root)) for folder in self.closed_folders[:5])
            count = _counted(len(self.closed_folders), "folder")
            yield ImportProblem("NOT_ALL_READ", f"{count} could not be opened: {names}.")
        if self.linked_folders:
            yield ImportProblem(
                "LINKS_NOT_FOLLOWED", f"Not followed: {_counted(self.linked_folders, 'link')} to a folder."
            )
        if self.junk_folders:
            yield ImportProblem(
                "JUNK_FOLDERS", f"Passed by: {_counted(self.junk_folders, 'folder')} of other applications."
            )

    def _entries(self, folder: bytes) -> list["os.DirEntry[bytes]"]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError:
            self.closed_folders.append(folder)
            return []

    def _reason_against(self, entry: "os.DirEntry[bytes]") -> SkipReason | None:
        if not _leads_to(entry, stat.S_ISREG):
            return SkipReason.NOT_A_FILE
        if entry.is_symlink() and os.path.realpath(entry.path).startswith(self.root + b"/"):
            return SkipReason.SAME_FILE
        suffix = suffix_of(entry.name)
        is_fork = entry.name.startswith(b"._")  # what macOS writes beside a file on foreign disks
        return SkipReason.NOT_AUDIO if is_fork or suffix in NOT_AUDIO_EXTENSIONS else None

    def _is_junk(self, folder: bytes) -> bool:
        is_junk = folder.rpartition(b"/")[2] in JUNK_FOLDERS
        self.junk_folders += is_junk
        return is_junk


def read_audio_folder(folder: Path, *, this_year: int) -> Iterator[ImportedItem]:
    """Yield the tracks of a folder, with the paths below it as ids, and every other file as a skipped entry."""
    root = os.fsencode(folder.resolve())
    try:
        os.scandir(root).close()
    except OSError as error:
        raise UnreadableSource(f"The folder cannot be opened: {error.strerror}.", code=UNREADABLE) from error
    yield SourceFacts(stated_fields=STATED_FIELDS)
    walk = _Walk(root)
    requests = ((file, None if file.reason else file.path) for file in walk.files())
    with AudioWorkers() as workers:
        for number, (file, answer) in enumerate(workers.answers(requests), start=1):
            name = os.path.relpath(file.path, root)
            reason = file.reason or (SkipReason(answer["skip"]) if "skip" in answer else None)
            if reason is None:
                yield _track(answer, number, file.path, name, this_year)
            else:
                yield _skipped(reason, answer, number, name)
    yield from walk.problems()


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def _leads_to(entry: "os.DirEntry[bytes]", is_kind: Callable[[int], bool]) -> bool:
    """Tell what is at the end of a link; one that leads nowhere, or to itself, leads to nothing."""
    try:
        return is_kind(entry.stat().st_mode)
    except OSError:
        return False


def _skipped(reason: SkipReason, answer: Answer, number: int, name: bytes) -> SkippedEntry:
    # A song that cannot be read today has not vanished.
    is_there = reason in {SkipReason.UNREADABLE, SkipReason.TOO_SLOW}
    return SkippedEntry(
        number,
        reason,
        readable(name),
        source_track_id=key_of(name) if is_there else "",
        detail=storable(str(answer.get("detail", ""))),
    )


def _track(answer: Answer, number: int, path: bytes, name: bytes, this_year: int) -> ImportedTrack:
    unparsed: dict[str, str] = {}
    values: dict[str, Any] = {}
    for field_name in ("title", "artist", "album_artist", "album", "genre"):
        values[field_name] = storable(answer.get(field_name) or "")
    for field_name, parse in (("isrc", parse_isrc), ("musicbrainz", _recording_id)):
        if text := storable(answer.get(field_name) or ""):
            target = "musicbrainz_recording_id" if field_name == "musicbrainz" else field_name
            values[target] = parse(text) or ""
            if not values[target]:
                unparsed[target] = text
    if text := storable(answer.get("date") or "").strip():
        parsed = parse_date(text, this_year=this_year)
        if parsed is None:
            unparsed["year"] = text
        else:
            values |= {"year": parsed.year, "release_date": parsed.full}
    return ImportedTrack(
        source_track_id=key_of(name),
        entry=number,
        track_number=_whole(answer.get("track_number"), LARGEST_TRACK_NUMBER) or None,
        disc_number=_whole(answer.get("disc_number"), LARGEST_TRACK_NUMBER) or None,
        duration_ms=_whole(answer["duration"] * 1000, LONGEST_DURATION_MS) or None,
        explicit={"1": True, "4": True, "2": False}.get(str(answer.get("advisory"))),
        compilation=parse_flag(str(answer.get("compilation"))) is True,
        unparsed=unparsed,
        location=location_of(path),
        availability="local",
        format=format_of(answer, path),
        bit_rate_kbps=_whole(answer.get("bit_rate"), LARGEST_NUMBER) or None,
        sample_rate_hz=_whole(answer.get("sample_rate"), LARGEST_NUMBER) or None,
        size_bytes=answer["size_bytes"],
        lossless=answer.get("lossless"),
        **values,
    )


def format_of(answer: Answer, path: bytes) -> str:
    """Return the format as people call it, from what the file turned out to be."""
    mime_type = str(answer.get("mime_type") or "").lower()
    if mime_type == "audio/mp4" and answer.get("lossless"):
        return "ALAC"
    by_type = next((name for mark, name in FORMATS if mark in mime_type), "")
    return by_type or suffix_of(path)[1:].upper()[:60]


def key_of(name: bytes) -> str:
    """Return the path below the folder as an id; of one that is not UTF-8 a readable form, told apart by a digest."""
    text = readable(name)
    is_utf8 = text.encode() == name
    return text if is_utf8 else f"{text}#{hashlib.blake2b(name, digest_size=8).hexdigest()}"


def location_of(path: bytes) -> str:
    """Return where the file lies: its path, or a `file://` address where the path is not UTF-8."""
    text = readable(path)
    return text if text.encode() == path else f"file://{quote_from_bytes(path)}"


def readable(name: bytes) -> str:
    """Return a path as text; bytes that are not UTF-8 become `\\xNN`."""
    return name.decode("utf-8", "backslashreplace")


def suffix_of(name: bytes) -> str:
    """Return the extension with its dot, lower case."""
    return PurePosixPath(readable(name)).suffix.lower()


def _recording_id(text: str) -> str | None:
    """Read a MusicBrainz id also from an ID3 UFID frame, where its owner's address stands before it."""
    return parse_uuid(text[-36:])


def _whole(number: Any, largest: float) -> int | None:
    if not isinstance(number, int | float) or not math.isfinite(number):
        return None
    return round(number) if 0 <= number <= largest else None
