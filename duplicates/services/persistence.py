"""`DuplicatePersistenceService`: the front door for saved analyses. Each method is a short way elsewhere."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import Error as DatabaseError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.exceptions import AnalysisAlreadyRunning, AnalysisNotReady, InvalidOptions, SaveFailed
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicatePreferences
from duplicates.services import claims, lifecycle, resolution, retention, staleness
from duplicates.services.options import AnalysisOptions

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

    from duplicates.services.detecting import Detection


@dataclass(frozen=True, slots=True)
class LoadedResult:
    """A saved analysis with its groups, in order; iterating `groups` reads all members with one query more."""

    analysis: DuplicateAnalysisResult
    groups: QuerySet[DuplicateAnalysisGroup]


class DuplicatePersistenceService:
    """Save, load, list, resolve and clean up analyses. `now` tells the time."""

    def __init__(self, *, now: Callable[[], datetime] = timezone.now) -> None:
        self.now = now

    def save_analysis_result(
        self, detection: "Detection", options: AnalysisOptions, *, user: "AbstractBaseUser | None" = None
    ) -> DuplicateAnalysisResult:
        """Keep a detection that was made without persistence; all or nothing to a reader.

        Raises AnalysisAlreadyRunning when an equal analysis of this user is under way and SaveFailed when the database
        refuses; the detection stays with the caller either way.
        """
        from duplicates.services import saving  # noqa: PLC0415 (loads numpy and polars)

        queued = lifecycle.queue_analysis(options, actor=user, trigger=Trigger.COMMAND, now=self.now(), force=True)
        claimed = claims.claim(queued.analysis.pk, now=self.now()) if queued.is_new else None
        if claimed is None:
            raise AnalysisAlreadyRunning(analysis_id=str(queued.analysis.pk))
        claims.renew(
            claimed,
            now=self.now(),
            library_track_count=detection.track_count,
            library_revision=detection.revision,
        )
        try:
            saved = saving.save_groups(detection, claimed, now=self.now, report=lambda done: None)
            outcome = saving.outcome(detection, saved, [])
            lifecycle.complete(claimed, actor=user, now=self.now(), **outcome)
        except DatabaseError as error:
            failed = SaveFailed()
            lifecycle.fail(claimed, actor=user, now=self.now(), code=failed.code, message=failed.sentence, details={})
            raise failed from error
        return lifecycle.get_analysis(claimed.analysis_id)

    def load_analysis_result(self, analysis_id: uuid.UUID | str) -> LoadedResult:
        """Return a completed analysis and its groups. Raises AnalysisNotFound or AnalysisNotReady."""
        analysis = lifecycle.get_analysis(analysis_id)
        if not analysis.is_readable:
            raise AnalysisNotReady(
                _("Analysis %(pk)s is %(status)s.")
                % {"pk": analysis.pk, "status": analysis.get_status_display().lower()}
            )
        return LoadedResult(analysis, analysis.groups.order_by("position").prefetch_related("members"))

    def get_latest_analysis(
        self, user: "AbstractBaseUser | None", search: str | None = None
    ) -> DuplicateAnalysisResult | None:
        """Return the newest completed analysis of a user (None: the system's), of this search term if one is given."""
        completed = DuplicateAnalysisResult.objects.of(user).completed()
        if search is not None:
            completed = completed.filter(search_term=search)
        return completed.order_by("-created_at").first()

    def get_user_analyses(
        self, user: "AbstractBaseUser | None", page: int = 1, page_size: int = 20
    ) -> list[DuplicateAnalysisResult]:
        """Return one page of a user's analyses in every state, newest first."""
        if page < 1 or page_size < 1:
            raise InvalidOptions(
                _("Pages count from 1 and hold at least one row, not page %(page)s of %(page_size)s.")
                % {"page": page, "page_size": page_size}
            )
        start = (page - 1) * page_size
        analyses = DuplicateAnalysisResult.objects.of(user).for_lists().order_by("-created_at")
        return list(analyses[start : start + page_size])

    def update_analysis_status(
        self,
        analysis_id: uuid.UUID | str,
        status: str,
        *,
        actor: "AbstractBaseUser | None" = None,
        message: str = "",
    ) -> bool:
        """Set a queued or running analysis to failed or cancelled; False when it was over already."""
        if status not in AnalysisStatus.values:
            raise InvalidOptions(
                _("%(status)r is no status. Choose from %(values)s.")
                % {"status": status, "values": ", ".join(AnalysisStatus.values)}
            )
        analysis = lifecycle.get_analysis(analysis_id)
        return lifecycle.end_by_hand(analysis, AnalysisStatus(status), actor=actor, now=self.now(), message=message)

    def mark_groups_resolved(
        self,
        analysis_id: uuid.UUID | str,
        group_ids: Sequence[int],
        resolved_as: str,
        *,
        actor: "AbstractBaseUser | None" = None,
    ) -> int:
        """Note a decision on groups; return how many were open."""
        analysis = lifecycle.get_analysis(analysis_id)
        return resolution.mark_groups_resolved(analysis, group_ids, resolved_as, actor=actor, now=self.now())

    def cleanup_old_results(
        self,
        *,
        days: int | None = None,
        keep_per_user: int | None = None,
        users: list[int | None] | None = None,
        actor: "AbstractBaseUser | None" = None,
    ) -> retention.CleanupResult:
        """Delete analyses past their retention."""
        plan = retention.plan_cleanup(now=self.now(), days=days, keep_per_user=keep_per_user, users=users)
        return retention.cleanup_old_results(plan, actor=actor, now=self.now())

    def is_analysis_stale(self, analysis: DuplicateAnalysisResult) -> bool:
        """Is the result old enough to say so? By the limits of its owner, like every page that shows it to them."""
        thresholds = staleness.Thresholds.for_preferences(DuplicatePreferences.objects.of(analysis.user))
        return staleness.is_analysis_stale(analysis, now=self.now(), thresholds=thresholds)
