"""A refresh that matches only what changed, on the frozen tables of the last full run, where that is possible.

`start_of` says whether it is, or why not; then every track is matched and new tables are learnt. What the chain of
refreshes since that full run has changed counts together, so the tables never grow older than a tenth of the library.
Groups that are as they were are named by their rows in the predecessor; only the others are judged again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from django.db import connection
from django.utils.translation import gettext as _

from duplicates.engine.incremental import Again, find_again
from duplicates.engine.index import Index
from duplicates.engine.pipeline import choose_keepers
from duplicates.engine.records import Clusters, TrackColumns
from duplicates.models import DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import indexes, itunes, loading
from duplicates.services.detecting import Detection, group_figures, in_order
from duplicates.services.difference import analysis_key
from duplicates.services.options import AnalysisOptions
from duplicates.services.progress import RunReporter
from duplicates.services.retrying import retrying
from duplicates.site_settings import site
from library.changes import changes_since, count_changes_since, current_revision
from library.models import LibraryChange, LibraryImport
from library.numbers import number
from library.touches import current_mark, touched_since

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
MOST_CHANGED = 0.10  # share of the library; above it the tables are learnt anew
TRIES = 3  # at reading a library that people are editing
IDS_PER_QUERY = 5_000
_SAVED = """
    SELECT id, position, member_count FROM duplicates_duplicateanalysisgroup
    WHERE analysis_id = %s AND keeper_chosen_at IS NULL ORDER BY position"""  # SQLite reads their rows one by one then


class EveryTrack(Exception):
    """Every track has to be matched; the message says why, or nothing where that goes without saying."""

    @property
    def sentence(self) -> str:
        return _("Every track was matched: %(why)s.") % {"why": self} if self.args else ""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a refresh may start from."""

    predecessor: DuplicateAnalysisResult
    base: DuplicateAnalysisResult
    index: Index
    clusters: Clusters  # of the predecessor
    figures: pl.DataFrame  # of its groups

    @property
    def tables(self) -> dict[str, Any]:
        """Return whose tables these are, as fields of an analysis."""
        return {"tables_of": self.base.pk, "tables_revision": self.base.library_revision}

    def sentence(self, looked_at: int) -> str:
        """Say what a run from here did."""
        return _("Incremental: %(looked_at)s tracks were looked at, on the tables of analysis %(base)s.") % {
            "looked_at": number(looked_at),
            "base": self.base.pk,
        }


def start_of(analysis: DuplicateAnalysisResult, options: AnalysisOptions) -> Start:
    """Return where this refresh may start from. Raises EveryTrack when it has to match everything."""
    older = analysis.predecessor
    if older is None or not older.is_readable:
        raise EveryTrack
    _require_the_same_question(analysis, older, options)
    base = _base_of(older)
    fingerprint = options.engine_settings().fingerprint()
    if not older.engine_fingerprint == base.engine_fingerprint == fingerprint:
        raise EveryTrack(_("the matcher or its settings are not those of the earlier analysis"))
    _require_few_changes(base)
    if older.touch_mark is None or older.touch_mark > current_mark():  # of an older release; restored elsewhere
        raise EveryTrack(_("what was played or rated since the earlier analysis is not known"))
    result = indexes.load_result(indexes.shelf_of(older, fingerprint))
    index = indexes.load_index(base.pk, indexes.shelf_of(base, fingerprint)) if result else None
    if result is None or index is None:
        raise EveryTrack(_("what the earlier analysis left for it is not on this machine"))
    return Start(older, base, index, *result)


def _require_the_same_question(
    analysis: DuplicateAnalysisResult, older: DuplicateAnalysisResult, options: AnalysisOptions
) -> None:
    if analysis.learns_anew:
        raise EveryTrack(_("that was asked for"))
    if not site.KEPT_INDEXES:
        raise EveryTrack(_("REPRISE_KEPT_INDEXES is 0"))
    if options.search or options.min_confidence or older.search_term or older.min_confidence:
        raise EveryTrack(_("a search or a least confidence looks at every group"))
    loaded = LibraryImport.objects.filter(is_catalog=True, is_dry_run=False, completed_at__gte=older.age_anchor)
    if loaded.exists():
        raise EveryTrack(_("an iTunes catalogue was loaded since"))


