"""Does and undoes some groups of a plan at once, by the verbs that a person uses for one.

Every group is judged for itself: of one that somebody changed meanwhile the item says why it was refused, and the rest
goes on. Call within the transaction of a step; the items are written with what became of them.
"""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from duplicates.choices import LaterEdits, PlanItemState, Resolution
from duplicates.exceptions import DuplicatesError, GroupChanged
from duplicates.models import CleanupAction, CleanupPlan, CleanupPlanItem, DuplicateAnalysisGroup
from duplicates.services import impact
from duplicates.services.cases import Case, Wanted
from duplicates.services.keepers import undo_choices
from duplicates.services.removal import remove_together
from duplicates.services.resolution import reopen_groups, require_several_left
from duplicates.services.reviewing import decide_together
from duplicates.services.undo import undo_together
from library.changes import recording
from library.row_updates import update_rows

_DONE = ("state", "code", "message", "before", "decided_at", "choice_id", "action_id")


def do_items(items: Sequence[CleanupPlanItem], plan: CleanupPlan, *, now: datetime) -> None:
    """Do what the plan says of groups that are still what the plan saw; refuse the others."""
    wanted = [
        Wanted(
            group_id=item.group_id,
            keeper_id=item.keeper_track_id,
            label=item.label,
            removing=tuple(item.removing),
            seen_version=item.version,
            rule=item.keeper_rule,
            reason=item.keeper_reason,
        )
        for item in items
    ]
    with recording(f"analysis:{plan.analysis_id}"):
        impact.follow_library(now=now)
        if plan.resolution == Resolution.DELETED:
            cases = remove_together(wanted, actor=plan.confirmed_by, now=now, batch_id=plan.pk)
        else:
            cases = decide_together(wanted, Resolution(plan.resolution), actor=plan.confirmed_by, now=now)
    for item, case in zip(items, cases, strict=True):
        _note(item, case, plan.resolution, now)
    update_rows(CleanupPlanItem, _DONE, ([item.pk, *(getattr(item, name) for name in _DONE)] for item in items))


def _note(item: CleanupPlanItem, case: Case, resolution: str, now: datetime) -> None:
    if case.refused is not None:
        item.state, item.code, item.message = PlanItemState.REFUSED, case.refused.code, case.refused.sentence
        return
    item.state, item.before = PlanItemState.DONE, case.before
    # One that was set aside already keeps the moment at which it was.
    item.decided_at = case.group.resolved_at if case.before["resolution"] == resolution else now
    item.choice_id = case.choice.pk if case.choice else None
    item.action_id = case.action.pk if case.action else None


def undo_items(items: Sequence[CleanupPlanItem], plan: CleanupPlan, *, now: datetime) -> None:
    """Undo what the plan did with groups; of one that cannot be undone the item says why, and it stays done."""
    refused = _undo_removals([item for item in items if item.action_id is not None], plan, now=now)
    refused |= _undo_decisions([item for item in items if item.action_id is None], plan, now=now)
    for item in items:
        if error := refused.get(item.pk):
            item.code, item.message = error.code, error.sentence
        else:
            item.state = PlanItemState.UNDONE
    update_rows(CleanupPlanItem, _DONE[:3], ([item.pk, item.state, item.code, item.message] for item in items))


def _undo_removals(items: Sequence[CleanupPlanItem], plan: CleanupPlan, *, now: datetime) -> dict[int, DuplicatesError]:
    ids = {item.action_id: item.pk for item in items if item.action_id is not None}
    if not ids:
        return {}
    is_analysed = CleanupAction.objects.filter(pk__in=ids, analysis__isnull=False).exists()
    with recording(f"analysis:{plan.analysis_id}" if is_analysed else f"cleanup:{plan.pk}"):
        undoing = undo_together(list(ids), actor=plan.confirmed_by, now=now, later_edits=LaterEdits(plan.later_edits))
    return {ids[one.action.pk]: one.refused for one in undoing if one.refused is not None}


def _undo_decisions(
    items: Sequence[CleanupPlanItem], plan: CleanupPlan, *, now: datetime
) -> dict[int, DuplicatesError]:
    """Reopen groups, give them the decision they had before and the keeper; one whose analysis is gone has neither."""
    found = DuplicateAnalysisGroup.objects.select_for_update().in_bulk(sorted(item.group_id for item in items))
    refused: dict[int, DuplicatesError] = {}
    reopening: list[CleanupPlanItem] = []
    for item in items:
        if (group := found.get(item.group_id)) is None:
            continue
        try:
            if group.resolution != plan.resolution:
                raise GroupChanged(_("%(label)s was decided otherwise since.") % {"label": item.label})
            if item.decided_at not in (None, group.resolved_at):
                raise GroupChanged(_("%(label)s was decided anew since.") % {"label": item.label})
            require_several_left(group)
        except DuplicatesError as error:
            refused[item.pk] = error
        else:
            reopening.append(item)
    if reopening and plan.analysis is not None:
        ids = [item.group_id for item in reopening]
        reopen_groups(plan.analysis, ids, actor=plan.confirmed_by, now=now)
        impact.write_decisions({item.group_id: item.before or {} for item in reopening})
        undo_choices([item.choice_id for item in reopening if item.choice_id is not None], now=now)
    return refused
