"""Runs the matcher over the library and puts its groups into the order that was asked for.

Nothing is stored here. `detect` returns a `Detection`: columns and group figures, from which the saver writes rows and
a caller without persistence reads groups.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
from django.utils.translation import gettext as _

from duplicates.choices import SortBy
from duplicates.engine.memory import Budget, budget, catalogue_budget
from duplicates.engine.pipeline import choose_keepers, find_clusters
from duplicates.engine.progress import Arrays, Checkpoints
from duplicates.engine.records import Clusters, Groups, TrackColumns
from duplicates.engine.settings import EngineSettings
from duplicates.exceptions import MemoryLimit
from duplicates.services import itunes, loading
from duplicates.services.options import AnalysisOptions
from duplicates.services.pace import earlier_paces
from duplicates.services.progress import RunReporter
from duplicates.services.retrying import retrying
from library.numbers import number

# How many groups are put together at once.
GROUPS_PER_BLOCK = 1_000
# How each order sorts: (column, largest first). Ties fall to confidence, then to the oldest track.
_ORDERS: dict[str, tuple[str, bool]] = {
    SortBy.CONFIDENCE: ("confidence", True),
    SortBy.ARTIST: ("artist_key", False),
    SortBy.TITLE: ("title_key", False),
    SortBy.DUPLICATES: ("size", True),
    SortBy.PLAYS: ("plays", True),
    SortBy.LAST_PLAYED: ("last_played_at", True),
    SortBy.DATE_ADDED: ("added_at", True),
}


class FoundMember(NamedTuple):
    """One member of a group as the matcher judged it. A tuple: a large library has a million of them."""

    track_id: int
    is_keeper: bool
    similarity: float
    match_weight: float
    evidence: int
    matches_keeper: bool


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """One group, keeper first, then by similarity."""

    key: str
    title: str
    artist: str
    confidence: float
    average_similarity: float
    cohesion: float
    keeper_track_id: int
    keeper_rule: str
    keeper_reason: str
    total_plays: int
    members: tuple[FoundMember, ...]


@dataclass(frozen=True, slots=True)
class Detection:
    """What a run found: the engine's groups, those that were asked for, and what the catalogue knows of their members.

    `shown` has one row a group that passes the filters, in order: cluster, confidence, average, title, artist, plays.
    A `group_id` above 0 is that of a saved group that says the same: `groups` holds only the others, `clusters` all.
    """

    track_count: int
    groups: Groups
    shown: pl.DataFrame
    cross_reference: itunes.CrossReference
    engine_fingerprint: str
    revision: int
    clusters: Clusters | None = None

    def __len__(self) -> int:
        return self.shown.height

    @property
    def member_count(self) -> int:
        return int(self.shown["size"].sum())

    @property
    def average_similarity(self) -> float | None:
        mean = self.shown["average"].mean()
        return float(mean) if isinstance(mean, float) else None

    @property
    def placed(self) -> pl.DataFrame:
        """The rows of `shown`, each with its place among all, counting from 1."""
        return self.shown.with_row_index("place", 1)

    @property
    def fresh(self) -> pl.DataFrame:
        """The rows of `placed` that are no saved group yet."""
        placed = self.placed
        return placed.filter(pl.col("group_id") < 0) if "group_id" in placed.columns else placed

    @property
    def reused(self) -> pl.DataFrame:
        """The saved groups that say the same, with their places: `group_id`, `place` and `size`."""
        placed = self.placed.select("group_id", "place", "size")
        return placed.filter(pl.col("group_id") > 0)

    def iter_groups(self) -> Iterator[FoundGroup]:
        """Yield the groups in order, without those that are reused."""
        columns = ("cluster", "confidence", "average", "title", "artist", "plays")
        for block in self.fresh.select(columns).iter_slices(GROUPS_PER_BLOCK):
            every_member = self._members(block["cluster"].to_numpy())
            for row, members in zip(block.iter_rows(), every_member, strict=True):
                cluster, confidence, average, title, artist, plays = row
                yield FoundGroup(
                    key=group_key([member.track_id for member in members]),
                    title=title or "",
                    artist=artist or "",
                    confidence=confidence,
                    average_similarity=average,
                    cohesion=float(self.groups.clusters.cohesion[cluster]),
                    keeper_track_id=members[0].track_id,
                    keeper_rule=self.groups.keeper_rules[cluster],
                    keeper_reason=self.groups.keeper_reasons[cluster],
                    total_plays=plays,
                    members=tuple(members),
                )

    def _members(self, clusters: npt.NDArray[np.int64]) -> Iterator[list[FoundMember]]:
        """Yield the members of each cluster, the keeper first, then by similarity; all are sorted at once."""
        groups = self.groups
        starts, ends = groups.clusters.offsets[clusters], groups.clusters.offsets[clusters + 1]
        sizes = ends - starts
        of_group = np.repeat(np.arange(len(clusters)), sizes)
        firsts = np.cumsum(sizes) - sizes
        places = starts[of_group] + np.arange(len(of_group)) - firsts[of_group]
        track_ids = groups.clusters.track_ids[places]
        is_keeper = track_ids == groups.keeper_ids[clusters][of_group]
        order = np.lexsort((track_ids, -groups.probability[places], ~is_keeper, of_group))
        judged = (groups.probability, groups.match_weight, groups.evidence, groups.matches_keeper)
        columns = (track_ids[order], is_keeper[order], *(column[places[order]] for column in judged))
        members = map(FoundMember._make, zip(*(column.tolist() for column in columns), strict=True))
        return (list(islice(members, size)) for size in sizes.tolist())


def group_key(track_ids: list[int]) -> str:
    """Return 32 hex digits that are equal for the same members, whatever the analysis."""
    text = ",".join(str(track_id) for track_id in sorted(track_ids))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Listener(Protocol):
    """Hears what a run has reached, and keeps what it may need when it is stopped."""

    def library_read(self, library: loading.Library) -> "Checkpoints | None":
        """Hear what the run looks at; return where its stages may be kept."""

    def keep_part(self, part: str, arrays: Arrays) -> None:
        """Hear what a later run may start from, part by part."""

    def clusters_found(self, library: loading.Library, clusters: Clusters) -> None:
        """Hear what belongs together, before keepers are chosen."""


class NoListener:
    """Listens to nothing and keeps nothing."""

    def library_read(self, library: loading.Library) -> None:
        """Keep no stages."""

    def keep_part(self, part: str, arrays: Arrays) -> None:
        """Leave nothing behind."""

    def clusters_found(self, library: loading.Library, clusters: Clusters) -> None:
        """Remember nothing."""


def detect(options: AnalysisOptions, reporter: RunReporter, *, listener: Listener | None = None) -> Detection:
    """Read the library, find its duplicates and look their members up in the catalogue. Stores no result."""
    listener = listener or NoListener()
    library = _load(reporter, options.engine_settings())
    kept = listener.library_read(library)
    clusters = find_clusters(
        library.columns,
        options.engine_settings(),
        not_duplicates=library.not_duplicates,
        progress=reporter,
        checkpoints=kept,
        leave=listener.keep_part,
    )
    listener.clusters_found(library, clusters)
    return _judged(library, clusters, options, reporter)


def first_groups(
    library: loading.Library, clusters: Clusters, options: AnalysisOptions, reporter: RunReporter, *, most: int
) -> Detection:
    """Return a detection of the first `most` clusters only: what a stopped run can still show at once."""
    end = int(clusters.offsets[min(most, len(clusters))])
    few = replace(
        clusters,
        track_ids=clusters.track_ids[:end],
        offsets=clusters.offsets[: most + 1],
        cohesion=clusters.cohesion[:most],
    )
    return _judged(library, few, options, reporter)


def _judged(library: loading.Library, clusters: Clusters, options: AnalysisOptions, reporter: RunReporter) -> Detection:
    """Choose keepers, apply the filters and the order, and cross-reference the members."""
    wanted = options.engine_settings()
    keeper_columns = retrying(lambda: loading.load_keeper_columns(clusters.track_ids, report=reporter.repeat))
    groups = choose_keepers(library.columns, clusters, keeper_columns, wanted, progress=reporter)
    figures = group_figures(library.columns, groups, keeper_columns)
    shown = in_order(_with_search(figures, library, groups, options), options)
    members = _members_of(shown, groups)
    reporter.begin("cross_reference", len(members))
    cross_reference = retrying(
        lambda: itunes.cross_reference(
            members, columns=library.columns, settings=wanted, reporter=reporter, now=reporter.now()
        )
    )
    return Detection(len(library.columns), groups, shown, cross_reference, wanted.fingerprint(), library.revision)


def _load(reporter: RunReporter, settings: EngineSettings) -> loading.Library:
    """Read the library. Raises MemoryLimit when it cannot fit under the ceiling: by its tracks before it is read."""
    total, entries = retrying(loading.count_active_tracks), retrying(loading.count_catalog_entries)
    _check_memory(total, settings)
    _check_memory_of_catalogue(total, entries, settings)
    reporter.set_total_tracks(
        total,
        catalog_entries=entries,
        paces=retrying(lambda: earlier_paces(total)),
    )
    reporter.begin("load", total)
    library = retrying(lambda: loading.load_library(report=reporter.advance))
    _check_memory(len(library.columns), settings, text_bytes=library.columns.text_bytes)
    return library


def _check_memory(total: int, settings: EngineSettings, *, text_bytes: int = 0) -> None:
    """Raise MemoryLimit when a run over so many tracks, with so much text, cannot keep below its ceiling."""
    memory = budget(total, settings, text_bytes=text_bytes)
    sentence = _("An analysis of %(total)s tracks needs %(needed_mb)s MB of memory and may use %(limit_mb)s.")
    _require(memory, sentence, total=number(total))


def _check_memory_of_catalogue(total: int, entries: int, settings: EngineSettings) -> None:
    """Raise MemoryLimit when so many tracks cannot be looked up among so many entries below the ceiling."""
    memory = catalogue_budget(total, entries, settings)
    sentence = _(
        "Looking %(total)s tracks up in an iTunes catalogue of %(entries)s entries needs %(needed_mb)s MB of memory "
        "and may use %(limit_mb)s."
    )
    if entries:
        _require(memory, sentence, total=number(total), entries=number(entries))


def _require(memory: Budget, sentence: str, **said: str) -> None:
    """Raise MemoryLimit with a sentence and the figure that would do."""
    if memory.is_enough:
        return
    raise MemoryLimit(
        sentence % {**said, "needed_mb": number(memory.needed_mb), "limit_mb": number(memory.limit_mb)},
        way_out=_("Set REPRISE_ANALYSIS_MEMORY_MB to %(needed_mb)s or more.") % {"needed_mb": memory.needed_mb},
        needed_mb=memory.needed_mb,
    )


def group_figures(columns: TrackColumns, groups: Groups, keeper_columns: pl.DataFrame) -> pl.DataFrame:
    """Return one row a group: its confidence, what it is called and what its members add up to."""
    offsets = groups.clusters.offsets
    sizes = np.diff(offsets)
    is_keeper = groups.clusters.track_ids == np.repeat(groups.keeper_ids, sizes)
    others = np.where(is_keeper, 0.0, groups.probability)
    starts = offsets[:-1]
    frame = columns.frame
    keeper_rows = np.searchsorted(frame["track_id"].to_numpy(), groups.keeper_ids)
    totals = (
        pl.DataFrame({"track_id": groups.clusters.track_ids, "cluster": np.repeat(np.arange(len(sizes)), sizes)})
        .join(keeper_columns, on="track_id", how="left")
        .group_by("cluster")
        .agg(
            plays=pl.col("play_count").sum(),
            last_played_at=pl.col("last_played_at").max(),
            added_at=pl.col("added_at").max(),
            oldest=pl.col("track_id").min(),
        )
    )
    return pl.DataFrame(
        {
            "cluster": np.arange(len(sizes)),
            "size": sizes,
            "confidence": np.minimum.reduceat(groups.probability, starts) if len(sizes) else np.empty(0),
            "average": np.add.reduceat(others, starts) / (sizes - 1) if len(sizes) else np.empty(0),
            "title": frame["title"].gather(keeper_rows),
            "artist": frame["artist"].gather(keeper_rows),
        }
    ).join(totals, on="cluster")


def _with_search(
    figures: pl.DataFrame, library: loading.Library, groups: Groups, options: AnalysisOptions
) -> pl.DataFrame:
    """Keep the groups with a member whose title, artist, album artist or album holds the search term."""
    figures = figures.filter(pl.col("confidence") >= options.min_confidence)
    if not options.search:
        return figures
    term = options.search.lower()
    columns = (pl.col(name).fill_null("").str.to_lowercase() for name in ("title", "artist", "album_artist", "album"))
    matching = library.columns.frame.filter(
        pl.any_horizontal(column.str.contains(term, literal=True) for column in columns)
    )["track_id"]
    sizes = np.diff(groups.clusters.offsets)
    clusters = np.repeat(np.arange(len(sizes)), sizes)[np.isin(groups.clusters.track_ids, matching.to_numpy())]
    return figures.filter(pl.col("cluster").is_in(np.unique(clusters)))


def in_order(figures: pl.DataFrame, options: AnalysisOptions) -> pl.DataFrame:
    """Sort groups as the options ask."""
    column, largest_first = _ORDERS[options.sort_by]
    return figures.with_columns(
        title_key=pl.col("title").str.to_lowercase(), artist_key=pl.col("artist").str.to_lowercase()
    ).sort([column, "confidence", "oldest"], descending=[largest_first, True, False], nulls_last=True)


def _members_of(shown: pl.DataFrame, groups: Groups) -> npt.NDArray[np.int64]:
    sizes = np.diff(groups.clusters.offsets)
    is_shown = np.zeros(len(sizes), bool)
    is_shown[shown["cluster"].to_numpy()] = True
    members: npt.NDArray[np.int64] = groups.clusters.track_ids[np.repeat(is_shown, sizes)]
    return members
