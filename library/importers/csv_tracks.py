"""Reads tracks from a CSV of any dialect: Exportify, TuneMyMusic, or columns somebody named by hand.

Encoding, delimiter and the meaning of the columns are found out from the file; a mapping given by the person wins. A
value that does not parse is kept as text under its field's name. Columns that mean nothing to us, ids other than the
key, and the order of the rows never reach the track.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, time
from typing import Any, TextIO

from library.importers.csv_columns import Column, Columns, choose_columns, count_known
from library.importers.csv_dialect import Dialect, Opener, byte_of_line, decoded, find_dialect, rows_of
from library.importers.itunes_values import format_of
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
    LARGEST_SIZE,
    ParsedDate,
    parse_date,
    parse_duration,
    parse_flag,
    parse_isrc,
    parse_moment,
    parse_position,
    parse_rating,
    parse_uuid,
    parse_whole,
)

UNREADABLE = "CSV_UNREADABLE"
LONGEST_CELL = 1024 * 1024
LONGEST_ID = 300
LONGEST_FORMAT = 60
LONGEST_LINE = 2 * LONGEST_CELL
# A stray NUL is left out of its row; this many in a line are a piece of the file that was never written.
MOST_NULS = 100
# A row over more lines than this is a quote that was never closed, not a title with line breaks.
MOST_LINES = 100


def read_csv(
    open_stream: Opener, *, mapping: Mapping[str, str] | None = None, id_column: str = "", this_year: int
) -> Iterator[ImportedItem]:
    """Yield the rows of a CSV as tracks, blank ones as skipped entries.

    `open_stream` is called several times: encoding and delimiter are found before the first row is read. Raises
    `UnreadableSource` with the line after everything before it was yielded.
    """
    mapping = mapping or {}
    csv.field_size_limit(LONGEST_CELL)
    dialect = find_dialect(open_stream, judge=lambda header: count_known(header, mapping=mapping, id_column=id_column))
    with decoded(open_stream(), dialect) as text:
        rows = _Rows(text, dialect, open_stream)
        header = next(rows, None)
        if header is None:
            raise UnreadableSource("The file holds no rows, not even a header.", code=UNREADABLE, line=1, byte=0)
        columns = choose_columns(header, mapping=mapping, id_column=id_column)
        yield SourceFacts(stated_fields=_stated_fields(columns))
        if dialect.is_damaged:
            yield ImportProblem("DAMAGED_TEXT", f"Some bytes are no {dialect.encoding} text; each became “\ufffd”.")
        reader = _RowReader(columns, this_year=this_year)
        for number, row in enumerate(rows, start=1):
            yield reader.read(row, entry=number, line=rows.line)
        yield from rows.problems()


class _Rows:
    """The rows of the file with their lines, and its faults as `UnreadableSource`."""

    def __init__(self, text: TextIO, dialect: Dialect, open_stream: Opener) -> None:
        self._lines = _CountedLines(text)
        self._rows = rows_of(self._lines, dialect.delimiter)
        self._dialect = dialect
        self._open_stream = open_stream
        self._width = 0
        self._surplus_count = 0
        self._surplus_line = 0
        self.line = 1

    def __iter__(self) -> "_Rows":
        return self

    def __next__(self) -> list[str]:
        self.line = self._lines.count + 1
        try:
            row = next(self._rows)
        except csv.Error as error:
            raise self._fault(f"The row cannot be read ({error}); a quote may never be closed") from error
        except UnreadableSource as error:
            raise self._fault(error.reason.rstrip(".")) from error
        self._check(row)
        return row

    def problems(self) -> Iterator[ImportProblem]:
        if self._surplus_count:
            rows = "1 row has" if self._surplus_count == 1 else f"{self._surplus_count:,} rows have"
            sentence = f"{rows} more cells than the header; the surplus was left out."
            yield ImportProblem("SURPLUS_CELLS", sentence, self._surplus_line)
        if count := self._lines.nul_count:
            sentence = f"{count:,} NUL {'byte was' if count == 1 else 'bytes were'} left out."
            yield ImportProblem("NUL_BYTES", sentence, self._lines.first_nul)

    def _check(self, row: list[str]) -> None:
        lines = self._lines.count - self.line
        is_swallowed = self._lines.is_finished and lines > 0 and self._width and len(row) < self._width
        if lines > MOST_LINES or is_swallowed:
            raise self._fault("A quote that opens in this row is never closed")
        if not self._width:
            self._width = len(row)
        elif len(row) > self._width and any(row[self._width :]):
            self._surplus_count += 1
            self._surplus_line = self._surplus_line or self.line

    def _fault(self, reason: str) -> UnreadableSource:
        byte = byte_of_line(self._open_stream, self._dialect, self.line)
        return UnreadableSource(f"{reason}.", code=UNREADABLE, line=self.line, byte=byte)


class _CountedLines:
    """Counts the lines the CSV reader takes, so that a row's first line is known; none may fill the memory."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.count = 0
        self.is_finished = False
        self.nul_count = 0
        self.first_nul: int | None = None

    def __iter__(self) -> "_CountedLines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_LINE)
        if not line:
            self.is_finished = True
            raise StopIteration
        self.count += 1
        if len(line) == LONGEST_LINE:
            raise UnreadableSource(f"A line is longer than {LONGEST_LINE:,} characters.", code=UNREADABLE)
        if "\x00" in line:
            self._note_nuls(line.count("\x00"))
        return line

    def _note_nuls(self, count: int) -> None:
        if count > MOST_NULS:
            raise UnreadableSource(f"A line holds {count:,} NUL bytes; the file is damaged.", code=UNREADABLE)
        self.nul_count += count
        self.first_nul = self.first_nul or self.count


