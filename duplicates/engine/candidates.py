"""Which pairs of records deserve a closer look: each proposed once, nothing compared with everything.

Features become a sparse record-by-feature table. Each record reads the posting lists of its rarest features until a
budget is spent, adds up how much it shares with whom, and keeps its best partners. The cost is bounded per record
whatever the vocabulary does: a library of one title repeated a million times reads no more than any other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import _sparsetools

from duplicates.engine.features import features
from duplicates.engine.hashing import Hashes, Ints
from duplicates.engine.index import Leave, leave_nothing
from duplicates.engine.memory import budget
from duplicates.engine.normalise import Records
from duplicates.engine.parts import Keeping, in_parts
from duplicates.engine.progress import Arrays, Checkpoints, Stage
from duplicates.engine.settings import EngineSettings
from duplicates.engine.threads import in_threads

POSTINGS_BUDGET = 160  # posting entries one record may read, besides those of its rarest features
ALWAYS_READ = 6  # bands of CAPS that cost nothing: a song owned five times must not use its budget up on its copies
# Largest document frequency a record may read, chosen per record so that the budget holds.
CAPS = np.array([2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256], np.int64)
BAND_OF = np.searchsorted(CAPS, np.arange(CAPS[-1] + 1)).astype(np.uint8)  # of a frequency that may be read
BEST = 10  # partners each record may name
LOW_SHARE = 0.11  # share of their features two records must have in common
HIGH_SHARE = 0.28  # from here on a pair is looked at even when its titles have few letters in common
COMMON_LETTERS = 0.5  # share of the shorter title's letter pairs that both titles must have
CLOSE_LENGTH_MS = 1000  # one program rounds a length to the next second, another cuts the rest off
CHUNK_PRODUCTS = 2_000_000  # sparse products computed at a time: bounds memory
FEATURE_CHUNK = 25_000  # records
SLICE = 1 << 22  # entries of a long array worked on at a time
MOST_FEATURES = 48  # features of an ordinary record at most: room set aside, not memory used
ROW_BITS = 23
ROW_MASK = np.uint64((1 << ROW_BITS) - 1)

Floats = npt.NDArray[np.float32]


class Looked(Protocol):
    """What is looked at before two records are worth comparing."""

    @property
    def letters(self) -> Hashes:
        """Return the letter pairs of the titles as bit sets."""

    @property
    def duration_ms(self) -> Ints:
        """Return the lengths, 0 where not known."""

    def __len__(self) -> int:
        """Return the number of records."""


@dataclass(frozen=True, slots=True)
class CandidatePairs:
    """Unordered pairs of record rows, each once, left < right, in order; `share` is how much they have in common."""

    left: Ints
    right: Ints
    share: Floats
    narrowed: tuple[str, ...] = ()  # sentences for people: which records were looked at less widely

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True, slots=True)
class Postings:
    """The features that at least two records share, as a feature-by-record table of weights scaled per record."""

    by_feature: "sparse.csr_matrix"
    frequency: npt.NDArray[np.int32]  # per feature: records that have it
    common: Ints  # per record: features too many others have to be read
    lonely: Ints  # per record: features nobody else has
    scale: Floats  # per record: what its weights were multiplied by

    def is_silent(self, asked: "sparse.csr_matrix") -> npt.NDArray[np.bool_]:
        """Tell which records hold nothing rare enough to look up."""
        silent: npt.NDArray[np.bool_] = (np.diff(asked.indptr) == 0) & (self.common > 0) & (self.lonely == 0)
        return silent


def propose(
    records: Records,
    original: Ints,
    advance: Callable[[int], None],
    settings: EngineSettings,
    checkpoints: Checkpoints | None = None,
    leave: Leave = leave_nothing,
) -> CandidatePairs:
    """Return candidate pairs, each copy with its original among them.

    Only originals are looked up and found. `advance` hears how many records are done. What has been looked up is kept
    in parts with `checkpoints`; the postings are built anew. `leave` is handed what a later run may start from.
    """
    count = len(records)
    if count < 2:
        return _once(np.empty(0, np.int64), np.empty(0, np.float32), max(count, 1))
    postings = build_postings(records, original, lambda done: advance(done // 3), settings.threads, leave)
    advance(count // 3)
    asked, cost, bands = _within_budget(postings, count)
    codes, shares = [], []
    chunks = chunks_of_work(cost, budget(count, settings).chunk(CHUNK_PRODUCTS))
    work = partial(best_partners, asked=asked, cost=cost, postings=postings, records=records)
    for code, share in in_parts(
        chunks,
        work,
        keeping=None if checkpoints is None else _keeping(checkpoints),
        threads=settings.threads,
        advance=lambda stop: advance(count // 3 + stop * 2 // 3),
    ):
        codes.append(code)
        shares.append(share)
    code, share = np.concatenate(codes), np.concatenate(shares)
    silent = postings.is_silent(asked)
    reach: Arrays = {"scale": postings.scale, "bands": bands, "silent": silent}
    leave("lists", reach | lists_of(code, share, count))
    copy = np.flatnonzero(original != np.arange(count))
    code = np.concatenate([original[copy] * count + copy, code])
    return _once(code, np.concatenate([np.ones(len(copy), np.float32), share]), count, narrowed(int(silent.sum())))


def lists_of(code: Ints, share: Floats, count: int) -> Arrays:
    """Return the partners that each record named, row by row. `code` is row times count plus partner, by row."""
    row, partner = np.divmod(code, count)
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=count))])
    return {"starts": starts, "partner": partner.astype(np.int32), "share": share}


def _keeping(checkpoints: Checkpoints) -> Keeping[tuple[Ints, Floats]]:
    """Return how pair codes and their shares are kept."""
    return Keeping(
        Stage.CANDIDATES,
        checkpoints,
        join=lambda found: (
            np.concatenate([codes for codes, _ in found]),
            np.concatenate([shares for _, shares in found]),
        ),
        to_arrays=lambda found: {"codes": found[0], "shares": found[1]},
        from_arrays=lambda kept: (kept["codes"].astype(np.int64), kept["shares"].astype(np.float32)),
    )


def narrowed(silent: int) -> tuple[str, ...]:
    """Say how many records hold nothing rare enough to look up, when there are any."""
    if not silent:
        return ()
    return (
        f"{silent:,} tracks share all they hold with more than {CAPS[-1]} others; "
        "they were compared with exact copies of themselves only.",
    )


def build_postings(
    records: Records,
    original: Ints,
    advance: Callable[[int], None],
    threads: int,
    leave: Leave = leave_nothing,
) -> Postings:
    """Sort the features into posting lists; features of one record only are counted and dropped."""
    count = len(records)
    packed = packed_features(records, original, advance, threads)
    packed = packed[~_as_before(packed, np.uint64(0))]  # a record that has a feature twice is not two records
    leave("features", {"features": packed})
    advance(count)  # sorting takes long enough for somebody to lose patience
    packed, features_of = _shared_features(packed, count)
    advance(count)
    starts = np.flatnonzero(~_as_before(packed, ROW_MASK))
    frequency = np.diff(np.append(starts, len(packed))).astype(np.int32)
    row = (packed & ROW_MASK).astype(np.int32)
    del packed
    entries = np.repeat(np.log1p(count / np.maximum(frequency, 1)).astype(np.float32), frequency)
    lonely = features_of - np.bincount(row, minlength=count)
    norm = np.bincount(row, entries * entries, minlength=count) + lonely * np.log1p(count) ** 2
    scale = (1.0 / np.sqrt(np.maximum(norm, 1e-9))).astype(np.float32)
    entries *= scale[row]
    advance(count)
    readable = frequency <= CAPS[-1]
    keep = np.repeat(readable, frequency)
    offsets = np.concatenate([[0], np.cumsum(frequency[readable])])
    table = sparse.csr_matrix((entries[keep], row[keep], offsets), shape=(len(offsets) - 1, count))
    return Postings(table, frequency[readable], np.bincount(row[~keep], minlength=count), lonely, scale)


def _shared_features(packed: Hashes, count: int) -> tuple[Hashes, Ints]:
    """Return the entries whose feature another record has too, and how many features each record has."""
    features_of = np.zeros(count, np.int64)
    for here in _slices(len(packed)):
        features_of += np.bincount((packed[here] & ROW_MASK).astype(np.int64), minlength=count)
    shared = _as_before(packed, ROW_MASK)
    shared[:-1] |= shared[1:].copy()  # the first of a run is shared, too
    return packed[shared], features_of


def _as_before(packed: Hashes, mask: np.uint64) -> npt.NDArray[np.bool_]:
    """Tell which entries equal the one before them outside the bits of a mask."""
    same = np.zeros(len(packed), np.bool_)
    for here in _slices(len(packed) - 1):
        same[here.start + 1 : here.stop + 1] = (packed[1:][here] ^ packed[:-1][here]) <= mask
    return same


def _slices(length: int) -> list[slice]:
    """Cut a long array into pieces, so that what is worked out from it stays small."""
    return [slice(start, min(start + SLICE, length)) for start in range(0, max(length, 0), SLICE)]


def packed_features(records: Records, original: Ints, advance: Callable[[int], None], threads: int) -> Hashes:
    """Return every feature of every record, hash and row in one number, in order."""
    count = len(records)
    packed, filled = np.empty(count * MOST_FEATURES, np.uint64), 0  # memory is taken only as far as it is filled
    starts = range(0, count, FEATURE_CHUNK)
    parts = in_threads(partial(_features_of_chunk, records=records, original=original), starts, threads)
    for start, part in zip(starts, parts, strict=True):
        if filled + len(part) > len(packed):
            packed = np.concatenate([packed[:filled], np.empty(len(part) + filled // 2, np.uint64)])
        packed[filled : filled + len(part)] = part
        filled += len(part)
        advance(min(start + FEATURE_CHUNK, count))
    packed = packed[:filled]
    packed.sort()
    return packed


def _features_of_chunk(start: int, *, records: Records, original: Ints) -> Hashes:
    """Return the features of the originals in one chunk of records, hash and row in one number."""
    values, rows = features(records, start, min(start + FEATURE_CHUNK, len(records)))
    searched = original[rows] == rows
    packed: Hashes = values[searched] & ~ROW_MASK | rows[searched].astype(np.uint64)
    return packed


def _within_budget(postings: Postings, count: int) -> tuple["sparse.csr_matrix", Ints, npt.NDArray[np.uint8]]:
    """Return per record the features it looks up, the rarest first until the budget is spent, what that costs, and how
    many bands of CAPS it covers."""
    by_record = postings.by_feature.T.tocsr()
    bands = np.empty(count, np.uint8)
    keep = np.zeros(len(by_record.indices), np.bool_)
    kept, cost = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for start in range(0, count, FEATURE_CHUNK):
        stop = min(start + FEATURE_CHUNK, count)
        here = slice(by_record.indptr[start], by_record.indptr[stop])
        frequency = postings.frequency[by_record.indices[here]]
        band = BAND_OF[frequency].astype(np.int64)
        row = np.repeat(np.arange(stop - start), np.diff(by_record.indptr[start : stop + 1]))
        reading = np.bincount(row * len(CAPS) + band, frequency, minlength=(stop - start) * len(CAPS))
        allowed, cost[start:stop] = allowed_bands(reading.reshape(stop - start, len(CAPS)))
        bands[start:stop] = allowed
        keep[here] = band < allowed[row]
        kept[start:stop] = np.bincount(row[keep[here]], minlength=stop - start)
    indptr = np.concatenate([[0], np.cumsum(kept)])
    table = sparse.csr_matrix((by_record.data[keep], by_record.indices[keep], indptr), shape=by_record.shape)
    return table, cost, bands


def allowed_bands(reading: npt.NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Return per record how many bands of frequency its budget covers, and what reading them costs."""
    free = reading[:, :ALWAYS_READ].sum(axis=1, keepdims=True)
    reading = reading.cumsum(axis=1)
    allowed = (reading - free <= POSTINGS_BUDGET).sum(axis=1)
    last = reading[np.arange(len(reading)), np.maximum(allowed - 1, 0)]
    return allowed, np.where(allowed > 0, last, 0).astype(np.int64)


