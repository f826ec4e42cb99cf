"""Who has which feature: posting lists of the features that at least two records share.

Map: each run of records sorts its own features. Shuffle: the runs are cut at the same hashes. Reduce: each range of
hashes is sorted and read alone, so no step is long, every thread has work, and any machine could hold any range.
Nothing depends on where the cuts are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from duplicates.engine.features import TEXTS, features
from duplicates.engine.hashing import Hashes, Ints
from duplicates.engine.index import Leave, leave_nothing
from duplicates.engine.normalise import Records
from duplicates.engine.parts import Chunk
from duplicates.engine.sorting import ordered
from duplicates.engine.threads import in_threads

# Upper ends of the bands of document frequency; above the last a feature says too little to be read.
CAPS = np.array([2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256], np.int64)
BAND_OF = np.searchsorted(CAPS, np.arange(CAPS[-1] + 1)).astype(np.uint8)  # of a frequency that may be read
CHUNK_LETTERS = 5_000_000  # letters whose features are worked out at a time, besides RECORD_LETTERS for each record
RECORD_LETTERS = 100
RANGE_ENTRIES = 1 << 19  # entries of one range of hashes: few enough for the processor's own memory
MOST_RANGES = 64
ROW_BITS = 23
ROW_MASK = np.uint64((1 << ROW_BITS) - 1)
MOST_RECORDS = 1 << ROW_BITS
_EXACT = float(1 << 20)  # squared weights are rounded to such parts, so that sums are equal in any order

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Postings:
    """The features that at least two records share and that may be read, in the order of their hashes."""

    by_feature: "sparse.csr_matrix"  # feature by record: weights scaled per record
    frequency: npt.NDArray[np.int32]  # per feature: records that have it
    common: Flags  # per record: has features too many others have to be read
    lonely: Flags  # per record: has features nobody else has
    scale: Floats  # per record: what its weights were multiplied by

    def is_silent(self, asked: "sparse.csr_matrix") -> Flags:
        """Tell which records hold nothing rare enough to look up."""
        silent: Flags = (np.diff(asked.indptr) == 0) & self.common & ~self.lonely
        return silent


@dataclass(frozen=True, slots=True)
class Range:
    """What the entries of one range of hashes say, ordered by hash and row."""

    entries: Hashes
    row: npt.NDArray[np.int32]  # of the features that may be read
    frequency: npt.NDArray[np.int32]  # per such feature
    squares: npt.NDArray[np.float64]  # per record: its squared weights of all features, readable or not
    common: Ints  # rows with a feature that is too common
    lonely: Ints  # rows with a feature of their own


def build_postings(
    records: Records,
    original: Ints,
    place_of: Ints,
    advance: Callable[[int], None],
    threads: int,
    leave: Leave = leave_nothing,
) -> Postings:
    """Return the posting lists of a library, in which only originals stand, each at its place in the order wanted.

    `advance` hears how much is done, of twice the number of records. `leave` is handed every feature of every original,
    with its row, ordered by feature. Raises ValueError for more records than a feature has room to name.
    """
    count = len(records)
    if count > MOST_RECORDS:
        raise ValueError(f"One run takes {MOST_RECORDS:,} tracks at most, not {count:,}.")
    squares, common, lonely = np.zeros(count), np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    row, frequency, left = [np.empty(0, np.int32)], [np.empty(0, np.int32)], []
    pieces = features_by_range(records, original, place_of, advance, threads)
    many, order = len(pieces), np.argsort(place_of).astype(np.uint64)
    ranges = in_threads(partial(read_range, count=count), _taken_out(pieces), threads)
    for done, found in enumerate(ranges, 1):
        squares += found.squares
        common[found.common] = lonely[found.lonely] = True
        row.append(found.row)
        frequency.append(found.frequency)
        left += [] if leave is leave_nothing else [_with_rows(found.entries, order)]
        advance(count + done * count // many)
    if left:
        leave("features", {"features": np.concatenate(left)})
    rows, shared = np.concatenate(row), np.concatenate(frequency)
    scale = scale_of(squares)
    weights = np.repeat(weights_of(shared, count), shared) * scale[rows]
    offsets = np.concatenate([[0], np.cumsum(shared)])
    table = sparse.csr_matrix((weights, rows, offsets), shape=(len(shared), count))
    return Postings(table, shared, common, lonely, scale)


def packed_features(records: Records, original: Ints, advance: Callable[[int], None], threads: int) -> Hashes:
    """Return every feature of every original once, hash and row in one number, in order."""
    ranges = features_by_range(records, original, np.arange(len(records)), advance, threads)
    return np.concatenate([sorted_range(pieces) for pieces in ranges])


def _with_rows(entries: Hashes, order: Hashes) -> Hashes:
    """Return entries with the rows of the records, given which stands at each place."""
    named: Hashes = entries & ~ROW_MASK | order[entries & ROW_MASK]
    return named


def weights_of(frequency: npt.NDArray[np.integer[Any]], count: int) -> Floats:
    """Return what sharing a feature says, given how many of `count` records have it."""
    weights: Floats = np.log1p(count / np.maximum(frequency, 1)).astype(np.float32)
    return weights


def squares_of(frequency: npt.NDArray[np.integer[Any]], count: int) -> npt.NDArray[np.float64]:
    """Return the weights squared, rounded so that their sums are equal in whatever order they are taken."""
    return np.round(weights_of(frequency, count).astype(np.float64) ** 2 * _EXACT) / _EXACT


def scale_of(squares: npt.NDArray[np.float64]) -> Floats:
    """Return what the weights of each record are multiplied by, given the sum of their squares."""
    scale: Floats = (1.0 / np.sqrt(np.maximum(squares, 1e-9))).astype(np.float32)
    return scale


def features_by_range(
    records: Records, original: Ints, place_of: Ints, advance: Callable[[int], None], threads: int
) -> list[list[Hashes]]:
    """Return the features of every record, hash and place in one number, as sorted pieces of ranges of hashes."""
    chunks = chunks_of_work(_letters_of(records), CHUNK_LETTERS)
    work = partial(_features_of_chunk, records=records, original=original, place_of=place_of)
    parts = in_threads(work, chunks, threads)
    pieces: list[list[Hashes]] = []
    for (_, stop), part in zip(chunks, parts, strict=True):
        if not pieces:  # the first chunk tells how many there will be
            pieces = [[] for _ in range(_range_count(len(part) * len(chunks)))]
        # The highest bit of every hash is set.
        cuts = np.arange(1, len(pieces), dtype=np.uint64) * np.uint64((1 << 63) // len(pieces)) + np.uint64(1 << 63)
        for kept, piece in zip(pieces, np.split(part, np.searchsorted(part, cuts)), strict=True):
            kept.append(piece.copy())  # a copy can go when its range is read
        advance(stop)
    return pieces


def sorted_range(pieces: list[Hashes]) -> Hashes:
    """Put the pieces of one range of hashes together, in order."""
    return ordered(np.concatenate(pieces))


def read_range(pieces: list[Hashes], *, count: int) -> Range:
    """Return what one range of hashes says in a library of `count` records."""
    entries = sorted_range(pieces)
    starts = np.flatnonzero(is_first(entries))
    frequency = np.diff(np.append(starts, len(entries))).astype(np.int32)
    row = (entries & ROW_MASK).view(np.int64)
    squares = np.bincount(row, np.repeat(squares_of(frequency, count), frequency), minlength=count)
    readable = (frequency > 1) & (frequency <= CAPS[-1])
    common = np.repeat(frequency > CAPS[-1], frequency)
    kept = row[np.repeat(readable, frequency)].astype(np.int32)
    return Range(entries, kept, frequency[readable], squares, row[common], row[starts[frequency == 1]])


def is_first(entries: Hashes) -> Flags:
    """Tell which of sorted entries are the first of their feature."""
    first = np.ones(len(entries), np.bool_)
    first[1:] = (entries[1:] ^ entries[:-1]) > ROW_MASK
    return first


def chunks_of_work(cost: Ints, most: int) -> list[Chunk]:
    """Cut records into runs of about equal work, given what each costs and how much a run may cost."""
    total = np.cumsum(cost + 1)
    cuts = np.searchsorted(total, np.arange(most, total[-1], most), side="right")
    edges = np.unique(np.concatenate([[0], cuts, [len(cost)]]))
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _letters_of(records: Records) -> Ints:
    """Return how many letters the features of each record are made of, and RECORD_LETTERS for what is no text."""
    many = records.texts.select(pl.sum_horizontal(pl.col(TEXTS).str.len_bytes().cast(pl.Int64))).to_series()
    return many.to_numpy() + RECORD_LETTERS


def _features_of_chunk(chunk: Chunk, *, records: Records, original: Ints, place_of: Ints) -> Hashes:
    """Return the features of the originals in one chunk of records, each once, in order."""
    values, rows = features(records, *chunk)
    searched = original[rows] == rows
    packed = ordered(values[searched] & ~ROW_MASK | place_of[rows[searched]].astype(np.uint64))
    again = packed[1:] == packed[:-1]  # a record that has a feature twice is not two records
    once: Hashes = packed[np.append(True, ~again)[: len(packed)]]
    return once


def _range_count(entries: int) -> int:
    """Return into how many ranges so many entries are cut: a power of two."""
    return min(MOST_RANGES, 1 << max(0, (entries // RANGE_ENTRIES).bit_length()))


def _taken_out[Piece](pieces: list[Piece]) -> Iterator[Piece]:
    """Hand out the pieces in order without keeping them."""
    pieces.reverse()
    while pieces:
        yield pieces.pop()
