"""Who names whom as a partner when a library has changed a little, by the frozen tables of an earlier run.

A feature is as common as it was then, or belonged to one record at most. So what a record reads and how its shares are
scaled depend on that record alone, and a list of partners can only change where a partner came or left. One thing does
depend on the library as it is now: a feature that has outgrown its frequency is read by nobody, or a thousand new
songs by a singer nobody knew would all read each other.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import sparse

from duplicates.engine.candidates import BEST, CHUNK_PRODUCTS, Looks, allowed_bands, best_partners
from duplicates.engine.hashing import Hashes, Ints
from duplicates.engine.index import Index
from duplicates.engine.normalise import Records
from duplicates.engine.postings import (
    BAND_OF,
    CAPS,
    ROW_BITS,
    ROW_MASK,
    Floats,
    chunks_of_work,
    packed_features,
    scale_of,
    squares_of,
    weights_of,
)
from duplicates.engine.settings import EngineSettings
from duplicates.engine.threads import in_threads

Flags = npt.NDArray[np.bool_]
# A feature is read up to this many times its frozen frequency, and ROOM records more.
GROWTH, ROOM = 2, 10
_BITS = np.uint64(ROW_BITS)


@dataclass(frozen=True, slots=True)
class Lists:
    """Records and the partners they name, with how much they share."""

    row: Ints
    partner: Ints
    share: Floats

    def only(self, keep: Flags) -> "Lists":
        return Lists(self.row[keep], self.partner[keep], self.share[keep])

    def and_(self, others: "Lists") -> "Lists":
        return Lists(
            np.concatenate([self.row, others.row]),
            np.concatenate([self.partner, others.partner]),
            np.concatenate([self.share, others.share]),
        )

    def codes(self, count: int) -> Ints:
        """Return each record and partner as one number."""
        return self.row * count + self.partner


@dataclass(frozen=True, slots=True)
class Held:
    """Which record holds which feature: `feature` counts the distinct `keys`, and entries are ordered by it."""

    keys: Hashes
    feature: Ints
    row: Ints

    def only(self, keep: Flags) -> "Held":
        return Held(self.keys, self.feature[keep], self.row[keep])


@dataclass(frozen=True, slots=True)
class Readers:
    """Records that read features again, as entries with the weights they give them."""

    held: Held
    weight: Floats
    frequency: Ints  # of each key
    scale: Floats  # by record, as numbered by `held.row`
    silent: Flags


def held_by(records: Records, threads: int) -> Held:
    """Return the features of some records; rows count these records."""
    if not len(records):
        return Held(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
    packed = packed_features(records, np.arange(len(records)), lambda done: None, threads)
    keys, feature = np.unique(packed >> _BITS, return_inverse=True)
    return Held(keys, feature, (packed & ROW_MASK).astype(np.int64))


def frequency_in(index: Index, keys: Hashes) -> tuple[Ints, Ints]:
    """Return where the holders of each feature begin in the index, and how many they are."""
    first = np.searchsorted(index.features, keys << _BITS, side="left")
    return first, np.searchsorted(index.features, keys << _BITS | ROW_MASK, side="right") - first


def holders(index: Index, first: Ints, many: Ints) -> tuple[Ints, Ints]:
    """Return the holders of features in the index as (number of the feature, row)."""
    feature = np.repeat(np.arange(len(many)), many)
    place = np.arange(len(feature)) + np.repeat(first - (np.cumsum(many) - many), many)
    return feature, (index.features[place] & ROW_MASK).astype(np.int64)


def outgrown(now: Ints, frozen: Ints) -> Flags:
    """Tell which features too many records hold by now to be read."""
    grown: Flags = now > GROWTH * np.maximum(frozen, 1) + ROOM
    return grown


def readers(index: Index, held: Held, count: int) -> Readers:
    """Work out what `count` records read and how their weights are scaled."""
    frequency = frequency_in(index, held.keys)[1]
    weight = weights_of(frequency, len(index))[held.feature]
    often = frequency[held.feature]
    known = often >= 2
    lonely = np.bincount(held.row[~known], minlength=count)
    scale = scale_of(np.bincount(held.row, squares_of(frequency, len(index))[held.feature], minlength=count))
    readable = often <= CAPS[-1]
    band = BAND_OF[np.where(readable, often, 0)].astype(np.int64)
    priced = known & readable
    reading = np.bincount(held.row[priced] * len(CAPS) + band[priced], often[priced], minlength=count * len(CAPS))
    allowed = allowed_bands(reading.reshape(count, len(CAPS)).T, count)[0]
    read = readable & (band < allowed[held.row])
    common = np.bincount(held.row[~readable], minlength=count)
    asks = np.bincount(held.row[read & known], minlength=count)
    silent = (asks == 0) & (common > 0) & (lonely == 0)
    chosen = held.only(read)
    return Readers(chosen, weight[read] * scale[chosen.row], frequency, scale, silent)


def partners(asking: Held, asked: Floats, held: Held, weight: Floats, looks: Looks, settings: EngineSettings) -> Lists:
    """Return the best partners of the asking records among the holders; both name features by one list of keys."""
    rows = np.unique(np.concatenate([asking.row, held.row]))
    rows = rows[np.argsort(looks.track_id[rows], kind="stable")]
    place = np.empty(len(looks), np.int64)
    place[rows] = np.arange(len(rows))
    shape = len(rows), len(asking.keys)
    questions = sparse.csr_matrix((asked, (place[asking.row], asking.feature)), shape)
    answers = sparse.csr_matrix((weight, (held.feature, place[held.row])), shape[::-1])
    many = np.bincount(held.feature, minlength=len(asking.keys))
    cost = np.bincount(place[asking.row], many[asking.feature], minlength=len(rows)).astype(np.int64)
    if not len(asking.row) or not len(held.row):
        return Lists(rows[:0], rows[:0], np.empty(0, np.float32))
    work = partial(
        best_partners, asked=questions, cost=cost, lists=answers, looks=looks.of(rows), preset=settings.preset
    )
    found = list(in_threads(work, chunks_of_work(cost, CHUNK_PRODUCTS), settings.threads))
    row, partner = np.divmod(np.concatenate([codes for codes, _ in found]), len(rows))
    return Lists(rows[row], rows[partner], np.concatenate([shares for _, shares in found]))


def keep_best(lists: Lists, looks: Looks) -> Lists:
    """Keep the BEST partners of each record; equal shares go to the lower track id."""
    order = np.lexsort((looks.track_id[lists.partner], -lists.share, lists.row))
    row = lists.row[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row, side="left")
    kept = order[rank < BEST]
    return Lists(lists.row[kept], lists.partner[kept], lists.share[kept])


def lists_in(index: Index, rows: Ints) -> Lists:
    """Return the partners that records of the index named in the full run."""
    many = index.starts[rows + 1] - index.starts[rows]
    row = np.repeat(rows, many)
    place = np.arange(len(row)) + np.repeat(index.starts[rows] - (np.cumsum(many) - many), many)
    return Lists(row, index.partner[place].astype(np.int64), index.share[place])
