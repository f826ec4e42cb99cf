"""Clean-up plans: made over a filter of groups, confirmed once, cancelled, undone as a whole.

Nothing here takes long: a plan is worked out, carried out and undone by `plan_work`, on a worker or in the foreground.
"""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from duplicates.choices import PLAN_AT_WORK, LaterEdits, PlanItemState, PlanState, Resolution
from duplicates.exceptions import (
    AnalysisNotReady,
    InvalidOptions,
    NotConfirmed,
    NothingToUndo,
    PlanNotFound,
    PlanNotReady,
)
from duplicates.models import CleanupPlan, CleanupPlanItem, DuplicateAnalysisResult, KeeperProfile
from duplicates.services import audit, keeper_profiles
from duplicates.services.selecting import GroupFilter
from library.changes import current_revision
from library.numbers import number

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

# For the other decisions it does not matter which copy is kept.
WITH_A_KEEPER = (Resolution.DELETED, Resolution.KEPT_CANONICAL)


@audit.recorded("cleanup_plan.made", subject="analysis")
def plan_cleanup(
    *,
    analysis: DuplicateAnalysisResult,
    wanted: GroupFilter,
    resolution: str,
    profile: KeeperProfile | None = None,
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> CleanupPlan:
    """Make a plan to decide the same about all undecided groups that are meant; it still has to be worked out.

    Without a profile the groups' own keepers stay. Raises InvalidOptions for an unknown decision and AnalysisNotReady.
    """
    if resolution not in Resolution.values:
        named = {"value": repr(resolution), "accepted": ", ".join(Resolution.values)}
        raise InvalidOptions(_("%(value)s is no decision. Choose from %(accepted)s.") % named)
    if not analysis.has_groups:
        raise AnalysisNotReady
    profile = profile if resolution in WITH_A_KEEPER else None
    with transaction.atomic():
        plan = CleanupPlan.objects.create(
            analysis=analysis,
            filters=wanted.as_json(),
            resolution=resolution,
            profile_name=profile.name if profile else "",
            profile_version=profile.version if profile else None,
            rules=keeper_profiles.as_json(keeper_profiles.wishes_of(profile)) if profile else [],
            user_id=actor.pk if actor else None,
            user_name=actor.get_username() if actor else "",
            created_at=now,
            library_revision=current_revision(),
        )
        audit.record(
            "cleanup_plan.made",
            actor=actor,
            now=now,
            subject=plan,
            after={"filters": plan.filters, "resolution": resolution, "profile": plan.profile_name},
        )
    return plan


def get_plan(plan_id: uuid.UUID | str) -> CleanupPlan:
    """Return a plan by its id. Raises PlanNotFound."""
    try:
        return CleanupPlan.objects.select_related("analysis").get(pk=uuid.UUID(str(plan_id)))
    except (CleanupPlan.DoesNotExist, ValueError) as error:
        raise PlanNotFound(_("There is no clean-up plan %(id)s.") % {"id": plan_id}) from error


def must_type_the_count(plan: CleanupPlan) -> bool:
    """Does a plan remove so many copies that it needs their number typed?"""
    return plan.track_count > settings.BULK_REMOVAL_LIMIT


def confirm_plan(
    plan: CleanupPlan, *, typed_count: int | None = None, actor: "AbstractBaseUser | None", now: datetime
) -> CleanupPlan:
    """Let a plan that was worked out be carried out, once.

    Raises PlanNotReady for one in another state, NotConfirmed where the number of copies has to be typed and is not
    the plan's, and InvalidOptions for a plan that does nothing.
    """
    with audit.attempt("cleanup_plan.confirmed", subject=plan, actor=actor, now=now), transaction.atomic():
        plan = _locked(plan, PlanState.PLANNED)
        if not plan.group_count:
            raise InvalidOptions(_("There is nothing to do: every group of this plan is refused, or there is none."))
        if typed_count is None and must_type_the_count(plan):
            raise NotConfirmed(
                _("This removes %(count)s copies. Type that number to confirm.") % {"count": number(plan.track_count)}
            )
        if typed_count is not None and typed_count != plan.track_count:
            named = {"count": number(plan.track_count), "typed": number(typed_count)}
            raise NotConfirmed(_("This removes %(count)s copies, not %(typed)s. Look at the preview again.") % named)
        plan.state, plan.confirmed_at = PlanState.EXECUTING, now
        plan.confirmed_by_id, plan.confirmed_name = (actor.pk, actor.get_username()) if actor else (None, "")
        plan.attempt = 0
        plan.save(update_fields=["state", "confirmed_at", "confirmed_by", "confirmed_name", "attempt"])
        audit.record("cleanup_plan.confirmed", actor=actor, now=now, subject=plan, counts=figures(plan))
    return plan


def cancel_plan(plan: CleanupPlan, *, actor: "AbstractBaseUser | None", now: datetime) -> CleanupPlan:
    """Stop a plan that is not over; what it has done stays until it is undone. Raises PlanNotReady."""
    with audit.attempt("cleanup_plan.cancelled", subject=plan, actor=actor, now=now), transaction.atomic():
        plan = _locked(plan, PlanState.PLANNING, PlanState.PLANNED, PlanState.EXECUTING)
        _enter(plan, PlanState.CANCELLED, ended_at=now)
        audit.record("cleanup_plan.cancelled", actor=actor, now=now, subject=plan, counts=figures(plan))
    return plan


def undo_plan(
    plan: CleanupPlan,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    later_edits: LaterEdits = LaterEdits.ASK,
) -> CleanupPlan:
    """Let everything a plan has done be undone. Raises PlanNotReady while it is under way, and NothingToUndo.

    May be asked again where later edits were in the way, saying what becomes of them.
    """
    with audit.attempt("cleanup_plan.undo_asked", subject=plan, actor=actor, now=now), transaction.atomic():
        plan = _locked(plan, PlanState.COMPLETED, PlanState.CANCELLED, PlanState.UNDONE, PlanState.FAILED)
        done = plan.items.filter(state=PlanItemState.DONE)
        if not done.exists():
            raise NothingToUndo(_("Nothing that this plan has done is left to undo."))
        done.update(code="", message="")
        _enter(plan, PlanState.UNDOING, ended_at=None, later_edits=later_edits)
        audit.record("cleanup_plan.undo_asked", actor=actor, now=now, subject=plan, after={"later_edits": later_edits})
    return plan


def continue_plan(plan: CleanupPlan, *, actor: "AbstractBaseUser | None", now: datetime) -> CleanupPlan:
    """Let a failed plan go on where it stopped. Raises PlanNotReady for any other."""
    with audit.attempt("cleanup_plan.continued", subject=plan, actor=actor, now=now), transaction.atomic():
        plan = _locked(plan, PlanState.FAILED)
        _enter(plan, PlanState(plan.failed_state), ended_at=None, failed_state="", error_message="")
        audit.record("cleanup_plan.continued", actor=actor, now=now, subject=plan)
    return plan


def figures(plan: CleanupPlan) -> dict[str, Any]:
    """Return what a plan does and has done, as plain numbers for a record."""
    return {
        "planned_groups": plan.group_count,
        "planned_tracks": plan.track_count,
        "done_groups": plan.done_groups,
        "done_tracks": plan.done_tracks,
        "undone_groups": plan.undone_groups,
        "refused": plan.refused,
    }


def refused_items(plan: CleanupPlan, *, most: int) -> list[CleanupPlanItem]:
    """Return the first groups a plan refused, or could not undo, each with its reason."""
    return list(plan.items.exclude(code="").order_by("code", "pk")[:most])


def progress_of(plan: CleanupPlan) -> tuple[int, int]:
    """Return how many groups the present work of a plan has in all, and how many are behind it."""
    if plan.state in (PlanState.PLANNING, PlanState.PLANNED):
        return plan.total_groups, plan.planned_groups
    if plan.state in (PlanState.UNDOING, PlanState.UNDONE):
        return plan.done_groups, plan.undone_groups
    refused = plan.items.filter(state=PlanItemState.REFUSED).count() + plan.group_count - plan.total_groups
    return plan.group_count, plan.done_groups + refused


def is_at_work(plan: CleanupPlan) -> bool:
    """Is there work to do that needs nobody's word?"""
    return plan.state in PLAN_AT_WORK


def _locked(plan: CleanupPlan, *states: PlanState) -> CleanupPlan:
    """Lock a plan that is in one of these states."""
    plan = CleanupPlan.objects.select_for_update(of=("self",)).get(pk=plan.pk)
    if plan.state not in states:
        raise PlanNotReady(
            _("The plan is in the state “%(state)s”.") % {"state": plan.get_state_display()},
            way_out=_("Look at it again."),
        )
    return plan


def _enter(plan: CleanupPlan, state: PlanState, **changes: Any) -> None:
    """Write a state and what goes with it; whoever was at work finds its lease gone."""
    changes |= {"state": state, "lease_token": None, "lease_until": None, "attempt": 0}
    for name, value in changes.items():
        setattr(plan, name, value)
    plan.save(update_fields=list(changes))
