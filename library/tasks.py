"""The library's entry points of the task queue: primary keys in, a service call, nothing clever inside."""

import uuid

from django.tasks import task
from django.utils import timezone


@task()
def import_upload_task(import_id: str) -> str:
    """Import a file that was sent here; returns the status it ended with."""
    from library.uploads import run_queued_upload  # noqa: PLC0415 (keeps web processes light)

    row = run_queued_upload(uuid.UUID(import_id), now=timezone.now())
    return row.status if row else ""


def enqueue_upload(import_id: uuid.UUID) -> None:
    """Wake a worker for this upload."""
    import_upload_task.enqueue(import_id=str(import_id))
