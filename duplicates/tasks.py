"""The entry points of the task queue: primary keys in, a service call, nothing clever inside."""

import uuid

from django.tasks import task


@task()
def run_analysis_task(analysis_id: str) -> str:
    """Run a queued analysis; returns the status it ended with, or nothing when another worker has it."""
    from duplicates.services.running import run_analysis  # noqa: PLC0415 (keeps web processes light)

    ran = run_analysis(uuid.UUID(analysis_id))
    return ran.analysis.status if ran else ""


@task()
def write_export_task(export_id: str) -> str:
    """Write a pending export to its file; returns the status it ended with."""
    from duplicates.services.exporting import write_export  # noqa: PLC0415 (likewise)

    return write_export(uuid.UUID(export_id)).status


def enqueue_analysis(analysis_id: uuid.UUID) -> None:
    """Wake a worker for this analysis."""
    run_analysis_task.enqueue(analysis_id=str(analysis_id))


def enqueue_export(export_id: uuid.UUID) -> None:
    """Wake a worker for this export."""
    write_export_task.enqueue(export_id=str(export_id))
