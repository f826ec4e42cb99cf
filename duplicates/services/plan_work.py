"""Works a plan out, carries it out and undoes it, in short transactions that each leave it true.

Every transaction does some groups and counts them on the plan, under a lease that only one process holds. Killed at any
moment, the plan goes on where it stood, with nothing half done and nothing done twice. Of a group that somebody changed
meanwhile it is written down why it was refused, and the rest goes on.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from itertools import accumulate, batched
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Count, F, Sum
from django.utils.translation import gettext as _

from duplicates.choices import PlanItemState, PlanState, Resolution
from duplicates.exceptions import DuplicatesError, GroupChanged
from duplicates.models import CleanupPlan, CleanupPlanItem, DuplicateAnalysisGroup
from duplicates.services import audit, impact, process
from duplicates.services.keeper_profiles import from_json
from duplicates.services.plan_lease import RELEASED, LeaseLost, Report, Work, fail, step, take_up
from duplicates.services.plan_steps import do_items, undo_items
from duplicates.services.planning import figures
from duplicates.services.selecting import GroupFilter, undecided_groups

type Counts = dict[str, Any]  # fields of the plan and what they become
logger = logging.getLogger("reprise.plans")

GROUPS_A_PART = 250  # worked out with one set of queries
TRACKS_A_TRANSACTION = 500


def work_on_plan(
    plan_id: uuid.UUID, *, now: Callable[[], datetime], report: Report = lambda plan: None
) -> CleanupPlan | None:
    """Do what a plan is waiting for, to the end of its state; return it as it is then.

    None where there is nothing to do or another process is at it. `report` hears of the plan after each transaction.
    Asked to stop, it ends after the transaction at hand and leaves the rest to whoever takes the plan up next.
    """
    work = take_up(plan_id, now=now, report=report)
    if work is None:
        return None
    plan = CleanupPlan.objects.get(pk=plan_id)
    try:
        _WAYS[PlanState(plan.state)](work)
    except LeaseLost:
        logger.info("Plan %s was cancelled or taken over", plan_id)
    except (DatabaseError, DuplicatesError) as error:
        fail(work, plan, error)
        raise
    plan.refresh_from_db()
    return plan


# --- Working out ------------------------------------------------------------------------------------------------------


def _work_out(work: Work) -> None:
    """Look at every group that is meant; begins anew when it was stopped, for nothing has been done yet."""
    from duplicates.services.plan_groups import GroupPlanner  # noqa: PLC0415 (loads the matcher where rules need it)

    with transaction.atomic():
        plan = work.renew(planned_groups=0, total_groups=0)
        plan.items.all().delete()
    if plan.analysis is None:
        raise GroupChanged(_("The analysis of this plan was deleted."))
    impact.follow_library(now=work.now())
    ids = _groups_meant(plan)
    planner = GroupPlanner(plan.analysis, Resolution(plan.resolution), from_json(plan.rules))
    for part in batched(ids, GROUPS_A_PART):
        rows = DuplicateAnalysisGroup.objects.select_related("analysis", "resolved_by").defer("analysis__learnt_tables")
        found = rows.in_bulk(list(part))
        items = planner.plan([found[pk] for pk in part if pk in found])
        for item in items:
            item.plan_id = work.plan_id
        with transaction.atomic():
            plan = work.renew(planned_groups=F("planned_groups") + len(part), total_groups=len(ids), attempt=0)
            CleanupPlanItem.objects.bulk_create(items)
        work.report(plan)
        if process.is_asked_to_stop():
            work.renew(**RELEASED)
            return
    work.report(_sum_up(work))


def _groups_meant(plan: CleanupPlan) -> list[int]:
    assert plan.analysis is not None
    groups = undecided_groups(plan.analysis, GroupFilter.from_json(plan.filters))
    if plan.resolution == Resolution.MANUAL_REVIEW:
        groups = groups.filter(is_resolved=False)
    return list(groups.values_list("pk", flat=True))


def _sum_up(work: Work) -> CleanupPlan:
    """Add up what was worked out and wait for a person."""
    with transaction.atomic():
        items = CleanupPlanItem.objects.filter(plan_id=work.plan_id)
        doing = items.filter(state=PlanItemState.PENDING)
        sums = doing.aggregate(
            group_count=Count("pk"),
            play_count=Sum("play_count", default=0),
            place_count=Sum("place_count", default=0),
            byte_count=Sum("byte_count", default=0),
            sizeless_count=Sum("sizeless_count", default=0),
        )
        tracks = sum(len(removing) for removing in doing.values_list("removing", flat=True).iterator())
        refused = items.filter(state=PlanItemState.REFUSED).values_list("code").annotate(many=Count("pk"))
        return work.renew(
            **sums,
            track_count=tracks,
            refused=dict(refused.order_by("code")),
            state=PlanState.PLANNED,
            attempt=0,
            **RELEASED,
        )


# --- Carrying out -----------------------------------------------------------------------------------------------------


def _carry_out(work: Work) -> None:
    _in_steps(work, _do_some, verb="cleanup_plan.completed", ended=PlanState.COMPLETED)


def _do_some(work: Work, plan: CleanupPlan) -> Counts:
    """Do the next groups; return what to count on the plan, nothing where none was left."""
    items = _next_items(plan, PlanItemState.PENDING, "pk")
    if not items:
        return {}
    do_items(items, plan, now=work.now())
    done = [item for item in items if item.state == PlanItemState.DONE]
    refused = Counter(plan.refused) + Counter(item.code for item in items if item.state == PlanItemState.REFUSED)
    return {
        "done_groups": F("done_groups") + len(done),
        "done_tracks": F("done_tracks") + sum(len(item.removing) for item in done),
        "refused": dict(refused),
    }


# --- Undoing ----------------------------------------------------------------------------------------------------------


def _undo(work: Work) -> None:
    _in_steps(work, _undo_some, verb="cleanup_plan.undone", ended=PlanState.UNDONE)


def _undo_some(work: Work, plan: CleanupPlan) -> Counts:
    """Undo the next groups, the last done first; return what to count on the plan, nothing where none was left."""
    items = _next_items(plan, PlanItemState.DONE, "-pk")
    if not items:
        return {}
    undo_items(items, plan, now=work.now())
    undone = sum(item.state == PlanItemState.UNDONE for item in items)
    return {"undone_groups": F("undone_groups") + undone}


# --- Shared -----------------------------------------------------------------------------------------------------------


def _in_steps(work: Work, do_some: Callable[[Work, CleanupPlan], Counts], *, verb: str, ended: PlanState) -> None:
    """Do some groups a transaction until none is left, then write the end; or hand the rest back when asked to stop."""
    while not process.is_asked_to_stop():
        with audit.attempt(verb, actor=None, now=work.now()), step(work) as plan:
            counts = do_some(work, plan)
            after = work.renew(attempt=0, **counts)
            if not counts:
                after = work.renew(state=ended, ended_at=work.now(), **RELEASED)
                audit.record(verb, actor=after.confirmed_by, now=work.now(), subject=after, counts=figures(after))
        work.report(after)
        if not counts:
            return
    work.renew(**RELEASED)


def _next_items(plan: CleanupPlan, state: PlanItemState, order: str) -> list[CleanupPlanItem]:
    """Return the next groups in a state, as many as have 500 tracks; at least one where one is left."""
    waiting = plan.items.filter(state=state)
    if state == PlanItemState.DONE:
        waiting = waiting.filter(code="")
    items = list(waiting.order_by(order)[:TRACKS_A_TRANSACTION])
    sizes = accumulate(max(len(item.removing), 1) for item in items)
    return [
        item
        for place, (item, size) in enumerate(zip(items, sizes, strict=True))
        if not place or size <= TRACKS_A_TRANSACTION
    ]


_WAYS: dict[PlanState, Callable[[Work], None]] = {
    PlanState.PLANNING: _work_out,
    PlanState.EXECUTING: _carry_out,
    PlanState.UNDOING: _undo,
}