def chunks_of_work(cost: Ints, products: int) -> list[tuple[int, int]]:
    """Cut the records into runs of about equal work."""
    total = np.cumsum(cost + 1)
    cuts = np.searchsorted(total, np.arange(products, total[-1], products), side="right")
    edges = np.unique(np.concatenate([[0], cuts, [len(cost)]]))
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def best_partners(
    chunk: tuple[int, int], *, asked: "sparse.csr_matrix", cost: Ints, postings: Postings, records: Looked
) -> tuple[Ints, Floats]:
    """Return the best partners of a run of records, as row times count plus partner, with their shares."""
    start, stop = chunk
    offsets, partners, shares = _product(asked[start:stop], postings.by_feature, int(cost[start:stop].sum()))
    at = np.flatnonzero(shares >= LOW_SHARE)
    row = np.searchsorted(offsets, at, side="right") - 1 + start
    partner, share = partners[at].astype(np.int64), shares[at]
    keep = row != partner
    keep &= (
        (share >= HIGH_SHARE)
        | _titles_may_agree(records.letters[row], records.letters[partner])
        | _lengths_agree(records.duration_ms[row], records.duration_ms[partner])
    )
    row, partner, share = _keep_best(row[keep], partner[keep], share[keep])
    return row * len(records) + partner, share


