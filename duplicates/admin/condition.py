"""The banner that says whether a result still holds: its age, what changed since, and the way out.

"Ignore for now" lasts for the session and for one analysis; the services decide everything else.
"""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin.views.main import ChangeList
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from duplicates.admin.shared import person
from duplicates.models import DuplicateAnalysisResult, DuplicatePreferences
from duplicates.services.difference import GroupChange, get_run_difference
from duplicates.services.recommendations import ResultCondition, WarningLevel, judge_condition, judge_conditions

IGNORED = "ignored_library_changes"
CALLOUTS = {WarningLevel.INFO: "", WarningLevel.WARNING: "callout-warn", WarningLevel.DANGER: "callout-bad"}
GROUPS = "admin:duplicates_duplicateanalysisgroup_changelist"


@dataclass(frozen=True, slots=True)
class Banner:
    """What the page of an analysis says about its condition."""

    condition: ResultCondition
    kind: str  # class of the callout
    touched_url: str
    may_be_ignored: bool


class ListWithConditions(ChangeList):
    """A page of analyses that knows of each whether it still holds, with two queries for them all."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        readable = [row for row in self.result_list if row.is_readable]
        preferences, ignored = DuplicatePreferences.objects.of(person(request)), ignored_in(request.session)
        conditions = judge_conditions(readable, preferences, now=timezone.now(), ignored=ignored)
        for row, condition in zip(readable, conditions, strict=True):
            row.condition = condition


def condition_of_row(analysis: DuplicateAnalysisResult) -> ResultCondition | None:
    """Return what `ListWithConditions` found out about a row; None for one without a result."""
    return getattr(analysis, "condition", None)


@dataclass(frozen=True, slots=True)
class Fate:
    """How many groups came to one fate since the previous analysis, and where they are listed, if they still are."""

    label: str
    count: int
    url: str


def banner_of(
    analysis: DuplicateAnalysisResult, preferences: DuplicatePreferences, *, now: datetime, session: SessionBase
) -> Banner:
    """Return what to say about a result to one person in one session."""
    condition = judge_condition(analysis, preferences, now=now, ignores_changes=str(analysis.pk) in ignored_in(session))
    return Banner(
        condition=condition,
        kind=CALLOUTS.get(condition.level, ""),
        touched_url=f"{reverse(GROUPS)}?analysis={analysis.pk}&touched=yes",
        may_be_ignored=any(warning.kind == "changes" for warning in condition.warnings),
    )


def ignore_changes(session: SessionBase, analysis: DuplicateAnalysisResult) -> None:
    """Say no more about library changes since this analysis for as long as the session lasts."""
    session[IGNORED] = sorted(ignored_in(session) | {str(analysis.pk)})


def ignored_in(session: SessionBase) -> frozenset[str]:
    """Return the ids of the analyses about which a person has heard enough."""
    return frozenset(session.get(IGNORED, []))


def fates_since_predecessor(analysis: DuplicateAnalysisResult) -> list[Fate]:
    """Return what became of the previous result's groups in this one; nothing without a readable predecessor."""
    older = analysis.predecessor
    if older is None or not (older.has_groups and analysis.is_readable):
        return []
    difference = get_run_difference(older, analysis)
    here = f"{reverse(GROUPS)}?analysis={analysis.pk}&since="
    return [
        Fate(str(change.label), getattr(difference, change), "" if change == GroupChange.GONE else f"{here}{change}")
        for change in GroupChange
    ]
