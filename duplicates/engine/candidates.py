"""Which pairs of records deserve a closer look: each proposed once, nothing compared with everything.

Features become a sparse record-by-feature table. Each record reads the posting lists of its rarest features until a
budget is spent, adds up how much it shares with whom, and keeps its best partners. The cost is bounded per record
whatever the vocabulary does: a library of one title repeated a million times reads no more than any other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from duplicates.engine.features import features
from duplicates.engine.normalise import Ints, Records

POSTINGS_BUDGET = 300  # posting entries one record may read
CAPS = np.array([2, 4, 8, 16, 32, 64, 128, 256], np.int64)  # largest allowed document frequency, chosen per record
BEST = 10  # partners each record may name
LOW_SHARE = 0.10  # share of their features two records must have in common
CHUNK_PRODUCTS = 20_000_000  # sparse products computed at a time: bounds memory
_ROW_BITS = 23

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CandidatePairs:
    """Unordered pairs of record rows, each once, left < right, ordered; `share` is how much of their features they share."""

    left: Ints
    right: Ints
    share: Floats

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True, slots=True)
class Postings:
    """The features that at least two records share, as a feature-by-record table with weights."""

    by_feature: "sparse.csr_matrix"
    frequency: Ints  # per feature: records that have it
    norm: Floats  # per record: weight of all its features, shared or not


def propose(records: Records, advance: Callable[[int], None]) -> CandidatePairs:
    """Return candidate pairs. `advance` hears how many records have been looked up."""
    count = len(records)
    if count < 2:
        return _pairs(np.empty(0, np.int64), np.empty(0, np.float32), max(count, 1))
    postings = build_postings(records)
    asked, cost = _within_budget(postings, count)
    codes, shares = [], []
    for start, stop in _chunks(cost):
        code, share = _best_partners(asked[start:stop], postings, start)
        codes.append(code)
        shares.append(share)
        advance(stop)
    return _pairs(np.concatenate(codes), np.concatenate(shares), count)


def build_postings(records: Records) -> Postings:
    """Sort the features into posting lists; features of one record only are counted and dropped."""
    values, rows = features(records)
    packed = (values >> np.uint64(_ROW_BITS)) << np.uint64(_ROW_BITS) | rows.astype(np.uint64)
    del values, rows
    packed.sort()
    packed = packed[np.concatenate([[True], packed[1:] != packed[:-1]])]
    feature, row = packed >> np.uint64(_ROW_BITS), (packed & np.uint64((1 << _ROW_BITS) - 1)).astype(np.int32)
    starts = np.flatnonzero(np.concatenate([[True], feature[1:] != feature[:-1]]))
    frequency = np.diff(np.append(starts, len(packed)))
    weight = np.log1p(len(records) / frequency).astype(np.float32)
    norm = np.bincount(row, np.repeat(weight, frequency) ** 2, minlength=len(records)).astype(np.float32)
    shared = (frequency >= 2) & (frequency <= CAPS[-1])
    keep = np.repeat(shared, frequency)
    offsets = np.concatenate([[0], np.cumsum(frequency[shared])])
    table = sparse.csr_matrix(
        (np.repeat(weight[shared], frequency[shared]), row[keep], offsets), shape=(int(shared.sum()), len(records))
    )
    return Postings(table, frequency[shared], norm)


def _within_budget(postings: Postings, count: int) -> tuple["sparse.csr_matrix", Ints]:
    """Return per record the features it looks up, the rarest first until the budget is spent, and their cost."""
    by_record = postings.by_feature.T.tocsr()
    frequency = postings.frequency[by_record.indices]
    row = np.repeat(np.arange(count), np.diff(by_record.indptr))
    cap = np.zeros(count, np.int64)
    cost = np.zeros(count, np.int64)
    for limit in CAPS:
        reading = np.bincount(row, np.where(frequency <= limit, frequency, 0), minlength=count).astype(np.int64)
        within = (reading <= POSTINGS_BUDGET) & (cap == (limit >> 1 if limit > 2 else 0))
        cap[within], cost[within] = limit, reading[within]
    keep = frequency <= cap[row]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[keep], minlength=count))])
    asked = sparse.csr_matrix((by_record.data[keep], by_record.indices[keep], indptr), shape=by_record.shape)
    return asked, cost


def _chunks(cost: Ints) -> list[tuple[int, int]]:
    """Cut the records into runs of about equal work."""
    total = np.cumsum(cost)
    cuts = np.searchsorted(total, np.arange(CHUNK_PRODUCTS, total[-1] + CHUNK_PRODUCTS, CHUNK_PRODUCTS), side="right")
    edges = np.unique(np.concatenate([[0], np.maximum(cuts, 1), [len(cost)]]).clip(0, len(cost)))
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _best_partners(asked: "sparse.csr_matrix", postings: Postings, start: int) -> tuple[Ints, Floats]:
    """Return the best partners of a run of records as pair codes with their shares."""
    found = asked @ postings.by_feature
    row = np.repeat(np.arange(start, start + asked.shape[0]), np.diff(found.indptr))
    partner = found.indices
    share = found.data * found.data / (postings.norm[row] * postings.norm[partner])
    share = found.data / np.sqrt(postings.norm[row] * postings.norm[partner])
    keep = (share >= LOW_SHARE) & (row != partner)
    row, partner, share = row[keep], partner[keep].astype(np.int64), share[keep]
    order = np.lexsort((partner, -share, row))
    row, partner, share = row[order], partner[order], share[order]
    first = np.searchsorted(row, row, side="left")
    best = np.arange(len(row)) - first < BEST
    row, partner, share = row[best], partner[best], share[best]
    count = postings.norm.shape[0]
    return np.minimum(row, partner) * count + np.maximum(row, partner), share.astype(np.float32)


def _pairs(codes: Ints, shares: Floats, count: int) -> CandidatePairs:
    """Put each pair once, in order, with the larger of its two shares."""
    order = np.lexsort((-shares, codes))
    codes, shares = codes[order], shares[order]
    once = np.concatenate([[True], codes[1:] != codes[:-1]]) if len(codes) else np.empty(0, np.bool_)
    codes, shares = codes[once], shares[once]
    return CandidatePairs(codes // count, codes % count, shares)
