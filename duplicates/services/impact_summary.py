"""How far the clean-up of one analysis is: what is decided, what went, what that kept and freed, and what comes next.

Two queries whatever the size of the analysis. Plays kept and bytes freed are those of copies in quarantine or purged,
by whichever analysis they were removed; what a prune or a hand-typed statement took is counted as gone and as nothing
kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from duplicates.choices import Resolution
from duplicates.models import DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services.library_changes import LibraryChangeSummary
from duplicates.site_settings import site
from library.models import Merge
from library.numbers import number

HIGH_PERCENT, MEDIUM_PERCENT = 50.0, 30.0  # of the duplicates: how sure the suggestion is
# How many new duplicates to expect, by the reference's rule of thumb: shares of what went and of what came since.
SHARE_OF_GONE, SHARE_OF_ADDED, LEAST_EXPECTED = 0.10, 0.05, 5
NO_ACTION = "no_action"


@dataclass(frozen=True, slots=True)
class ImpactSummary:
    """What clean-up has made of an analysis. Percentages are 0 to 100; nothing of nothing is 0."""

    groups: int
    groups_resolved: int
    groups_partly: int  # open, with copies gone
    groups_open: int  # not decided, partly cleaned or not
    groups_lost: int  # without any copy left, by other roads than clean-up
    duplicates: int
    duplicates_eliminated: int
    tracks: int
    tracks_remaining: int
    tracks_gone: int
    keepers_gone: int
    tracks_removed: int  # by clean-up: in quarantine, or purged
    plays_kept: int
    bytes_freed: int | None  # nothing where a size is not known
    sizes_unknown: int
    by_resolution: Mapping[str, int]

    @property
    def groups_resolved_percent(self) -> float:
        return _percent(self.groups_resolved, self.groups)

    @property
    def duplicates_eliminated_percent(self) -> float:
        return _percent(self.duplicates_eliminated, self.duplicates)

    @property
    def tracks_cleaned_percent(self) -> float:
        return _percent(self.tracks_gone, self.tracks)


@dataclass(frozen=True, slots=True)
class NewAnalysisSuggestion:
    """Is a new analysis worth while after this much clean-up?

    `timing` is recommended, suggested, optional or not_recommended; `confidence` high, medium or low. The estimate is a
    rule of thumb, and nothing while nothing went or came.
    """

    is_suggested: bool
    timing: str
    confidence: str
    eliminated_percent: float
    threshold_percent: float
    reasons: tuple[str, ...]
    benefits: tuple[str, ...]
    new_duplicates_estimate: int | None


def get_impact_summary(analysis: DuplicateAnalysisResult) -> ImpactSummary:
    """Count what has become of the groups and tracks of an analysis."""
    partly = Q(is_resolved=False, remaining_count__lt=F("member_count"))
    counted = analysis.groups.aggregate(
        groups=Count("pk"),
        resolved=Count("pk", filter=Q(is_resolved=True)),
        partly=Count("pk", filter=partly),
        lost=Count("pk", filter=Q(remaining_count=0)),
        tracks=Sum("member_count", default=0),
        remaining=Sum("remaining_count", default=0),
        duplicates=Sum("duplicate_count", default=0),
        **{name: Count("pk", filter=Q(is_resolved=True, resolution=name)) for name in Resolution.values},
    )
    # Of a group that lost every copy one counts as the song itself, not as a duplicate.
    gone = counted["tracks"] - counted["remaining"]
    resolutions = {name: counted[name] for name in Resolution.values}
    return ImpactSummary(
        groups=counted["groups"],
        groups_resolved=counted["resolved"],
        groups_partly=counted["partly"],
        groups_open=counted["groups"] - counted["resolved"],
        groups_lost=counted["lost"],
        duplicates=counted["duplicates"],
        duplicates_eliminated=gone - counted["lost"],
        tracks=counted["tracks"],
        tracks_remaining=counted["remaining"],
        tracks_gone=gone,
        by_resolution=resolutions | {NO_ACTION: counted["groups"] - counted["resolved"]},
        **_of_the_gone(analysis),
    )


def suggest_new_analysis(
    summary: ImpactSummary, changes: LibraryChangeSummary, *, threshold_percent: float | None = None
) -> NewAnalysisSuggestion:
    """Say whether to run a new analysis, how sure that is, why, and what it would bring.

    `threshold_percent` (0 to 100) is the setting's unless given.
    """
    threshold = site.SIGNIFICANT_CLEANUP_PERCENT if threshold_percent is None else threshold_percent
    eliminated = summary.duplicates_eliminated_percent
    is_suggested = bool(summary.duplicates_eliminated) and eliminated >= threshold
    confidence = "high" if eliminated >= HIGH_PERCENT else "medium" if eliminated >= MEDIUM_PERCENT else "low"
    timing = {"high": "recommended", "medium": "suggested", "low": "optional"}[confidence]
    estimate = _estimate(summary.tracks_gone, changes.added)
    return NewAnalysisSuggestion(
        is_suggested=is_suggested,
        timing=timing if is_suggested else "not_recommended",
        confidence=confidence,
        eliminated_percent=eliminated,
        threshold_percent=threshold,
        reasons=tuple(_reasons(summary, threshold)),
        benefits=tuple(_benefits(summary, changes, estimate)),
        new_duplicates_estimate=estimate,
    )


def _estimate(gone: int, added: int) -> int | None:
    if not (gone or added):
        return None
    return max(LEAST_EXPECTED, int(SHARE_OF_GONE * gone + SHARE_OF_ADDED * added + 1e-9))


def _of_the_gone(analysis: DuplicateAnalysisResult) -> dict[str, Any]:
    """Add up the members that are gone; only groups that lost some are looked into."""
    gone = DuplicateAnalysisTrack.objects.filter(
        group__analysis=analysis, group__remaining_count__lt=F("group__member_count"), still_exists=False
    ).annotate(was_removed=Exists(Merge.objects.filter(track_id=OuterRef("track_id"))))
    removed = Q(was_removed=True)
    counted = gone.aggregate(
        keepers=Count("pk", filter=Q(is_canonical=True)),
        removed=Count("pk", filter=removed),
        plays=Sum("play_count", filter=removed, default=0),
        size=Sum("size_bytes", filter=removed, default=0),
        sizeless=Count("pk", filter=removed & Q(size_bytes=None)),
    )
    return {
        "keepers_gone": counted["keepers"],
        "tracks_removed": counted["removed"],
        "plays_kept": counted["plays"],
        "bytes_freed": None if counted["sizeless"] else counted["size"],
        "sizes_unknown": counted["sizeless"],
    }


def _reasons(summary: ImpactSummary, threshold: float) -> list[str]:
    eliminated = summary.duplicates_eliminated
    percent = number(summary.duplicates_eliminated_percent, 1)
    said = [
        ngettext(
            "%(count)s of %(all)s duplicates is gone (%(percent)s %%).",
            "%(count)s of %(all)s duplicates are gone (%(percent)s %%).",
            eliminated,
        )
        % {"count": number(eliminated), "all": number(summary.duplicates), "percent": percent}
    ]
    if summary.duplicates_eliminated_percent < threshold:
        said.append(_("A new analysis is suggested from %(percent)s %% on.") % {"percent": f"{threshold:g}"})
    if summary.groups_open == 0 and summary.groups:
        said.append(_("Every group is decided; only a new analysis can find more."))
    if summary.groups_partly:
        said.append(
            ngettext(
                "%(count)s group is cleaned up in part; a new analysis shows what is left of it.",
                "%(count)s groups are cleaned up in part; a new analysis shows what is left of them.",
                summary.groups_partly,
            )
            % {"count": number(summary.groups_partly)}
        )
    if summary.keepers_gone:
        said.append(
            ngettext(
                "%(count)s track that the analysis would have kept is gone; a new one chooses again.",
                "%(count)s tracks that the analysis would have kept are gone; a new one chooses again.",
                summary.keepers_gone,
            )
            % {"count": number(summary.keepers_gone)}
        )
    return said


def _benefits(summary: ImpactSummary, changes: LibraryChangeSummary, estimate: int | None) -> Iterator[str]:
    """Yield what a new analysis would bring; nothing where nothing went, came or was edited."""
    if estimate is not None:
        yield _("It finds about %(count)s new duplicates, as a rule of thumb.") % {"count": number(estimate)}
    if changes.added:
        yield ngettext(
            "It compares the %(count)s track that came since.",
            "It compares the %(count)s tracks that came since.",
            changes.added,
        ) % {"count": number(changes.added)}
    if changes.modified:
        yield ngettext(
            "It judges the %(count)s track edited since by what it says now.",
            "It judges the %(count)s tracks edited since by what they say now.",
            changes.modified,
        ) % {"count": number(changes.modified)}
    if summary.tracks_gone:
        yield ngettext(
            "Its groups and figures leave out the %(count)s track that is gone.",
            "Its groups and figures leave out the %(count)s tracks that are gone.",
            summary.tracks_gone,
        ) % {"count": number(summary.tracks_gone)}
    if summary.keepers_gone:
        yield _("It chooses keepers among the copies that are left.")


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0
