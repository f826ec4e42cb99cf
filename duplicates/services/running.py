"""Runs one queued analysis from claim to end. The one place that catches: failures become data on its row."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from duplicates.exceptions import AnalysisCancelled, AnalysisTimeout, ClaimLost, DuplicatesError, SaveFailed
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import lifecycle
from duplicates.services.lifecycle import Claim
from duplicates.services.options import AnalysisOptions
from duplicates.services.progress import AnalysisProgress, RunReporter, Sink, keep_nothing

if TYPE_CHECKING:
    from duplicates.services.detecting import Detection
    from duplicates.services.loading import Library

INTERNAL_ERROR = "INTERNAL_ERROR"
# The default time limit holds for this many tracks; a larger library gets more in proportion.
TIMEOUT_SECONDS, TIMEOUT_TRACKS = 300, 100_000


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a run. `detection` is there when one was made, even if it could not be saved."""

    analysis: DuplicateAnalysisResult
    detection: "Detection | None" = None
    warning: str = ""


def run_analysis(
    analysis_id: uuid.UUID, *, draw: Sink = keep_nothing, now: Callable[[], datetime] = timezone.now
) -> Ran | None:
    """Claim the analysis and run it to its end; None when somebody else has it.

    Never raises for a failure of the run itself: that is written on the row. KeyboardInterrupt cancels and passes on.
    """
    claimed = lifecycle.claim(analysis_id, now=now())
    if claimed is None:
        return None
    analysis = lifecycle.get_analysis(analysis_id)
    run = _Run(analysis, claimed, draw, now)
    try:
        run.detect()
        run.save()
    except ClaimLost as lost:
        run.reporter.fail(lost.sentence)
    except (AnalysisCancelled, KeyboardInterrupt) as stop:
        lifecycle.finish_cancelled(claimed, actor=analysis.user, now=now())
        run.reporter.fail(str(AnalysisCancelled()))
        if isinstance(stop, KeyboardInterrupt):
            raise
    except DuplicatesError as error:
        run.fail(error.code, error.sentence, error)
    except Exception as error:
        run.fail(INTERNAL_ERROR, "The analysis stopped because of an internal error.", error)
    analysis.refresh_from_db()
    return Ran(analysis, run.detection, run.warning)


class _Run:
    """One run under way: its claim, its reporter and what it has found so far."""

    def __init__(
        self, analysis: DuplicateAnalysisResult, claimed: Claim, draw: Sink, now: Callable[[], datetime]
    ) -> None:
        self.analysis, self.claimed, self.now = analysis, claimed, now
        self.detection: Detection | None = None
        self.warning = ""
        self.deadline: float | None = None
        self.cpu_before = time.process_time()
        self.reporter = RunReporter(
            str(analysis.pk), now=now, store=self._store, draw=draw, interval=settings.PROGRESS_INTERVAL_SECONDS
        )

    def detect(self) -> None:
        from duplicates.services.detecting import detect  # noqa: PLC0415 (loads numpy and polars: runs only)

        options = AnalysisOptions.from_parameters(self.analysis.parameters)
        self.detection = detect(options, self.reporter, library_read=self._library_read)

    def save(self) -> None:
        """Write the groups and make them visible. Raises SaveFailed when the database refuses."""
        from duplicates.services.saving import save_detection  # noqa: PLC0415 (likewise)

        assert self.detection is not None
        try:
            save_detection(
                self.detection,
                self.claimed,
                actor=self.analysis.user,
                now=self.now,
                reporter=self.reporter,
                cpu_before=self.cpu_before,
            )
        except DatabaseError as error:
            self.warning = str(SaveFailed())
            raise SaveFailed from error

    def fail(self, code: str, message: str, error: BaseException) -> None:
        """Write the failure on the row; a database that refuses even that is logged, and the run is over."""
        self.reporter.fail(message, detail=error)
        details = {"phase": self.reporter.progress.phase, "type": type(error).__name__}
        try:
            lifecycle.fail(
                self.claimed, actor=self.analysis.user, now=self.now(), code=code, message=message, details=details
            )
        except (ClaimLost, DatabaseError) as refused:
            self.warning = self.warning or message
            self.reporter.fail("The failure could not be written.", detail=refused)

    def _library_read(self, library: "Library") -> None:
        tracks = len(library.columns)
        self.deadline = time.monotonic() + time_limit(tracks)
        lifecycle.keep(self.claimed, now=self.now(), library_track_count=tracks, library_revision=library.revision)

    def _store(self, progress: AnalysisProgress) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            limit = time_limit(progress.total_tracks)
            raise AnalysisTimeout(f"The analysis took longer than its limit of {limit:,.0f} seconds.")
        lifecycle.store_progress(self.claimed, progress, now=self.now())


def time_limit(tracks: int) -> float:
    """Return the seconds a run over so many tracks may take: the setting, or the default in proportion to size."""
    explicit: int = settings.ANALYSIS_TIMEOUT_SECONDS
    return float(explicit or TIMEOUT_SECONDS * max(1.0, tracks / TIMEOUT_TRACKS))
