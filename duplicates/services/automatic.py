"""Automatic resolution: decides about the undecided groups of a band when an analysis completes.

It works by the clean-up plans that people make: the same preview, guards, quarantine and undo, in the name of whoever
switched it on (see `automatic_switch`). Groups larger than any that was judged are left to people. Everything is asked
again before each use, when the plan is made and before it is carried out. A plan that needs its count typed is only
prepared. A supervisor calls `resolve_new_results` on its tick; killed anywhere, the next tick goes on. What is refused
or breaks off ends that one use and is left to people: the page says why, and no later tick tries it again.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from duplicates.choices import AutomaticOutcome, PlanState
from duplicates.exceptions import DuplicatesError
from duplicates.models import AutomaticResolution, AutomaticRun, CleanupPlan, DuplicateAnalysisResult
from duplicates.services import audit, permissions, planning
from duplicates.services.automatic_switch import reason_to_stop, require_representative, stop
from duplicates.services.precision import MOST_MEMBERS
from duplicates.services.selecting import GroupFilter, undecided_groups

logger = logging.getLogger("reprise.automatic")


def resolve_new_results(*, now: datetime) -> None:
    """Make plans for analyses that completed since, and let those that are worked out be carried out.

    One query while nothing is switched on, and one for plans under way.
    """
    for switch in AutomaticResolution.objects.filter(is_on=True).order_by("preset", "band"):
        for analysis in _new_results(switch):
            if why := _tried(partial(_plan, switch, analysis, now), switch):
                _leave_alone(switch, analysis, why, now)
    under_way = AutomaticRun.objects.filter(outcome=AutomaticOutcome.PREPARING)
    for run in under_way.exclude(plan__state=PlanState.PLANNING).select_related("switch").order_by("created_at"):
        if why := _tried(partial(_go_on, run, now), run.switch):
            _leave_to_people(run, why)


def _tried(use: Callable[[], None], switch: AutomaticResolution) -> str:
    """Try one use; return why it was refused or broke off, and nothing where it went well.

    Raises what the database says: it may answer again on the next tick.
    """
    try:
        use()
    except DuplicatesError as refused:
        logger.warning("Automatic resolution of %s was refused: %s", switch, refused.sentence)
        return refused.sentence
    except DatabaseError:
        raise
    except Exception as error:
        logger.exception("Automatic resolution of %s broke off", switch)
        return _("It broke off (%(kind)s). The log says why.") % {"kind": type(error).__name__}
    return ""


def _leave_alone(switch: AutomaticResolution, analysis: DuplicateAnalysisResult, why: str, now: datetime) -> None:
    """Note that there will be no plan for this analysis: without the row every tick would try again."""
    AutomaticRun.objects.get_or_create(
        switch=switch,
        analysis=analysis,
        defaults={"created_at": now, "outcome": AutomaticOutcome.SKIPPED, "message": why},
    )


def _leave_to_people(run: AutomaticRun, why: str) -> None:
    """End a run whose plan can still be confirmed or cancelled by hand."""
    preparing = AutomaticRun.objects.filter(pk=run.pk, outcome=AutomaticOutcome.PREPARING)
    preparing.update(outcome=AutomaticOutcome.WAITING, message=why)


def _new_results(switch: AutomaticResolution) -> QuerySet[DuplicateAnalysisResult]:
    """Return analyses that completed since it was switched on and that it has not looked at, the oldest first."""
    seen = AutomaticRun.objects.filter(switch=switch, analysis=OuterRef("pk"))
    completed = DuplicateAnalysisResult.objects.for_lists().completed()
    new = completed.filter(~Exists(seen), preset=switch.preset, completed_at__gt=switch.switched_on_at)
    return new.order_by("completed_at")


def _plan(switch: AutomaticResolution, analysis: DuplicateAnalysisResult, now: datetime) -> None:
    """Make the plan for one analysis, or note why there is none."""
    with transaction.atomic():
        rows = AutomaticResolution.objects.select_for_update(of=("self",)).select_related("user", "profile")
        switch = rows.get(pk=switch.pk)
        if not switch.is_on:
            return
        if reason := reason_to_stop(switch, now=now):
            stop(switch, reason, now)
            return
        run, is_new = AutomaticRun.objects.get_or_create(switch=switch, analysis=analysis, defaults={"created_at": now})
        if not is_new:
            return
        wanted = GroupFilter(band=switch.band, decision="open", most_members=MOST_MEMBERS)
        if why := _why_left_alone(switch, analysis):
            run.outcome, run.message = AutomaticOutcome.SKIPPED, why
        elif not undecided_groups(analysis, wanted).exists():
            run.outcome = AutomaticOutcome.NOTHING
        else:
            run.plan = planning.plan_cleanup(
                analysis=analysis,
                wanted=wanted,
                resolution=switch.resolution,
                profile=switch.profile,
                actor=switch.user,
                now=now,
            )
            audit.record("automatic_resolution.used", actor=switch.user, now=now, subject=run.plan, message=str(switch))
        run.save(update_fields=["plan", "outcome", "message"])


def _why_left_alone(switch: AutomaticResolution, analysis: DuplicateAnalysisResult) -> str:
    try:
        require_representative(analysis)
    except DuplicatesError as refused:
        return str(refused)
    assert switch.user is not None  # else it had been stopped
    if permissions.may_plan(switch.user, analysis, switch.resolution):
        return ""
    return _("%(who)s does not see this analysis.") % {"who": switch.user_name}


def _go_on(run: AutomaticRun, now: datetime) -> None:
    """Let a plan that is worked out be carried out, if everything still holds."""
    with transaction.atomic():
        rows = AutomaticRun.objects.select_for_update(of=("self",))
        run = rows.select_related("switch__user", "switch__profile", "plan").get(pk=run.pk)
        if run.outcome != AutomaticOutcome.PREPARING:
            return
        run.outcome, run.message = _outcome(run, now)
        run.save(update_fields=["outcome", "message"])


def _outcome(run: AutomaticRun, now: datetime) -> tuple[AutomaticOutcome, str]:
    """Return what becomes of a run; what people did with its plan meanwhile stays."""
    plan = run.plan
    if plan is None or plan.state == PlanState.CANCELLED:
        return AutomaticOutcome.STOPPED, _("Its plan was cancelled.")
    if plan.state == PlanState.FAILED and plan.confirmed_at is None:
        return AutomaticOutcome.STOPPED, plan.error_message  # a person may let the plan go on, and confirm it
    if plan.state != PlanState.PLANNED:
        return AutomaticOutcome.CARRIED_OUT, _("A person confirmed it.")
    return _carry_out(run, plan, now)


def _carry_out(run: AutomaticRun, plan: CleanupPlan, now: datetime) -> tuple[AutomaticOutcome, str]:
    """Confirm a plan, or cancel one that may not or need not be done."""
    actor = run.switch.user
    if reason := _why_not_now(run.switch, run, now):
        planning.cancel_plan(plan, actor=actor, now=now)
        return AutomaticOutcome.STOPPED, reason
    if not plan.group_count:
        planning.cancel_plan(plan, actor=actor, now=now)
        return AutomaticOutcome.NOTHING, _("The guards refuse every group.")
    if planning.must_type_the_count(plan):
        return AutomaticOutcome.WAITING, _("It removes so many copies that a person must type their number.")
    planning.confirm_plan(plan, actor=actor, now=now)
    return AutomaticOutcome.CARRIED_OUT, ""


def _why_not_now(switch: AutomaticResolution, run: AutomaticRun, now: datetime) -> str:
    """Say why a plan may not be carried out now; what does not hold any more switches it off."""
    if not switch.is_on:
        return _("It was switched off meanwhile.")
    if reason := reason_to_stop(switch, now=now):
        stop(switch, reason, now)
        return reason
    if run.analysis is None:
        return _("The analysis was deleted meanwhile.")
    return _why_left_alone(switch, run.analysis)
