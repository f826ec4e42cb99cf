"""Columns of values as text for JSON and for CSV, byte for byte what `orjson` and `csv` would write of each value.

A look at a whole column costs a fraction of a look at each of its values: most columns hold nothing that must be
escaped, and many hold one value over and over, which is then written into the frame of the row.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import orjson

from duplicates.services.csv_cells import as_cell

# Part of a row: the same text in every row, or one for each.
Piece = str | list[str]
Write = Callable[[Sequence[Any]], list[Piece]]

_ESCAPED_IN_JSON = re.compile(r'["\\\x00-\x1f]')
_QUOTED_IN_CSV = re.compile(r'[",\r\n]')
# Only what begins so can need an escape.
_LIKE_A_FORMULA = frozenset("=+-@\t\r'")
_FLAGS = {True: "true", False: "false"}


def rows_of(pieces: Iterable[Piece], count: int) -> list[str]:
    """Return so many rows, each its pieces one after the other."""
    parts: list[Iterable[str]] = []
    frame = ""
    for piece in pieces:
        if isinstance(piece, str):
            frame += piece
            continue
        if frame:
            parts.append(repeat(frame))
            frame = ""
        parts.append(piece)
    return list(map("".join, zip(*parts, repeat(frame, count), strict=False)))


def json_object(names: Iterable[str], columns: Iterable[Sequence[Any]], kinds: Iterable[str]) -> list[Piece]:
    """Return the pieces of objects with these columns, up to and without the closing brace."""
    pieces: list[Piece] = []
    for name, values, kind in zip(names, columns, kinds, strict=True):
        pieces += [f'{"," if pieces else "{"}"{name}":', *in_json(values, kind)]
    return pieces


def csv_cells(columns: Iterable[Sequence[Any]], kinds: Iterable[str]) -> list[Piece]:
    """Return the pieces of rows with these columns, without the end of the line."""
    pieces: list[Piece] = []
    for values, kind in zip(columns, kinds, strict=True):
        pieces += [",", *in_csv(values, kind)] if pieces else in_csv(values, kind)
    return pieces


def in_json(values: Sequence[Any], kind: str) -> list[Piece]:
    """Return a column as JSON; of kind "json" it is that already."""
    return _written(values, kind, _JSON)


def in_csv(values: Sequence[Any], kind: str) -> list[Piece]:
    """Return a column as cells."""
    return _written(values, kind, _CSV)


def _written(
    values: Sequence[Any], kind: str, formats: Mapping[str, Callable[[Sequence[Any]], list[Piece]]]
) -> list[Piece]:
    write = formats[kind]
    # A zero may be -0.0, which equals it and is written otherwise.
    is_alike = values and (kind != "real" or values[0] != 0) and values[0] == values[-1]
    if is_alike and values.count(values[0]) == len(values):
        return [piece if isinstance(piece, str) else piece[0] for piece in write(values[:1])]
    return write(values)


def _json_text(values: Sequence[Any]) -> list[Piece]:
    if None in values:
        return [[orjson.dumps(value).decode() for value in values]]
    if _ESCAPED_IN_JSON.search(" ".join(values)):
        values = [orjson.dumps(value)[1:-1].decode() if _ESCAPED_IN_JSON.search(value) else value for value in values]
    return ['"', list(values), '"']


def _json_plain(values: Sequence[Any]) -> list[Piece]:
    return [orjson.dumps(values).decode()[1:-1].split(",") if values else []]


def _json_flag(values: Sequence[Any]) -> list[Piece]:
    return [["null" if value is None else _FLAGS[value] for value in values]]


def _json_moment(values: Sequence[Any]) -> list[Piece]:
    if None not in values:
        return ['"', list(values), '"']
    return [["null" if value is None else f'"{value}"' for value in values]]


def _csv_text(values: Sequence[Any]) -> list[Piece]:
    cells = [as_cell(text) if text and text[0] in _LIKE_A_FORMULA else text or "" for text in values]
    if _QUOTED_IN_CSV.search(" ".join(cells)):
        cells = [f'"{cell.replace(_QUOTE, _QUOTE * 2)}"' if _QUOTED_IN_CSV.search(cell) else cell for cell in cells]
    return [cells]


def _csv_whole(values: Sequence[Any]) -> list[Piece]:
    return [orjson.dumps(values).decode()[1:-1].replace("null", "").split(",") if values else []]


def _csv_real(values: Sequence[Any]) -> list[Piece]:
    if None not in values:
        return [list(map(repr, values))]
    return [["" if value is None else repr(value) for value in values]]


def _csv_flag(values: Sequence[Any]) -> list[Piece]:
    return [["" if value is None else _FLAGS[value] for value in values]]


_QUOTE = '"'
_JSON: dict[str, Write] = {
    "text": _json_text,
    "whole": _json_plain,
    "real": _json_plain,
    "flag": _json_flag,
    "moment": _json_moment,
    "json": lambda values: [list(values)],
}
_CSV: dict[str, Write] = {
    "text": _csv_text,
    "whole": _csv_whole,
    "real": _csv_real,
    "flag": _csv_flag,
    "moment": _csv_text,
}
