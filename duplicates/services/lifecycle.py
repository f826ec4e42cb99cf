"""The states of an analysis, and the only functions that change them.

Queue, claim, keep, complete, fail, cancel. Every transition is one conditional UPDATE on the state it leaves, so two
processes can never both make it. A worker's later writes prove its claim: when nobody holds the lease any more, or
somebody else does, they change nothing and raise ClaimLost.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from duplicates.choices import ACTIVE, AnalysisStatus, Phase, Trigger
from duplicates.exceptions import (
    AnalysisAlreadyRunning,
    AnalysisCancelled,
    AnalysisNotFound,
    ClaimLost,
    InvalidOptions,
)
from duplicates.models import DuplicateAnalysisResult, NotDuplicate
from duplicates.services import audit
from duplicates.services.options import AnalysisOptions
from duplicates.services.progress import AnalysisProgress
from library.changes import current_revision

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to write one analysis."""

    analysis_id: uuid.UUID
    token: uuid.UUID


@dataclass(frozen=True, slots=True)
class Queued:
    """The answer to a wish for an analysis: the row, and whether it is new or an equal one that already runs."""

    analysis: DuplicateAnalysisResult
    is_new: bool


def queue_analysis(
    options: AnalysisOptions,
    *,
    actor: "AbstractBaseUser | None",
    trigger: Trigger,
    now: datetime,
    enqueue: Callable[[uuid.UUID], None] | None = None,
    predecessor: DuplicateAnalysisResult | None = None,
    force: bool = False,
) -> Queued:
    """Write a queued analysis, or return the equal one that is queued, running or, unless forced, still good.

    `enqueue` hears the id once the row is committed; without it nobody is woken and the caller runs it.
    """
    equal = _equal_active(options, actor) or (None if force else _equal_finished(options, actor, now))
    if equal is not None:
        return Queued(equal, is_new=False)
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
                created_at=now,
            )
            audit.record(
                "analysis.queued", actor=actor, now=now, subject=analysis, after={"parameters": analysis.parameters}
            )
            if enqueue is not None:
                transaction.on_commit(partial(enqueue, analysis.analysis_id))
    except IntegrityError:
        # Somebody queued an equal one between our look and our write; the unique constraint let only one through.
        equal = _equal_active(options, actor)
        if equal is None:
            raise
        return Queued(equal, is_new=False)
    return Queued(analysis, is_new=True)


def queue_refresh(
    analysis: DuplicateAnalysisResult,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    enqueue: Callable[[uuid.UUID], None] | None = None,
) -> DuplicateAnalysisResult:
    """Queue a successor with the same parameters. Raises AnalysisAlreadyRunning with the id of an equal run."""
    options = AnalysisOptions.from_parameters(analysis.parameters)
    queued = queue_analysis(
        options, actor=actor, trigger=Trigger.REFRESH, now=now, enqueue=enqueue, predecessor=analysis, force=True
    )
    if not queued.is_new:
        raise AnalysisAlreadyRunning(
            f"An equal analysis is already {queued.analysis.get_status_display().lower()}.",
            analysis_id=str(queued.analysis.analysis_id),
        )
    return queued.analysis


def get_analysis(analysis_id: uuid.UUID | str) -> DuplicateAnalysisResult:
    """Return one analysis. Raises AnalysisNotFound for an unknown or unreadable id."""
    try:
        return DuplicateAnalysisResult.objects.get(pk=uuid.UUID(str(analysis_id)))
    except (ValueError, DuplicateAnalysisResult.DoesNotExist) as error:
        raise AnalysisNotFound(f"There is no analysis {str(analysis_id)!r}.", analysis_id=str(analysis_id)) from error


def claim(analysis_id: uuid.UUID, *, now: datetime) -> Claim | None:
    """Take a queued analysis; None when it is not there to be taken any more."""
    token = uuid.uuid4()
    taken = DuplicateAnalysisResult.objects.filter(pk=analysis_id, status=AnalysisStatus.QUEUED).update(
        status=AnalysisStatus.RUNNING,
        lease_token=token,
        lease_until=now + timedelta(seconds=settings.LEASE_SECONDS),
        started_at=now,
        phase=Phase.LOADING_TRACKS,
        attempt=1,
    )
    return Claim(analysis_id, token) if taken else None