def _product(
    left: "sparse.csr_matrix", right: "sparse.csr_matrix", most: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Floats]:
    """Return the product of two tables as (row offsets, columns, values), given the most entries it can have.

    `left @ right` would work every row out twice, only to count the entries first.
    """
    offsets = np.empty(left.shape[0] + 1, np.int32)
    columns, values = np.empty(most, np.int32), np.empty(most, np.float32)
    _sparsetools.csr_matmat(
        left.shape[0],
        right.shape[1],
        *(left.indptr, left.indices, left.data),
        *(right.indptr, right.indices, right.data),
        *(offsets, columns, values),
    )
    return offsets, columns[: offsets[-1]], values[: offsets[-1]]


def _keep_best(row: Ints, partner: Ints, share: Floats) -> tuple[Ints, Ints, Floats]:
    """Keep the BEST partners of each row; equal shares go to the lower partner. `row` is ascending."""
    if not len(row):
        return row, partner, share
    crowded = np.flatnonzero(np.bincount(row - row[0])[row - row[0]] > BEST)
    if len(crowded):
        order = crowded[np.lexsort((partner[crowded], -share[crowded], row[crowded]))]
        place = np.arange(len(order)) - np.searchsorted(row[order], row[order], side="left")
        keep = np.ones(len(row), np.bool_)
        keep[order[place >= BEST]] = False
        row, partner, share = row[keep], partner[keep], share[keep]
    return row, partner, share


