"""The entry points of the task queue: primary keys in, a service call, nothing clever inside."""

import uuid

from django.tasks import task


@task()
def run_analysis_task(analysis_id: str) -> int:
    """Wake up and run what waits, the longest waiting first; returns how many ran.

    The id says what the call was made for. The rows decide what is run: that analysis may have to wait for others, or
    may be done already.
    """
    from duplicates.services.running import run_waiting  # noqa: PLC0415 (keeps web processes light)

    return run_waiting()


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
