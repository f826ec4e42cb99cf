"""Should this analysis be refreshed, how urgently and why; and which warnings one person sees about it.

It adds nothing to what `staleness` and `library_changes` found: it only weighs it, so that page, API and command give
the same advice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.models import DuplicateAnalysisResult, DuplicatePreferences
from duplicates.services.library_changes import (
    LibraryChangeSummary,
    get_library_change_summaries,
    get_library_change_summary,
)
from duplicates.services.staleness import AgeInfo, Staleness, Thresholds, get_analysis_age_info
from library.numbers import number

# A change of more than this share of the library leaves little of an old result standing.
GREAT_CHANGE_PERCENT = 20.0
# Beyond this share the settings of the old analysis deserve a second thought: it saw another library.
OTHER_LIBRARY_PERCENT = 50.0


class Urgency(models.TextChoices):
    """How soon a refresh should come."""

    LOW = "low", lazy("Low")
    MEDIUM = "medium", lazy("Medium")
    HIGH = "high", lazy("High")


class SuggestedAction(models.TextChoices):
    """What to do with an analysis."""

    CONTINUE = "continue", lazy("Go on with this result")
    REFRESH = "refresh", lazy("Refresh")
    NEW_ANALYSIS = "new_analysis", lazy("Start a new analysis")


class WarningLevel(models.TextChoices):
    """How loudly a page speaks, quietest first."""

    NONE = "none", lazy("None")
    INFO = "info", lazy("Information")
    WARNING = "warning", lazy("Warning")
    DANGER = "danger", lazy("Danger")


@dataclass(frozen=True, slots=True)
class RefreshRecommendation:
    """Whether to refresh, why, and what to press."""

    should_refresh: bool
    urgency: Urgency
    reasons: tuple[str, ...]
    suggested_action: SuggestedAction

    @property
    def sentence(self) -> str:
        """The advice in one sentence."""
        return " ".join((*self.reasons, self.advice))

    @property
    def advice(self) -> str:
        """What to do, without the reasons."""
        return {
            SuggestedAction.CONTINUE: _("This result still holds; go on with it."),
            SuggestedAction.REFRESH: _("Refresh it."),
            SuggestedAction.NEW_ANALYSIS: _("Start a new analysis."),
        }[self.suggested_action]


@dataclass(frozen=True, slots=True)
class StalenessWarning:
    """One warning: about the age of the result or about the library."""

    kind: str  # age or changes
    level: WarningLevel
    message: str


@dataclass(frozen=True, slots=True)
class ResultCondition:
    """Everything one person is told about whether a result still holds."""

    age: AgeInfo
    changes: LibraryChangeSummary
    recommendation: RefreshRecommendation
    warnings: tuple[StalenessWarning, ...]
    offers: tuple[SuggestedAction, ...]  # the buttons beside the warnings

    @property
    def suggests_refresh(self) -> bool:
        """Is there something to do, and does the person want to hear of it?"""
        return bool(self.offers)

    @property
    def level(self) -> WarningLevel:
        """The loudest of the warnings."""
        order = list(WarningLevel)
        return max((warning.level for warning in self.warnings), key=order.index, default=WarningLevel.NONE)


def get_refresh_recommendations(age: AgeInfo, changes: LibraryChangeSummary) -> RefreshRecommendation:
    """Weigh age and changes: high when very stale or a fifth changed, medium when either is over its limit.

    A refresh keeps the parameters; a new analysis is suggested when most of the library is another one.
    """
    reasons = []
    if age.needs_refresh:
        reasons.append(_("This result is from %(relative)s.") % {"relative": age.relative})
    if changes.is_significant:
        reasons.append(
            _("%(total)s tracks (%(percent)s %%) have changed since.")
            % {"total": number(changes.total), "percent": number(changes.percent, 1)}
        )
    if age.level == Staleness.VERY_STALE or (changes.is_significant and changes.percent > GREAT_CHANGE_PERCENT):
        urgency = Urgency.HIGH
    else:
        urgency = Urgency.MEDIUM if reasons else Urgency.LOW
    action = SuggestedAction.REFRESH if reasons else SuggestedAction.CONTINUE
    if changes.is_significant and changes.percent > OTHER_LIBRARY_PERCENT:
        action = SuggestedAction.NEW_ANALYSIS
    return RefreshRecommendation(bool(reasons), urgency, tuple(reasons), action)


def judge_condition(
    analysis: DuplicateAnalysisResult,
    preferences: DuplicatePreferences,
    *,
    now: datetime,
    ignores_changes: bool = False,
) -> ResultCondition:
    """Return what one person is told about a result; `ignores_changes` is what they chose for this session."""
    changes = get_library_change_summary(analysis, thresholds=Thresholds.for_preferences(preferences))
    return _condition(analysis, changes, preferences, now, ignores_changes=ignores_changes)


def judge_conditions(
    analyses: Sequence[DuplicateAnalysisResult],
    preferences: DuplicatePreferences,
    *,
    now: datetime,
    ignored: Collection[str] = (),
) -> list[ResultCondition]:
    """Return the same for a list of results with one query; how many groups are touched is left uncounted.

    `ignored` are the ids of those whose changes the person ignores for this session.
    """
    summaries = get_library_change_summaries(analyses, thresholds=Thresholds.for_preferences(preferences))
    return [
        _condition(analysis, changes, preferences, now, ignores_changes=str(analysis.pk) in ignored)
        for analysis, changes in zip(analyses, summaries, strict=True)
    ]


def _condition(
    analysis: DuplicateAnalysisResult,
    changes: LibraryChangeSummary,
    preferences: DuplicatePreferences,
    now: datetime,
    *,
    ignores_changes: bool,
) -> ResultCondition:
    thresholds = Thresholds.for_preferences(preferences)
    age = get_analysis_age_info(analysis, now=now, thresholds=thresholds, zone=preferences.zone)
    recommendation = get_refresh_recommendations(age, changes)
    warnings = []
    if preferences.warn_of_age and (warning := _age_warning(age)):
        warnings.append(warning)
    if preferences.warn_of_changes and not ignores_changes and (warning := _change_warning(changes)):
        warnings.append(warning)
    offers: tuple[SuggestedAction, ...] = ()
    if warnings and preferences.suggest_refresh and recommendation.should_refresh:
        offers = (SuggestedAction.REFRESH, SuggestedAction.NEW_ANALYSIS, SuggestedAction.CONTINUE)
    return ResultCondition(age, changes, recommendation, tuple(warnings), offers)


def _age_warning(age: AgeInfo) -> StalenessWarning | None:
    levels = {Staleness.STALE: WarningLevel.WARNING, Staleness.VERY_STALE: WarningLevel.DANGER}
    if age.level not in levels:
        return None
    return StalenessWarning(
        "age",
        levels[age.level],
        _("This result is from %(relative)s (%(absolute)s).") % {"relative": age.relative, "absolute": age.absolute},
    )


def _change_warning(changes: LibraryChangeSummary) -> StalenessWarning | None:
    if not changes.total:
        return None
    level = WarningLevel.INFO
    if changes.is_significant:
        level = WarningLevel.DANGER if changes.percent > GREAT_CHANGE_PERCENT else WarningLevel.WARNING
    return StalenessWarning("changes", level, changes.sentence)