def _titles_may_agree(left: Hashes, right: Hashes) -> npt.NDArray[np.bool_]:
    """Tell which titles have enough letter pairs in common to be worth reading; a missing title may agree with any."""
    shorter = np.minimum(np.bitwise_count(left), np.bitwise_count(right))
    agree: npt.NDArray[np.bool_] = np.bitwise_count(left & right) >= shorter * COMMON_LETTERS
    return agree


def _lengths_agree(left: Ints, right: Ints) -> npt.NDArray[np.bool_]:
    """Tell which lengths are known and close enough to speak for a pair whose titles do not."""
    agree: npt.NDArray[np.bool_] = (np.abs(left - right) <= CLOSE_LENGTH_MS) & (left > 0) & (right > 0)
    return agree


def _once(codes: Ints, shares: Floats, count: int, narrowed: tuple[str, ...] = ()) -> CandidatePairs:
    """Put each pair once, in order, with the larger of its two shares."""
    if not len(codes):
        return CandidatePairs(codes, codes, shares, narrowed)
    row, partner = np.divmod(codes, count)
    codes = np.minimum(row, partner) * count + np.maximum(row, partner)
    order = np.argsort(codes, kind="stable")
    codes, shares = codes[order], shares[order]
    first = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    codes, shares = codes[first], np.maximum.reduceat(shares, first)
    return CandidatePairs(codes // count, codes % count, shares, narrowed)