class _RowReader:
    """Turns rows into tracks with one prepared reader a column."""

    def __init__(self, columns: Columns, *, this_year: int) -> None:
        self._columns = [(column.place, column.field, _reader_of(column, this_year)) for column in columns.read]
        self._id_place = columns.id_place

    def read(self, row: list[str], *, entry: int, line: int) -> ImportedTrack | SkippedEntry:
        values: dict[str, Any] = {}
        unparsed: dict[str, str] = {}
        if not _is_plain(row):
            row = [storable(text) for text in row]
        width = len(row)
        for place, field, read in self._columns:
            if place >= width or not (text := row[place]) or text.isspace():
                continue
            if read is None:
                values[field] = text
            elif not read(text, values):
                unparsed[field] = text
        key = self._key(row)
        if not values and not unparsed:
            return SkippedEntry(entry, SkipReason.BLANK, line=line, source_track_id=key)
        if unparsed:
            values["unparsed"] = {("duration_ms" if name == "duration" else name): unparsed[name] for name in unparsed}
        return ImportedTrack.stating(key, entry, line, values)

    def _key(self, row: list[str]) -> str:
        if self._id_place is None or self._id_place >= len(row):
            return ""
        return row[self._id_place].strip()


def _is_plain(row: list[str]) -> bool:
    """Tell the rows, most of them, in which no cell needs to be made storable."""
    text = "".join(row)
    return text.isascii() and "\x00" not in text


# --- One reader a field: puts the value into `values` and returns whether the text was understood -------------------

type Reader = Callable[[str, dict[str, Any]], bool]


def _stated_fields(columns: Columns) -> tuple[str, ...]:
    """Return the fields this file speaks of; re-import leaves the others alone."""
    stated = {"duration_ms" if name == "duration" else name for name in columns.fields} | {"unparsed"}
    if stated & {"year", "release_date"}:
        stated |= {"year", "release_date"}
    if "format" in stated:
        stated.add("lossless")
    return tuple(name for name in TRACK_FIELDS if name in stated)


def _reader_of(column: Column, this_year: int) -> Reader | None:
    """Return how a column's text is read; None for text that is kept as it stands."""
    field = column.field
    if field == "duration":
        return lambda text, values: _read_duration(text, values, column.unit)
    if field in {"year", "release_date"}:
        return lambda text, values: _read_date(text, values, field, this_year)
    if field in {"last_played_at", "added_at"}:
        return lambda text, values: _read_moment(text, values, field, this_year)
    if field == "format":
        return _read_format
    parse = _PARSERS.get(field)
    return None if parse is None else _plain_reader(field, parse)


def _plain_reader(field: str, parse: Callable[[str], Any]) -> Reader:
    is_unknown = {None, 0} if field in _ZERO_IS_UNKNOWN else {None}

    def read(text: str, values: dict[str, Any]) -> bool:
        value = parse(text)
        if value not in is_unknown:
            values[field] = value
        return value is not None

    return read


_PARSERS: dict[str, Callable[[str], Any]] = {
    "track_number": parse_position,
    "disc_number": parse_position,
    "isrc": parse_isrc,
    "musicbrainz_recording_id": parse_uuid,
    "explicit": parse_flag,
    "compilation": parse_flag,
    "lossless": parse_flag,
    "loved": parse_flag,
    "bit_rate_kbps": parse_whole,
    "sample_rate_hz": parse_whole,
    "size_bytes": lambda text: parse_whole(text, largest=LARGEST_SIZE),
    "play_count": parse_whole,
    "skip_count": parse_whole,
    "rating": parse_rating,
}
# Zero means "not known" here: no track has the number 0.
_ZERO_IS_UNKNOWN = frozenset({"track_number", "disc_number", "bit_rate_kbps", "sample_rate_hz", "size_bytes"})


def _read_duration(text: str, values: dict[str, Any], unit: str) -> bool:
    parsed = parse_duration(text, unit=unit)
    if parsed is None:
        return False
    values["duration_ms"] = parsed.ms
    # The rest of "3:34 Bonus" may be what is left of another column; the length counts, the text is evidence too.
    return not parsed.has_rest


def _read_date(text: str, values: dict[str, Any], field: str, this_year: int) -> bool:
    parsed = parse_date(text, this_year=this_year)
    if parsed is None:
        return False
    if parsed.year is None:
        return True
    # Both columns may be there; each has the last word on its own field only.
    if field == "year" or values.get("year") is None:
        values["year"] = parsed.year
    if parsed.full is not None and (field == "release_date" or values.get("release_date") is None):
        values["release_date"] = parsed.full
    return True


def _read_moment(text: str, values: dict[str, Any], field: str, this_year: int) -> bool:
    moment = parse_moment(text)
    if moment is None:
        parsed: ParsedDate | None = parse_date(text, this_year=this_year)
        if parsed is None or parsed.full is None:
            return False
        moment = datetime.combine(parsed.full, time(), tzinfo=UTC)
    values[field] = moment
    return True


def _read_format(text: str, values: dict[str, Any]) -> bool:
    if len(text) > LONGEST_FORMAT:
        return False
    values["format"], lossless = format_of({"Kind": text})
    values.setdefault("lossless", lossless)
    return True
