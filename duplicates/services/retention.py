"""Keeps storage bounded: which analyses may go, and their deletion in short transactions.

A plan is made first; the dry run and the real run share it. Pinned, queued and running analyses and the newest
completed one of each user stay whatever their age.
"""

import logging
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.db import Error as DatabaseError
from django.db import transaction
from django_tasks_db.models import DBTaskResult

from duplicates.choices import ACTIVE, AnalysisStatus, ExportStatus
from duplicates.exceptions import CleanupRunning, DuplicatesError
from duplicates.models import AuditRecord, DuplicateAnalysisExport, DuplicateAnalysisResult
from duplicates.services import audit, storage_use
from duplicates.services.idempotency import forget_old_answers
from duplicates.services.impact import follow_library
from duplicates.services.impact_summary import get_impact_summary
from duplicates.services.outcomes import FORGOTTEN
from duplicates.services.purging import expired_removals, purge_removal
from duplicates.services.work_folder import analyses_with_checkpoints, discard_checkpoints, drop_needless_indexes
from duplicates.site_settings import site
from library.changes import compact
from library.moved import as_json

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

logger = logging.getLogger("reprise.retention")

_LOCK = "cleanup-at-work"
LONGEST_CLEANUP_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class CleanupPlan:
    """The analyses that may go, and why."""

    by_age: tuple[uuid.UUID, ...]
    by_count: tuple[uuid.UUID, ...]
    checkpoints: tuple[uuid.UUID, ...] = ()  # on this machine only
    stopped_before: datetime | None = None  # checkpoints of runs that stopped then, and settled tasks, are needless
    by_storage: tuple[uuid.UUID, ...] = ()  # the oldest beyond what results may hold
    removals: tuple[uuid.UUID, ...] = ()  # clean-up actions whose tracks have been in quarantine long enough

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
    tasks: int = 0  # settled calls in the queue
    exports: int = 0
    indexes: int = 0  # what refreshes might have started from
    index_bytes: int = 0
    changes: int = 0  # rows of the library's change log
    records: int = 0  # audit records past their retention
    answers: int = 0  # what repeated requests of the API were answered
    purged: int = 0  # tracks deleted from quarantine
    held: int = 0  # tracks kept in quarantine because their keeper is gone
    errors: list[str] = field(default_factory=list)


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
    seen: dict[int | None, int] = {}
    has_completed: set[int | None] = set()
    for pk, user_id, status, is_pinned, created_at in rows:
        if users is not None and user_id not in users:
            continue
        is_newest_completed = status == AnalysisStatus.COMPLETED and user_id not in has_completed
        if is_newest_completed:
            has_completed.add(user_id)
            newest.append(pk)
        if status in ACTIVE or is_pinned:
            continue
        seen[user_id] = seen.get(user_id, 0) + 1
        if is_newest_completed:
            continue
        if created_at < oldest:
            by_age.append(pk)
        elif seen[user_id] > keep:
            by_count.append(pk)
    hours = site.CHECKPOINT_HOURS if checkpoint_hours is None else checkpoint_hours
    stopped_before = now - timedelta(hours=hours)
    return CleanupPlan(
        tuple(by_age),
        tuple(by_count),
        tuple(_needless_checkpoints(stopped_before)),
        stopped_before,
        tuple(_beyond_limits([*by_age, *by_count], newest, users, max_bytes)),
        tuple(expired_removals(now=now)) if users is None else (),
    )


def _beyond_limits(
    gone: list[uuid.UUID], newest: list[uuid.UUID], users: list[int | None] | None, max_bytes: int | None
) -> list[uuid.UUID]:
    """Return what must go besides, so that results hold no more than they may."""
    limit = storage_use.limit_bytes() if max_bytes is None else max_bytes
    per_user = storage_use.limit_per_user_bytes() if max_bytes is None else 0
    if not limit and not per_user:
        return []
    return storage_use.over_limit(
        storage_use.get_storage_use(), gone=gone, kept=newest, max_bytes=limit, max_per_user=per_user, users=users
    )


def expire_exports(*, now: datetime) -> int:
    """Remove the files of exports whose time is over or whose analysis is gone; return how many files went."""
    over = DuplicateAnalysisExport.objects.filter(status=ExportStatus.COMPLETED, expires_at__lt=now)
    over.update(status=ExportStatus.EXPIRED)
    kept = DuplicateAnalysisExport.objects.exclude(status=ExportStatus.EXPIRED).values_list("pk", flat=True)
    needed = {export_id.hex for export_id in kept}
    removed = 0
    for path in (Path(settings.WORK_DIR) / "exports").glob("*.*"):
        if path.name.partition(".")[0] not in needed:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def compact_library_changes(*, now: datetime) -> int:
    """Drop changes older than the retention that no kept analysis needs to count exactly; return how many."""
    rows = DuplicateAnalysisResult.objects.values_list("library_revision", "tables_revision")
    return compact(
        [revision for revisions in rows for revision in revisions if revision is not None],
        older_than=now - timedelta(days=site.ANALYSIS_RETENTION_DAYS),
    )


