"""Who may write an export: a lease on its row that the writing itself renews and that runs out when its writer dies.

The token of the lease is part of the file's name, so a writer that comes back too late can neither replace nor remove
what the next one wrote.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from duplicates.choices import ExportStatus
from duplicates.models import DuplicateAnalysisExport

# An export whose writers died so often is not given to another one: it probably kills them.
MOST_ATTEMPTS = 3


class LeaseLost(Exception):
    """The export was deleted, or another process writes it now."""


def waiting_exports(*, now: datetime) -> list[uuid.UUID]:
    """Return the exports that nobody is writing, the oldest first."""
    return list(_waiting(now).order_by("created_at").values_list("pk", flat=True))


def take_up(export_id: uuid.UUID, *, now: datetime) -> bool:
    """Take the lease of an export that waits; False where there is nothing to write or another process is at it."""
    waiting = _waiting(now).filter(pk=export_id)
    if waiting.filter(attempt__gte=MOST_ATTEMPTS).update(
        status=ExportStatus.FAILED,
        error_message=_("Its workers died before it was written."),
        lease_until=None,
    ):
        return False
    return bool(
        waiting.update(
            status=ExportStatus.RUNNING,
            row_count=0,
            lease_token=uuid.uuid4(),
            lease_until=_lease_end(now),
            attempt=F("attempt") + 1,
        )
    )


def renew(export: DuplicateAnalysisExport, *, now: datetime, **changes: Any) -> None:
    """Prove the lease, extend it and write `changes` with it. Raises LeaseLost when it is gone."""
    _write(export, lease_until=_lease_end(now), **changes)


def end(export: DuplicateAnalysisExport, **changes: Any) -> None:
    """Prove the lease a last time, give it up and write how it ended. Raises LeaseLost when it is gone."""
    _write(export, lease_until=None, **changes)


def _write(export: DuplicateAnalysisExport, **changes: Any) -> None:
    mine = DuplicateAnalysisExport.objects.filter(
        pk=export.pk, status=ExportStatus.RUNNING, lease_token=export.lease_token
    )
    if not mine.update(**changes):
        raise LeaseLost


def _waiting(now: datetime) -> "QuerySet[DuplicateAnalysisExport]":
    """Exports to be written: pending, or begun by a writer that has not renewed its lease in time.

    A lease that ends later than any lease does was taken before the clock was set back.
    """
    last = now + timedelta(seconds=2 * settings.LEASE_SECONDS)
    is_over = Q(lease_until=None) | Q(lease_until__lt=now) | Q(lease_until__gt=last)
    return DuplicateAnalysisExport.objects.filter(
        Q(status=ExportStatus.PENDING) | (Q(status=ExportStatus.RUNNING) & is_over)
    )


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.LEASE_SECONDS)
