"""Runs one queued analysis from claim to end. The one place that catches: failures become data on its row."""

import contextlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import transaction
from django.utils import timezone

from duplicates.exceptions import (
    AnalysisCancelled,
    AnalysisTimeout,
    ClaimLost,
    DuplicatesError,
    HandedBack,
    SaveFailed,
)
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import claims, lifecycle, memory, process, retention
from duplicates.services.carrying import carry_late, carry_over
from duplicates.services.claims import Claim
from duplicates.services.deadlines import time_limit, too_late
from duplicates.services.decision_review import settle_decisions
from duplicates.services.leasing import LeaseKeeper, kept_alive
from duplicates.services.log_context import lines_of
from duplicates.services.options import AnalysisOptions
from duplicates.services.progress import AnalysisProgress, RunReporter, Sink, keep_nothing
from duplicates.services.retrying import retrying
from duplicates.services.work_folder import FOUND, discard_checkpoints, drop_needless_indexes
from duplicates.site_settings import site

if TYPE_CHECKING:
    from duplicates.engine.progress import Arrays
    from duplicates.engine.records import Clusters
    from duplicates.services.checkpoints import StageCheckpoints
    from duplicates.services.detecting import Detection
    from duplicates.services.incremental import Start
    from duplicates.services.indexes import IndexShelf
    from duplicates.services.loading import Library
    from duplicates.services.saving import Saved