def keep(claimed: Claim, *, now: datetime, **changes: Any) -> None:
    """Prove the claim, extend its lease and write `changes` with it.

    Raises ClaimLost when the claim is no longer ours and AnalysisCancelled when somebody asked for an end.
    """
    _update_owned(claimed, lease_until=now + timedelta(seconds=settings.LEASE_SECONDS), **changes)
    if DuplicateAnalysisResult.objects.filter(pk=claimed.analysis_id, cancel_requested=True).exists():
        raise AnalysisCancelled


def store_progress(claimed: Claim, progress: AnalysisProgress, *, now: datetime) -> None:
    """Write how far the run is, for every other process to read."""
    keep(claimed, now=now, progress=progress.as_json(), phase=progress.phase)


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
) -> None:
    """Turn a failure into data: code, sentence for people, detail for us."""
    outcome = {"error_code": code, "error_message": message, "error_details": details}
    with transaction.atomic():
        _end(claimed, status=AnalysisStatus.FAILED, completed_at=now, **outcome)
        _record_end(claimed, "analysis.failed", actor=actor, now=now, outcome=outcome, was_successful=False)


def finish_cancelled(claimed: Claim, *, actor: "AbstractBaseUser | None", now: datetime) -> None:
    """End a run whose cancel was asked for. Earlier results are untouched."""
    with transaction.atomic():
        _end(
            claimed,
            status=AnalysisStatus.CANCELLED,
            completed_at=now,
            error_code=AnalysisCancelled.code,
            error_message=str(AnalysisCancelled()),
        )
        _record_end(claimed, "analysis.cancelled", actor=actor, now=now, outcome={})


def request_cancel(analysis: DuplicateAnalysisResult, *, actor: "AbstractBaseUser | None", now: datetime) -> bool:
    """Cancel a queued analysis at once, or ask the worker of a running one to stop. False when it is over already."""
    with transaction.atomic():
        rows = DuplicateAnalysisResult.objects.filter(pk=analysis.pk)
        ended = rows.filter(status=AnalysisStatus.QUEUED).update(
            status=AnalysisStatus.CANCELLED,
            completed_at=now,
            cancel_requested=True,
            error_code=AnalysisCancelled.code,
            error_message=str(AnalysisCancelled()),
        )
        asked = ended or rows.filter(status=AnalysisStatus.RUNNING).update(cancel_requested=True)
        if asked:
            audit.record("analysis.cancel_requested", actor=actor, now=now, subject=analysis)
    return bool(asked)


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
        raise InvalidOptions(f"By hand an analysis can only be set to failed or cancelled, not {str(status)!r}.")
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


def _equal_active(options: AnalysisOptions, actor: "AbstractBaseUser | None") -> DuplicateAnalysisResult | None:
    active = DuplicateAnalysisResult.objects.of(actor).filter(status__in=ACTIVE)
    return active.filter(parameters_fingerprint=options.fingerprint()).first()


def _equal_finished(
    options: AnalysisOptions, actor: "AbstractBaseUser | None", now: datetime
) -> DuplicateAnalysisResult | None:
    """Return an equal result that a new run could only repeat: young, same library, no decision since."""
    finished = DuplicateAnalysisResult.objects.of(actor).completed().for_lists()
    newest = (
        finished.filter(
            parameters_fingerprint=options.fingerprint(),
            created_at__gte=now - timedelta(hours=settings.ANALYSIS_REUSE_HOURS),
            library_revision=current_revision(),
            engine_fingerprint=options.engine_settings().fingerprint(),
        )
        .order_by("-created_at")
        .first()
    )
    if newest is None:
        return None
    decided = Q(created_at__gte=newest.created_at) | Q(revoked_at__gte=newest.created_at)
    return None if NotDuplicate.objects.filter(decided).exists() else newest


def _update_owned(claimed: Claim, **changes: Any) -> None:
    owned = DuplicateAnalysisResult.objects.filter(
        pk=claimed.analysis_id, status=AnalysisStatus.RUNNING, lease_token=claimed.token
    )
    if not owned.update(**changes):
        raise ClaimLost(analysis_id=str(claimed.analysis_id))


def _end(claimed: Claim, **changes: Any) -> None:
    _update_owned(claimed, lease_token=None, lease_until=None, progress=None, phase="", **changes)


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
        duration_seconds=(now - analysis.started_at).total_seconds() if analysis.started_at else None,
        message=str(outcome.get("error_message", "")),
    )
