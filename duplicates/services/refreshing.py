"""Run an analysis again: a successor with the same parameters or some of them changed, and what carries over to it.

The old result stays current until the successor has completed; a successor that fails or is cancelled changes nothing.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext as _

from duplicates.choices import Trigger
from duplicates.exceptions import AnalysisNotFound, InvalidOptions
from duplicates.models import DuplicateAnalysisResult, DuplicatePreferences
from duplicates.services import audit, lifecycle, permissions
from duplicates.services.options import AnalysisOptions
from duplicates.services.recommendations import judge_condition
from duplicates.services.staleness import Staleness

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

Enqueue = Callable[[uuid.UUID], None]


@audit.recorded("analysis.refreshed", subject="analysis")
def refresh_analysis(
    analysis: DuplicateAnalysisResult,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    enqueue: Enqueue | None = None,
    overrides: Mapping[str, Any] | None = None,
    trigger: Trigger = Trigger.REFRESH,
    learns_anew: bool = False,
) -> DuplicateAnalysisResult:
    """Queue a successor with the same parameters, or with `overrides` in place of some; they are recorded.

    Where little has changed it matches only that, on the tables of the last full run, unless it `learns_anew`.
    Raises AnalysisAlreadyRunning with the id when this analysis is being refreshed already or an equal one runs, and
    InvalidOptions for an override that is no parameter or has a value out of range.
    """
    options = _overridden(analysis, overrides or {})
    with transaction.atomic():
        # Two who press at once come here one after the other, whatever they override.
        list(DuplicateAnalysisResult.objects.select_for_update().filter(pk=analysis.pk).values_list("pk"))
        running = DuplicateAnalysisResult.objects.of(actor).active().filter(predecessor=analysis).for_lists().first()
        if running is not None:
            raise lifecycle.already_running(running)
        queued = lifecycle.queue_analysis(
            options,
            actor=actor,
            trigger=trigger,
            now=now,
            enqueue=enqueue,
            predecessor=analysis,
            force=True,
            learns_anew=learns_anew,
        )
        if not queued.is_new:
            raise lifecycle.already_running(queued.analysis)
        audit.record(
            "analysis.refreshed",
            actor=actor,
            now=now,
            subject=analysis,
            after={"successor": str(queued.analysis.pk), "overrides": _changed(analysis, options)},
        )
    return queued.analysis


@audit.recorded("analysis.refreshed")
def quick_refresh(
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    enqueue: Enqueue | None = None,
    overrides: Mapping[str, Any] | None = None,
    learns_anew: bool = False,
) -> DuplicateAnalysisResult:
    """Refresh the most recent completed analysis of a person (None: of the system).

    Raises AnalysisNotFound when there is none yet, and what `refresh_analysis` raises.
    """
    newest = DuplicateAnalysisResult.objects.of(actor).completed().for_lists().order_by("-created_at").first()
    if newest is None:
        raise AnalysisNotFound(_("There is no analysis yet."), way_out=_("Start one; afterwards it can be refreshed."))
    return refresh_analysis(newest, actor=actor, now=now, enqueue=enqueue, overrides=overrides, learns_anew=learns_anew)


def due_for_refresh(*, now: datetime) -> list[DuplicateAnalysisResult]:
    """Return the newest result of each person who wants it kept true, where it is very stale or much has changed.

    Only of those who could press the button themselves.
    """
    due = []
    wanting = DuplicatePreferences.objects.filter(auto_refresh=True, user__is_active=True).select_related("user")
    for preferences in wanting.order_by("user_id"):
        if not permissions.may_run(preferences.user):
            continue
        newest = DuplicateAnalysisResult.objects.of(preferences.user).completed().for_lists().order_by("-created_at")
        analysis = newest.select_related("user").first()
        if analysis is None:
            continue
        condition = judge_condition(analysis, preferences, now=now)
        if condition.age.level == Staleness.VERY_STALE or condition.changes.is_significant:
            due.append(analysis)
    return due


def _overridden(analysis: DuplicateAnalysisResult, overrides: Mapping[str, Any]) -> AnalysisOptions:
    known = sorted(field.name for field in fields(AnalysisOptions))
    if unknown := sorted(set(overrides) - set(known)):
        raise InvalidOptions(
            _("%(name)r is no parameter of an analysis. Choose from %(known)s.")
            % {"name": unknown[0], "known": ", ".join(known)}
        )
    try:
        return AnalysisOptions.from_parameters({**analysis.parameters, **overrides})
    except TypeError as error:
        raise InvalidOptions(_("A value in %(values)r has the wrong type.") % {"values": dict(overrides)}) from error


def _changed(analysis: DuplicateAnalysisResult, options: AnalysisOptions) -> dict[str, Any]:
    """Return the parameters in which a successor differs."""
    before = AnalysisOptions.from_parameters(analysis.parameters).as_parameters()
    return {name: value for name, value in options.as_parameters().items() if value != before[name]}
