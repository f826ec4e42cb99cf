"""Reads the tags of audio files one by one, as the whole program of a worker process that may die of it.

The worker takes `MILLISECONDS:PATH` texts on standard input, each ended by a NUL byte, and answers every one with a
line of JSON: the tags, or a reason from `SkipReason`. It limits its own memory and the processor time of each file. It
must import little, because every worker pays for it.
"""

import os
import resource
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

import orjson
from tinytag import TinyTag, UnsupportedFormatError

MEMORY_BYTES = 256 * 1024 * 1024  # of address space; an idle worker has about 40 MB
LONGEST_TEXT = 100_000  # characters of one tag; beyond is not a title
# Audio whose containers the tag reader does not know. It is named as such instead of "broken".
_UNSUPPORTED = """
    .aac .ac3 .ape .apev2 .dff .dsf .dts .eac3 .it .mid .midi .mka .mod .mp+ .mpc .mpp .ofr .ofs .ra .rm .s3m .shn .tak
    .tta .weba .wv .xm
"""
UNSUPPORTED_EXTENSIONS = frozenset(_UNSUPPORTED.split())
# An MPEG stream without tags this much larger than its audio is noise in which one frame header came up by chance.
NOISE_RATIO = 4
NOISE_SECONDS = 1.0
MORE_VALUES = {"artist": "artist", "albumartist": "album_artist", "genre": "genre"}


class TooSlow(BaseException):
    """One file used up its processor time. No `Exception`, so that no reader on the way swallows it."""


class BoundedFile:
    """A file that never reads more than it holds, and never seeks before its start, whatever its headers claim."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.tell = file.tell

    def read(self, length: int = -1) -> bytes:
        rest = max(self._size - self._file.tell(), 0)
        return self._file.read(rest if length < 0 else min(length, rest))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = (0, self._file.tell(), self._size)[whence]
        return self._file.seek(min(max(start + offset, 0), self._size))


def read_tags(path: bytes) -> dict[str, Any]:
    """Return the tags of one file, or `{"skip": reason, "detail": …}`. Lets nothing but `TooSlow` out."""
    try:
        # Without O_NONBLOCK a pipe that took the file's place would hold the worker for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return {"skip": "UNREADABLE", "detail": error.strerror or ""}
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return {"skip": "NOT_A_FILE"}
        try:
            return _read(file, path, status.st_size)
        except (Exception, MemoryError) as error:
            # Whatever a hostile file provokes ends here; the next file does not care.
            return {"skip": "UNREADABLE", "detail": f"{type(error).__name__}: {error}"[:200]}


def _read(file: BinaryIO, path: bytes, size: int) -> dict[str, Any]:
    try:
        tag = TinyTag.get(path, file_obj=cast("BinaryIO", BoundedFile(file, size)))
    except UnsupportedFormatError:
        is_audio = PurePosixPath(os.fsdecode(path)).suffix.lower() in UNSUPPORTED_EXTENSIONS
        return {"skip": "UNSUPPORTED" if is_audio else "NOT_AUDIO"}
    if not tag.duration or tag.duration <= 0 or _is_noise(tag, size):
        # The reader gives an empty answer for random bytes; only a length proves that there is audio.
        return {"skip": "UNREADABLE", "detail": "no length"}
    return _values(tag) | {"size_bytes": size}


def _is_noise(tag: TinyTag, size: int) -> bool:
    if tag.mime_type != "audio/mpeg" or any((tag.title, tag.artist, tag.album)) or not tag.duration:
        return False
    audio_bytes = tag.duration * (tag.bitrate or 0) * 125
    return tag.duration < NOISE_SECONDS and size > audio_bytes * NOISE_RATIO


def _values(tag: TinyTag) -> dict[str, Any]:
    values: dict[str, Any] = {
        "title": tag.title,
        "artist": tag.artist,
        "album_artist": tag.albumartist,
        "album": tag.album,
        "genre": tag.genre,
        "track_number": tag.track,
        "disc_number": tag.disc,
        "date": tag.year or _first(tag, "year", "_year", "originaldate", "tory", "tdor"),
        "duration": tag.duration,
        "bit_rate": tag.bitrate,
        "sample_rate": tag.samplerate,
        "mime_type": tag.mime_type,
        "lossless": tag.is_lossless,
        "isrc": _first(tag, "isrc"),
        "musicbrainz": _first(tag, "musicbrainz_trackid", "musicbrainz track id", "musicbrainz_recordingid", "ufid"),
        "compilation": _first(tag, "compilation", "tcmp", "tcp", "cpil", "itunescompilation"),
        "advisory": _first(tag, "itunesadvisory", "rtng"),
    }
    # The reader keeps the first of several artists and puts the others aside.
    for other, name in MORE_VALUES.items():
        values[name] = "; ".join(str(value) for value in (values[name], *tag.other.get(other, ())) if value)
    return {name: value[:LONGEST_TEXT] if isinstance(value, str) else value for name, value in values.items()}


def _first(tag: TinyTag, *names: str) -> str | None:
    return next((str(tag.other[name][0]) for name in names if tag.other.get(name)), None)


# --- The worker's program -------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer requests until standard input ends."""
    _limit_itself()
    for milliseconds, path in _requests(sys.stdin.buffer):
        signal.setitimer(signal.ITIMER_PROF, milliseconds / 1000)
        try:
            answer = read_tags(path)
        except TooSlow:
            answer = {"skip": "TOO_SLOW"}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(_as_line(answer))
        sys.stdout.buffer.flush()


def _as_line(answer: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(answer) + b"\n"
    except TypeError:
        # Half a surrogate pair, or a number that is no number: the values are not worth saving.
        return b'{"skip":"UNREADABLE","detail":"values that are no text"}\n'


def _requests(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    rest = b""
    while chunk := os.read(stream.fileno(), 65536):
        *texts, rest = (rest + chunk).split(b"\x00")
        for text in texts:
            milliseconds, _, path = text.partition(b":")
            yield int(milliseconds), path


def _limit_itself() -> None:
    def give_up(*signal_and_frame: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGPROF, give_up)
    # The parent decides about interrupts; a worker just ends with its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    serve()
