"""Finds out how a CSV is written: its encoding, its delimiter and which row is the header.

The whole file is decoded once for the encoding, because a single Latin letter in row 90,000 decides it; that costs a
hundredth of reading the rows.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from library.importers.opening import wide_without_mark
from library.importers.records import UnreadableSource

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_CHARACTERS = 64 * 1024
CHUNK_BYTES = 256 * 1024
# With this many valid letters for each broken one, a file is UTF-8 with damage and not another encoding.
VALID_PER_BROKEN = 10

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

type Opener = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to read the file. `is_damaged` says that some bytes are no text in `encoding` and were replaced."""

    encoding: str
    delimiter: str
    is_damaged: bool = False


def find_dialect(open_stream: Opener, *, judge: Callable[[list[str]], int]) -> Dialect:
    """Return the dialect whose header row pleases `judge` most; among equals, the one with the most columns."""
    encoding, is_damaged = find_encoding(open_stream)
    sample = _sample(open_stream, encoding)

    def score(delimiter: str) -> tuple[int, int]:
        header = next(rows_of(iter(sample.splitlines(keepends=True)), delimiter), [])
        return judge(header), len(header)

    return Dialect(encoding, max(DELIMITERS, key=score), is_damaged)


def rows_of(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the rows that hold anything, without the `sep=;` line that spreadsheets put first."""
    for row in csv.reader(lines, delimiter=delimiter):
        if not row or (len(row) <= 2 and row[0].lower().startswith("sep=")):
            continue
        yield row


def decoded(stream: BinaryIO, dialect: Dialect) -> io.TextIOWrapper:
    """Return the text of `stream`, line ends untouched."""
    return io.TextIOWrapper(stream, encoding=dialect.encoding, errors="replace", newline="")


def find_encoding(open_stream: Opener) -> tuple[str, bool]:
    """Return the encoding and whether some bytes do not fit it."""
    with open_stream() as stream:
        start = stream.read(1024)
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name, False
    if (wide := wide_without_mark(start)) is not None:
        return wide, False
    valid, broken = _count_letters(open_stream)
    if not broken:
        return "utf-8", False
    if valid > broken * VALID_PER_BROKEN:
        return "utf-8", True
    return _single_byte_encoding(open_stream), False


def byte_of_line(open_stream: Opener, dialect: Dialect, line: int) -> int:
    """Return where `line` begins, counted in bytes from 0. Only asked for when something is wrong there."""
    byte = 0
    encoding = dialect.encoding.removesuffix("-sig")
    try:
        with decoded(open_stream(), dialect) as text:
            for content in islice(text, line - 1):
                byte += len(content.encode(encoding, "replace"))
    except UnreadableSource:
        pass
    return byte


def _sample(open_stream: Opener, encoding: str) -> str:
    with decoded(open_stream(), Dialect(encoding, ",")) as text:
        try:
            return text.read(SAMPLE_CHARACTERS)
        except UnreadableSource:
            return ""


def _count_letters(open_stream: Opener) -> tuple[int, int]:
    """Count the letters beyond ASCII that are valid UTF-8, and the places that are not."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    valid = broken = 0
    with open_stream() as stream:
        try:
            while chunk := stream.read(CHUNK_BYTES):
                if chunk.isascii():
                    decoder.reset()
                    continue
                text = decoder.decode(chunk)
                bad = text.count("\ufffd")
                broken += bad
                valid += max(len(chunk) - len(text), 0)
        except UnreadableSource:
            pass  # the archive is cut; reading the rows will say so
    return valid, broken


def _single_byte_encoding(open_stream: Opener) -> str:
    """Choose Windows' Western encoding unless the file holds a byte it does not define."""
    with open_stream() as stream:
        try:
            while chunk := stream.read(CHUNK_BYTES):
                chunk.decode("cp1252")
        except UnicodeDecodeError:
            return "latin-1"
        except UnreadableSource:
            pass
    return "cp1252"
