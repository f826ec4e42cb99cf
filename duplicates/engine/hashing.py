"""Hashes of every word, letter run and whole text of a column at once.

A column travels as one block of bytes, a newline between texts. Its running polynomial hash gives the hash of any span
by one subtraction and one multiplication, because the multiplier is odd and so has an inverse modulo 2^64. Equal spans
have equal hashes wherever they stand; 0 is never the hash of anything but "nothing there".
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_MULTIPLIER = 0x9E3779B97F4A7C15 | 1
_INVERSE = pow(_MULTIPLIER, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_SMALLEST_TABLE, _SECOND_TABLE = 1 << 16, 400_000  # the second suffices for some ten thousand records
_POWERS_A_ROW = 1 << 10
# One fixed random number per byte value, so that sums of letters do not collide.
_BYTE = np.random.default_rng(20).integers(1, 1 << 63, 256, dtype=np.uint64)
SPACE, NEWLINE = 32, 10


def mix(values: Hashes, salt: int | Hashes) -> Hashes:
    """Scramble hashes, each salt its own way; 0 stays 0 and nothing else becomes 0."""
    mixed = (values + np.asarray(salt, np.uint64) * np.uint64(0x51_7C_C1_B7)) * _MIX
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

    def whole(self) -> Hashes:
        """Return the hash of each text, 0 for an empty one."""
        return _span(self.running, self.start, self.end)

    def signature(self) -> Hashes:
        """Return per text the set of its letter pairs, folded into 64 bits."""
        empty = self.end - self.start < 2
        pair = self.block.astype(np.uint16)
        pair[:-1] <<= 8
        pair[:-1] |= self.block[1:]  # the last byte is a newline, and pairs with one have no bit
        signs: Hashes = np.bitwise_or.reduceat(_PAIR_BITS[pair], self.start)
        signs[empty] = 0
        return signs


@dataclass(frozen=True, slots=True)
class Words:
    """A column of texts as letters without the spaces: where each word ends, and the running hash up to each letter.

    Two spaces in a row, or a text without any letter, have a word of no letters between them.
    """

    end: Ints  # of each word
    last: Ints  # of each text: its last word
    running: Hashes

    @property
    def text_end(self) -> Ints:
        return self.end[self.last]

    def words(self) -> tuple[Hashes, Ints]:
        """Return the hash of each word, 0 for one of no letters, and the text it stands in."""
        many = np.diff(self.last, prepend=-1)
        return _span(self.running, _before(self.end), self.end), np.repeat(np.arange(len(self.last)), many)

    def whole(self) -> Hashes:
        """Return the hash of each text, which is that of its letters as one word; 0 for an empty one."""
        return _span(self.running, _before(self.text_end), self.text_end)

    def first(self, size: int, least: int) -> tuple[Hashes, Ints]:
        """Return the first letters of the texts that have at least so many, and which texts these are."""
        start, rows = self._long_enough(least)
        return _span(self.running, start, start + size), rows

    def last_letters(self, size: int, least: int) -> tuple[Hashes, Ints]:
        """Return the last letters of the texts that have at least so many, and which texts these are."""
        _, rows = self._long_enough(least)
        end = self.text_end[rows]
        return _span(self.running, end - size, end), rows

    def sampled_run(self, size: int) -> tuple[Hashes, Ints]:
        """Return one run of letters of each text that has so many, which of them depends on the run alone."""
        start, rows = self._long_enough(size)
        if not len(rows):
            return np.empty(0, np.uint64), rows
        count = len(self.running) - size
        hashed = (self.running[size:] - self.running[:count]) * _powers(count)[1][:count]
        hashed ^= hashed >> np.uint64(32)
        hashed *= _MIX
        edges = np.empty(2 * len(rows), np.int64)
        edges[0::2], edges[1::2] = start, self.text_end[rows] - size + 1
        if edges[-1] == count:  # reduceat wants no end behind the last run; the last slice needs none
            edges = edges[:-1]
        return np.minimum.reduceat(hashed, edges)[0::2], rows

    def _long_enough(self, least: int) -> tuple[Ints, Ints]:
        """Return where the texts of so many letters start, and which these are."""
        start = _before(self.text_end)
        rows = np.flatnonzero(self.text_end - start >= least)
        return start[rows], rows


def words_of(joined: bytes) -> Words:
    """Prepare a column of words given as bytes with a newline between texts."""
    block = np.frombuffer(joined + b"\n", np.uint8)
    is_letter = block > SPACE
    between = np.flatnonzero(~is_letter)
    last = np.flatnonzero(block[between] == NEWLINE)
    return Words(between - np.arange(len(between)), last, _running(block[is_letter]))


def letters(joined: bytes) -> Letters:
    """Prepare a column given as bytes with a newline between texts."""
    block = np.frombuffer(joined + b"\n", np.uint8)
    end = np.flatnonzero(block == NEWLINE)
    start = np.concatenate([[0], end[:-1] + 1])
    return Letters(block, start, end, _running(block))


def _running(block: npt.NDArray[np.uint8]) -> Hashes:
    """Return the hash of the letters before each place."""
    running = np.zeros(len(block) + 1, np.uint64)
    running[1:] = _BYTE[block]
    running[1:] *= _powers(len(block))[0][: len(block)]
    np.cumsum(running, out=running)
    return running


def _span(running: Hashes, start: Ints, end: Ints) -> Hashes:
    """Return the hash of the letters from start to end, 0 where that is nothing."""
    hashed = (running[end] - running[start]) * _powers(len(running))[1][start]
    hashed[end <= start] = 0
    return hashed


def _before(ends: Ints) -> Ints:
    """Return the starts of pieces that follow upon each other."""
    return np.concatenate([[0], ends[:-1]])


def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Return at least the first `count` powers of the multiplier and of its inverse.

    The tables only ever grow, small ones by much: making them costs as much as hashing with them. Threads that make
    them at once make the same ones.
    """
    tables = _tables[0]
    if len(tables[0]) < count:
        tables = _tables[0] = _power_tables(max(count + count // 4, _SECOND_TABLE))
    return tables


def _power_tables(size: int) -> tuple[Hashes, Hashes]:
    """Return tables of at least this size, whole rows of powers from every row's first."""
    rows = -(-size // _POWERS_A_ROW)
    tables = []
    for base in (_MULTIPLIER, _INVERSE):
        row = _few_powers(base, _POWERS_A_ROW)
        first = _few_powers(pow(base, _POWERS_A_ROW, 1 << 64), rows)
        tables.append(np.multiply.outer(first, row).reshape(-1))
    return tables[0], tables[1]


def _few_powers(base: int, size: int) -> Hashes:
    """Return powers one after the other, each waiting for the one before."""
    table = np.full(size, base, np.uint64)
    table[0] = 1
    return np.multiply.accumulate(table)


def _pair_bits() -> Hashes:
    """Return the bit of each pair of bytes, by the value of both; pairs with a newline have none."""
    pair = np.arange(1 << 16, dtype=np.uint32)
    first, second = pair >> np.uint32(8), pair & np.uint32(255)
    mixed = first * np.uint32(2654435761) + second * np.uint32(40503)
    bits: Hashes = np.uint64(1) << ((mixed >> np.uint32(13)) & np.uint32(63)).astype(np.uint64)
    bits[(first == NEWLINE) | (second == NEWLINE)] = 0
    return bits


_tables = [_power_tables(_SMALLEST_TABLE)]
_PAIR_BITS = _pair_bits()
