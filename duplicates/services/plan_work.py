"""Works a plan out, carries it out and undoes it, in short transactions that each leave it true.

Every transaction does some groups and counts them on the plan, under a lease that only one process holds. Killed at any
moment, the plan goes on where it stood, with nothing half done and nothing done twice. Of a group that somebody changed
meanwhile it is written down why it was refused, and the rest goes on.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, transaction
from django.db.models import Count, F, Sum

from duplicates.choices import LaterEdits, LedgerKind, PlanItemState, PlanState, Resolution
from duplicates.exceptions import DuplicatesError, GroupChanged
from duplicates.models import (
    CleanupAction,
    CleanupPlan,
    CleanupPlanItem,
    DuplicateAnalysisGroup,
    KeeperChoice,
    LedgerEntry,
)
from duplicates.services import audit, impact, process
from duplicates.services.keeper_profiles import from_json
from duplicates.services.keepers import choose_keeper, undo_choice
from duplicates.services.plan_lease import RELEASED, LeaseLost, Report, Work, fail, step, take_up
from duplicates.services.planning import figures
from duplicates.services.removal import remove_duplicates
from duplicates.services.resolution import reopen_groups
from duplicates.services.reviewing import decide
from duplicates.services.selecting import GroupFilter, undecided_groups
from duplicates.services.undo import undo_action

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

type Counts = dict[str, Any]  # fields of the plan and what they become
logger = logging.getLogger("reprise.plans")

GROUPS_A_PART = 250  # worked out with one set of queries
TRACKS_A_TRANSACTION = 500
ITEMS_A_QUERY = 50
# A transaction ends after this long even with fewer tracks: other writers of SQLite wait for it.
SECONDS_A_TRANSACTION = 1.0


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
        raise GroupChanged("The analysis of this plan was deleted.")
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
    groups, tracks, refused = 0, 0, dict(plan.refused)
    for item in _next_items(plan, PlanItemState.PENDING, "pk"):
        try:
            with transaction.atomic():
                _do(item, plan, now=work.now())
        except DuplicatesError as error:
            item.state, item.code, item.message = PlanItemState.REFUSED, error.code, error.sentence
            item.save(update_fields=["state", "code", "message"])
            refused[error.code] = refused.get(error.code, 0) + 1
            continue
        groups, tracks = groups + 1, tracks + len(item.removing)
    if not groups and refused == plan.refused:
        return {}
    return {
        "done_groups": F("done_groups") + groups,
        "done_tracks": F("done_tracks") + tracks,
        "refused": refused,
    }


def _do(item: CleanupPlanItem, plan: CleanupPlan, *, now: datetime) -> None:
    """Do what the plan says of one group, if the group is still what the plan saw."""
    group = _group_of(item)
    if group is None:
        raise GroupChanged(f"{item.label} is gone: its analysis was deleted.")
    actor, seen = _doer(plan), item.version
    item.before = impact.decision_of(group)
    if item.keeper_rule:
        choice = choose_keeper(
            group=group,
            track_id=item.keeper_track_id,
            actor=actor,
            now=now,
            seen_version=seen,
            rule=item.keeper_rule,
            reason=item.keeper_reason,
        )
        item.choice_id, seen = choice.pk, ""
    if plan.resolution == Resolution.DELETED:
        _remove(item, plan, group, actor=actor, now=now, seen_version=seen)
    else:
        decide(group=group, resolution=Resolution(plan.resolution), actor=actor, now=now, seen_version=seen)
    item.state = PlanItemState.DONE
    item.save(update_fields=["state", "before", "choice_id", "action_id"])


def _remove(
    item: CleanupPlanItem,
    plan: CleanupPlan,
    group: DuplicateAnalysisGroup,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    seen_version: str,
) -> None:
    before = group.keeper_track_id
    action = remove_duplicates(
        group=group,
        keeper_id=item.keeper_track_id,
        removing=item.removing,
        actor=actor,
        now=now,
        batch_id=plan.pk,
        seen_version=seen_version,
    )
    item.action_id = action.pk
    if item.choice_id is not None:
        LedgerEntry.objects.create(
            action=action,
            kind=LedgerKind.KEEPER,
            group_id=group.pk,
            track_id=item.keeper_track_id,
            before=before,
            after=item.choice_id,
        )


# --- Undoing ----------------------------------------------------------------------------------------------------------


def _undo(work: Work) -> None:
    _in_steps(work, _undo_some, verb="cleanup_plan.undone", ended=PlanState.UNDONE)


def _undo_some(work: Work, plan: CleanupPlan) -> Counts:
    """Undo the next groups, the last done first; return what to count on the plan, nothing where none was left."""
    seen = undone = 0
    for item in _next_items(plan, PlanItemState.DONE, "-pk"):
        seen += 1
        try:
            with transaction.atomic():
                _undo_one(item, plan, now=work.now())
        except DuplicatesError as error:
            item.code, item.message = error.code, error.sentence
            item.save(update_fields=["code", "message"])
            continue
        item.state = PlanItemState.UNDONE
        item.save(update_fields=["state"])
        undone += 1
    return {"undone_groups": F("undone_groups") + undone} if seen else {}


def _undo_one(item: CleanupPlanItem, plan: CleanupPlan, *, now: datetime) -> None:
    actor = _doer(plan)
    if item.action_id is not None:
        action = CleanupAction.objects.get(pk=item.action_id)
        undo_action(action=action, actor=actor, now=now, later_edits=LaterEdits(plan.later_edits))
        return
    group = _group_of(item)
    if group is None:
        return  # its analysis was deleted, and its decision with it
    if group.resolution != plan.resolution:
        raise GroupChanged(f"{item.label} was decided otherwise since.")
    reopen_groups(group.analysis, [group.pk], actor=actor, now=now)
    impact.write_decision(group.pk, item.before or {})
    if item.choice_id is None:
        return
    for choice in KeeperChoice.objects.filter(pk=item.choice_id, undone_at=None):
        undo_choice(choice, now=now)


# --- Shared -----------------------------------------------------------------------------------------------------------


def _in_steps(work: Work, do_some: Callable[[Work, CleanupPlan], Counts], *, verb: str, ended: PlanState) -> None:
    """Do some groups a transaction until none is left, then write the end; or hand the rest back when asked to stop."""
    while not process.is_asked_to_stop():
        with audit.attempt(verb, actor=None, now=work.now()), step(work) as plan:
            counts = do_some(work, plan)
            after = work.renew(attempt=0, **counts)
            if not counts:
                after = work.renew(state=ended, ended_at=work.now(), **RELEASED)
                audit.record(verb, actor=_doer(after), now=work.now(), subject=after, counts=figures(after))
        work.report(after)
        if not counts:
            return
    work.renew(**RELEASED)


def _next_items(plan: CleanupPlan, state: PlanItemState, order: str) -> Iterator[CleanupPlanItem]:
    """Yield the next groups in a state until they are 500 tracks or a second has passed; at least one."""
    began, tracks = time.monotonic(), 0
    waiting = plan.items.filter(state=state)
    if state == PlanItemState.DONE:
        waiting = waiting.filter(code="")
    while items := list(waiting.order_by(order)[:ITEMS_A_QUERY]):
        for item in items:
            is_first, tracks = not tracks, tracks + max(len(item.removing), 1)
            if not is_first and (tracks > TRACKS_A_TRANSACTION or time.monotonic() - began > SECONDS_A_TRANSACTION):
                return
            yield item


def _group_of(item: CleanupPlanItem) -> DuplicateAnalysisGroup | None:
    """Return the group of an item without the weights of its analysis, which are large; None where it is gone."""
    groups = DuplicateAnalysisGroup.objects.select_related("analysis").defer("analysis__learnt_tables")
    return groups.filter(pk=item.group_id).first()


def _doer(plan: CleanupPlan) -> "AbstractBaseUser | None":
    """Return who confirmed the plan, in whose name everything is done."""
    return plan.confirmed_by


_WAYS: dict[PlanState, Callable[[Work], None]] = {
    PlanState.PLANNING: _work_out,
    PlanState.EXECUTING: _carry_out,
    PlanState.UNDOING: _undo,
}
