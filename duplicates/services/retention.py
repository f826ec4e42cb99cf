"""Keeps storage bounded: which analyses may go, and their deletion in short transactions.

A plan is made first; the dry run and the real run share it. Pinned, queued and running analyses, those being refreshed
and the newest completed one of each user stay whatever their age. What else is past its time is in `leftovers`.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import Error as DatabaseError
from django.db import transaction

from duplicates.choices import ACTIVE, AnalysisStatus
from duplicates.exceptions import CleanupRunning, DuplicatesError
from duplicates.models import AuditRecord, DuplicateAnalysisResult
from duplicates.services import audit, discarding, leftovers, storage, storage_limits
from duplicates.services.alone import Busy, alone
from duplicates.services.impact_summary import get_impact_summary
from duplicates.services.leftovers import Freed, Limits
from duplicates.services.outcomes import FORGOTTEN
from duplicates.services.purging import expired_removals, purge_removal
from duplicates.services.work_folder import discard_checkpoints
from duplicates.site_settings import site
from library.moved import as_json

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

logger = logging.getLogger("reprise.retention")

LEASE = "cleanup"


@dataclass(frozen=True, slots=True)
class CleanupPlan:
    """What may go, and why."""

    by_age: tuple[uuid.UUID, ...]
    by_count: tuple[uuid.UUID, ...]
    by_storage: tuple[uuid.UUID, ...]  # the oldest beyond what results may hold
    removals: tuple[uuid.UUID, ...]  # clean-up actions whose tracks have been in quarantine long enough
    stopped_before: datetime  # checkpoints of runs that stopped then, and settled tasks, are needless
    leftovers: Mapping[str, Freed]  # by kind, on this machine only where it is files

    def __len__(self) -> int:
        return len(self.analyses)

    @property
    def analyses(self) -> tuple[uuid.UUID, ...]:
        """All that may go, for whichever reason."""
        return (*self.by_age, *self.by_count, *self.by_storage)


@dataclass(slots=True)
class CleanupResult:
    """What a clean-up did."""

    plan: CleanupPlan
    deleted: int = 0
    rows_bytes: int = 0  # what the rows of the deleted analyses typically take
    leftovers: dict[str, Freed] = field(default_factory=dict)
    purged: int = 0  # tracks deleted from quarantine
    held: int = 0  # tracks kept in quarantine because their keeper is gone
    errors: list[str] = field(default_factory=list)

    @property
    def exports(self) -> int:
        """How many files of exports went."""
        return self.leftovers.get("exports", Freed()).count

    @property
    def freed_bytes(self) -> int:
        return self.rows_bytes + sum(one.size_bytes for one in self.leftovers.values())

    @property
    def counts(self) -> dict[str, int]:
        """What the audit record says."""
        return {
            "deleted": self.deleted,
            "by_age": len(self.plan.by_age),
            "by_count": len(self.plan.by_count),
            "by_storage": len(self.plan.by_storage),
            **{kind: freed.count for kind, freed in self.leftovers.items()},
            "tracks_purged": self.purged,
            "tracks_held": self.held,
            "bytes": self.freed_bytes,
            "errors": len(self.errors),
        }


def plan_cleanup(
    *,
    now: datetime,
    days: int | None = None,
    keep_per_user: int | None = None,
    users: list[int | None] | None = None,
    checkpoint_hours: int | None = None,
    max_bytes: int | None = None,
) -> CleanupPlan:
    """Decide what may go. `users` limits it to the analyses of these user ids, None standing for the system.

    `max_bytes` is what the results may hold; not given, the limits of the settings hold.
    """
    oldest = now - timedelta(days=site.ANALYSIS_RETENTION_DAYS if days is None else days)
    keep = site.ANALYSES_PER_USER if keep_per_user is None else keep_per_user
    rows = DuplicateAnalysisResult.objects.order_by("-created_at", "pk").values_list(
        "pk", "user_id", "status", "is_pinned", "created_at"
    )
    by_age, by_count, newest = [], [], []
    refreshed = _being_refreshed()
    seen: dict[int | None, int] = {}
    has_completed: set[int | None] = set()
    for pk, user_id, status, is_pinned, created_at in rows:
        if users is not None and user_id not in users:
            continue
        is_newest_completed = status == AnalysisStatus.COMPLETED and user_id not in has_completed
        if is_newest_completed:
            has_completed.add(user_id)
            newest.append(pk)
        if status in ACTIVE or is_pinned or pk in refreshed:
            continue
        seen[user_id] = seen.get(user_id, 0) + 1
        if is_newest_completed:
            continue
        if created_at < oldest:
            by_age.append(pk)
        elif seen[user_id] > keep:
            by_count.append(pk)
    hours = site.CHECKPOINT_HOURS if checkpoint_hours is None else checkpoint_hours
    by_storage = _beyond_limits([*by_age, *by_count], [*newest, *refreshed], users, max_bytes)
    limits = Limits(now, now - timedelta(hours=hours), frozenset((*by_age, *by_count, *by_storage)))
    return CleanupPlan(
        by_age=tuple(by_age),
        by_count=tuple(by_count),
        by_storage=tuple(by_storage),
        removals=tuple(expired_removals(now=now)) if users is None else (),
        stopped_before=limits.stopped_before,
        leftovers={name: kind.look(limits) for name, kind in leftovers.KINDS.items()},
    )


def _being_refreshed() -> set[uuid.UUID]:
    """Return the analyses whose decisions a run that is not over yet will take over."""
    active = DuplicateAnalysisResult.objects.active().exclude(predecessor=None)
    return {pk for pk in active.values_list("predecessor_id", flat=True) if pk is not None}


def _beyond_limits(
    gone: list[uuid.UUID], newest: list[uuid.UUID], users: list[int | None] | None, max_bytes: int | None
) -> list[uuid.UUID]:
    """Return what must go besides, so that results hold no more than they may."""
    limit = storage_limits.limit_bytes() if max_bytes is None else max_bytes
    per_user = storage_limits.limit_per_user_bytes() if max_bytes is None else 0
    if not limit and not per_user:
        return []
    return storage_limits.over_limit(
        storage.get_storage(), gone=gone, kept=newest, max_bytes=limit, max_per_user=per_user, users=users
    )


def cleanup_old_results(plan: CleanupPlan, *, actor: "AbstractBaseUser | None", now: datetime) -> CleanupResult:
    """Let go what the plan names, in short transactions. What fails is logged and the rest goes on.

    Raises CleanupRunning while another clean-up is at work. One that was killed is simply begun again: each step is
    whole or not done.
    """
    try:
        with alone(LEASE):
            return _clean_up(plan, actor=actor, now=now)
    except Busy:
        raise CleanupRunning from None


def cleanup_if_due(*, now: datetime) -> CleanupResult | None:
    """Clean up when the last time is `REPRISE_CLEANUP_EVERY_HOURS` ago; None when it is not due. Stops nothing."""
    if not site.CLEANUP_EVERY_HOURS:
        return None
    recent = now - timedelta(hours=site.CLEANUP_EVERY_HOURS)
    if AuditRecord.objects.filter(action="cleanup.analyses", created_at__gt=recent, created_at__lte=now).exists():
        return None
    try:
        return cleanup_old_results(plan_cleanup(now=now), actor=None, now=now)
    except (DatabaseError, DuplicatesError, OSError):
        logger.exception("The clean-up that was due failed; the next one will try again")
        return None


def _clean_up(plan: CleanupPlan, *, actor: "AbstractBaseUser | None", now: datetime) -> CleanupResult:
    result = CleanupResult(plan)
    for analysis_id in plan.analyses:
        _or_log(result, f"Analysis {analysis_id}", _delete_analysis, result, analysis_id, actor, now)
    for action_id in plan.removals:
        _or_log(result, f"The tracks of removal {action_id}", _purge, result, action_id, actor, now)
    limits = Limits(now, plan.stopped_before)
    for name in leftovers.KINDS:
        _or_log(result, name, _remove_leftovers, result, name, limits)
    audit.record("cleanup.analyses", actor=actor, now=now, was_successful=not result.errors, counts=result.counts)
    return result


def _or_log(result: CleanupResult, what: str, step: Callable[..., None], *arguments: Any) -> None:
    """Take one step; where it fails, the rest must go on."""
    try:
        step(*arguments)
    except Exception as error:
        logger.exception("%s could not be cleaned up", what)
        result.errors.append(f"{what}: {error}")


def _delete_analysis(
    result: CleanupResult, analysis_id: uuid.UUID, actor: "AbstractBaseUser | None", now: datetime
) -> None:
    with transaction.atomic():
        # The state may have changed since the plan: an analysis pinned or requeued meanwhile stays.
        removable = DuplicateAnalysisResult.objects.select_for_update(of=("self",)).filter(is_pinned=False)
        analysis = removable.exclude(status__in=ACTIVE).for_lists().filter(pk=analysis_id).first()
        if analysis is None or analysis_id in _being_refreshed():
            return
        _remember(analysis, actor=actor, now=now)
        discarding.hide(analysis, now=now)
    discarding.discard(analysis_id)
    result.deleted += 1
    result.rows_bytes += storage.rows_bytes(groups=analysis.groups_found, duplicates=analysis.duplicates_found)
    freed = Freed(1, size) if (size := discard_checkpoints(analysis_id)) else Freed()
    result.leftovers["checkpoints"] = result.leftovers.get("checkpoints", Freed()) + freed


def _purge(result: CleanupResult, action_id: uuid.UUID, actor: "AbstractBaseUser | None", now: datetime) -> None:
    purged = purge_removal(action_id, actor=actor, now=now)
    result.purged += purged.deleted
    result.held += purged.held


def _remove_leftovers(result: CleanupResult, name: str, limits: Limits) -> None:
    freed = leftovers.KINDS[name].remove(limits)
    result.leftovers[name] = result.leftovers.get(name, Freed()) + freed


def _remember(analysis: DuplicateAnalysisResult, *, actor: "AbstractBaseUser | None", now: datetime) -> None:
    """Let the history know how far an analysis was cleaned up that is about to go."""
    if not analysis.is_readable:
        return
    summary = get_impact_summary(analysis)
    audit.record(
        FORGOTTEN,
        actor=actor,
        now=now,
        subject=analysis,
        before={"completed_at": as_json(analysis.completed_at)},
        counts={
            "groups": summary.groups,
            "resolved": summary.groups_resolved,
            "duplicates": summary.duplicates,
            "eliminated": summary.duplicates_eliminated,
        },
    )
