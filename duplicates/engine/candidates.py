"""Which pairs of records deserve a closer look: each proposed once, nothing compared with everything.

Features become a sparse record-by-feature table. Each record reads the posting lists of its rarest features until a
budget is spent, adds up how much it shares with whom, and keeps its best partners. The cost is bounded per record
whatever the vocabulary does: a library of one title repeated a million times reads no more than any other.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import _sparsetools

from duplicates.engine.hashing import Hashes, Ints
from duplicates.engine.index import Leave, leave_nothing
from duplicates.engine.memory import budget
from duplicates.engine.normalise import Records
from duplicates.engine.parts import Chunk, Keeping, chunks_of, in_parts
from duplicates.engine.postings import BAND_OF, CAPS, ROW_BITS, Floats, Postings, build_postings, chunks_of_work
from duplicates.engine.progress import Arrays, Checkpoints, Stage
from duplicates.engine.settings import EngineSettings, Preset
from duplicates.engine.sorting import ordered
from duplicates.engine.threads import in_threads

POSTINGS_BUDGET = 200  # posting entries one record may read, besides those of its rarest features
ALWAYS_READ = 6  # bands of CAPS that cost nothing: a song owned five times must not use its budget up on its copies
BEST = 10  # partners each record may name
LOW_SHARE = 0.07  # share of their features two records must have in common
FAIR_SHARE = 0.11
HIGH_SHARE = 0.22  # from here on a pair is looked at even when its titles have few letters in common
COMMON_LETTERS = 0.5  # share of the shorter title's letter pairs that both titles must have
MOST_LETTERS = 0.7
CLOSE_LENGTH_MS = 1000  # one program rounds a length to the next second, another cuts the rest off
FAR_LENGTH_MS = 15_000
UNITS_APART = 100  # a length so many times the other's was read in another unit: it says nothing
CHUNK_PRODUCTS = 2_000_000  # sparse products computed at a time: bounds memory


@dataclass(frozen=True, slots=True)
class Looks:
    """What is looked at before two records are worth comparing."""

    track_id: Ints
    letters: Hashes  # letter pairs of the titles as bit sets
    duration_ms: Ints  # 0: not known

    def __len__(self) -> int:
        return len(self.track_id)

    def of(self, rows: Ints) -> "Looks":
        return Looks(self.track_id[rows], self.letters[rows], self.duration_ms[rows])


@dataclass(frozen=True, slots=True)
class CandidatePairs:
    """Unordered pairs of record rows, each once, left < right, in order; `share` is how much they have in common."""

    left: Ints
    right: Ints
    share: Floats
    narrowed: tuple[str, ...] = ()  # sentences for people: which records were looked at less widely

    def __len__(self) -> int:
        return len(self.left)


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

    The work is done with the records in the order of their artists: those that share the most lie side by side in
    memory, which saves a fifth of the time where a library comes in no order. Rows come back as they were.
    """
    count = len(records)
    if count < 2:
        return _once(np.empty(0, np.int64), np.empty(0, np.float32), max(count, 1))
    order = np.argsort(records.artist, kind="stable")
    place_of = np.empty(count, np.int64)
    place_of[order] = np.arange(count)
    postings = build_postings(records, original, place_of, lambda done: advance(done // 5), settings.threads, leave)
    asked, cost, bands = _within_budget(postings, settings.threads, lambda done: advance(count * 2 // 5 + done // 5))
    lists, place = _side_by_side(postings)
    postings = replace(postings, by_feature=lists)  # in their old order they take as much memory again
    asked.indices = place[asked.indices]
    advance(count * 3 // 5)
    codes, shares = [], []
    chunks = chunks_of_work(cost, budget(count, settings).chunk(CHUNK_PRODUCTS))
    looks = Looks(records.track_id[order], records.letters[order], records.duration_ms[order])
    work = partial(best_partners, asked=asked, cost=cost, lists=lists, looks=looks, preset=settings.preset)
    for code, share in in_parts(
        chunks,
        work,
        keeping=None if checkpoints is None else _keeping(checkpoints),
        threads=settings.threads,
        advance=lambda stop: advance(count * 3 // 5 + stop * 2 // 5),
    ):
        codes.append(code)
        shares.append(share)
    row, partner = np.divmod(np.concatenate(codes), count)
    code, share = order[row] * count + order[partner], np.concatenate(shares)
    silent = postings.is_silent(asked)
    if leave is not leave_nothing:
        reach: Arrays = {"scale": postings.scale[place_of], "bands": bands[place_of], "silent": silent[place_of]}
        leave("lists", reach | lists_of(code, share, count))
    copy = np.flatnonzero(original != np.arange(count))
    code = np.concatenate([original[copy] * count + copy, code])
    return _once(code, np.concatenate([np.ones(len(copy), np.float32), share]), count, narrowed(int(silent.sum())))


def lists_of(code: Ints, share: Floats, count: int) -> Arrays:
    """Return the partners that each record named, row by row. `code` is row times count plus partner."""
    by_row = np.argsort(code)
    (row, partner), share = np.divmod(code[by_row], count), share[by_row]
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
    if silent == 1:
        return (
            f"1 track shares all it holds with more than {CAPS[-1]} others; "
            "it was compared with exact copies of itself only.",
        )
    return (
        f"{silent:,} tracks share all they hold with more than {CAPS[-1]} others; "
        "they were compared with exact copies of themselves only.",
    )


def _within_budget(
    postings: Postings, threads: int, advance: Callable[[int], None]
) -> tuple["sparse.csr_matrix", Ints, npt.NDArray[np.uint8]]:
    """Return per record the features it looks up, the rarest first until the budget is spent.

    Returns besides what that costs, and how many bands of CAPS it covers. `advance` hears of as many as are records.
    """
    table = postings.by_feature
    count = table.shape[1]
    band = np.repeat(BAND_OF[postings.frequency], postings.frequency)
    allowed, cost = allowed_bands(_readings(postings, band, threads), count)
    advance(count // 3)
    keep = band < allowed[table.indices]
    advance(count * 2 // 3)
    return _by_record(postings, keep, threads), cost, allowed


def _readings(postings: Postings, band: npt.NDArray[np.uint8], threads: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yield what reading each band of frequency would cost every record; `band` holds that of each entry."""
    table = postings.by_feature
    many = np.repeat(postings.frequency.astype(np.uint16), postings.frequency)

    def reading(each: int) -> npt.NDArray[np.float64]:
        here = np.flatnonzero(band == each)
        return np.bincount(table.indices[here], many[here], minlength=table.shape[1])

    return in_threads(reading, range(len(CAPS)), threads)


def _by_record(postings: Postings, keep: npt.NDArray[np.bool_], threads: int) -> "sparse.csr_matrix":
    """Return the entries to keep as a table of record by feature, each thread turning a run of records around."""
    table = postings.by_feature
    lists, count = table.shape
    feature = np.repeat(np.arange(lists, dtype=np.int32), postings.frequency)

    def turned(chunk: Chunk) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Floats]:
        start, stop = chunk
        here = np.flatnonzero(keep & (table.indices >= start) & (table.indices < stop))
        offsets = np.empty(stop - start + 1, np.int32)
        features, weights = np.empty(len(here), np.int32), np.empty(len(here), np.float32)
        entries = table.indices[here] - np.int32(start), feature[here], table.data[here]
        _sparsetools.coo_tocsr(stop - start, lists, len(here), *entries, offsets, features, weights)
        return np.diff(offsets), features, weights

    parts = in_threads(turned, chunks_of(count, -(-count // max(threads, 1))), threads)
    many, features, weights = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    offsets = np.concatenate([[0], np.cumsum(many, dtype=np.int32)])
    return sparse.csr_matrix((weights, features, offsets), shape=(count, lists))


def allowed_bands(readings: Iterable[npt.NDArray[np.float64]], count: int) -> tuple[npt.NDArray[np.uint8], Ints]:
    """Return for `count` records how many bands of frequency their budget covers, and what reading them costs.

    `readings` holds, band by band, what reading it would cost each record.
    """
    total, free, cost = np.zeros(count), np.zeros(count), np.zeros(count)
    allowed = np.zeros(count, np.uint8)
    for band, reading in enumerate(readings):
        total += reading
        if band < ALWAYS_READ:
            free += reading
        within = total - free <= POSTINGS_BUDGET
        allowed += within
        np.copyto(cost, total, where=within)
    return allowed, cost.astype(np.int64)


def _side_by_side(postings: Postings) -> tuple["sparse.csr_matrix", npt.NDArray[np.int32]]:
    """Return the lists by band and first record, and the place of each: neighbours read lists that lie side by side.

    Reading a list from a distant place costs more than adding it up. The order of sums stays that of the hashes.
    """
    table = postings.by_feature
    lists = len(postings.frequency)
    bits = max(lists.bit_length(), 1)
    key = BAND_OF[postings.frequency].astype(np.uint64) << np.uint64(ROW_BITS)
    key |= table.indices[table.indptr[:-1]].astype(np.uint64)
    key = key << np.uint64(bits) | np.arange(lists, dtype=np.uint64)
    key = ordered(key)
    order = (key & np.uint64((1 << bits) - 1)).astype(np.int32)
    place = np.empty(lists, np.int32)
    place[order] = np.arange(lists, dtype=np.int32)
    return table[order], place


def best_partners(
    chunk: tuple[int, int],
    *,
    asked: "sparse.csr_matrix",
    cost: Ints,
    lists: "sparse.csr_matrix",
    looks: Looks,
    preset: Preset,
) -> tuple[Ints, Floats]:
    """Return the best partners of a run of records, as row times count plus partner, with their shares."""
    start, stop = chunk
    offsets, partners, shares = _product(asked[start:stop], lists, int(cost[start:stop].sum()))
    at = np.flatnonzero(shares >= LOW_SHARE)
    row = np.searchsorted(offsets, at, side="right") - 1 + start
    partner, share = partners[at].astype(np.int64), shares[at]
    # Most pairs go by the cheapest look: their lengths contradict.
    apart = _lengths_contradict(looks, row, partner, preset)
    keep = np.flatnonzero((row != partner) & ((share >= HIGH_SHARE) | ~apart))
    row, partner, share = row[keep], partner[keep], share[keep]
    keep = np.flatnonzero(worth_a_look(looks, row, partner, share, preset))
    row, partner, share = row[keep], partner[keep], share[keep]
    best = _best(row, looks.track_id[partner], share)
    return row[best] * len(looks) + partner[best], share[best]


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


def _best(row: Ints, track_id: Ints, share: Floats) -> npt.NDArray[np.bool_]:
    """Tell which are the BEST partners of each row; equal shares go to the lower track id. `row` is ascending."""
    keep = np.ones(len(row), np.bool_)
    if len(row):
        crowded = np.flatnonzero(np.bincount(row - row[0])[row - row[0]] > BEST)
        order = crowded[np.lexsort((track_id[crowded], -share[crowded], row[crowded]))]
        place = np.arange(len(order)) - np.searchsorted(row[order], row[order], side="left")
        keep[order[place >= BEST]] = False
    return keep


def worth_a_look(looks: Looks, row: Ints, partner: Ints, share: Floats, preset: Preset) -> npt.NDArray[np.bool_]:
    """Tell which pairs to compare: the less two records have in common, the more alike their titles must look.

    Records of quite different lengths are seldom one song, so both must speak for them: of 300,000 pairs proposed
    otherwise in a library of 120,000, two were.
    """
    left, right = looks.letters[row], looks.letters[partner]
    shorter = np.minimum(np.bitwise_count(left), np.bitwise_count(right))
    common = np.bitwise_count(left & right)
    some = common >= shorter * COMMON_LETTERS  # a missing title may agree with any
    most = (common >= shorter * MOST_LETTERS) & (shorter > 0)
    close = _lengths_agree(looks.duration_ms[row], looks.duration_ms[partner])
    high = share >= HIGH_SHARE
    worth: npt.NDArray[np.bool_] = high | (share >= FAIR_SHARE) & (some | close) | most | some & close
    worth &= ~_lengths_contradict(looks, row, partner, preset) | high & most
    return worth


def _lengths_contradict(looks: Looks, row: Ints, partner: Ints, preset: Preset) -> npt.NDArray[np.bool_]:
    """Tell which lengths are known and far apart, and not one length read in two units.

    A song is the same however long somebody plays it: under that preset lengths contradict nothing.
    """
    if preset is Preset.SONG:
        return np.zeros(len(row), np.bool_)
    left, right = looks.duration_ms[row], looks.duration_ms[partner]
    shorter, longer = np.minimum(left, right), np.maximum(left, right)
    contradict: npt.NDArray[np.bool_] = (shorter > 0) & (longer - shorter > FAR_LENGTH_MS)
    contradict &= longer < UNITS_APART * shorter
    return contradict


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
    order = np.argsort(codes)
    codes, shares = codes[order], shares[order]
    first = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    codes, shares = codes[first], np.maximum.reduceat(shares, first)
    return CandidatePairs(codes // count, codes % count, shares, narrowed)
