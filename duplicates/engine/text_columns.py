"""`text` for whole columns: what is plain is done by the column library, the rest goes through `text` row by row.

Most texts are plain letters, so the regular expressions here only ever ask "is there anything to do?". The answers may
be too cautious, never too bold: a test holds every function against its counterpart in `text`. Series go in and come
out without nulls and of the same length.
"""

from collections.abc import Callable

import numpy as np
import polars as pl

from duplicates.engine.hashing import Ints
from duplicates.engine.text import GARBLED, LOOSE, fold, folded_character, romanised, words_of_block

ESCAPES = r"&(?:amp;|#|quot;)"  # characters as a web page spells them
NOT_QUITE_PLAIN = r"[^\x20-%'-Z\\^-z|~]"  # a bracket, too, or a sign that an escape begins with
NOT_PLAIN = rf"[^\x20-\x7e]|{ESCAPES}"
BROKEN = rf"{ESCAPES}|[\x00-\x1f\x7f\x{{85}}\x{{2028}}\x{{2029}}]|{GARBLED.pattern}|{LOOSE.pattern}"
PUNCTUATED = r"[^0-9A-Za-z\x{80}-\x{10ffff} ]|  |^ | $"
TEXT = pl.String()
_NOT_ONE = 0xFFFFFFFF  # in place of a code: spelt with no letter or several


def rows_matching(texts: pl.Series, pattern: str) -> Ints:
    """Return the rows in which a pattern is found."""
    return np.flatnonzero(texts.str.contains(pattern).to_numpy())


def put(texts: pl.Series, rows: Ints, values: pl.Series) -> pl.Series:
    """Return a column with other values in some of its rows."""
    if not len(rows):
        return texts
    source = np.arange(len(texts))
    source[rows] = len(texts) + np.arange(len(rows))
    return pl.concat([texts, values], rechunk=True)[source]


def at_once(change: Callable[[pl.Series], pl.Series], columns: dict[str, pl.Series]) -> dict[str, pl.Series]:
    """Change columns of one length as one: for a short column the calls cost more than the letters."""
    if not columns:
        return {}
    size = len(next(iter(columns.values())))
    changed = change(pl.concat(columns.values(), rechunk=True))
    return {name: changed.slice(place * size, size) for place, name in enumerate(columns)}


def same(value: str | int | bool | None, count: int, kind: pl.DataType = TEXT) -> pl.Series:
    """Return a column of one value."""
    return pl.Series([value], dtype=kind).new_from_index(0, count)


def fold_column(texts: pl.Series) -> pl.Series:
    """Fold every text; see `text.fold`."""
    plain = texts.str.to_lowercase()
    rows = rows_matching(texts, NOT_QUITE_PLAIN)
    if not len(rows):
        return plain
    odd = texts[rows]
    folded = odd.str.to_lowercase().str.replace_many(list("[]{}"), list("()()"))
    written = rows_matching(odd, NOT_PLAIN)
    return put(plain, rows, put(folded, written, _fold_written(odd[written])))


def _fold_written(texts: pl.Series) -> pl.Series:
    """Fold texts of any writing letter by letter, and those with something to repair by `text.fold`."""
    broken = texts.str.contains(BROKEN)
    whole = np.flatnonzero((~broken).to_numpy())
    folded = put(texts, whole, _translated(texts[whole], folded_character))
    rows = np.flatnonzero((broken | (folded.str.strip_chars() == "")).to_numpy())
    return put(folded, rows, pl.Series(fold(texts[rows].to_list()), dtype=pl.String)) if len(rows) else folded


def _translated(texts: pl.Series, spell: Callable[[str], str]) -> pl.Series:
    """Replace every character by its spelling. No text may hold a newline."""
    codes = np.frombuffer(str(texts.str.join("\n").item()).encode("utf-32-le"), np.uint32)
    if not len(codes):
        return texts
    last = int(codes.max())
    is_met = np.zeros(last + 1, np.bool_)
    is_met[codes] = True
    spelt = {code: spell(chr(code)) for code in np.flatnonzero(is_met).tolist()}
    table = np.empty(last + 1, np.uint32)
    table[list(spelt)] = [ord(letters) if len(letters) == 1 else _NOT_ONE for letters in spelt.values()]
    codes, written = table[codes], codes
    places = np.flatnonzero(codes == _NOT_ONE)
    if len(places):
        others = [spelt[code] for code in written[places].tolist()]
        sizes = np.ones(len(codes), np.int64)
        sizes[places] = [len(letters) for letters in others]
        codes = np.repeat(codes, sizes)
        codes[codes == _NOT_ONE] = np.frombuffer("".join(others).encode("utf-32-le"), np.uint32)
    return unjoined(codes.tobytes().decode("utf-32-le"))


def romanised_column(words: pl.Series) -> pl.Series:
    """Spell words of other scripts in Latin letters; see `text.romanised`."""
    return _translated(words.str.replace_all(" ", "", literal=True), romanised)


def words_column(folded: pl.Series) -> pl.Series:
    """Return the words of every folded text; see `text.to_words`."""
    rows = rows_matching(folded, PUNCTUATED)
    if not len(rows):
        return folded
    texts = folded[rows]
    words = unjoined(words_of_block(joined(texts)).decode())
    lost = np.flatnonzero((words == "").to_numpy())
    words = put(words, lost, texts[lost].str.replace_all(" ", "", literal=True))
    return put(folded, rows, words)


def joined(texts: pl.Series) -> bytes:
    """Return a column as one block of bytes, a newline between texts."""
    return bytes(texts.str.join("\n").cast(pl.Binary).item())


def unjoined(block: str) -> pl.Series:
    """Return the texts of a block with a newline between texts."""
    return pl.Series([block]).str.split("\n").explode()
