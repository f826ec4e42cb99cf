"""Hashes of every word, letter run and whole text of a column at once.

A column travels as one block of bytes, a newline between texts. Its running polynomial hash gives the hash of any span
by one subtraction and one multiplication, because the multiplier is odd and so has an inverse modulo 2^64. Equal spans
have equal hashes wherever they stand; 0 is never the hash of anything but "nothing there".
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_MULTIPLIER = 0x9E3779B97F4A7C15 | 1
_INVERSE = pow(_MULTIPLIER, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_SMALLEST_TABLE = 1 << 16
# One fixed random number per byte value, so that sums of letters do not collide.
_BYTE = np.random.default_rng(20).integers(1, 1 << 63, 256, dtype=np.uint64)
NEWLINE = 10


def mix(values: Hashes, salt: int) -> Hashes:
    """Scramble hashes, each salt its own way; 0 stays 0 and nothing else becomes 0."""
    mixed = (values + np.uint64(salt * 0x51_7C_C1_B7)) * _MIX
    mixed ^= mixed >> np.uint64(32)
    mixed *= _MIX
    mixed ^= mixed >> np.uint64(29)
    mixed |= np.uint64(1) << np.uint64(63)
    mixed[values == 0] = 0
    return mixed


def both(left: Hashes, right: Hashes) -> Hashes:
    """Return the hash of an ordered pair of hashes, 0 where either is 0."""
    paired = (left * np.uint64(3) + (right ^ (right >> np.uint64(7))) * _MIX).astype(np.uint64)
    paired |= np.uint64(1)
    paired[(left == 0) | (right == 0)] = 0
    return paired


@dataclass(frozen=True, slots=True)
class Letters:
    """A column of texts as bytes: where each text starts and ends, and the running hash up to each byte."""

    block: npt.NDArray[np.uint8]
    start: Ints
    end: Ints
    running: Hashes

    def span(self, start: Ints, end: Ints) -> Hashes:
        """Return the hash of the bytes from start to end, 0 where that is nothing."""
        hashed = (self.running[end] - self.running[start]) * _powers(len(self.block))[1][start]
        hashed[end <= start] = 0
        return hashed

    def whole(self) -> Hashes:
        """Return the hash of each text, 0 for an empty one."""
        return self.span(self.start, self.end)

    def words(self) -> tuple[Hashes, Ints]:
        """Return the hash of each word and the text it stands in."""
        letter = self.block > 32
        before = np.concatenate([[False], letter[:-1]])
        starts = np.flatnonzero(letter & ~before)
        ends = np.flatnonzero(before & ~letter)
        return self.span(starts, ends), np.searchsorted(self.start, starts, side="right") - 1

    def runs(self, size: int) -> tuple[Hashes, Hashes]:
        """Return the smallest and largest hash among the runs of `size` letters of each text, 0 for a shorter one."""
        rows = np.flatnonzero(self.end - self.start >= size)
        low, high = np.zeros(len(self.start), np.uint64), np.zeros(len(self.start), np.uint64)
        if len(rows):
            count = len(self.block) - size + 1
            hashed = (self.running[size : size + count] - self.running[:count]) * _powers(count)[1][:count]
            hashed ^= hashed >> np.uint64(32)
            hashed *= _MIX
            first, last = self.start[rows], self.end[rows] - size + 1
            edges = np.empty(2 * len(rows), np.int64)
            edges[0::2], edges[1::2] = first, last
            if edges[-1] == len(hashed):  # reduceat wants no end behind the last run; the last slice needs none
                edges = edges[:-1]
            low[rows] = np.minimum.reduceat(hashed, edges)[0::2]
            high[rows] = np.maximum.reduceat(hashed, edges)[0::2]
        return low, high

    def signature(self) -> Hashes:
        """Return per text the set of its letter pairs, folded into 64 bits."""
        empty = self.end - self.start < 2
        pair = self.block[:-1].astype(np.uint32) * np.uint32(2654435761) + self.block[1:] * np.uint32(40503)
        bit = np.uint64(1) << ((pair >> np.uint32(13)) & np.uint32(63)).astype(np.uint64)
        bit[(self.block[1:] == NEWLINE) | (self.block[:-1] == NEWLINE)] = 0
        signs: Hashes = np.bitwise_or.reduceat(np.append(bit, np.uint64(0)), self.start)
        signs[empty] = 0
        return signs


def letters(joined: bytes) -> Letters:
    """Prepare a column given as bytes with a newline between texts."""
    block = np.frombuffer(joined + b"\n", np.uint8)
    end = np.flatnonzero(block == NEWLINE)
    start = np.concatenate([[0], end[:-1] + 1])
    running = np.zeros(len(block) + 1, np.uint64)
    np.cumsum(_BYTE[block] * _powers(len(block))[0][: len(block)], out=running[1:])
    return Letters(block, start, end, running)


def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Return at least the first `count` powers of the multiplier and of its inverse."""
    return _power_tables(max(_SMALLEST_TABLE, 1 << count.bit_length()))


@lru_cache(maxsize=4)
def _power_tables(size: int) -> tuple[Hashes, Hashes]:
    tables = []
    for base in (_MULTIPLIER, _INVERSE):
        table = np.full(size, base, np.uint64)
        table[0] = 1
        tables.append(np.multiply.accumulate(table))
    return tables[0], tables[1]
