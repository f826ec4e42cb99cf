"""`text` for whole columns: what is plain is done by the column library, the rest goes through `text` row by row.

Most texts are plain letters, so the regular expressions here only ever ask "is there anything to do?". The answers may
be too cautious, never too bold: a test holds every function against its counterpart in `text`. Series go in and come
out without nulls and of the same length.
"""

from collections.abc import Callable

import numpy as np
import polars as pl

from duplicates.engine.hashing import Ints
from duplicates.engine.text import GARBLED, LOOSE, fold, folded_character, romanised

ESCAPES = r"&(?:amp;|#|quot;)"  # characters as a web page spells them
NOT_PLAIN = rf"[^\x20-\x7e]|{ESCAPES}"
BROKEN = rf"{ESCAPES}|[\x00-\x1f\x7f\x{{85}}\x{{2028}}\x{{2029}}]|{GARBLED.pattern}|{LOOSE.pattern}"
SEPARATORS = r"[^0-9A-Za-z\x{80}-\x{10ffff}]+"
PUNCTUATED = r"[^0-9A-Za-z\x{80}-\x{10ffff} ]|  |^ | $"


def rows_matching(texts: pl.Series, pattern: str) -> Ints:
    """Return the rows in which a pattern is found."""
    return np.flatnonzero(texts.str.contains(pattern).to_numpy())


def put(texts: pl.Series, rows: Ints, values: pl.Series) -> pl.Series:
    """Return a column with other values in some of its rows."""
    if not len(rows):
        return texts
    source = np.arange(len(texts))
    source[rows] = len(texts) + np.arange(len(rows))
    return pl.concat([texts, values], rechunk=True).gather(source)


def fold_column(texts: pl.Series) -> pl.Series:
    """Fold every text; see `text.fold`."""
    plain = texts.str.to_lowercase()
    bracketed = rows_matching(plain, r"[\[\]{}]")
    if len(bracketed):
        plain = put(plain, bracketed, plain.gather(bracketed).str.replace_many(list("[]{}"), list("()()")))
    rows = rows_matching(texts, NOT_PLAIN)
    return put(plain, rows, _fold_written(texts.gather(rows))) if len(rows) else plain


def _fold_written(texts: pl.Series) -> pl.Series:
    """Fold texts of any writing letter by letter, and those with something to repair by `text.fold`."""
    folded = _translated(texts, r"[\x20-\x40\\^-`|~]+", folded_character)
    broken = np.flatnonzero((texts.str.contains(BROKEN) | (folded.str.strip_chars() == "")).to_numpy())
    repaired = fold(texts.gather(broken).to_list()) if len(broken) else []
    return put(folded, broken, pl.Series(repaired, dtype=pl.String))


def _translated(texts: pl.Series, untouched: str, spell: Callable[[str], str]) -> pl.Series:
    """Replace every character that does not match `untouched` by its spelling."""
    signs = sorted(set(texts.str.replace_all(untouched, "").str.join("").item()))
    return texts.str.replace_many(signs, [spell(sign) for sign in signs]) if signs else texts


def romanised_column(words: pl.Series) -> pl.Series:
    """Spell words of other scripts in Latin letters; see `text.romanised`."""
    return _translated(words.str.replace_all(" ", "", literal=True), r"[\x00-\x7f]+", romanised)


def words_column(folded: pl.Series) -> pl.Series:
    """Return the words of every folded text; see `text.to_words`."""
    rows = rows_matching(folded, PUNCTUATED)
    if not len(rows):
        return folded
    texts = folded.gather(rows)
    words = texts.str.replace_all("['`]+", "").str.replace_all(SEPARATORS, " ").str.strip_chars(" ")
    return put(folded, rows, words.zip_with(words != "", texts.str.replace_all(" ", "", literal=True)))


def joined(texts: pl.Series) -> bytes:
    """Return a column as one block of bytes, a newline between texts."""
    return bytes(texts.str.join("\n").cast(pl.Binary).item())
