"""Opens what a person points at: finds out the format, unpacks gzip, and says what is wrong in a sentence."""

import gzip
import stat
import zlib
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

from library.importers.records import UnreadableSource

GZIP_MAGIC = b"\x1f\x8b"
FORMATS = ("itunes", "csv", "audio")
SNIFFED_BYTES = 4096
BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

# A stray control code is damage to a text; many of them are no text.
TEXT_BYTES = bytes(set(range(256)) - set(range(9)) - set(range(14, 32)))
MOST_CONTROL_CODES = 0.1

# What a file starts with, and why it is none of our formats.
_REFUSED_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"bplist", "This is a binary property list. Export the library as XML: File > Library > Export Library."),
    (b"PK\x03\x04", "This is a ZIP archive (or a spreadsheet). Unpack it, or save the sheet as CSV."),
    (b"SQLite format 3", "This is a SQLite database, not an export."),
    (GZIP_MAGIC, "This is packed with gzip twice. Unpack it once."),
    (b"%PDF", "This is a PDF document."),
    (b"\x28\xb5\x2f\xfd", "This is a Zstandard archive. Unpack it first."),
    (b"BZh", "This is a bzip2 archive. Unpack it first."),
    (b"\xfd7zXZ", "This is an xz archive. Unpack it first."),
)
_AUDIO_STARTS = (b"ID3", b"fLaC", b"OggS", b"RIFF", b"FORM", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")


def detect_format(path: Path) -> str:
    """Return itunes, csv or audio for what lies at `path`; raise `UnreadableSource` when it is none of them."""
    check_path(path)
    if path.is_dir():
        return "audio"
    with open_source(path) as stream:
        start = stream.read(SNIFFED_BYTES)
    if not start:
        raise UnreadableSource("The file is empty.", code="EMPTY_FILE")
    for magic, sentence in _REFUSED_STARTS:
        if start.startswith(magic):
            raise UnreadableSource(sentence, code="UNKNOWN_FORMAT")
    if start.startswith(_AUDIO_STARTS) or start[4:8] == b"ftyp":
        raise UnreadableSource("This is a single audio file. Name the folder it lies in.", code="UNKNOWN_FORMAT")
    return "itunes" if _looks_like_xml(start) else _csv_or_nothing(start)


def check_path(path: Path) -> None:
    """Raise `UnreadableSource` unless `path` is a folder or a regular file that may be read."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UnreadableSource("There is no such file or folder.", code="SOURCE_NOT_FOUND") from None
    except (OSError, ValueError) as error:
        raise UnreadableSource(f"It cannot be reached: {_reason(error)}.", code="SOURCE_UNREADABLE") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UnreadableSource("It is neither a regular file nor a folder.", code="SOURCE_UNREADABLE")


def open_source(path: Path) -> BinaryIO:
    """Open a file for reading bytes, unpacking gzip. Faults on the way raise `UnreadableSource`, also while reading."""
    try:
        if path.is_dir():
            raise UnreadableSource("It is a folder, not a file.", code="SOURCE_UNREADABLE")
        with path.open("rb") as probe:
            is_packed = probe.read(2) == GZIP_MAGIC
        raw = cast("BinaryIO", gzip.GzipFile(path)) if is_packed else path.open("rb")
    except OSError as error:
        raise UnreadableSource(f"It cannot be opened: {_reason(error)}.", code="SOURCE_UNREADABLE") from error
    return BufferedReader(_Sentenced(raw), buffer_size=64 * 1024)


class _Sentenced(RawIOBase):
    """Passes bytes on and turns a broken archive or disk into `UnreadableSource`."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        try:
            # read1 gives what is there before it meets the fault; read would lose it.
            read = getattr(self._inner, "read1", self._inner.read)
            data: bytes = read(len(view))
        except EOFError as error:
            raise UnreadableSource("The gzip archive ends too early.", code="SOURCE_TRUNCATED") from error
        except (OSError, zlib.error) as error:
            raise UnreadableSource(f"Reading failed: {_reason(error)}.", code="SOURCE_UNREADABLE") from error
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()


def _looks_like_xml(start: bytes) -> bool:
    for mark in BYTE_ORDER_MARKS:
        start = start.removeprefix(mark)
    return start.replace(b"\x00", b"").lstrip().startswith(b"<")


def _csv_or_nothing(start: bytes) -> str:
    codes = start.translate(None, TEXT_BYTES)
    is_wide = start.startswith(BYTE_ORDER_MARKS[1:]) or wide_without_mark(start)
    if len(codes) > len(start) * MOST_CONTROL_CODES and not is_wide:
        place = f"the first of {len(codes):,} control codes stands at byte {start.index(codes[0]):,}"
        raise UnreadableSource(
            f"It is neither XML nor CSV nor a folder of audio files: {place}.", code="UNKNOWN_FORMAT"
        )
    return "csv"


def wide_without_mark(start: bytes) -> str | None:
    """Recognise UTF-16 by its zero bytes: Western text has one at every other place and none between them."""
    pairs = len(start) // 2
    upper, lower = start[0 : 2 * pairs : 2].count(0), start[1 : 2 * pairs : 2].count(0)
    if lower > pairs * 0.6 and upper < pairs * 0.1:
        return "utf-16-le"
    return "utf-16-be" if upper > pairs * 0.6 and lower < pairs * 0.1 else None


def _reason(error: Exception) -> str:
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
    return text[:1].lower() + text[1:]
