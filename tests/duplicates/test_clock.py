"""The machine's clock is set during a run, by an hour forward or back: nothing is lost, ended early or taken away."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from duplicates.choices import AnalysisStatus
from duplicates.models import AuditRecord, DuplicateAnalysisResult, Worker
from duplicates.services import claims, lifecycle, running, workers
from duplicates.services.clock import ClockWatch
from duplicates.worker import Supervisor
from tests.duplicates.library_of import SONG_COUNT, make_library
from tests.duplicates.queued import NOW, queue, status_of

HOUR = timedelta(hours=1)
JUMPS = [pytest.param(HOUR, id="forward"), pytest.param(-HOUR, id="back")]


class SetClock:
    """The time of day, set by `jump` after it was read so often."""

    def __init__(self, jump: timedelta, *, after: int) -> None:
        self.jump, self.left = jump, after

    def __call__(self) -> datetime:
        self.left -= 1
        return NOW if self.left >= 0 else NOW + self.jump


@pytest.mark.django_db
@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("after", [3, 10, 20])
def test_a_run_goes_on_to_its_end(settings, jump: timedelta, after: int) -> None:
    make_library()
    settings.PROGRESS_INTERVAL_SECONDS = 0
    settings.ANALYSIS_TIMEOUT_SECONDS = 600
    analysis, clock, percents = queue(), SetClock(jump, after=after), []

    ran = running.run_analysis(analysis.pk, draw=lambda progress: percents.append(progress.percentage), now=clock)

    assert clock.left < 0
    assert (ran.analysis.status, ran.analysis.groups_found) == (AnalysisStatus.COMPLETED, SONG_COUNT)
    assert percents == sorted(percents)
    assert 0 < ran.analysis.processing_seconds < 600
    assert AuditRecord.objects.get(action="analysis.completed").duration_seconds == ran.analysis.processing_seconds


@pytest.mark.django_db
@pytest.mark.parametrize("jump", JUMPS)
class TestLeases:
    def test_the_living_keeps_its_run_once_it_has_renewed(self, jump: timedelta) -> None:
        claimed = claims.claim(queue().pk, now=NOW)
        claims.renew(claimed, now=NOW + jump)

        assert lifecycle.reclaim(now=NOW + jump + timedelta(seconds=20), enqueue=lambda analysis_id: None) == []

    def test_the_run_of_a_dead_worker_is_given_on(self, jump: timedelta) -> None:
        analysis = queue()
        claims.claim(analysis.pk, now=NOW)

        lifecycle.reclaim(now=NOW + jump, enqueue=lambda analysis_id: None)

        assert status_of(analysis) == AnalysisStatus.QUEUED

    def test_a_dead_worker_does_not_look_alive(self, jump: timedelta) -> None:
        workers.show_alive("w-1", now=NOW)

        assert workers.are_there_workers(now=NOW)
        assert not workers.are_there_workers(now=NOW + jump)


class TestClockWatch:
    def watch(self) -> tuple[ClockWatch, Callable[[float, timedelta], bool]]:
        steady = [0.0]

        def look(seconds: float, set_by: timedelta = timedelta()) -> bool:
            steady[0] = seconds
            return watch.is_settled(NOW + timedelta(seconds=seconds) + set_by, within=30)

        watch = ClockWatch(steady=lambda: steady[0])
        return watch, look

    @pytest.mark.parametrize("jump", JUMPS)
    def test_it_waits_after_a_jump_and_then_trusts_again(self, jump: timedelta) -> None:
        _, look = self.watch()

        assert [look(0), look(1)] == [True, True]
        assert [look(2, jump), look(20, jump), look(31, jump)] == [False, False, False]
        assert look(32, jump)

    def test_corrections_of_a_second_are_no_jumps(self) -> None:
        _, look = self.watch()

        assert all(look(second, timedelta(seconds=second % 2)) for second in range(60))


@pytest.mark.django_db
@pytest.mark.parametrize("jump", JUMPS)
def test_a_supervisor_takes_no_run_away_right_after_the_clock_was_set(monkeypatch, settings, jump: timedelta) -> None:
    analysis, moment, steady = queue(), [NOW], [1000.0]
    claims.claim(analysis.pk, now=NOW)
    monkeypatch.setattr("duplicates.worker.enqueue_analysis", lambda analysis_id: None)
    monkeypatch.setattr("duplicates.worker.timezone.now", lambda: moment[0])
    monkeypatch.setattr("duplicates.worker.time.monotonic", lambda: steady[0])
    supervisor = Supervisor(1, [], grace_seconds=1, say=lambda words: None)
    statuses = []

    def tick(seconds: float, set_by: timedelta = timedelta()) -> None:
        steady[0] += seconds
        moment[0] += timedelta(seconds=seconds) + set_by
        supervisor._tidy_when_due()
        statuses.append(status_of(analysis))

    tick(0)
    tick(1, jump)
    tick(20)
    tick(15)

    running_still, given_on = AnalysisStatus.RUNNING, AnalysisStatus.QUEUED
    assert statuses == [running_still, running_still, running_still, given_on]


@pytest.mark.django_db
def test_a_worker_row_from_another_time_goes() -> None:
    workers.show_alive("w-1", now=NOW + HOUR)
    workers.tidy(now=NOW, enqueue_analysis=lambda analysis_id: None)

    assert not Worker.objects.exists()
    assert not DuplicateAnalysisResult.objects.exists()
