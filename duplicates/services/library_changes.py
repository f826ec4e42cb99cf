"""What happened to the library since an analysis read it: counts exact to the track, and the groups it touched.

Clean-up that came from resolving the analysis itself is counted apart and held against nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services.difference import analysis_key
from duplicates.services.staleness import Thresholds
from library.changes import ChangeCounts, Stretch, Tracks, net_changes
from library.large_counts import large_counts
from library.numbers import number

_GROUPS, _MEMBERS = "duplicates_duplicateanalysisgroup", "duplicates_duplicateanalysistrack"


@dataclass(frozen=True, slots=True)
class LibraryChangeSummary:
    """Net changes since an analysis: each track counts once."""

    added: int
    modified: int
    deleted: int
    percent: float  # of the tracks there were then
    tracks_then: int
    tracks_now: int
    by_clean_up: int  # tracks that resolving this very analysis changed or removed; not among the others
    touched_groups: int
    is_significant: bool

    @property
    def total(self) -> int:
        return self.added + self.modified + self.deleted

    @property
    def sentence(self) -> str:
        """Say what changed: "12 tracks added, 1 edited, 3 removed since."."""
        counts = {"added": self.added, "edited": self.modified, "removed": self.deleted}
        happened = [(verb, count) for verb, count in counts.items() if count]
        if not happened:
            return _("The library has not changed.")
        said = [_first(*happened[0]), *(_further(*one) for one in happened[1:])]
        return _("%(changes)s since.") % {"changes": ", ".join(said)}


def _first(verb: str, count: int) -> str:
    """Return one count with its noun: "12 tracks added"."""
    words = {
        "added": ngettext("%(count)s track added", "%(count)s tracks added", count),
        "edited": ngettext("%(count)s track edited", "%(count)s tracks edited", count),
        "removed": ngettext("%(count)s track removed", "%(count)s tracks removed", count),
    }
    return words[verb] % {"count": number(count)}


def _further(verb: str, count: int) -> str:
    """Return a count behind one that named the tracks: "1 edited"."""
    words = {"added": _("%(count)s added"), "edited": _("%(count)s edited"), "removed": _("%(count)s removed")}
    return words[verb] % {"count": number(count)}


def cause_of(analysis: DuplicateAnalysisResult) -> str:
    """Return the cause under which clean-up of this analysis is recorded."""
    return f"analysis:{analysis.pk}"


def _question(analysis: DuplicateAnalysisResult) -> tuple[int, str]:
    """Return since when, and without what, changes are held against an analysis."""
    return analysis.library_revision or 0, cause_of(analysis)


def get_library_change_summary(
    analysis: DuplicateAnalysisResult, *, thresholds: Thresholds | None = None
) -> LibraryChangeSummary:
    """Return what changed since the analysis, with the number of groups it touched.

    Costs a range of the change log's index; groups are counted only when a member can have been touched.
    """
    (summary,) = get_library_change_summaries([analysis], thresholds=thresholds)
    if not (summary.modified or summary.deleted):
        return summary
    touched = large_counts.beside(_question(analysis), touched_groups(analysis).count)
    return replace(summary, touched_groups=touched)


def get_library_change_summaries(
    analyses: Sequence[DuplicateAnalysisResult], *, thresholds: Thresholds | None = None
) -> list[LibraryChangeSummary]:
    """Return the same for several analyses with one query, their touched groups uncounted (0).

    One that never read the library has seen no change.
    """
    limits = thresholds or Thresholds.of_site()
    readers = [analysis for analysis in analyses if analysis.library_revision is not None]
    revisions = [analysis.library_revision or 0 for analysis in readers]
    causes = [cause_of(analysis) for analysis in readers]
    every = large_counts.since_each(
        [(revision, "") for revision in revisions] + list(zip(revisions, causes, strict=True))
    )
    counts = {
        reader.pk: (everything, others)
        for reader, everything, others in zip(readers, every[: len(readers)], every[len(readers) :], strict=True)
    }
    nothing = (ChangeCounts(), ChangeCounts())
    return [_summary(analysis, *counts.get(analysis.pk, nothing), limits) for analysis in analyses]


def _summary(
    analysis: DuplicateAnalysisResult, every: ChangeCounts, others: ChangeCounts, limits: Thresholds
) -> LibraryChangeSummary:
    then = analysis.library_track_count or 0
    percent = 100.0 * others.total / then if then else (100.0 if others.total else 0.0)
    return LibraryChangeSummary(
        added=others.added,
        modified=others.modified,
        deleted=others.deleted,
        percent=percent,
        tracks_then=then,
        tracks_now=then + every.added - every.deleted,
        by_clean_up=max(every.total - others.total, 0),
        touched_groups=0,
        is_significant=limits.are_passed_by(others.total, percent),
    )


def touched_groups(analysis: DuplicateAnalysisResult) -> QuerySet[DuplicateAnalysisGroup]:
    """Return the groups with a member that was edited or removed since; every other group is still true.

    A track added since may still belong to a group; only a refresh can tell.
    """
    if analysis.library_revision is None:
        return DuplicateAnalysisGroup.objects.none()
    key, question = analysis_key(analysis), _question(analysis)
    if connection.vendor == "sqlite" and large_counts.is_long(question):
        query, values = _touched_by_many(Stretch(*question))
    else:
        query, values = _touched_by_few(question, key)
    member_groups = RawSQL(f"{query} AND g.analysis_id = %s", [*values, key])
    return DuplicateAnalysisGroup.objects.filter(analysis=analysis, pk__in=member_groups)


def _touched_by_few(question: tuple[int, str], key: str) -> tuple[str, list[int | str]]:
    """Return the query that goes from changes to members. PostgreSQL then compares no track that is none."""
    of_member = f"SELECT 1 FROM {_MEMBERS} m JOIN {_GROUPS} g ON g.id = m.group_id WHERE g.analysis_id = %s"
    among = Tracks(f"EXISTS ({of_member} AND m.track_id = library_librarychange.track_id)", [key])
    changes, values = net_changes(Stretch(*question, among=among if connection.vendor == "postgresql" else None))
    return (
        f"SELECT m.group_id FROM {_MEMBERS} m JOIN {_GROUPS} g ON g.id = m.group_id "
        f"JOIN ({changes}) c ON c.track_id = m.track_id WHERE c.kind <> 'added'",
        values,
    )


def _touched_by_many(stretch: Stretch) -> tuple[str, list[int | str]]:
    """Return the query that goes from members to changes, which takes SQLite half as long where they are many."""
    changes, values = net_changes(stretch)
    return (
        f"SELECT m.group_id FROM {_GROUPS} g CROSS JOIN {_MEMBERS} m WHERE m.group_id = g.id "
        f"AND m.track_id IN (SELECT c.track_id FROM ({changes}) c WHERE c.kind <> 'added')",
        values,
    )
