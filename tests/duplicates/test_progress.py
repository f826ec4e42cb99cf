"""Progress: percent that never goes back, phases by name, at most one write and one log line a second."""

import logging
from datetime import UTC, datetime

import pytest

from duplicates.choices import AnalysisStatus, Phase, Trigger
from duplicates.services import claims, forecast
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from duplicates.services.progress import STAGES, AnalysisProgress, RunReporter

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stored() -> list[AnalysisProgress]:
    return []


@pytest.fixture
def reporter(clock, stored) -> RunReporter:
    reporter = RunReporter("a1", now=lambda: NOW, store=stored.append, interval=1.0, clock=clock)
    reporter.set_total_tracks(1000)
    return reporter


def run_through(reporter: RunReporter, clock: Clock, seconds_per_step: float = 0.1, steps: int = 10) -> list[float]:
    percents = []
    for stage in STAGES:
        reporter.begin(stage, steps)
        for done in range(1, steps + 1):
            clock.seconds += seconds_per_step
            reporter.advance(done)
            percents.append(reporter.progress.percentage)
    return percents


def test_every_stage_has_a_reference() -> None:
    assert all(list(seconds) == list(STAGES) for seconds in forecast.REFERENCE.values())


def test_percent_never_goes_back_and_ends_just_below_a_hundred(reporter, clock) -> None:
    percents = run_through(reporter, clock)

    assert percents == sorted(percents)
    assert percents[-1] == 99.9


def test_every_phase_is_passed_in_order(reporter, clock, stored) -> None:
    run_through(reporter, clock, seconds_per_step=1.0)

    phases = list(dict.fromkeys(progress.phase for progress in stored))
    assert phases == Phase.values


def test_it_is_written_at_most_once_a_second(reporter, clock, stored) -> None:
    run_through(reporter, clock, seconds_per_step=0.1)

    assert len(stored) <= clock.seconds + 1


def test_the_log_has_at_most_one_line_a_second_on_top_of_the_stages(reporter, clock, caplog) -> None:
    with caplog.at_level(logging.INFO, "reprise.analysis"):
        run_through(reporter, clock, seconds_per_step=0.01, steps=500)

    lines = [line for line in caplog.messages if " of 1000 tracks" in line]
    assert 0 < len(lines) <= clock.seconds + 1


def test_the_log_begins_with_the_total_and_names_each_stage_with_its_time(clock, caplog) -> None:
    with caplog.at_level(logging.INFO, "reprise.analysis"):
        reporter = RunReporter("a1", now=lambda: NOW, clock=clock)
        reporter.set_total_tracks(1000)
        run_through(reporter, clock)
        reporter.finish("Finished: 1000 tracks")

    assert caplog.messages[0] == "Analysis started: 1000 tracks"
    assert caplog.messages[-1] == "Finished: 1000 tracks"
    assert [name for name in STAGES if f"Stage {name} finished in 1.00 s" in caplog.messages] == list(STAGES)
    assert {record.analysis_id for record in caplog.records} == {"a1"}


def test_the_seconds_of_the_stages_add_up_to_phases(reporter, clock) -> None:
    run_through(reporter, clock)
    reporter.finish("done")

    assert reporter.phase_seconds() == pytest.approx(
        {"loading_tracks": 1, "analyzing_similarities": 5, "cross_referencing": 1, "saving_results": 1}
    )


@pytest.mark.django_db
class TestReading:
    def test_any_process_reads_what_was_stored(self) -> None:
        service = DuplicateDetectionService()
        analysis = service.queue(AnalysisOptions(), user=None, trigger=Trigger.API).analysis
        claimed = claims.claim(analysis.pk, now=NOW)

        service.update_progress(
            claimed, AnalysisProgress(str(analysis.pk), "running", phase="loading_tracks", percentage=7.5)
        )

        read = service.get_analysis_progress(analysis.pk)
        assert (read.percentage, read.phase, read.status) == (7.5, "loading_tracks", AnalysisStatus.RUNNING)

    def test_it_is_cleared_when_the_run_is_over(self) -> None:
        service = DuplicateDetectionService()

        analysis = service.find_duplicates_with_persistence(AnalysisOptions()).analysis

        assert analysis.progress is None
        assert service.get_analysis_progress(analysis.pk).percentage == 100
