"""Who is there to do the work: heartbeats of workers, and what is left behind by those that died."""

import logging
import os
import socket
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django_tasks_db.models import DBTaskResult

from duplicates.choices import AnalysisStatus
from duplicates.models import DuplicateAnalysisResult, Worker
from duplicates.services import impact, lifecycle
from duplicates.services.discarding import abandoned
from duplicates.services.export_claims import waiting_exports
from duplicates.services.log_context import lines_of
from duplicates.services.plan_lease import waiting_plans
from library.uploads import waiting_uploads

logger = logging.getLogger("reprise.workers")

WORKER_COMMAND = "uv run manage.py run_workers"
# How often a worker shows that it is alive, and after how long a silent one counts as gone.
HEARTBEAT_SECONDS = 5.0
SILENCE = timedelta(seconds=20)


def show_alive(worker_id: str, *, now: datetime) -> None:
    """Renew this worker's heartbeat."""
    Worker.objects.update_or_create(
        worker_id=worker_id,
        defaults={"seen_at": now},
        create_defaults={
            "host": socket.gethostname(),
            "process_id": os.getpid(),
            "started_at": now,
            "seen_at": now,
        },
    )


def sign_off(worker_id: str) -> None:
    """Remove the heartbeat of a worker that ends."""
    Worker.objects.filter(pk=worker_id).delete()


def are_there_workers(*, now: datetime) -> bool:
    """Is a worker alive anywhere?"""
    return _living(now).exists()


def _living(now: datetime) -> QuerySet[Worker]:
    """Workers seen lately; one seen in the future was seen before the clock was set back, and not since."""
    return Worker.objects.filter(seen_at__gt=now - SILENCE, seen_at__lt=now + SILENCE)


def is_database_prepared() -> bool:
    """Are the tables there? A database that does not answer counts as prepared: a supervisor waits for it."""
    try:
        return Worker._meta.db_table in connection.introspection.table_names()
    except DatabaseError:
        connection.close()
        return True


def tidy(
    *,
    now: datetime,
    enqueue_analysis: Callable[[uuid.UUID], None],
) -> None:
    """Do what a supervisor does on each tick: forget silent workers and give on what they had in hand.

    Saved analyses learn here what became of their tracks.
    """
    for analysis in lifecycle.reclaim(now=now, enqueue=enqueue_analysis):
        with lines_of(analysis.pk):
            logger.warning("Analysis %s taken from worker %s, which is gone", analysis.pk, analysis.worker or "unnamed")
    Worker.objects.exclude(seen_at__range=(now - 3 * SILENCE, now + 3 * SILENCE)).delete()
    _settle_orphans(now=now)
    _wake_for_the_forgotten(now=now, enqueue=enqueue_analysis)
    impact.follow_library(now=now)


def wake_for_plans(*, now: datetime, enqueue: Callable[[uuid.UUID], None]) -> None:
    """Wake a worker for clean-up plans that nobody is at and no task stands for, as after a worker that died."""
    _wake(waiting_plans(now=now), "duplicates.tasks.work_on_plan_task", "plan_id", enqueue)


def wake_for_uploads(*, now: datetime, enqueue: Callable[[uuid.UUID], None]) -> None:
    """Wake a worker for files sent here that nobody is at and no task stands for, as after a worker that died."""
    _wake(waiting_uploads(now=now), "library.tasks.import_upload_task", "import_id", enqueue)


def wake_for_exports(*, now: datetime, enqueue: Callable[[uuid.UUID], None]) -> None:
    """Wake a worker for exports that nobody writes and no task stands for, as after a worker that died."""
    _wake(waiting_exports(now=now), "duplicates.tasks.write_export_task", "export_id", enqueue)


def wake_for_deletions(*, now: datetime, enqueue: Callable[[uuid.UUID], None]) -> None:
    """Wake a worker for analyses that are half deleted and no task stands for, as after a worker that died."""
    _wake(abandoned(now=now), "duplicates.tasks.discard_analysis_task", "analysis_id", enqueue)


def _wake(waiting: list[uuid.UUID], task_path: str, argument: str, enqueue: Callable[[uuid.UUID], None]) -> None:
    """Give to a worker what waits and has no task that waits, too."""
    for row_id in waiting:
        tasks = DBTaskResult.objects.ready().filter(task_path=task_path)
        if not tasks.filter(**{f"args_kwargs__kwargs__{argument}": str(row_id)}).exists():
            enqueue(row_id)


def _settle_orphans(*, now: datetime) -> None:
    """Mark the tasks of dead workers as failed; what they were at is given on by its own row."""
    living = set(_living(now).values_list("pk", flat=True))
    running = DBTaskResult.objects.filter(status="RUNNING").exclude(started_at__range=(now - SILENCE, now + SILENCE))
    for task in running:
        if task.worker_ids and task.worker_ids[-1] in living:
            continue
        DBTaskResult.objects.filter(pk=task.pk, status="RUNNING").update(
            status="FAILED", finished_at=now, exception_class_path="", traceback="The worker died."
        )


def _wake_for_the_forgotten(*, now: datetime, enqueue: Callable[[uuid.UUID], None]) -> None:
    """Wake a worker for queued analyses that no task stands for, as after a lost task or a full house."""
    queued = DuplicateAnalysisResult.objects.filter(status=AnalysisStatus.QUEUED)
    oldest = queued.order_by("created_at").values_list("pk", flat=True).first()
    running = DuplicateAnalysisResult.objects.filter(status=AnalysisStatus.RUNNING).count()
    if oldest is None or running >= settings.ANALYSIS_MAX_CONCURRENT:
        return
    if not DBTaskResult.objects.ready().filter(task_path="duplicates.tasks.run_analysis_task").exists():
        enqueue(oldest)
