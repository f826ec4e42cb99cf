"""The states of an analysis: queue, complete, fail, cancel, resume, reclaim.

Every transition is one conditional UPDATE on the state it leaves, so two processes can never both make it, and it is
written together with its audit record. `claims` holds the transitions between queued and running.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from duplicates.choices import ACTIVE, AnalysisStatus, Trigger
from duplicates.exceptions import (
    AnalysisAlreadyRunning,
    AnalysisCancelled,
    AnalysisNotFound,
    ClaimLost,
    InvalidOptions,
    NotResumable,
    WorkerLost,
)
from duplicates.models import DuplicateAnalysisResult, NotDuplicate
from duplicates.services import audit, claims, limits, storage_limits
from duplicates.services.claims import Claim
from duplicates.services.options import AnalysisOptions
from duplicates.services.progress import AnalysisProgress
from duplicates.services.vocabulary import with_current_words
from duplicates.site_settings import site
from library.changes import current_revision
from library.models import ImportStatus, LibraryImport

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


@dataclass(frozen=True, slots=True)
class Queued:
    """The answer to a wish for an analysis: the row, and whether it is new or an equal one that already runs."""

    analysis: DuplicateAnalysisResult
    is_new: bool


@audit.recorded("analysis.queued")
def queue_analysis(
    options: AnalysisOptions,
    *,
    actor: "AbstractBaseUser | None",
    trigger: Trigger,
    now: datetime,
    enqueue: Callable[[uuid.UUID], None] | None = None,
    predecessor: DuplicateAnalysisResult | None = None,
    force: bool = False,
    time_limit_seconds: int | None = None,
    keep_partial: bool = True,
    learns_anew: bool = False,
) -> Queued:
    """Write a queued analysis, or return the equal one that is queued, running or, unless forced, still good.

    `enqueue` hears the id once the row is committed; without it nobody is woken and the caller runs it. Raises
    RateLimited when the actor has started too many.
    """
    options = with_current_words(options)
    equal = _active_with(options.fingerprint(), actor) or (None if force else _equal_finished(options, actor, now))
    if equal is not None:
        return Queued(equal, is_new=False)
    limits.require_below(site.ANALYSES_PER_HOUR, "analysis.queued", actor=actor, now=now, what="analyses")
    storage_limits.require_room(actor.pk if actor else None)
    try:
        with transaction.atomic():
            analysis = DuplicateAnalysisResult.objects.create(
                user_id=actor.pk if actor else None,
                trigger=trigger,
                predecessor=predecessor,
                preset=options.preset,
                search_term=options.search,
                sort_by=options.sort_by,
                min_confidence=options.min_confidence,
                parameters=options.as_parameters(),
                parameters_fingerprint=options.fingerprint(),
                time_limit_seconds=time_limit_seconds,
                keep_partial=keep_partial,
                learns_anew=learns_anew,
                created_at=now,
            )
            audit.record(
                "analysis.queued", actor=actor, now=now, subject=analysis, after={"parameters": analysis.parameters}
            )
            if enqueue is not None:
                transaction.on_commit(partial(enqueue, analysis.analysis_id))
    except IntegrityError:
        # Somebody queued an equal one between our look and our write; the unique constraint let only one through.
        equal = _active_with(options.fingerprint(), actor)
        if equal is None:
            raise
        return Queued(equal, is_new=False)
    return Queued(analysis, is_new=True)


def get_analysis(analysis_id: uuid.UUID | str) -> DuplicateAnalysisResult:
    """Return one analysis. Raises AnalysisNotFound for an unknown or unreadable id."""
    try:
        return DuplicateAnalysisResult.objects.get(pk=uuid.UUID(str(analysis_id)))
    except (ValueError, DuplicateAnalysisResult.DoesNotExist) as error:
        raise AnalysisNotFound(
            _("There is no analysis %(analysis_id)r.") % {"analysis_id": str(analysis_id)}, analysis_id=str(analysis_id)
        ) from error


def store_progress(claimed: Claim, progress: AnalysisProgress, *, now: datetime) -> None:
    """Write how far the run is, for every other process to read."""
    claims.renew(claimed, now=now, progress=progress.as_json(), phase=progress.phase)


def complete(claimed: Claim, *, actor: "AbstractBaseUser | None", now: datetime, **outcome: Any) -> None:
    """Make the result visible: counts and status in one transaction with the audit record."""
    with transaction.atomic():
        _end(claimed, status=AnalysisStatus.COMPLETED, completed_at=now, **outcome)
        _record_end(claimed, "analysis.completed", actor=actor, now=now, outcome=outcome)


def fail(
    claimed: Claim,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    code: str,
    message: str,
    details: dict[str, Any],
    **outcome: Any,
) -> None:
    """Turn a failure into data: code, sentence for people, detail for us; `outcome` is what was kept of the result."""
    outcome |= {"error_code": code, "error_message": message, "error_details": details}
    with transaction.atomic():
        _end(claimed, status=AnalysisStatus.FAILED, completed_at=now, **outcome)
        _record_end(claimed, "analysis.failed", actor=actor, now=now, outcome=outcome, was_successful=False)


def stop_own(claimed: Claim, *, now: datetime) -> Claim:
    """Cancel the run one is at, unless somebody has; return the right to keep what it has found."""
    with suppress(AnalysisCancelled):
        claims.update_owned(claimed, **_cancelled(now))
    return claimed.as_cancelled()


def finish_cancelled(claimed: Claim, *, actor: "AbstractBaseUser | None", now: datetime, **outcome: Any) -> None:
    """Let go of a run that was cancelled; `outcome` is what was kept. Earlier results are untouched."""
    with transaction.atomic():
        _end(claimed, **outcome)
        _record_end(claimed, "analysis.cancelled", actor=actor, now=now, outcome=outcome)


def _cancelled(now: datetime) -> dict[str, Any]:
    return {
        "status": AnalysisStatus.CANCELLED,
        "completed_at": now,
        "progress": None,
        "phase": "",
        "slot": None,
        "error_code": AnalysisCancelled.code,
        "error_message": str(AnalysisCancelled()),
    }


@audit.recorded("analysis.cancel_requested", subject="analysis")
def request_cancel(analysis: DuplicateAnalysisResult, *, actor: "AbstractBaseUser | None", now: datetime) -> bool:
    """Cancel a queued or running analysis at once. False when it is over already.

    The worker of a running one notices by itself and keeps what it has found, if that was wanted: `is_partial` follows.
    """
    with transaction.atomic():
        asked = DuplicateAnalysisResult.objects.active().filter(pk=analysis.pk).update(**_cancelled(now))
        audit.record(
            "analysis.cancel_requested",
            actor=actor,
            now=now,
            subject=analysis,
            was_successful=bool(asked),
            message="" if asked else _("It was over already."),
        )
    return bool(asked)


@audit.recorded("analysis.resumed", subject="analysis")
def resume(
    analysis: DuplicateAnalysisResult,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    enqueue: Callable[[uuid.UUID], None] | None = None,
    time_limit_seconds: int | None = None,
) -> None:
    """Put a failed or cancelled analysis back into the queue; it goes on from its checkpoints where they still fit.

    Raises NotResumable for any other state and AnalysisAlreadyRunning, with the id, when an equal one was started.
    """
    stopped = DuplicateAnalysisResult.objects.filter(
        pk=analysis.pk, status__in=(AnalysisStatus.FAILED, AnalysisStatus.CANCELLED)
    )
    fresh: dict[str, Any] = {"error_code": "", "error_message": "", "error_details": {}, "completed_at": None}
    fresh |= {"lease_token": None, "lease_until": None, "attempt": 0, "is_partial": False}
    if time_limit_seconds is not None:
        fresh["time_limit_seconds"] = time_limit_seconds
    try:
        with transaction.atomic():
            if not stopped.update(status=AnalysisStatus.QUEUED, **fresh):
                raise NotResumable(
                    _("Analysis %(pk)s is %(status)s.")
                    % {"pk": analysis.pk, "status": analysis.get_status_display().lower()}
                )
            audit.record("analysis.resumed", actor=actor, now=now, subject=analysis)
            if enqueue is not None:
                transaction.on_commit(partial(enqueue, analysis.pk))
    except IntegrityError as error:
        running = _active_with(analysis.parameters_fingerprint, analysis.user)
        raise (already_running(running) if running else AnalysisAlreadyRunning()) from error


def already_running(running: DuplicateAnalysisResult) -> AnalysisAlreadyRunning:
    """Return the refusal of a run that an equal one, named with its id, stands in the way of."""
    return AnalysisAlreadyRunning(
        _("An equal analysis is already %(status)s: %(pk)s.")
        % {"status": str(running.get_status_display()).lower(), "pk": running.pk},
        analysis_id=str(running.pk),
    )


def reclaim(*, now: datetime, enqueue: Callable[[uuid.UUID], None]) -> list[DuplicateAnalysisResult]:
    """Give the runs of dead workers to others; one that has cost its workers' lives too often fails.

    Return the analyses that were given on. Cancelled ones are let go of.
    """
    for analysis in claims.expired(now=now, status=AnalysisStatus.CANCELLED):
        assert analysis.lease_token is not None  # what has a lease has a token
        with suppress(ClaimLost):  # its worker was only late
            left_behind = Claim(analysis.pk, analysis.lease_token).as_cancelled()
            finish_cancelled(left_behind, actor=analysis.user, now=now)
    given_on = []
    for analysis in claims.expired(now=now):
        with transaction.atomic():
            if not claims.take_away(analysis, now=now):
                continue
            if analysis.attempt >= claims.MOST_ATTEMPTS:
                _give_up(analysis, now=now)
                continue
            audit.record("analysis.reclaimed", actor=analysis.user, now=now, subject=analysis, message=analysis.worker)
            transaction.on_commit(partial(enqueue, analysis.pk))
        given_on.append(analysis)
    return given_on


def _give_up(analysis: DuplicateAnalysisResult, *, now: datetime) -> None:
    lost = WorkerLost(f"The worker that ran this analysis died {analysis.attempt} times.")
    DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(
        status=AnalysisStatus.FAILED,
        completed_at=now,
        progress=None,
        error_code=lost.code,
        error_message=lost.sentence,
        error_details={"phase": analysis.phase, "attempt": analysis.attempt},
    )
    audit.record(
        "analysis.failed", actor=analysis.user, now=now, subject=analysis, was_successful=False, message=lost.sentence
    )


@audit.recorded("analysis.ended_by_hand", subject="analysis")
def end_by_hand(
    analysis: DuplicateAnalysisResult,
    status: AnalysisStatus,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    message: str = "",
) -> bool:
    """Set an active analysis to failed or cancelled whoever runs it; its worker loses the claim.

    False when it was over already.
    """
    if status not in (AnalysisStatus.FAILED, AnalysisStatus.CANCELLED):
        raise InvalidOptions(
            _("By hand an analysis can only be set to failed or cancelled, not %(status)r.") % {"status": str(status)}
        )
    with transaction.atomic():
        ended = (
            DuplicateAnalysisResult.objects.active()
            .filter(pk=analysis.pk)
            .update(
                status=status,
                completed_at=now,
                error_code="SET_BY_HAND" if status == AnalysisStatus.FAILED else AnalysisCancelled.code,
                error_message=message,
                lease_token=None,
                lease_until=None,
                progress=None,
                phase="",
            )
        )
        if ended:
            audit.record(f"analysis.{status}", actor=actor, now=now, subject=analysis, message=message)
    return bool(ended)


def _active_with(fingerprint: str, actor: "AbstractBaseUser | None") -> DuplicateAnalysisResult | None:
    active = DuplicateAnalysisResult.objects.of(actor).filter(status__in=ACTIVE)
    return active.filter(parameters_fingerprint=fingerprint).first()


def newest_import() -> uuid.UUID | None:
    """Return the newest import that changed anything: perhaps plays, which decide keepers, or a catalogue."""
    changed = Q(added_count__gt=0) | Q(changed_count__gt=0) | Q(pruned_count__gt=0)
    completed = LibraryImport.objects.filter(changed, completed_at__isnull=False, is_dry_run=False)
    return completed.order_by("-started_at").values_list("pk", flat=True).first()


def is_import_half_applied() -> bool:
    """Is an import being applied, or was one killed while it was?"""
    return LibraryImport.objects.filter(status=ImportStatus.APPLYING).exists()


def _equal_finished(
    options: AnalysisOptions, actor: "AbstractBaseUser | None", now: datetime
) -> DuplicateAnalysisResult | None:
    """Return an equal result that a new run could only repeat: young, nothing imported or decided since."""
    finished = DuplicateAnalysisResult.objects.of(actor).completed().for_lists()
    newest = (
        finished.filter(
            parameters_fingerprint=options.fingerprint(),
            created_at__gte=now - timedelta(hours=site.ANALYSIS_REUSE_HOURS),
            library_revision=current_revision(),
            engine_fingerprint=options.engine_settings().fingerprint(),
            newest_import=newest_import(),
        )
        .order_by("-created_at")
        .first()
    )
    if newest is None:
        return None
    decided = Q(created_at__gte=newest.created_at) | Q(revoked_at__gte=newest.created_at)
    return None if NotDuplicate.objects.filter(decided).exists() else newest


def _end(claimed: Claim, **changes: Any) -> None:
    claims.update_owned(claimed, progress=None, **claims.UNCLAIMED, **changes)


def _record_end(
    claimed: Claim,
    action: str,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    outcome: dict[str, Any],
    was_successful: bool = True,
) -> None:
    analysis = DuplicateAnalysisResult.objects.for_lists().get(pk=claimed.analysis_id)
    numbers = {name: value for name, value in outcome.items() if isinstance(value, int | float)}
    audit.record(
        action,
        actor=actor,
        now=now,
        subject=analysis,
        counts=numbers,
        was_successful=was_successful,
        duration_seconds=outcome.get("processing_seconds"),  # not by the time of day, which may be set meanwhile
        message=str(outcome.get("error_message", "")),
    )