def _base_of(older: DuplicateAnalysisResult) -> DuplicateAnalysisResult:
    """Return the full run whose tables an analysis rests on."""
    if older.tables_of is None:
        return older
    base = DuplicateAnalysisResult.objects.completed().filter(pk=older.tables_of).first()
    if base is None:
        raise EveryTrack(_("the full analysis before it has been cleaned up"))
    return base


def _require_few_changes(base: DuplicateAnalysisResult) -> None:
    """Look at the share of changed tracks, and whether the change log adds up to what is there."""
    then, revision = base.library_track_count or 0, base.library_revision
    if revision is None or current_revision() < revision:
        raise EveryTrack(_("the change log does not reach back to it"))
    counts = count_changes_since(revision)
    if counts.total > MOST_CHANGED * then:
        raise EveryTrack(
            _("%(changed)s of %(then)s tracks have changed since the tables were learnt")
            % {"changed": number(counts.total), "then": number(then)}
        )


def detect_again(
    start: Start, options: AnalysisOptions, reporter: RunReporter, heard: Callable[[int, int, int], None]
) -> tuple[Detection, int]:
    """Find the groups of the library as it is now; return them with the number of tracks that were matched again.

    `heard` is told the number of tracks, the revision that was read and the mark of what was touched. Raises EveryTrack
    when the library would not hold still or its change log does not add up.
    """
    for _again in range(TRIES):
        changes = retrying(lambda: loading.load_changes(start.base.library_revision or 0))
        total = _tracks_now(start.index, changes)
        reporter.set_total_tracks(total, is_refresh=True)
        reporter.begin("load", 1)
        heard(total, changes.revision, changes.touch_mark)
        reading = _Reading(changes)
        again = _matched(start, changes, options, reporter, reading)
        detection = _judged(start, again, changes, options, reporter, reading, total)
        if reading.is_true():
            return detection, again.looked_at
        reporter.start_over()
    raise EveryTrack(_("the library was being edited meanwhile"))


def _tracks_now(index: Index, changes: loading.Changes) -> int:
    """Return how many tracks there are, by the index and the change log."""
    ids = changes.changed.frame["track_id"].to_numpy()
    total = len(index) - len(index.rows_of(changes.gone)) + len(ids) - len(index.rows_of(ids))
    if retrying(loading.count_active_tracks) != total and retrying(current_revision) == changes.revision:
        raise EveryTrack(_("the change log does not add up to the library"))
    return total


class _Reading:
    """Reads tracks that have not changed, and can say whether that was true."""

    def __init__(self, changes: loading.Changes) -> None:
        self.changes = changes
        self._read: list[Ints] = []

    def __call__(self, track_ids: Ints) -> TrackColumns:
        self._read.append(track_ids)
        return retrying(lambda: loading.load_tracks(track_ids))

    def members(self, track_ids: Ints) -> TrackColumns:
        """Read tracks, the changed ones as they were read first."""
        changed = self.changes.changed.frame
        others = np.setdiff1d(track_ids, changed["track_id"].to_numpy())
        wanted = changed.filter(pl.col("track_id").is_in(track_ids))
        return TrackColumns(pl.concat([wanted, self(others).frame]).sort("track_id"))

    def is_true(self) -> bool:
        """Has no track that was read been changed since the changes were?"""
        if current_revision() == self.changes.revision:
            return True
        since = LibraryChange.objects.filter(revision__gt=self.changes.revision).values_list("track_id", flat=True)
        read = np.concatenate([np.empty(0, np.int64), *self._read])
        return not np.isin(np.fromiter(since, np.int64), read).any()


def _matched(
    start: Start, changes: loading.Changes, options: AnalysisOptions, reporter: RunReporter, reading: _Reading
) -> Again:
    return find_again(
        start.index,
        changes.changed,
        changes.gone,
        reading,
        options.engine_settings(),
        not_duplicates=retrying(loading.load_not_duplicates),
        progress=reporter,
    )


