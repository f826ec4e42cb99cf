"""How alike two texts are, for whole columns of pairs: letter by letter, word by word, and from one script to another.

Everything dear is kept for the pairs that a cheap look leaves open.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz, process

from duplicates.engine.hashing import NEWLINE, Hashes, Ints
from duplicates.engine.text_columns import joined, romanised_column

Scores = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Level = npt.NDArray[np.uint8]

START = 3  # bytes at the start of a word that stand for it in a cheap look
SLICE = 5_000  # texts worked on at a time: what is worked out of them stays in the cache
_NO_WORDS = 32  # bytes up to here stand between words


@dataclass(frozen=True, slots=True)
class Spellings:
    """A column of words: which texts are in plain Latin letters, and how the others would be spelt in those."""

    words: pl.Series
    is_latin: Flags
    foreign: Ints  # rows of texts in other letters
    spelt: pl.Series  # those texts in Latin letters, without spaces

    def in_latin(self, rows: Ints) -> list[str]:
        """Return texts in Latin letters, without spaces, whatever script they are written in."""
        plain = keys(self.words, rows)
        others = np.flatnonzero(~self.is_latin[rows])
        spelt = self.spelt.gather(np.searchsorted(self.foreign, rows[others])).to_list()
        for place, text in zip(others.tolist(), spelt, strict=True):
            plain[place] = text
        return plain


def spellings(words: pl.Series) -> Spellings:
    """Spell the texts of a column that are not in Latin letters."""
    is_latin = (words.str.len_bytes() == words.str.len_chars()).to_numpy()
    foreign = np.flatnonzero(~is_latin)
    return Spellings(words, is_latin, foreign, romanised_column(words.gather(foreign)))


def pairwise(scorer: Any, one: list[str], other: list[str], *, at_least: float = 0.0) -> Scores:
    """Score texts couple by couple, from 0 to 100; what falls below `at_least` is 0 and cheap."""
    if not one:
        return np.empty(0, np.float32)
    return process.cpdist(one, other, scorer=scorer, dtype=np.float32, score_cutoff=at_least)


def ratio(texts: pl.Series, left: Ints, right: Ints, *, at_least: float) -> Scores:
    """Return how alike the letters are, spaces aside, from 0 to 100."""
    return pairwise(fuzz.ratio, keys(texts, left), keys(texts, right), at_least=at_least)


def keys(texts: pl.Series, rows: Ints) -> list[str]:
    """Return texts without their spaces."""
    return texts.gather(rows).str.replace_all(" ", "", literal=True).to_list()


def by_words(
    texts: pl.Series, left: Ints, right: Ints, starts: tuple[Hashes, Hashes], may_reach: Flags, *, at_least: float
) -> tuple[Scores, Flags]:
    """Return the ratio of the sorted words, and whether the words of one side are all among the other's.

    `starts` are the `word_starts` of both sides. Texts of which no two words begin alike are not read, nor those that
    cannot reach the ratio asked for; theirs is 0.
    """
    common = starts[0] & starts[1]
    in_order, contains = np.zeros(len(left), np.float32), np.zeros(len(left), np.bool_)
    rows = np.flatnonzero((common != 0) & may_reach)
    in_order[rows] = pairwise(fuzz.token_sort_ratio, *_both(texts, left[rows], right[rows]), at_least=at_least)
    rows = np.flatnonzero((common != 0) & ((common == starts[0]) | (common == starts[1])))
    contains[rows] = pairwise(fuzz.token_set_ratio, *_both(texts, left[rows], right[rows]), at_least=100.0) > 0
    return in_order, contains


def _both(texts: pl.Series, left: Ints, right: Ints) -> tuple[list[str], list[str]]:
    return texts.gather(left).to_list(), texts.gather(right).to_list()


def word_starts(texts: pl.Series) -> Hashes:
    """Return per text the set of the first letters of its words, folded into 64 bits: words within, bits within."""
    parts = [_word_starts(joined(texts.slice(start, SLICE))) for start in range(0, len(texts), SLICE)]
    return np.concatenate([np.empty(0, np.uint64), *parts])


def _word_starts(texts: bytes) -> Hashes:
    """Return the word starts of some texts, given with a newline between them."""
    block = np.frombuffer(b"\n" + texts + b"\n" * START, np.uint8)
    letter = block > _NO_WORDS
    first = np.flatnonzero(letter[1:] > letter[:-1]) + 1
    runs, behind = block[first].astype(np.uint32), letter
    for step in range(1, START):
        behind = behind[:-1] & letter[step:]  # what stands behind a short word is not part of it
        runs = runs << np.uint32(8) | (block[step:] * behind)[first]
    bits = np.uint64(1) << (runs * np.uint32(0x9E3779B1) >> np.uint32(26)).astype(np.uint64)
    ends = np.flatnonzero(block == NEWLINE)[: -START + 1]
    words = np.diff(np.searchsorted(first, ends))
    found = np.zeros(len(words), np.uint64)
    if len(first):
        filled = np.flatnonzero(words)
        found[filled] = np.bitwise_or.reduceat(bits, (np.cumsum(words) - words)[filled])
    return found
