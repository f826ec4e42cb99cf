"""Where a run is, for people: percent, phase, throughput and time left; written at most once a second.

`AnalysisProgress` is the value that page, API and command show. `RunReporter` is what the engine and the services
report to; it turns stages into phases and percent, writes the console log, stores the value through a `Sink`, and is
the one place where a cancel, a passed deadline or a lost claim stops a run.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from duplicates.choices import AnalysisStatus, Phase
from duplicates.services.forecast import REFRESH, Forecast

logger = logging.getLogger("reprise.analysis")

# Stage → (its phase, its words).
STAGES: dict[str, tuple[Phase, str]] = {
    "load": (Phase.LOADING_TRACKS, "Reading the library"),
    "normalise": (Phase.ANALYZING_SIMILARITIES, "Reading titles, artists and versions"),
    "candidates": (Phase.ANALYZING_SIMILARITIES, "Looking for tracks that may be the same"),
    "scoring": (Phase.ANALYZING_SIMILARITIES, "Comparing tracks"),
    "clustering": (Phase.ANALYZING_SIMILARITIES, "Grouping what belongs together"),
    "keeper": (Phase.ANALYZING_SIMILARITIES, "Choosing keepers"),
    "cross_reference": (Phase.CROSS_REFERENCING, "Looking members up in the iTunes catalogue"),
    "saving": (Phase.SAVING_RESULTS, "Saving groups"),
}
LOG_EVERY_TRACKS = 100
LOG_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class AnalysisProgress:
    """How far one analysis is. Times are ISO 8601 in UTC, so that the value is plain JSON."""

    analysis_id: str
    status: str
    phase: str = ""
    stage: str = ""
    current_step: int = 0
    total_steps: int = len(STAGES)
    percentage: float = 0.0
    estimated_seconds_remaining: float | None = None
    message: str = ""
    tracks_processed: int = 0
    total_tracks: int = 0
    groups_found: int = 0
    started_at: str = ""
    updated_at: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


Sink = Callable[[AnalysisProgress], None]


def keep_nothing(progress: AnalysisProgress) -> None:
    """Store nothing: for runs without persistence."""


class RunReporter:
    """Follows one run. Implements the engine's `Progress`; services call it for their own stages.

    `store` is called at most once per `interval` seconds; `draw` and `stop_if_asked` are called on every report and
    must be cheap; any of them may raise to stop the run. `percentage` is where another worker left the run, so that
    nobody sees it go back. `clock` counts seconds, `now` tells the time.
    """

    def __init__(
        self,
        analysis_id: str,
        *,
        now: Callable[[], datetime],
        store: Sink = keep_nothing,
        draw: Sink = keep_nothing,
        stop_if_asked: Callable[[], None] = lambda: None,
        interval: float = 1.0,
        percentage: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.now, self._store, self._draw, self._clock = now, store, draw, clock
        self._interval = interval
        self._stop_if_asked = stop_if_asked
        self._begun_at = clock()
        self._stage_begun_at = self._begun_at
        self._forecast = Forecast(0)
        self._stored_at = self._logged_at = float("-inf")
        self._logged_tracks = 0
        self._stage_total = self._done = 0
        self._log = logging.LoggerAdapter(logger, {"analysis_id": analysis_id})
        self.stage_seconds: dict[str, float] = {}
        started = now().isoformat()
        self.progress = AnalysisProgress(
            analysis_id, AnalysisStatus.RUNNING, percentage=percentage, started_at=started, updated_at=started
        )

    @property
    def elapsed_seconds(self) -> float:
        return self._clock() - self._begun_at

    def set_total_tracks(
        self,
        total: int,
        *,
        catalog_entries: int = 0,
        paces: Mapping[str, float] | None = None,
        is_refresh: bool = False,
    ) -> None:
        """Note the size of the library and of the iTunes catalogue, and what earlier runs have shown of each stage.

        A refresh here is one that matches only what changed. The log begins with it.
        """
        self._forecast = Forecast(total, catalog_entries, REFRESH if is_refresh else paces, is_refresh=is_refresh)
        self.progress = replace(self.progress, total_tracks=total)
        self._log.info("Analysis started: %d tracks", total)

    def start_over(self) -> None:
        """Forget the stages so far: they are gone through again, from the first."""
        self.stage_seconds.clear()
        self.progress = replace(self.progress, stage="", current_step=0)

    def begin(self, stage: str, total: int) -> None:
        """Enter a stage with `total` units of work."""
        self._finish_stage()
        self._forecast.begin(str(stage), total)
        phase, words = STAGES[str(stage)]
        if phase != self.progress.phase:
            self._finish_phase()
            self._log.info("Phase: %s", phase.label)
        self._log.debug("Stage %s: %d units", stage, total)
        self._stage_total, self._done = total, 0
        self._stage_begun_at = self._clock()
        step = list(STAGES).index(str(stage)) + 1
        self.progress = replace(
            self.progress, phase=str(phase), stage=str(stage), current_step=step, message=words, tracks_processed=0
        )
        self._logged_tracks = 0
        self.advance(0)

    def advance(self, done: int, *, groups_found: int | None = None) -> None:
        """Report `done` finished units of the current stage."""
        self._done = done
        share = min(1.0, done / self._stage_total) if self._stage_total else 1.0
        left = self._forecast.seconds_left(share, self._clock() - self._stage_begun_at)
        percentage = round(min(self._forecast.percentage(share), 99.9), 1)
        self.progress = replace(
            self.progress,
            percentage=max(self.progress.percentage, percentage),
            estimated_seconds_remaining=None if left is None else round(left, 1),
            tracks_processed=int(share * self.progress.total_tracks),
            groups_found=self.progress.groups_found if groups_found is None else groups_found,
            updated_at=self.now().isoformat(),
        )
        self._stop_if_asked()
        self._draw(self.progress)
        moment = self._clock()
        self._log_tracks(moment)
        if moment - self._stored_at >= self._interval:
            self._stored_at = moment
            self._store(self.progress)

    def repeat(self) -> None:
        """Report once more without news: a chance to stop, and a sign of life. Nothing before the first stage."""
        if self.progress.stage:
            self.advance(self._done)

    def finish(self, summary: str) -> None:
        """Close the last stage and write the summary line."""
        self._finish_stage()
        self._finish_phase()
        self.progress = replace(self.progress, percentage=100.0, estimated_seconds_remaining=0.0, message=summary)
        self._draw(self.progress)
        self._log.info("%s", summary)

    def say(self, sentence: str) -> None:
        """Write something about the run into its log."""
        self._log.info("%s", sentence)

    def fail(self, message: str, *, detail: BaseException | None = None) -> None:
        """Log the error that ends the run."""
        self._log.error("%s", message, exc_info=detail)

    def phase_seconds(self) -> dict[str, float]:
        """Return the seconds spent in each phase so far."""
        seconds: dict[str, float] = {}
        for stage, spent in list(self.stage_seconds.items()):  # the lease's thread may ask
            phase = str(STAGES[stage][0])
            seconds[phase] = round(seconds.get(phase, 0.0) + spent, 3)
        return seconds

    def _finish_stage(self) -> None:
        if not self.progress.stage or self.progress.stage in self.stage_seconds:
            return
        spent = self._clock() - self._stage_begun_at
        self.stage_seconds[self.progress.stage] = spent
        if self._done or not self._stage_total:  # else it was taken from its checkpoint and says nothing about the pace
            self._forecast.finish(spent)
        self._log.info("Stage %s finished in %.2f s", self.progress.stage, spent)

    def _finish_phase(self) -> None:
        spent = self.phase_seconds().get(self.progress.phase)
        if spent is not None:
            self._log.info("Phase %s finished in %.2f s", Phase(self.progress.phase).label, spent)

    def _log_tracks(self, moment: float) -> None:
        processed = self.progress.tracks_processed
        due = processed - self._logged_tracks >= LOG_EVERY_TRACKS
        if not due or moment - self._logged_at < LOG_INTERVAL_SECONDS:
            return
        self._logged_at, self._logged_tracks = moment, processed
        self._log.info(
            "%s: %d of %d tracks, %.1f %%",
            self.progress.message,
            processed,
            self.progress.total_tracks,
            self.progress.percentage,
        )
