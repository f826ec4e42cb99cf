"""What becomes of one saved analysis by hand: pinned so that no clean-up takes it, or deleted at once."""

import uuid
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from duplicates.exceptions import AnalysisActive, AnalysisNotFound, AnalysisPinned
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import audit, discarding
from duplicates.services.leftovers import Limits, remove_export_files
from duplicates.services.work_folder import discard_checkpoints

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


@audit.recorded("analysis.pinned", subject="analysis")
def pin_analysis(
    analysis: DuplicateAnalysisResult, *, is_pinned: bool, actor: "AbstractBaseUser | None", now: datetime
) -> bool:
    """Pin or unpin an analysis; False when it was so already."""
    with transaction.atomic():
        rows = DuplicateAnalysisResult.objects.filter(pk=analysis.pk, is_pinned=not is_pinned)
        changed = rows.update(is_pinned=is_pinned)
        if changed:
            verb = "analysis.pinned" if is_pinned else "analysis.unpinned"
            audit.record(verb, actor=actor, now=now, subject=analysis)
    return bool(changed)


@audit.recorded("analysis.deleted", subject="analysis")
def delete_analysis(
    analysis: DuplicateAnalysisResult,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    enqueue: Callable[[uuid.UUID], None],
) -> None:
    """Delete an analysis with its groups, exports and kept work; decisions and removed copies stay.

    It is gone for everybody at once; the groups of a large one are left to a worker.
    Raises AnalysisNotFound for one that is gone, AnalysisActive for one that is queued, running or being refreshed, and
    AnalysisPinned for one that is pinned.
    """
    with transaction.atomic():
        rows = DuplicateAnalysisResult.objects.select_for_update(of=("self",)).for_lists()
        current = rows.filter(pk=analysis.pk).first()
        if current is None:
            raise AnalysisNotFound
        if current.is_active:
            raise AnalysisActive(
                _("This analysis is %(status)s.") % {"status": str(current.get_status_display()).lower()}
            )
        if DuplicateAnalysisResult.objects.active().filter(predecessor=current).exists():
            raise AnalysisActive(
                _("This analysis is being refreshed; what was decided about it goes over to the refresh."),
                way_out=_("Wait for the refresh, or cancel that first."),
            )
        if current.is_pinned:
            raise AnalysisPinned
        audit.record("analysis.deleted", actor=actor, now=now, subject=current, counts={"groups": current.groups_found})
        discarding.hide(current, now=now)
        is_small = current.groups_found + current.duplicates_found <= discarding.DELETED_AT_ONCE
        if not is_small:
            transaction.on_commit(partial(enqueue, current.pk))
    discard_checkpoints(analysis.pk)
    remove_export_files(Limits(now, now))
    if is_small:
        discarding.discard(analysis.pk)