INTERNAL_ERROR = "INTERNAL_ERROR"
# How long a run that was stopped may go on saving what it has found, and how many groups it still chooses keepers for.
PARTIAL_SECONDS, PARTIAL_GROUPS = 5.0, 1_000


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a run. `detection` is there when one was made, even if it could not be saved."""

    analysis: DuplicateAnalysisResult
    detection: "Detection | None" = None
    warning: str = ""
    is_reused: bool = False


def run_analysis(
    analysis_id: uuid.UUID,
    *,
    draw: Sink = keep_nothing,
    now: Callable[[], datetime] = timezone.now,
) -> Ran | None:
    """Claim the analysis and run it to its end; None when it is not to be had now.

    Never raises for a failure of the run itself: that is written on the row. KeyboardInterrupt cancels and passes on.
    """
    with lines_of(analysis_id):
        claimed = retrying(lambda: claims.claim(analysis_id, now=now(), worker=process.worker_id()))
        return None if claimed is None else run_claimed(claimed, draw=draw, now=now)


def run_waiting(*, now: Callable[[], datetime] = timezone.now) -> int:
    """Run what waits in the queue, the longest waiting first, until nothing is left to take; return how many ran."""
    count = 0
    while not process.is_asked_to_stop() and (claimed := retrying(lambda: _claim_next(now()))):
        run_claimed(claimed, now=now)
        count += 1
    return count


def _claim_next(now: datetime) -> Claim | None:
    return claims.claim_next(now=now, worker=process.worker_id())


def run_claimed(claimed: Claim, *, draw: Sink = keep_nothing, now: Callable[[], datetime] = timezone.now) -> Ran:
    """Run a claimed analysis to its end."""
    with lines_of(claimed.analysis_id):
        return _run_to_its_end(claimed, draw, now)


def _run_to_its_end(claimed: Claim, draw: Sink, now: Callable[[], datetime]) -> Ran:
    analysis = retrying(lambda: lifecycle.get_analysis(claimed.analysis_id))
    with kept_alive(claimed, now) as lease:
        run = _Run(analysis, claimed, lease, draw, now)
        try:
            run.go()
        except (ClaimLost, HandedBack) as gone:
            run.leave(gone)
        except (AnalysisCancelled, KeyboardInterrupt) as stop:
            run.cancel()
            if isinstance(stop, KeyboardInterrupt):
                raise
        except AnalysisTimeout as late:
            run.fail(late.code, late.sentence, late, **run.keep_partial())
        except DuplicatesError as error:
            run.fail(error.code, error.sentence, error)
        except Exception as error:
            run.fail(INTERNAL_ERROR, "The analysis stopped because of an internal error.", error)
    with contextlib.suppress(DuplicateAnalysisResult.DoesNotExist):  # deleted while it ran
        retrying(analysis.refresh_from_db)
    if analysis.is_readable:
        retention.cleanup_if_due(now=now())  # results pile up where one is saved
    return Ran(analysis, run.detection, run.warning)


class _Run:
    """One run under way: its claim, its reporter and what it has found so far. Listens to the detection."""

    def __init__(
        self,
        analysis: DuplicateAnalysisResult,
        claimed: Claim,
        lease: LeaseKeeper,
        draw: Sink,
        now: Callable[[], datetime],
    ) -> None:
        self.analysis, self.claimed, self.lease, self.now = analysis, claimed, lease, now
        self.options = AnalysisOptions.from_parameters(analysis.parameters)
        self.detection: Detection | None = None
        self.clustered: tuple[Library, Clusters] | None = None
        self.kept: StageCheckpoints | None = None
        self.shelf: IndexShelf | None = None
        self.start: Start | None = None  # of a refresh that matches only what changed
        self.is_saving = False
        self.notes: list[str] = []
        self.warning = ""
        self.cpu_before = time.process_time()
        memory.forget_peak()
        self.reporter = RunReporter(
            str(analysis.pk),
            now=now,
            store=self._store,
            draw=draw,
            stop_if_asked=self._stop_if_asked,
            interval=settings.PROGRESS_INTERVAL_SECONDS,
            percentage=float((analysis.progress or {}).get("percentage", 0.0)),
        )

    def go(self) -> None:
        """Find, keep what was found, save, publish."""
        self._take_up_what_was_found()
        if self.detection is None:
            self._detect()
        self._save()

    def library_read(self, library: "Library") -> "StageCheckpoints":
        """Note what the run looks at and set its deadline."""
        from duplicates.services.checkpoints import StageCheckpoints  # noqa: PLC0415 (loads numpy)

        self.read(len(library.columns), library.revision, library.touch_mark)
        belongs_to = f"{self.options.engine_settings().fingerprint()}-{library.fingerprint()}"
        self.kept = StageCheckpoints(self.analysis.pk, belongs_to)
        return self.kept

    def read(self, tracks: int, revision: int, touch_mark: int) -> None:
        """Note how many tracks the run looks at, of which state of the library, and make room for what it leaves."""
        from duplicates.services.indexes import shelf_of  # noqa: PLC0415 (loads numpy)

        half_applied = "An import had been applied only in part; import again to complete it, then refresh."
        if retrying(lifecycle.is_import_half_applied) and half_applied not in self.notes:
            self.notes.append(half_applied)
        retrying(
            lambda: claims.renew(
                self.claimed,
                now=self.now(),
                library_track_count=tracks,
                library_revision=revision,
                touch_mark=touch_mark,
                newest_import=lifecycle.newest_import(),
            )
        )
        self.analysis.library_track_count, self.analysis.library_revision = tracks, revision
        if site.KEPT_INDEXES and not (self.options.search or self.options.min_confidence):
            self.shelf = shelf_of(self.analysis, self.options.engine_settings().fingerprint())

    def keep_part(self, part: str, arrays: "Arrays") -> None:
        """Keep what a refresh of this analysis may start from."""
        if self.shelf is not None:
            self.shelf.save(part, arrays)

    def clusters_found(self, library: "Library", clusters: "Clusters") -> None:
        """Remember the clusters for a run that is stopped before its keepers are chosen."""
        self.clustered = (library, clusters)

    def cancel(self) -> None:
        """Keep what a cancelled run has found, if that was wanted, and let go of its row."""
        self.reporter.fail(str(AnalysisCancelled()))
        self._write_end(self._stop_own)
        outcome = self._spent() | self.keep_partial()
        self._write_end(
            lambda: lifecycle.finish_cancelled(self.claimed, actor=self.analysis.user, now=self.now(), **outcome)
        )

    def _stop_own(self) -> None:
        self.claimed = lifecycle.stop_own(self.claimed, now=self.now())

    def leave(self, gone: DuplicatesError) -> None:
        """End without a trace: the run belongs to somebody else now, or to whoever takes it from the queue."""
        if isinstance(gone, HandedBack):
            self._write_end(lambda: claims.hand_back(self.claimed))
        self.reporter.fail(str(gone))

    def fail(self, code: str, message: str, error: BaseException, **outcome: Any) -> None:
        """Write the failure on the row."""
        self.reporter.fail(message, detail=error)
        details = {
            "phase": self.reporter.progress.phase,
            "stage": self.reporter.progress.stage,
            "percentage": self.reporter.progress.percentage,
            "attempt": self.analysis.attempt,
            "type": type(error.__cause__ or error).__name__,
        }
        outcome = self._spent() | outcome
        self.warning = self.warning or message
        self._write_end(
            lambda: lifecycle.fail(
                self.claimed,
                actor=self.analysis.user,
                now=self.now(),
                code=code,
                message=message,
                details=details,
                **outcome,
            )
        )

    def _write_end(self, write: Callable[[], None]) -> None:
        """End the run on its row. Where that is gone or refused it is logged; the lease ends by itself."""
        try:
            retrying(write)
        except AnalysisCancelled:  # somebody was faster
            self.cancel()
        except (ClaimLost, DatabaseError) as refused:
            self.reporter.fail("The end of the run could not be written.", detail=refused)

    def keep_partial(self) -> dict[str, Any]:
        """Save a little of what was found and return it as fields of the row; nothing where nothing was found."""
        from duplicates.services import saving  # noqa: PLC0415 (loads numpy and polars)

        if not self.analysis.keep_partial or (self.clustered is None and self.detection is None):
            return {}
        if self.start is not None:  # so quick that a part of it is not worth keeping
            with contextlib.suppress(ClaimLost, DatabaseError):
                retrying(lambda: saving.sweep(self.claimed))
            return {}
        try:
            if self.detection is None:
                self.detection = self._first_groups()
            if not self.is_saving:
                retrying(lambda: saving.sweep(self.claimed))
            began = time.monotonic()
            saved = saving.save_groups(
                self.detection,
                self.claimed,
                now=self.now,
                report=lambda done: None,
                is_time_up=lambda: time.monotonic() - began > PARTIAL_SECONDS,
            )
        except Exception as error:  # the run has ended already; whatever this is changes nothing about it
            self.reporter.fail("The groups found so far could not be kept.", detail=error)
            return {}
        return {"is_partial": saved.groups > 0, **self._outcome(saved)}

    def _first_groups(self) -> "Detection":
        from duplicates.services.detecting import first_groups  # noqa: PLC0415 (loads numpy and polars)

        assert self.clustered is not None
        silent = RunReporter(str(self.analysis.pk), now=self.now)
        return first_groups(*self.clustered, self.options, silent, most=PARTIAL_GROUPS)

    def _detect(self) -> None:
        from duplicates.services import found  # noqa: PLC0415 (loads numpy and polars)
        from duplicates.services.detecting import detect  # noqa: PLC0415 (likewise)
        from duplicates.services.saving import sweep  # noqa: PLC0415 (likewise)

        retrying(lambda: settle_decisions(now=self.now()))
        if self._detect_again():
            return
        detection = detect(self.options, self.reporter, listener=self)
        retrying(lambda: sweep(self.claimed))
        self._found_checkpoint().save(FOUND, found.to_arrays(detection))
        self.detection, self.clustered = detection, None

    def _detect_again(self) -> bool:
        """Match only what changed since the predecessor, where that is possible; else note why it is not."""
        from duplicates.services.incremental import EveryTrack, detect_again, start_of  # noqa: PLC0415 (likewise)

        try:
            start = start_of(self.analysis, self.options)
            self.detection, looked_at = detect_again(start, self.options, self.reporter, self.read)
        except EveryTrack as why:
            if why.sentence:
                self.note(why.sentence)
            return False
        self.start = start
        self.note(start.sentence(looked_at))
        return True

    def note(self, sentence: str) -> None:
        """Say something about the run, in its log and on its result."""
        self.reporter.say(sentence)
        self.notes.append(sentence)

    def _take_up_what_was_found(self) -> None:
        """Go on saving what an earlier attempt found, whatever has happened to the library since."""
        from duplicates.services import found  # noqa: PLC0415 (loads numpy and polars)

        arrays = self._found_checkpoint().load(FOUND)
        if arrays is None:
            return
        self.detection = found.from_arrays(arrays)
        self.reporter.set_total_tracks(self.detection.track_count)

    def _found_checkpoint(self) -> "StageCheckpoints":
        from duplicates.services.checkpoints import StageCheckpoints  # noqa: PLC0415 (loads numpy)
        from duplicates.services.unsaved import belongs_to  # noqa: PLC0415 (likewise)

        if self.kept is None:
            self.kept = StageCheckpoints(self.analysis.pk, "")
        return self.kept.of(belongs_to(self.analysis.pk, self.options))

    def _save(self) -> None:
        """Write the groups and make them visible. Raises SaveFailed when the database refuses for good."""

        assert self.detection is not None
        self.reporter.begin("saving", len(self.detection))
        self.is_saving = True
        try:
            saved = self._write_groups(self.detection)
            self._leave_result(self.detection)
            self.reporter.finish(self._summary(saved))
            retrying(lambda: self._publish(saved))
        except DatabaseError as error:
            failed = SaveFailed(f"The result, {len(self.detection):,} groups, was found but could not be saved.")
            self.warning = str(failed)
            raise failed from error
        discard_checkpoints(self.analysis.pk)
        retrying(drop_needless_indexes)

    def _publish(self, saved: "Saved") -> None:
        """Make the result visible, with what people decided about the one before while this one was saved."""
        with transaction.atomic():
            carry_late(self.analysis)
            lifecycle.complete(self.claimed, actor=self.analysis.user, now=self.now(), **self._outcome(saved))

    def _write_groups(self, detection: "Detection") -> "Saved":
        """Write the groups and take over what holds from the predecessor."""
        from duplicates.services.saving import save_groups  # noqa: PLC0415 (loads numpy and polars)
        from duplicates.services.saving_again import save_again  # noqa: PLC0415 (likewise)

        self.analysis.learnt_tables = detection.groups.clusters.tables  # by which chosen keepers are judged
        fresh: list[int] | None = None
        if self.start is None:
            saved = save_groups(detection, self.claimed, now=self.now, report=self.reporter.advance)
        else:
            saved, fresh = save_again(detection, self.claimed, now=self.now, report=self.reporter.advance)
        retrying(lambda: carry_over(self.analysis, self.claimed, now=self.now(), fresh=fresh))
        return saved

    def _leave_result(self, detection: "Detection") -> None:
        from duplicates.services.indexes import save_result  # noqa: PLC0415 (loads numpy and polars)

        if self.shelf is not None:
            save_result(self.shelf, detection)
            self.shelf.discard_if_incomplete()

    def _summary(self, saved: "Saved") -> str:
        tracks, seconds = self.reporter.progress.total_tracks, self.reporter.elapsed_seconds
        duplicates = saved.members - saved.groups
        return f"Finished: {tracks} tracks, {saved.groups} groups, {duplicates} duplicates in {seconds:.1f} s"

    def _outcome(self, saved: "Saved") -> dict[str, Any]:
        from duplicates.services.saving import outcome  # noqa: PLC0415 (loads numpy and polars)

        assert self.detection is not None
        return {
            **outcome(self.detection, saved, self._all_notes()),
            **({} if self.start is None else self.start.tables),
            **self._spent(),
        }

    def _all_notes(self) -> list[str]:
        """Return what was noted in the order of what it costs: a checkpoint first, then the next refresh."""
        return [*self.notes, *(self.kept.notes if self.kept else []), *(self.shelf.notes if self.shelf else [])]

    def _spent(self) -> dict[str, Any]:
        """Return what the run has cost so far as fields of its row."""
        return {
            "processing_seconds": round(self.reporter.elapsed_seconds, 3),
            "cpu_seconds": round(time.process_time() - self.cpu_before, 3),
            "peak_memory_bytes": memory.peak_bytes(),
            "phase_seconds": self.reporter.phase_seconds(),
        }

    def _stop_if_asked(self) -> None:
        if process.is_asked_to_stop():
            raise HandedBack
        if self.lease.reason is not None:
            raise self.lease.reason
        limit = time_limit(self.reporter.progress.total_tracks, self.analysis.time_limit_seconds)
        if self.reporter.elapsed_seconds > limit:
            raise too_late(self.reporter.progress, self.reporter.elapsed_seconds)

    def _store(self, progress: AnalysisProgress) -> None:
        if self.lease.is_alive():
            self.lease.note(progress)
        else:
            retrying(lambda: lifecycle.store_progress(self.claimed, progress, now=self.now()))
