"""What is left over and goes once its own time is past: analyses half deleted, files of exports, checkpoints, tables of
refreshes, uploads, settled tasks, compacted changes of the library, plays long seen, old audit records, kept answers.

Each kind can say what would go and let it go; both ask the same question, so a dry run tells what a clean-up does.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from django_tasks_db.models import DBTaskResult

from duplicates.choices import ExportStatus
from duplicates.models import AuditRecord, DuplicateAnalysisExport, DuplicateAnalysisResult
from duplicates.services import audit, discarding, work_folder
from duplicates.services.exporting import exports_folder, file_stem
from duplicates.services.idempotency import forget_old_answers, old_answers
from duplicates.services.impact import follow_library
from duplicates.site_settings import site
from library.changes import compact, count_needless
from library.touches import forget_touches, needless_touches
from library.uploads import stray_uploads, sweep_uploads


@dataclass(frozen=True, slots=True)
class Freed:
    """How many of something go, and the bytes of their files."""

    count: int = 0
    size_bytes: int = 0

    def __add__(self, other: "Freed") -> "Freed":
        return Freed(self.count + other.count, self.size_bytes + other.size_bytes)


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as left over: at which moment, for runs that stopped before which, without which analyses."""

    now: datetime
    stopped_before: datetime
    gone: frozenset[uuid.UUID] = frozenset()  # analyses that are to go, or have gone


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of what is left over: what would go, and letting it go."""

    look: Callable[[Limits], Freed]
    remove: Callable[[Limits], Freed]


def needless_checkpoints(limits: Limits) -> list[uuid.UUID]:
    """Return the analyses whose checkpoints nobody will go on from: over for long, completed or gone."""
    return [one for one in work_folder.analyses_with_checkpoints() if _is_needless(one, limits)]


def remove_export_files(limits: Limits) -> Freed:
    """Remove the files of exports whose time is over or whose analysis is gone."""
    _expired(limits).update(status=ExportStatus.EXPIRED)
    return _each_file(_needless_export_files(limits), lambda path: path.unlink(missing_ok=True))


def _is_needless(analysis_id: uuid.UUID, limits: Limits) -> bool:
    if analysis_id in limits.gone:
        return True
    analysis = DuplicateAnalysisResult.objects.for_lists().filter(pk=analysis_id).first()
    if analysis is None or analysis.is_readable:
        return True
    return not analysis.is_active and (analysis.completed_at or analysis.created_at) <= limits.stopped_before


def _look_at_checkpoints(limits: Limits) -> Freed:
    sizes = [work_folder.folder_bytes(work_folder.checkpoint_folder(one)) for one in needless_checkpoints(limits)]
    return Freed(len(sizes), sum(sizes))


def _remove_checkpoints(limits: Limits) -> Freed:
    # Looked at again: a run resumed since the plan still needs what it kept.
    freed = [work_folder.discard_checkpoints(one) for one in needless_checkpoints(limits)]
    return Freed(len(freed), sum(freed))


def _needless_export_files(limits: Limits) -> list[Path]:
    # The files first: one that is begun after this look has its row by the next.
    lying = list(exports_folder().glob("*.*"))
    kept = DuplicateAnalysisExport.objects.exclude(status__in=(ExportStatus.EXPIRED, ExportStatus.FAILED))
    kept = kept.exclude(pk__in=_expired(limits).values("pk")).exclude(analysis__in=limits.gone)
    needed = {file_stem(*row) for row in kept.values_list("pk", "lease_token")}
    return [path for path in lying if path.name.partition(".")[0] not in needed]


def _expired(limits: Limits) -> QuerySet[DuplicateAnalysisExport]:
    return DuplicateAnalysisExport.objects.filter(status=ExportStatus.COMPLETED, expires_at__lt=limits.now)


def _each_file(paths: Iterable[Path], remove: Callable[[Path], None] = lambda path: None) -> Freed:
    freed = Freed()
    for path in paths:
        try:
            freed += Freed(1, path.stat().st_size)
        except FileNotFoundError:  # another process removed it
            continue
        remove(path)
    return freed


def _look_at_indexes(limits: Limits) -> Freed:
    needless = work_folder.needless_indexes(gone=limits.gone)
    return Freed(len(needless), sum(map(work_folder.index_bytes, needless)))


def _settled_tasks(limits: Limits) -> Any:
    """Wake-up calls that were answered."""
    return DBTaskResult.objects.finished().filter(finished_at__lte=limits.stopped_before)


def _needed_revisions(limits: Limits) -> Iterator[int]:
    """Yield the moments from which a kept analysis counts changes."""
    rows = DuplicateAnalysisResult.objects.exclude(pk__in=limits.gone)
    for revisions in rows.values_list("library_revision", "tables_revision"):
        yield from (revision for revision in revisions if revision is not None)


def _changes_before(limits: Limits) -> datetime:
    return limits.now - timedelta(days=site.ANALYSIS_RETENTION_DAYS)


def _compact_changes(limits: Limits) -> Freed:
    follow_library(now=limits.now)  # it reads the log, so it goes first
    return Freed(compact(_needed_revisions(limits), older_than=_changes_before(limits)))


def _needed_marks(limits: Limits) -> Iterator[int]:
    """Yield the moments from which a kept analysis asks what was played."""
    kept = DuplicateAnalysisResult.objects.exclude(pk__in=limits.gone).exclude(touch_mark=None)
    yield from (mark for mark in kept.values_list("touch_mark", flat=True) if mark is not None)


def _old_records(limits: Limits) -> Freed:
    oldest = limits.now - timedelta(days=site.AUDIT_RETENTION_DAYS)
    return Freed(AuditRecord.objects.older_than(oldest).count())


def _finish_deleting(limits: Limits) -> Freed:
    half_deleted = discarding.abandoned(now=limits.now)
    for analysis_id in half_deleted:
        discarding.discard(analysis_id)
    return Freed(len(half_deleted))


# In the order in which they go.
KINDS = {
    "half_deleted": Kind(lambda limits: Freed(len(discarding.abandoned(now=limits.now))), _finish_deleting),
    "checkpoints": Kind(_look_at_checkpoints, _remove_checkpoints),
    "tasks": Kind(
        lambda limits: Freed(_settled_tasks(limits).count()), lambda limits: Freed(_settled_tasks(limits).delete()[0])
    ),
    "exports": Kind(lambda limits: _each_file(_needless_export_files(limits)), remove_export_files),
    "indexes": Kind(_look_at_indexes, lambda limits: Freed(*work_folder.drop_needless_indexes())),
    "uploads": Kind(
        lambda limits: Freed(len(stray_uploads(now=limits.now))), lambda limits: Freed(sweep_uploads(now=limits.now))
    ),
    "library_changes": Kind(
        lambda limits: Freed(count_needless(_needed_revisions(limits), older_than=_changes_before(limits))),
        _compact_changes,
    ),
    "touches": Kind(
        lambda limits: Freed(needless_touches(_needed_marks(limits)).count()),
        lambda limits: Freed(forget_touches(_needed_marks(limits))),
    ),
    "audit_records": Kind(_old_records, lambda limits: Freed(audit.forget_old_records(now=limits.now))),
    "kept_answers": Kind(
        lambda limits: Freed(old_answers(now=limits.now).count()),
        lambda limits: Freed(forget_old_answers(now=limits.now)),
    ),
}
