"""Clean-up plans in one line each, for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from duplicates.choices import Resolution
from duplicates.models import CleanupPlan, DuplicateAnalysisGroup, DuplicateAnalysisResult, KeeperProfile
from duplicates.services.plan_work import work_on_plan
from duplicates.services.planning import confirm_plan, plan_cleanup, undo_plan
from duplicates.services.selecting import GroupFilter
from tests.duplicates.copies import copy, group_of

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def groups_of_two(analysis: DuplicateAnalysisResult, many: int, **values: Any) -> list[DuplicateAnalysisGroup]:
    """Return groups whose keeper has more plays than its copy."""
    return [
        group_of(copy(play_count=30, **values), copy(play_count=number + 1, **values), analysis=analysis)
        for number in range(many)
    ]


def planned(
    analysis: DuplicateAnalysisResult,
    *,
    resolution: str = Resolution.DELETED,
    profile: KeeperProfile | None = None,
    actor: Any = None,
    **wanted: Any,
) -> CleanupPlan:
    """Return a plan that is worked out."""
    plan = plan_cleanup(
        analysis=analysis,
        wanted=GroupFilter(**wanted),
        resolution=resolution,
        profile=profile,
        actor=actor,
        now=NOW,
    )
    return worked_on(plan)


def worked_on(plan: CleanupPlan) -> CleanupPlan:
    """Return a plan after the work it was waiting for."""
    after = work_on_plan(plan.pk, now=lambda: LATER)
    assert after is not None
    return after


def carried_out(plan: CleanupPlan, actor: Any = None) -> CleanupPlan:
    """Return a plan that is confirmed and done."""
    return worked_on(confirm_plan(plan, typed_count=plan.track_count, actor=actor, now=LATER))


def undone(plan: CleanupPlan, **options: Any) -> CleanupPlan:
    """Return a plan that is undone."""
    return worked_on(undo_plan(plan, actor=None, now=LATER, **options))
