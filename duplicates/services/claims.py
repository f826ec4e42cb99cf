"""Who may run an analysis: claims with a lease, one slot for each run that may go on at the same time.

Taking a claim, keeping it, handing it back and taking it away from a dead worker are one conditional UPDATE each, so no
two processes can do the same. A worker's later writes prove its claim; when it is gone they change nothing and raise
ClaimLost. The unique constraint on (slot, while running) bounds how many run at once, whatever the number of machines.

A cancel ends the run on its row, whoever asks and whatever its worker is at. The worker's token stays on the row for as
long as it takes to keep what was found until then: every other write is refused with AnalysisCancelled.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from duplicates.choices import AnalysisStatus, Phase
from duplicates.exceptions import AnalysisCancelled, ClaimLost, DuplicatesError
from duplicates.models import DuplicateAnalysisResult

# A run whose worker died this often is not given to another one: it probably kills its workers.
MOST_ATTEMPTS = 3

# What a row looks like that nobody runs.
UNCLAIMED: dict[str, Any] = {"lease_token": None, "lease_until": None, "slot": None, "worker": "", "phase": ""}


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to write one analysis, while it runs or, once cancelled, to keep what it had found."""

    analysis_id: uuid.UUID
    token: uuid.UUID
    status: AnalysisStatus = AnalysisStatus.RUNNING

    def as_cancelled(self) -> "Claim":
        """Return the right to give a cancelled analysis what was found until then."""
        return replace(self, status=AnalysisStatus.CANCELLED)


def claim(analysis_id: uuid.UUID, *, now: datetime, worker: str = "") -> Claim | None:
    """Take a queued analysis; None when it is not to be taken or when as many run as may."""
    queued = DuplicateAnalysisResult.objects.filter(pk=analysis_id, status=AnalysisStatus.QUEUED)
    for slot in _free_slots():
        token = uuid.uuid4()
        try:
            with transaction.atomic():
                taken = queued.update(
                    status=AnalysisStatus.RUNNING,
                    slot=slot,
                    worker=worker,
                    lease_token=token,
                    lease_until=_lease_end(now),
                    started_at=now,
                    phase=Phase.LOADING_TRACKS,
                    attempt=F("attempt") + 1,
                )
        except IntegrityError:
            continue  # somebody else took this slot since we looked
        return Claim(analysis_id, token) if taken else None
    return None


def claim_next(*, now: datetime, worker: str = "") -> Claim | None:
    """Take the analysis that has waited longest; None when nothing waits or as many run as may."""
    waiting = DuplicateAnalysisResult.objects.filter(status=AnalysisStatus.QUEUED).order_by("created_at", "pk")
    for analysis_id in waiting.values_list("pk", flat=True)[:10]:
        taken = claim(analysis_id, now=now, worker=worker)
        if taken is not None:
            return taken
    return None


def others_come_first(analysis: DuplicateAnalysisResult) -> bool:
    """Is there a slot, and have so many others waited longer for one that it is theirs?"""
    free = len(_free_slots())
    waiting = DuplicateAnalysisResult.objects.filter(status=AnalysisStatus.QUEUED)
    earlier = Q(created_at__lt=analysis.created_at) | Q(created_at=analysis.created_at, pk__lt=analysis.pk)
    return 0 < free <= waiting.filter(earlier).count()


def renew(claimed: Claim, *, now: datetime, **changes: Any) -> None:
    """Prove the claim, extend its lease and write `changes` with it. Raises what `require` raises."""
    update_owned(claimed, lease_until=_lease_end(now), **changes)


def require(claimed: Claim) -> None:
    """Raise AnalysisCancelled when the run was cancelled since, and ClaimLost when it is no longer ours."""
    if not _owned(claimed).exists():
        raise _why_not(claimed)


def update_owned(claimed: Claim, **changes: Any) -> None:
    """Write `changes` if the claim still holds. Raises what `require` raises."""
    if not _owned(claimed).update(**changes):
        raise _why_not(claimed)


def _owned(claimed: Claim) -> QuerySet[DuplicateAnalysisResult]:
    return DuplicateAnalysisResult.objects.filter(
        pk=claimed.analysis_id, status=claimed.status, lease_token=claimed.token
    )


def _why_not(claimed: Claim) -> DuplicatesError:
    if claimed.status == AnalysisStatus.RUNNING and _owned(claimed.as_cancelled()).exists():
        return AnalysisCancelled()
    return ClaimLost(analysis_id=str(claimed.analysis_id))


def hand_back(claimed: Claim) -> None:
    """Put a run back into the queue for another worker; being asked to stop is no failed attempt."""
    update_owned(claimed, status=AnalysisStatus.QUEUED, attempt=F("attempt") - 1, **UNCLAIMED)


def take_away(analysis: DuplicateAnalysisResult, *, now: datetime) -> bool:
    """Put a run whose lease has expired back into the queue; False when its worker was only late or it is over."""
    owned = DuplicateAnalysisResult.objects.filter(pk=analysis.pk, lease_token=analysis.lease_token)
    taken = owned.filter(_is_expired(now), status=AnalysisStatus.RUNNING)
    return bool(taken.update(status=AnalysisStatus.QUEUED, **UNCLAIMED))


def expired(*, now: datetime, status: AnalysisStatus = AnalysisStatus.RUNNING) -> list[DuplicateAnalysisResult]:
    """Return the runs, or the cancelled ones, whose worker has not renewed its claim in time."""
    running = DuplicateAnalysisResult.objects.for_lists().filter(_is_expired(now), status=status)
    return list(running.select_related("user"))


def _is_expired(now: datetime) -> Q:
    """Has the lease ended? One that ends later than any lease does was taken before the clock was set back."""
    return Q(lease_until__lt=now) | Q(lease_until__gt=now + timedelta(seconds=2 * settings.LEASE_SECONDS))


def _free_slots() -> list[int]:
    running = DuplicateAnalysisResult.objects.filter(status=AnalysisStatus.RUNNING)
    taken = set(running.values_list("slot", flat=True))
    return [slot for slot in range(1, settings.ANALYSIS_MAX_CONCURRENT + 1) if slot not in taken]


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.LEASE_SECONDS)
