"""How many letters two texts can have in common at most, known without reading them.

A text becomes the bag of its letters: how many there are of each of 32 kinds, up to four. Whatever order two texts have
their letters in, they cannot share more than their bags do. Most pairs that only share an album are told apart so.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from duplicates.engine.hashing import NEWLINE, Ints
from duplicates.engine.text_columns import joined

KINDS = 32  # of letters: one for each from a to z, the other signs share the rest
COUNTED = 4  # letters of one kind that are told apart; further ones are counted together
SLICE = 10_000  # texts worked on at a time: what is worked out of them stays in the cache
_CONTINUES = (0x80, 0xBF)  # bytes behind the first one of a letter
_SPACE, _NO_LETTER, WIDTH = KINDS, KINDS + 1, KINDS + 2

Counts = npt.NDArray[np.int32]


def _kinds() -> npt.NDArray[np.uint8]:
    """Return the kind of letter that each byte begins: spaces and continuations begin none."""
    byte = np.arange(256)
    kind = np.where((byte >= ord("a")) & (byte <= ord("z")), byte - ord("a"), 26 + byte % (KINDS - 26))
    kind[(byte <= 32) | (byte >= _CONTINUES[0]) & (byte <= _CONTINUES[1])] = _NO_LETTER
    kind[ord(" ")] = _SPACE
    return kind.astype(np.uint8)


_KIND = _kinds()


@dataclass(frozen=True, slots=True)
class Bags:
    """The bags of a column of texts: a bit for each of the first COUNTED letters of a kind, and how many there are."""

    bits: npt.NDArray[np.uint64]  # texts x 2
    size: npt.NDArray[np.int32]  # letters, spaces aside
    spaces: npt.NDArray[np.int32]

    def __getitem__(self, rows: Ints) -> "Bags":
        return Bags(self.bits[rows], self.size[rows], self.spaces[rows])

    def with_rows(self, rows: Ints, others: "Bags") -> "Bags":
        """Return these bags with others in some rows."""
        bits, size, spaces = self.bits.copy(), self.size.copy(), self.spaces.copy()
        bits[rows], size[rows], spaces[rows] = others.bits, others.size, others.spaces
        return Bags(bits, size, spaces)


def in_common(one: Bags, other: Bags) -> Counts:
    """Return how many letters the texts of each pair have in common at most."""
    further = np.minimum(one.size - _ones(one.bits), other.size - _ones(other.bits))
    common: Counts = further + _ones(one.bits & other.bits)
    return common


def may_reach(ratio: float, one: Bags, other: Bags) -> npt.NDArray[np.bool_]:
    """Tell which pairs could have so high an indel ratio, from 0 to 100, spaces aside."""
    enough: npt.NDArray[np.bool_] = 200.0 * in_common(one, other) >= ratio * (one.size + other.size)
    return enough


def may_reach_in_words(ratio: float, one: Bags, other: Bags) -> npt.NDArray[np.bool_]:
    """Tell which pairs could have so high a ratio with their words in any order, spaces included."""
    together = one.size + other.size + one.spaces + other.spaces
    common = in_common(one, other) + np.minimum(one.spaces, other.spaces)
    enough: npt.NDArray[np.bool_] = 200.0 * common >= ratio * together
    return enough


def _ones(bits: npt.NDArray[np.uint64]) -> Counts:
    counts = np.bitwise_count(bits)
    return np.add(counts[:, 0], counts[:, 1], dtype=np.int32)


def bags(texts: pl.Series) -> Bags:
    """Return the bags of a column of texts."""
    parts = [_bags(joined(texts.slice(start, SLICE))) for start in range(0, max(len(texts), 1), SLICE)]
    return Bags(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _bags(texts: bytes) -> tuple[npt.NDArray[np.uint64], Counts, Counts]:
    """Return the bits, sizes and spaces of some texts, given with a newline between them."""
    block = np.frombuffer(texts + b"\n", np.uint8)
    ends = np.flatnonzero(block == NEWLINE)
    first = np.repeat(np.arange(len(ends), dtype=np.int64) * WIDTH, np.diff(ends, prepend=-1))
    counts = np.bincount(first + _KIND[block], minlength=len(ends) * WIDTH).reshape(-1, WIDTH)
    letters = np.minimum(counts[:, :KINDS], COUNTED).astype(np.uint8)
    levels = [np.packbits((letters > level).ravel()).reshape(-1, KINDS // 8) for level in range(COUNTED)]
    size = counts[:, :KINDS].sum(axis=1, dtype=np.int32)
    return np.concatenate(levels, axis=1).view(np.uint64), size, counts[:, _SPACE].astype(np.int32)
