"""Finding duplicates again after few tracks changed: only what changed, and what that touches, is matched again.

The result is that of a full run with the frozen tables of the index. Why: a record's list of partners changes only when
a partner comes or leaves (see `neighbours`); a pair's weight depends on its two records and the model; a cluster on the
component it lies in, that is the records joined by links and all pairs between them. So it is enough to find every list
that changed, every component with a pair that changed, and to cluster those components again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from duplicates.engine import model
from duplicates.engine.candidates import BEST, CandidatePairs, Looks, narrowed
from duplicates.engine.comparisons import compare
from duplicates.engine.copies import fingerprints, first_of_each
from duplicates.engine.hashing import Hashes, Ints
from duplicates.engine.index import Index
from duplicates.engine.levels import pack
from duplicates.engine.neighbours import (
    Held,
    Lists,
    frequency_in,
    held_by,
    holders,
    keep_best,
    lists_in,
    outgrown,
    partners,
    readers,
)
from duplicates.engine.normalise import Records, normalise, together
from duplicates.engine.pipeline import bare, rows_of_pairs, thin, threshold_bits, to_clusters, weights
from duplicates.engine.postings import BAND_OF, CAPS, Floats, weights_of
from duplicates.engine.prepared import prepare
from duplicates.engine.progress import NullProgress, Progress, Stage
from duplicates.engine.records import Clusters, TrackColumns
from duplicates.engine.settings import EngineSettings

Flags = npt.NDArray[np.bool_]
# Reads tracks that have not changed, by their ids.
Read = Callable[[Ints], TrackColumns]
PAIRS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Again:
    """The clusters of the library as it is now. `is_new` tells which were clustered again; the others are as before.

    The pairs judged are those inside new clusters. `looked_at` is the number of tracks that were matched again.
    """

    clusters: Clusters
    is_new: Flags
    looked_at: int


def find_again(
    index: Index,
    changed: TrackColumns,
    gone: Ints,
    read: Read,
    settings: EngineSettings,
    *,
    not_duplicates: Ints,
    progress: Progress | None = None,
) -> Again:
    """Return the clusters that a full run with the tables of `index` would find.

    `changed` are the tracks that were added or edited since the index was made, `gone` the ids of those removed.
    `not_duplicates` are the pairs declared different now. `read` must give the other tracks as they were then.
    """
    progress = NullProgress() if progress is None else progress
    progress.begin(Stage.NORMALISE, len(changed))
    library = _Library(index, normalise(changed, settings, progress.advance), gone, read, settings, not_duplicates)
    progress.begin(Stage.CANDIDATES, 3)
    came, left = library.candidates_changed()
    lists, silent = _changed_lists(library, came, left, progress)
    progress.begin(Stage.SCORING, 1)
    touched = _touched_components(library, lists, progress)
    return _clustered_again(library, lists, touched, silent, progress)


class _Library:
    """The library as it is now: the rows of the index, and above them the fresh ones.

    Keeps the records that were read, so that none is read twice.
    """

    def __init__(
        self, index: Index, fresh: Records, gone: Ints, read: Read, settings: EngineSettings, not_duplicates: Ints
    ) -> None:
        self.index, self.settings, self._read, self._pool = index, settings, read, fresh
        self.fresh = fresh
        self.old = len(index)
        self.looks = Looks(
            np.concatenate([index.track_id, fresh.track_id]),
            np.concatenate([index.letters, fresh.letters]),
            np.concatenate([index.duration_ms, fresh.duration_ms]),
        )
        self.is_here = np.ones(len(self.looks), np.bool_)
        self.is_here[index.rows_of(np.concatenate([gone, fresh.track_id]))] = False
        self.ids = np.sort(self.looks.track_id[self.is_here])
        self.not_duplicates = self.ids[rows_of_pairs(self.ids, not_duplicates)].reshape(-1, 2)
        self.original = np.concatenate([index.original.astype(np.int64), self.old + np.arange(len(fresh))])
        self.component = np.concatenate(
            [index.component.astype(np.int64), index.component.max(initial=-1) + 1 + np.arange(len(fresh))]
        )
        self.model = model.from_bytes(index.tables.tobytes())
        self.in_doubt = self._find_originals()

    def rows_of(self, track_ids: Ints) -> Ints:
        """Return the rows of tracks that are here now."""
        fresh = np.searchsorted(self.fresh.track_id, track_ids).clip(0, max(len(self.fresh) - 1, 0))
        is_fresh = self.fresh.track_id[fresh] == track_ids if len(self.fresh) else np.zeros(len(track_ids), np.bool_)
        return np.where(is_fresh, self.old + fresh, np.searchsorted(self.index.track_id, track_ids))

    def records(self, rows: Ints) -> Records:
        """Return the records of some rows, ordered by track id."""
        wanted = np.unique(self.looks.track_id[rows])
        missing = np.setdiff1d(wanted, self._pool.track_id)
        if len(missing):
            pool = together([self._pool, normalise(self._read(missing), self.settings)])
            self._pool = pool.taken(np.argsort(pool.track_id, kind="stable"))
        return self._pool.taken(np.searchsorted(self._pool.track_id, wanted))

    def candidates_changed(self) -> tuple[Ints, Ints]:
        """Return the rows that are looked up and found now and were not before, and those that no longer are."""
        now = self.is_here & (self.original == np.arange(len(self.looks)))
        before = np.zeros(len(now), np.bool_)
        before[: self.old] = self.index.original == np.arange(self.old)
        return np.flatnonzero(now & ~before), np.flatnonzero(before & ~now)

    def _find_originals(self) -> Ints:
        """Find the originals anew where a record of the same words came or left; return the rows concerned."""
        prints = np.concatenate([self.index.prints, fingerprints(self.fresh)])
        named = np.unique(self.rows_of(np.unique(self.not_duplicates)))
        named_then = self.index.rows_of(np.unique(self.index.forbidden))
        doubtful = np.concatenate(
            [np.flatnonzero(~self.is_here), self.old + np.arange(len(self.fresh)), np.setxor1d(named, named_then)]
        )
        rows = np.flatnonzero(self.is_here & _are_among(prints, np.unique(prints[doubtful])) & (prints != 0))
        rows = rows[np.argsort(self.looks.track_id[rows], kind="stable")]
        said = prints[rows]
        said[np.isin(rows, named)] = 0
        self.original[rows] = rows[first_of_each(said)]
        return rows


def _are_among(many: Hashes, few: Hashes) -> Flags:
    """Tell which of many are one of a few, which are in order; `np.isin` would sort the many."""
    if not len(few):
        return np.zeros(len(many), np.bool_)
    same: Flags = few[np.searchsorted(few, many).clip(0, len(few) - 1)] == many
    return same


@dataclass(frozen=True, slots=True)
class _Lists:
    """The partners that some records name now; `rows` are those whose list this is, empty ones among them."""

    rows: Ints
    lists: Lists


class _Candidates:
    """Who is looked up and found now: those of the index without the ones that left, and those that came."""

    def __init__(self, library: _Library, came: Ints, has_left: Flags) -> None:
        self.library, self.index, self.has_left = library, library.index, has_left
        self.came = came[np.argsort(library.looks.track_id[came], kind="stable")]
        held = held_by(library.records(self.came), library.settings.threads)
        self.held = Held(held.keys, held.feature, self.came[held.row])
        fresh = np.zeros(len(library.looks) - library.old, np.float32)
        self.scale = np.concatenate([library.index.scale, fresh])
        self.scale[self.came] = readers(library.index, held, len(self.came)).scale

    def holding(self, keys: Hashes) -> tuple[Held, Ints]:
        """Return who holds each feature now, and how many; nobody where it is too common to be read."""
        first, many = frequency_in(self.index, keys)
        frequency = many.copy()
        many[many > CAPS[-1]] = 0
        feature, row = holders(self.index, first, many)
        stays = ~self.has_left[row]
        place = np.searchsorted(keys, self.held.keys).clip(0, max(len(keys) - 1, 0))
        known = (keys[place] == self.held.keys) & (frequency[place] <= CAPS[-1]) if len(keys) else place > 0
        here = known[self.held.feature]
        held = Held(
            keys,
            np.concatenate([feature[stays], place[self.held.feature[here]]]),
            np.concatenate([row[stays], self.held.row[here]]),
        )
        return held, frequency

    def looked_up(self, rows: Ints) -> tuple[Lists, int]:
        """Return the partners of records, looked up anew, and how many of these hold nothing rare."""
        looks = self.library.looks
        rows = rows[np.argsort(looks.track_id[rows], kind="stable")]
        asks = readers(self.index, held_by(self.library.records(rows), self.library.settings.threads), len(rows))
        asked, feature = np.unique(asks.held.feature, return_inverse=True)
        held, frequency = self.holding(asks.held.keys[asked])
        shut = self._is_shut(held, frequency)
        open_to = ~shut[feature]
        asking = Held(held.keys, feature[open_to], rows[asks.held.row[open_to]])
        found = self._partners(asking, asks.weight[open_to], held.only(~shut[held.feature]), frequency)
        return found, int(asks.silent.sum())

    def named_by_others(self, but: Ints) -> Lists:
        """Return those that came as partners of records that were there before, without the ones in `but`."""
        held, frequency = self.holding(self.held.keys)
        held = held.only(~self._is_shut(held, frequency)[held.feature])
        is_new = np.zeros(len(self.scale), np.bool_)
        is_new[self.came] = True
        asking = self._reading(held, frequency)
        asking = asking.only(~np.isin(asking.row, but))
        asked = weights_of(frequency, self.library.old)[asking.feature] * self.scale[asking.row]
        return self._partners(asking, asked, held.only(is_new[held.row]), frequency)

    def readers_of_outgrown(self) -> Ints:
        """Return the records that were there before and read a feature that nobody reads any more."""
        held, frequency = self.holding(self.held.keys)
        held = held.only((self._is_shut(held, frequency) & (frequency > 1))[held.feature])
        return np.unique(self._reading(held, frequency).row)

    def _reading(self, held: Held, frequency: Ints) -> Held:
        """Return the holders that were there before and whose budget covers the feature."""
        before = held.only((held.row < self.library.old) & ~np.isin(held.row, self.came))
        band = BAND_OF[frequency[before.feature]]
        return before.only(band < self.index.bands[before.row])

    def _is_shut(self, held: Held, frequency: Ints) -> Flags:
        return outgrown(np.bincount(held.feature, minlength=len(held.keys)), frequency)

    def _partners(self, asking: Held, asked: Floats, held: Held, frequency: Ints) -> Lists:
        weight = weights_of(frequency, self.library.old)[held.feature] * self.scale[held.row]
        return partners(asking, asked, held, weight, self.library.looks, self.library.settings)


def _changed_lists(library: _Library, came: Ints, left: Ints, progress: Progress) -> tuple[_Lists, int]:
    """Return the list of every record whose list may have changed, and how many records hold nothing rare now."""
    index = library.index
    has_left = np.zeros(len(library.looks), np.bool_)
    has_left[left] = True
    candidates = _Candidates(library, came, has_left)
    row = np.repeat(np.arange(len(index)), np.diff(index.starts))
    lost = np.unique(row[has_left[index.partner]])
    lost = lost[~has_left[lost]]
    full = lost[np.diff(index.starts)[lost] >= BEST]  # who was next is not known: these look again
    again = np.unique(np.concatenate([came, full, candidates.readers_of_outgrown()]))
    progress.advance(1)
    found, silent = candidates.looked_up(again)
    progress.advance(2)
    gained = candidates.named_by_others(again)
    others = np.setdiff1d(np.union1d(lost, gained.row), again)
    kept = lists_in(index, others)
    kept = kept.only(~has_left[kept.partner])
    mended = keep_best(kept.and_(gained), library.looks)
    progress.advance(3)
    stays = index.silent & ~has_left[: library.old]
    stays[again[again < library.old]] = False
    return _Lists(np.union1d(again, others), found.and_(mended)), int(stays.sum()) + silent


def _touched_components(library: _Library, changed: _Lists, progress: Progress) -> Flags:
    """Tell which components hold a record or a pair that is not as it was; numbered as `library.component`."""
    index, component, count = library.index, library.component, len(library.looks)
    before = lists_in(index, changed.rows[changed.rows < library.old])
    then, now = np.unique(before.codes(count)), np.unique(changed.lists.codes(count))
    added, removed = (
        np.divmod(np.setdiff1d(*codes, assume_unique=True), count) for codes in ((now, then), (then, now))
    )
    left, right = (component[rows] for rows in added)
    matters = _are_linked(library, *added, progress) | (left == right)
    touched = np.zeros(component.max(initial=-1) + 1, np.bool_)
    for concerned in (left[matters], right[matters], component[removed[0]][_equal(component, *removed)]):
        touched[concerned] = True
    declared, often = np.unique(np.concatenate([index.forbidden, library.not_duplicates]), axis=0, return_counts=True)
    touched[component[index.rows_of(np.unique(declared[often == 1]))]] = True
    for rows in (library.in_doubt, np.flatnonzero(~library.is_here), library.old + np.arange(len(library.fresh))):
        touched[component[rows]] = True
    return touched


def _equal(component: Ints, left: Ints, right: Ints) -> Flags:
    same: Flags = component[left] == component[right]
    return same


def _are_linked(library: _Library, left: Ints, right: Ints, progress: Progress) -> Flags:
    """Tell which pairs of rows link."""
    records = library.records(np.concatenate([left, right]))
    ids = library.looks.track_id
    places = [np.searchsorted(records.track_id, ids[rows]) for rows in (left, right)]
    pairs = CandidatePairs(np.minimum(*places), np.maximum(*places), np.empty(0, np.float32))
    weight = weights(records, pairs, _codes(records, pairs, progress), library.model)
    linked: Flags = weight >= threshold_bits(library.settings.threshold)
    return linked


def _codes(records: Records, pairs: CandidatePairs, progress: Progress) -> Ints:
    """Compare pairs."""
    codes, prepared = np.empty(len(pairs), np.int64), prepare(records)
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        here = slice(start, start + PAIRS_AT_ONCE)
        codes[here] = pack(compare(prepared, pairs.left[here], pairs.right[here]))
        progress.advance(0)
    return codes


def _clustered_again(library: _Library, changed: _Lists, touched: Flags, silent: int, progress: Progress) -> Again:
    """Cluster what lies in touched components, and put the other clusters beside it as they were."""
    index = library.index
    rows = np.flatnonzero(library.is_here & touched[library.component])
    records = library.records(rows)
    place = np.full(len(library.looks), -1, np.int64)
    place[rows] = np.searchsorted(records.track_id, library.looks.track_id[rows])
    own = lists_in(index, np.setdiff1d(rows[rows < library.old], changed.rows))
    lists = own.and_(changed.lists)
    lists = lists.only((place[lists.row] >= 0) & (place[lists.partner] >= 0))
    original = np.empty(len(rows), np.int64)
    original[place[rows]] = place[library.original[rows]]
    pairs = _pairs(place[lists.row], place[lists.partner], original)
    clusters = to_clusters(
        records,
        original,
        replace(pairs, narrowed=narrowed(silent)),
        _codes(records, pairs, progress),
        library.model,
        library.settings,
        rows_of_pairs(records.track_id, library.not_duplicates),
        progress,
    )
    return _beside_the_others(library, clusters, touched, len(rows))


def _pairs(row: Ints, partner: Ints, original: Ints) -> CandidatePairs:
    """Return each pair of records once, in order, copies with their originals among them."""
    copy = np.flatnonzero(original != np.arange(len(original)))
    one, other = np.concatenate([row, original[copy]]), np.concatenate([partner, copy])
    codes = np.unique(np.minimum(one, other) * max(len(original), 1) + np.maximum(one, other))
    left, right = np.divmod(codes, max(len(original), 1))
    return CandidatePairs(left, right, np.empty(0, np.float32))


def _beside_the_others(library: _Library, new: Clusters, touched: Flags, looked_at: int) -> Again:
    """Put new clusters and those of untouched components together, in the order of their smallest track ids."""
    index = library.index
    first = np.searchsorted(index.track_id, index.members[index.offsets[:-1]])
    stays = ~touched[index.component[first]]
    sizes = np.concatenate([np.diff(index.offsets)[stays], np.diff(new.offsets)])
    members = np.concatenate([index.members[np.repeat(stays, np.diff(index.offsets))], new.track_ids])
    starts = np.cumsum(sizes) - sizes
    order = np.argsort(members[starts], kind="stable")
    by_cluster = np.repeat(np.argsort(order), sizes)
    here, fresh = library.is_here[: library.old], library.fresh
    too_little = np.union1d(index.track_id[index.thin & here], fresh.track_id[thin(fresh)])
    only_titles = np.union1d(index.track_id[index.bare & here], fresh.track_id[bare(fresh)])
    clusters = replace(
        new,
        track_ids=members[np.argsort(by_cluster, kind="stable")],
        offsets=np.concatenate([[0], np.cumsum(sizes[order])]).astype(np.int64),
        cohesion=np.concatenate([index.cohesion[stays], new.cohesion])[order],
        not_enough_data=np.union1d(too_little, np.setdiff1d(only_titles, members)),
    )
    is_new = np.concatenate([np.zeros(int(stays.sum()), np.bool_), np.ones(len(new), np.bool_)])
    return Again(clusters, is_new[order], looked_at)
