"""Plain letters out of any writing, a whole column at a time.

`fold` lowers case, opens ligatures and full-width forms and drops accents; punctuation stays, because parsing titles
needs it. `to_words` keeps letters and digits as words. Neither ever turns a text with something in it into nothing: a
title of pure punctuation keeps its punctuation. Both work on the column joined into one text, so the inner loops are C.
"""

import unicodedata
from collections.abc import Callable
from functools import lru_cache

import polars as pl
from anyascii import anyascii

# Signs with a plain twin that parsing relies on. Everything a person may type for a bracket, dash or quote.
TWINS = {
    **dict.fromkeys("‘’‚‛′`´ʼʻ＇", "'"),
    **dict.fromkeys("“”„‟″«»＂", '"'),
    **dict.fromkeys("‐‑‒–—―−－﹣", "-"),
    **dict.fromkeys("（【〔［｛「『〈《", "("),
    **dict.fromkeys("）】〕］｝」』〉》", ")"),
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    "…": "...",
    "&": "&",
}
APOSTROPHES = b"'`"
# Ideographs, kana: each is a word of its own, since such titles have no spaces.
_SPACED_BLOCKS = (
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)

_ASCII_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ[]{}", b"abcdefghijklmnopqrstuvwxyz()()")
_IS_WORD = bytes(c if chr(c).isalnum() and c < 128 else (c if c >= 128 or c == 10 else 32) for c in range(256))


class _FoldTable(dict[int, str]):
    """A translation table that works a character out the first time it is met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold_character(chr(code))
        return folded


def _fold_character(character: str) -> str:
    """Return the plain form of one character: its twin, its base letters, or its Latin spelling."""
    if character in TWINS:
        return TWINS[character]
    code = ord(character)
    if code < 128:
        return character.lower()
    if any(low <= code <= high for low, high in _SPACED_BLOCKS):
        plain = unicodedata.normalize("NFKC", character)
        return f" {plain} "
    base = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c)).lower()
    if base.isascii():
        return "".join(TWINS.get(c, c) for c in base)
    category = unicodedata.category(character)
    if category[0] == "M":
        return ""
    if category[0] in "LN":
        return anyascii(base).lower() or base
    return base


_FOLD = _FoldTable()


def fold(texts: pl.Series) -> pl.Series:
    """Lower the case and strip accents of every text; null becomes empty. Punctuation and spaces stay."""
    texts = texts.fill_null("").str.replace_all(r"[\r\n\x00\x0b\x0c\x1c-\x1f\x85\u2028\u2029]", " ")
    plain = texts.str.len_bytes() == texts.str.len_chars()
    lowered = _through_bytes(texts.filter(plain), lambda joined: joined.translate(_ASCII_LOWER))
    if plain.all():
        return lowered
    odd = _through_text(texts.filter(~plain), lambda joined: joined.translate(_FOLD))
    odd = _through_bytes(odd, lambda joined: joined.translate(_ASCII_LOWER))
    return _merge(plain, lowered, odd)


def to_words(folded: pl.Series) -> pl.Series:
    """Keep the words of every folded text, one space between them; a text of pure punctuation keeps that instead."""
    words = _through_bytes(folded, _words_of_bytes)
    lost = (words == "") & (folded != "")
    if not lost.any():
        return words
    return pl.select(pl.when(lost).then(folded.str.replace_all(" ", "")).otherwise(words)).to_series()


def without_spaces(words: pl.Series) -> pl.Series:
    """Return every text with its spaces taken out."""
    return _through_bytes(words, lambda joined: joined.translate(None, b" "))


@lru_cache(maxsize=4096)
def words_of(folded: str) -> str:
    """Return the words of one folded text, as `to_words` does for a column."""
    words = _words_of_bytes(folded.encode(errors="surrogatepass")).decode(errors="surrogatepass")
    return words or folded.replace(" ", "")


def _words_of_bytes(joined: bytes) -> bytes:
    joined = joined.translate(_IS_WORD, APOSTROPHES)
    while b"  " in joined:
        joined = joined.replace(b"  ", b" ")
    joined = joined.replace(b"\n ", b"\n").replace(b" \n", b"\n")
    return joined.strip(b" ")


def _through_bytes(texts: pl.Series, change: Callable[[bytes], bytes]) -> pl.Series:
    if not len(texts):
        return texts
    joined = change("\n".join(texts.to_list()).encode())
    return pl.Series(texts.name, joined.decode().split("\n"), dtype=pl.String)


def _through_text(texts: pl.Series, change: Callable[[str], str]) -> pl.Series:
    return pl.Series(texts.name, change("\n".join(texts.to_list())).split("\n"), dtype=pl.String)


def _merge(chosen: pl.Series, if_true: pl.Series, if_false: pl.Series) -> pl.Series:
    """Put two filtered halves back in their places."""
    order = pl.select(pl.concat([chosen.arg_true(), (~chosen).arg_true()])).to_series()
    both = pl.concat([if_true, if_false])
    return both.gather(order.arg_sort())
