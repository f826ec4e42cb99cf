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


@task()
def discard_analysis_task(analysis_id: str) -> None:
    """Delete what is left of an analysis that nobody sees any more."""
    from duplicates.services.discarding import discard  # noqa: PLC0415 (likewise)

    discard(uuid.UUID(analysis_id))


@task()
def work_on_plan_task(plan_id: str) -> str:
    """Do what a clean-up plan waits for; returns the state it ended in."""
    from django.utils import timezone  # noqa: PLC0415 (likewise)

    from duplicates.services.plan_work import work_on_plan  # noqa: PLC0415 (likewise)

    plan = work_on_plan(uuid.UUID(plan_id), now=timezone.now)
    return plan.state if plan else ""


def enqueue_analysis(analysis_id: uuid.UUID) -> None:
    """Wake a worker for this analysis."""
    run_analysis_task.enqueue(analysis_id=str(analysis_id))


def enqueue_export(export_id: uuid.UUID) -> None:
    """Wake a worker for this export."""
    write_export_task.enqueue(export_id=str(export_id))


def enqueue_discard(analysis_id: uuid.UUID) -> None:
    """Wake a worker for an analysis that is to be deleted."""
    discard_analysis_task.enqueue(analysis_id=str(analysis_id))


def enqueue_plan(plan_id: uuid.UUID) -> None:
    """Wake a worker for this clean-up plan."""
    work_on_plan_task.enqueue(plan_id=str(plan_id))
