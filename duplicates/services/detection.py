"""`DuplicateDetectionService`: the front door for finding duplicates. Each method is a short way elsewhere."""

import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import claims, lifecycle
from duplicates.services.claims import Claim
from duplicates.services.lifecycle import Queued
from duplicates.services.options import AnalysisOptions
from duplicates.services.progress import AnalysisProgress, RunReporter, Sink, keep_nothing
from duplicates.services.running import Ran, run_analysis
from duplicates.services.vocabulary import with_current_words
from duplicates.services.workers import are_there_workers

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

    from duplicates.services.detecting import Detection


# How often a command looks at an analysis that runs elsewhere.
FOLLOW_SECONDS = 1.0
LOOKS_OF_OTHERS = 3  # of ours, one FOLLOW_SECONDS after the other; a worker looks once a second


class DuplicateDetectionService:
    """Find duplicates, with or without keeping the result; follow and stop a run. `now` tells the time."""

    def __init__(self, *, now: Callable[[], datetime] = timezone.now) -> None:
        self.now = now

    def find_duplicates(self, options: AnalysisOptions, *, draw: Sink = keep_nothing) -> "Detection":
        """Find the duplicates of the library and store nothing."""
        from duplicates.services.detecting import detect  # noqa: PLC0415 (loads numpy and polars)

        return detect(with_current_words(options), RunReporter("unsaved", now=self.now, draw=draw))

    def find_duplicates_with_persistence(
        self,
        options: AnalysisOptions,
        *,
        user: "AbstractBaseUser | None" = None,
        trigger: Trigger = Trigger.COMMAND,
        force: bool = False,
        time_limit_seconds: int | None = None,
        keep_partial: bool = True,
        draw: Sink = keep_nothing,
    ) -> Ran:
        """Run in this process and keep the result.

        An equal analysis that is under way, or (unless forced) finished and still true, is returned instead; one that
        a dead process left behind is gone on with. If the result cannot be saved, `Ran.detection` still holds it and
        `Ran.warning` says so.
        """
        lifecycle.reclaim(now=self.now(), enqueue=lambda analysis_id: None)
        queued = self.queue(
            options,
            user=user,
            trigger=trigger,
            force=force,
            time_limit_seconds=time_limit_seconds,
            keep_partial=keep_partial,
        )
        analysis = queued.analysis
        is_forgotten = analysis.status == AnalysisStatus.QUEUED and not are_there_workers(now=self.now())
        if queued.is_new or is_forgotten:
            return self.run_or_follow(analysis, draw=draw)
        return Ran(analysis, is_reused=analysis.status == AnalysisStatus.COMPLETED)

    def run_or_follow(self, analysis: DuplicateAnalysisResult, *, draw: Sink = keep_nothing) -> Ran:
        """Run a queued analysis here as soon as it is its turn; follow it where a worker was faster.

        A free slot is left to those that have waited longer, for as long as a worker with nothing to do needs to see
        it. After that nobody is there to take it.
        """
        looks = LOOKS_OF_OTHERS
        while True:
            if looks and claims.others_come_first(analysis) and are_there_workers(now=self.now()):
                looks -= 1
            elif ran := run_analysis(analysis.pk, draw=draw, now=self.now):
                return ran
            analysis = lifecycle.get_analysis(analysis.pk)
            if not analysis.is_active:
                return Ran(analysis)
            draw(self.get_analysis_progress(analysis.pk))
            time.sleep(FOLLOW_SECONDS)

    def queue(
        self,
        options: AnalysisOptions,
        *,
        user: "AbstractBaseUser | None",
        trigger: Trigger,
        force: bool = False,
        enqueue: Callable[[uuid.UUID], None] | None = None,
        time_limit_seconds: int | None = None,
        keep_partial: bool = True,
    ) -> Queued:
        """Queue an analysis for a worker when `enqueue` is given, else for the caller."""
        return lifecycle.queue_analysis(
            options,
            actor=user,
            trigger=trigger,
            now=self.now(),
            force=force,
            enqueue=enqueue,
            time_limit_seconds=time_limit_seconds,
            keep_partial=keep_partial,
        )

    def get_analysis_progress(self, analysis_id: uuid.UUID | str) -> AnalysisProgress:
        """Return where an analysis is, whichever process runs it. Raises AnalysisNotFound."""
        analysis = lifecycle.get_analysis(analysis_id)
        if analysis.progress:
            return AnalysisProgress(**{**analysis.progress, "status": analysis.status})
        return _progress_of(analysis)

    def update_progress(self, claimed: Claim, progress: AnalysisProgress) -> None:
        """Write progress for other processes to read. Raises ClaimLost or AnalysisCancelled."""
        lifecycle.store_progress(claimed, progress, now=self.now())

    def cancel_analysis(self, analysis_id: uuid.UUID | str, *, actor: "AbstractBaseUser | None" = None) -> bool:
        """Ask a queued or running analysis to stop; earlier results are untouched. False when it is over already."""
        return lifecycle.request_cancel(lifecycle.get_analysis(analysis_id), actor=actor, now=self.now())


def _progress_of(analysis: DuplicateAnalysisResult) -> AnalysisProgress:
    """Return the progress of an analysis that is not running: nothing yet, or everything."""
    is_over = analysis.status == AnalysisStatus.COMPLETED
    return AnalysisProgress(
        str(analysis.pk),
        analysis.status,
        percentage=100.0 if is_over else 0.0,
        message=analysis.error_message or str(analysis.get_status_display()),
        tracks_processed=analysis.tracks_analyzed,
        total_tracks=analysis.library_track_count or 0,
        groups_found=analysis.groups_found,
        started_at=analysis.started_at.isoformat() if analysis.started_at else "",
        updated_at=(analysis.completed_at or analysis.created_at).isoformat(),
    )
