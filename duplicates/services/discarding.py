"""Deletes saved analyses in short transactions: hidden from readers first, then their groups in blocks, then the row.

One that a process left half deleted is out of sight already. `abandoned` names it; whoever goes on begins at the groups
that are left.
"""

import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import models, transaction
from django.db.models import Max, Min
from django.utils import timezone

from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services.retrying import retrying

# Up to so many members are deleted sooner than a worker wakes up.
DELETED_AT_ONCE = 5_000
GROUPS_A_TRANSACTION = 1_000
# SQLite has one writer at a time, and the others only look for their chance now and then.
PAUSE_SECONDS = 0.02


def hide(analysis: DuplicateAnalysisResult, *, now: datetime) -> None:
    """Take an analysis from everybody, within the open transaction: its exports go, what names it lets go of it."""
    DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(deleting_at=now)
    analysis.exports.all().delete()
    for relation in analysis._meta.related_objects:
        if relation.on_delete is models.DB_SET_NULL:
            rows = relation.related_model._base_manager.filter(**{relation.field.name: analysis.pk})
            rows.update(**{relation.field.name: None})


def discard(analysis_id: uuid.UUID, *, now: Callable[[], datetime] = timezone.now) -> None:
    """Delete what is left of an analysis that is hidden; nothing where it is not, or gone. Safe to repeat."""
    row = DuplicateAnalysisResult.everything.filter(pk=analysis_id).exclude(deleting_at=None)
    if not row.update(deleting_at=now()):
        return
    delete_groups(analysis_id, prove=lambda: row.update(deleting_at=now()))
    retrying(row.delete)


def delete_groups(analysis_id: uuid.UUID, *, prove: Callable[[], object]) -> None:
    """Delete the groups of an analysis, block by block; `prove` begins each transaction and may stop it by raising."""
    groups = DuplicateAnalysisGroup.objects.filter(analysis_id=analysis_id)
    ends = groups.aggregate(first=Min("position"), last=Max("position"))
    for first in range(ends["first"] or 1, (ends["last"] or 0) + 1, GROUPS_A_TRANSACTION):
        block = groups.filter(position__range=(first, first + GROUPS_A_TRANSACTION - 1))
        retrying(partial(_delete_block, block, prove))
        time.sleep(PAUSE_SECONDS)


def _delete_block(block: "models.QuerySet[DuplicateAnalysisGroup]", prove: Callable[[], object]) -> None:
    with transaction.atomic():
        prove()
        block.delete()


def abandoned(*, now: datetime) -> list[uuid.UUID]:
    """Return the analyses that are half deleted and nobody is at."""
    limit = now - timedelta(seconds=settings.LEASE_SECONDS)
    left = DuplicateAnalysisResult.everything.filter(deleting_at__lt=limit)
    return list(left.order_by("deleting_at").values_list("pk", flat=True))