def _needless_checkpoints(oldest: datetime) -> Iterator[uuid.UUID]:
    """Yield the analyses whose checkpoints nobody will go on from: over for long, completed or gone."""
    for analysis_id in analyses_with_checkpoints():
        if _is_needless(analysis_id, oldest):
            yield analysis_id


def _is_needless(analysis_id: uuid.UUID, oldest: datetime) -> bool:
    analysis = DuplicateAnalysisResult.objects.for_lists().filter(pk=analysis_id).first()
    if analysis is None or analysis.is_readable:
        return True
    return not analysis.is_active and (analysis.completed_at or analysis.created_at) <= oldest


def _delete_settled_tasks(before: datetime) -> int:
    """Delete the wake-up calls that were answered before a moment; return how many."""
    deleted, _ = DBTaskResult.objects.finished().filter(finished_at__lte=before).delete()
    return deleted


def cleanup_old_results(plan: CleanupPlan, *, actor: "AbstractBaseUser | None", now: datetime) -> CleanupResult:
    """Delete what the plan names, one transaction each. A failing one is logged and the rest goes on.

    Raises CleanupRunning while another clean-up is at work.
    """
    with _alone():
        return _clean_up(plan, actor=actor, now=now)


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


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the one lock of all processes; a clean-up that was killed loses it by itself."""
    token = secrets.token_hex(8)
    if not cache.add(_LOCK, token, LONGEST_CLEANUP_SECONDS):
        raise CleanupRunning
    try:
        yield
    finally:
        if cache.get(_LOCK) == token:
            cache.delete(_LOCK)


def _clean_up(plan: CleanupPlan, *, actor: "AbstractBaseUser | None", now: datetime) -> CleanupResult:
    result = CleanupResult(plan)
    for analysis_id in plan.analyses:
        try:
            with transaction.atomic():
                # The state may have changed since the plan: an analysis pinned or requeued meanwhile stays.
                removable = DuplicateAnalysisResult.objects.filter(pk=analysis_id, is_pinned=False)
                removable = removable.exclude(status__in=ACTIVE)
                _remember(removable.for_lists().first(), actor=actor, now=now)
                deleted, _ = removable.delete()
            if deleted:
                result.deleted += 1
                discard_checkpoints(analysis_id)
        except DatabaseError as error:
            logger.exception("Analysis %s could not be cleaned up", analysis_id)
            result.errors.append(f"{analysis_id}: {error}")
    if plan.stopped_before is not None:
        # Looked at again: a run resumed since the plan still needs what it kept.
        for analysis_id in plan.checkpoints:
            if _is_needless(analysis_id, plan.stopped_before):
                discard_checkpoints(analysis_id)
        result.tasks = _delete_settled_tasks(plan.stopped_before)
    _purge(plan, result, actor=actor, now=now)
    follow_library(now=now)  # before the log is compacted, which it reads
    result.exports = expire_exports(now=now)
    result.indexes, result.index_bytes = drop_needless_indexes()
    result.changes = compact_library_changes(now=now)
    result.records = audit.forget_old_records(now=now)
    result.answers = forget_old_answers(now=now)
    audit.record(
        "cleanup.analyses",
        actor=actor,
        now=now,
        was_successful=not result.errors,
        counts={
            "deleted": result.deleted,
            "by_age": len(plan.by_age),
            "by_count": len(plan.by_count),
            "by_storage": len(plan.by_storage),
            "checkpoints": len(plan.checkpoints),
            "tasks": result.tasks,
            "exports": result.exports,
            "indexes": result.indexes,
            "index_bytes": result.index_bytes,
            "library_changes": result.changes,
            "audit_records": result.records,
            "kept_answers": result.answers,
            "tracks_purged": result.purged,
            "tracks_held": result.held,
            "errors": len(result.errors),
        },
    )
    return result


def _remember(analysis: DuplicateAnalysisResult | None, *, actor: "AbstractBaseUser | None", now: datetime) -> None:
    """Let the history know how far an analysis was cleaned up that is about to go."""
    if analysis is None or not analysis.is_readable:
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


def _purge(plan: CleanupPlan, result: CleanupResult, *, actor: "AbstractBaseUser | None", now: datetime) -> None:
    """Purge what the plan names, one transaction each. A failing one is logged and the rest goes on."""
    for action_id in plan.removals:
        try:
            purged = purge_removal(action_id, actor=actor, now=now)
        except DatabaseError as error:
            logger.exception("The tracks of removal %s could not be purged", action_id)
            result.errors.append(f"{action_id}: {error}")
        else:
            result.purged += purged.deleted
            result.held += purged.held
