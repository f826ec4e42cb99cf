"""What to do next: one step out of what is there and what the person may do. Pure: no clock, no database."""

from dataclasses import dataclass
from enum import StrEnum

from duplicates.choices import AnalysisStatus
from duplicates.models import DuplicateAnalysisResult
from duplicates.services.recommendations import ResultCondition, SuggestedAction


class Step(StrEnum):
    """The steps, in the order in which they stand in each other's way."""

    IMPORT = "import"
    START_WORKER = "start_worker"
    LOOK_AT_FAILURE = "look_at_failure"
    WATCH = "watch"
    START = "start"
    START_ANEW = "start_anew"  # most of the library is another one than the result saw
    REFRESH = "refresh"
    REVIEW = "review"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Situation:
    """What the choice depends on."""

    has_tracks: bool
    has_workers: bool
    newest: DuplicateAnalysisResult | None  # whatever its state
    active: DuplicateAnalysisResult | None
    latest: DuplicateAnalysisResult | None  # the newest with a complete result
    condition: ResultCondition | None  # of the latest
    groups_open: int
    may_run: bool


@dataclass(frozen=True, slots=True)
class NextStep:
    """The step, and the analysis it is about."""

    step: Step
    analysis: DuplicateAnalysisResult | None = None


def get_next_step(now: Situation) -> NextStep:
    """Choose the first step that nothing else has to come before."""
    if (hindrance := _hindrance(now)) is not None:
        return hindrance
    watch = NextStep(Step.WATCH, now.active) if now.active else None
    if now.latest is None or now.condition is None:
        return watch or NextStep(Step.START)
    if now.condition.suggests_refresh and now.may_run and watch is None:
        is_other = now.condition.recommendation.suggested_action == SuggestedAction.NEW_ANALYSIS
        return NextStep(Step.START_ANEW if is_other else Step.REFRESH, now.latest)
    if now.groups_open:
        return NextStep(Step.REVIEW, now.latest)
    return watch or NextStep(Step.NOTHING, now.latest)


def _hindrance(now: Situation) -> NextStep | None:
    """Return what keeps everything else from happening."""
    if not now.has_tracks:
        return NextStep(Step.IMPORT)
    if now.active is not None and now.active.status == AnalysisStatus.QUEUED and not now.has_workers:
        return NextStep(Step.START_WORKER, now.active)
    if now.newest is not None and now.newest.status == AnalysisStatus.FAILED:
        return NextStep(Step.LOOK_AT_FAILURE, now.newest)
    return None