def _judged(
    start: Start,
    again: Again,
    changes: loading.Changes,
    options: AnalysisOptions,
    reporter: RunReporter,
    reading: _Reading,
    total: int,
) -> Detection:
    """Choose keepers where anything is not as it was, and put all groups into order."""
    wanted = options.engine_settings()
    row_of = retrying(lambda: _rows_as_they_were(start))
    group_id = _reusable(start, again, row_of)
    fresh = _only(again, group_id < 0)
    columns = reading.members(fresh.track_ids)
    keeper_columns = retrying(lambda: loading.load_keeper_columns(fresh.track_ids))
    groups = choose_keepers(columns, fresh, keeper_columns, wanted, progress=reporter)
    figures = group_figures(columns, groups, keeper_columns).with_columns(group_id=pl.lit(-1, pl.Int64))
    first = again.clusters.track_ids[again.clusters.offsets[:-1]]
    reused = pl.DataFrame({"oldest": first[group_id >= 0], "group_id": group_id[group_id >= 0]})
    before = reused.join(start.figures.drop("group_id", strict=False), on="oldest", how="left")
    shown = in_order(pl.concat([figures, before.select(figures.columns)]), options)
    reporter.begin("cross_reference", len(fresh.track_ids))
    found = retrying(
        lambda: itunes.cross_reference(
            fresh.track_ids, columns=columns, settings=wanted, reporter=reporter, now=reporter.now()
        )
    )
    return Detection(total, groups, shown, found, wanted.fingerprint(), changes.revision, again.clusters)


def _rows_as_they_were(start: Start) -> pl.DataFrame:
    """Return the saved groups whose members all say what they said: id, smallest track id and size.

    Left out is what the library or a person has changed since: a member that was edited, played, rated or removed, and
    a group whose keeper somebody chose. The library tells which tracks that may be; none is compared.
    """
    older = start.predecessor
    with connection.cursor() as cursor:
        cursor.execute(_SAVED, [analysis_key(older)])
        rows = cursor.fetchall()
    # One edited and edited back is no change of the library, but its snapshot may be from in between.
    edited = changes_since(older.library_revision or 0).order_by().values_list("track_id", flat=True).distinct()
    touched = touched_since(older.touch_mark or 0)
    saved = pl.DataFrame(rows, {"group_id": pl.Int64, "place": pl.Int64, "saved": pl.Int64}, orient="row")
    then = start.figures.select(pl.col("place").cast(pl.Int64), "oldest", "size")
    # One that lost a member while it was saved says something else than what was found.
    whole = saved.join(then, on="place").filter(pl.col("saved") == pl.col("size"))
    left_out = pl.DataFrame({"group_id": _groups_of(older, [*edited, *touched])}, {"group_id": pl.Int64})
    return whole.select("group_id", "oldest", "size").join(left_out, on="group_id", how="anti")


def _groups_of(older: DuplicateAnalysisResult, track_ids: list[int]) -> list[int]:
    """Return the ids of the groups that one of the tracks is a member of."""
    found: list[int] = []
    for start in range(0, len(track_ids), IDS_PER_QUERY):
        members = DuplicateAnalysisTrack.objects.filter(track_id__in=track_ids[start : start + IDS_PER_QUERY])
        found += members.values_list("group_id", flat=True)
    return found


def _reusable(start: Start, again: Again, row_of: pl.DataFrame) -> Ints:
    """Return for each cluster the saved group that says the same of it, -1 where there is none."""
    now, then = again.clusters, start.clusters
    first_now, first_then = now.track_ids[now.offsets[:-1]], then.track_ids[then.offsets[:-1]]
    if not len(first_then):
        return np.full(len(now), -1, np.int64)
    place = np.searchsorted(first_then, first_now).clip(0, len(first_then) - 1)
    sizes_now, sizes_then = np.diff(now.offsets), np.diff(then.offsets)[place]
    same = (first_then[place] == first_now) & (sizes_now == sizes_then) & (then.cohesion[place] == now.cohesion)
    rows = np.flatnonzero(np.repeat(same, sizes_now))
    cluster = np.repeat(np.arange(len(now)), sizes_now)[rows]
    theirs = then.offsets[place[cluster]] + rows - now.offsets[cluster]
    same[cluster[now.track_ids[rows] != then.track_ids[theirs]]] = False
    asked = pl.DataFrame({"oldest": first_now, "size": sizes_now})
    saved = asked.join(row_of, on=["oldest", "size"], how="left", maintain_order="left")["group_id"]
    return np.where(same, saved.fill_null(-1).to_numpy(), -1)


def _only(again: Again, wanted: Flags) -> Clusters:
    """Return some of the clusters. Where all of their pairs were judged a moment ago, so they stay."""
    clusters = again.clusters
    sizes = np.diff(clusters.offsets)
    return replace(
        clusters,
        track_ids=clusters.track_ids[np.repeat(wanted, sizes)],
        offsets=np.concatenate([[0], np.cumsum(sizes[wanted])]).astype(np.int64),
        cohesion=clusters.cohesion[wanted],
    )
