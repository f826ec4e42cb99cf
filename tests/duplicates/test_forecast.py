"""The remaining time of a run, on stage timings recorded from real runs: right within a factor of two after a tenth."""

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from duplicates.choices import Trigger
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import claims, lifecycle, running
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from duplicates.services.pace import earlier_paces
from duplicates.services.progress import STAGES, AnalysisProgress, RunReporter
from tests.duplicates.library_of import make_library

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

# name → (tracks, catalogue entries, candidate pairs, groups, seconds of each stage in order), as logged by real runs.
RECORDED = {
    "a million on PostgreSQL": (1_000_000, 0, 959_317, 151_830, (5.07, 10.30, 9.42, 5.85, 3.66, 1.21, 0.44, 21.81)),
    "100,000 on SQLite": (100_000, 0, 89_106, 15_207, (1.06, 1.65, 1.06, 0.70, 0.45, 0.19, 0.04, 2.24)),
    "100,000 on PostgreSQL": (100_000, 0, 89_106, 15_207, (0.99, 1.67, 1.15, 0.97, 0.44, 0.23, 0.05, 3.80)),
    "with a catalogue": (100_000, 100_000, 89_106, 15_207, (0.88, 1.74, 1.26, 1.06, 0.33, 0.14, 7.36, 2.54)),
    "with a small catalogue": (100_000, 20_000, 89_106, 15_207, (0.83, 1.51, 1.21, 0.62, 0.30, 0.09, 3.22, 1.79)),
    "10,000 on SQLite": (10_000, 0, 8_067, 1_452, (0.13, 0.38, 0.19, 0.11, 0.05, 0.02, 0.02, 0.20)),
    "beside other work": (100_000, 0, 89_106, 15_207, (0.76, 1.46, 1.21, 1.00, 0.46, 0.09, 0.04, 3.15)),
    "a busy PostgreSQL": (100_000, 0, 89_106, 15_207, (1.46, 4.40, 2.48, 1.27, 0.67, 0.28, 0.06, 4.12)),
    "a machine ten times as slow": (100_000, 0, 89_106, 15_207, (10.6, 16.5, 10.6, 7.0, 4.5, 1.9, 0.4, 22.4)),
}
# What the reference alone cannot foresee: the disk is busy, and only saving shows it.
BUSY_DISKS = {
    "a million, saved to a busy disk": (1_000_000, 0, 959_317, 151_830, (5.1, 10.3, 9.4, 5.9, 3.7, 1.2, 0.4, 180.0)),
    "a million, saved to a very busy disk": (
        1_000_000, 0, 959_317, 151_830, (5.1, 10.3, 9.4, 5.9, 3.7, 1.2, 0.4, 400.0),
    ),
}  # fmt: skip
NO_DUPLICATES = (1_000_000, 0, 82_000, 0, (5.07, 10.30, 9.42, 0.50, 3.66, 0.0, 0.0, 0.0))
# A refresh after 100 edits: few pairs, and nearly all groups are copied.
REFRESHES = {
    "a refresh of a million": (1_000_000, 0, 300, 151_824, (0.01, 0.07, 0.08, 0.11, 0.57, 0.10, 0.01, 6.01)),
    "the first refresh of a million": (1_000_000, 0, 300, 151_824, (0.01, 0.12, 0.10, 0.12, 0.64, 0.12, 0.01, 6.34)),
}
SLACK_SECONDS = 1.0  # nobody minds at the very end of a run


class Run:
    """Replays one recorded run against a clock."""

    def __init__(self, name: str, steps: int = 20, paces: Mapping[str, float] | None = None) -> None:
        tracks, self.catalog, pairs, groups, seconds = (RECORDED | BUSY_DISKS | REFRESHES).get(name, NO_DUPLICATES)
        self.is_refresh = name in REFRESHES
        self.paces = paces
        self.units = dict.fromkeys(STAGES, tracks)
        self.units |= {"scoring": pairs, "keeper": groups, "cross_reference": 2 * groups, "saving": groups}
        self.seconds = dict(zip(STAGES, seconds, strict=True))
        self.tracks, self.steps, self.clock = tracks, steps, 0.0
        self.reporter = RunReporter("a1", now=lambda: NOW, clock=lambda: self.clock)

    def reports(self, *, skip: tuple[str, ...] = ()) -> Iterator[tuple[float, float | None, float]]:
        """Yield the percentage, the estimate and the true rest of the run at every report."""
        self.reporter.set_total_tracks(
            self.tracks, catalog_entries=self.catalog, paces=self.paces, is_refresh=self.is_refresh
        )
        whole = sum(seconds for stage, seconds in self.seconds.items() if stage not in skip)
        for stage, seconds in self.seconds.items():
            self.reporter.begin(stage, self.units[stage])
            for step in () if stage in skip else range(1, self.steps + 1):
                self.clock += seconds / self.steps
                self.reporter.advance(self.units[stage] * step // self.steps)
                progress = self.reporter.progress
                yield progress.percentage, progress.estimated_seconds_remaining, whole - self.clock


@pytest.mark.parametrize("name", RECORDED | REFRESHES)
def test_the_estimate_is_right_within_a_factor_of_two_after_a_tenth(name: str) -> None:
    assert wrong_estimates(Run(name)) == []


def wrong_estimates(run: Run) -> list[tuple[float, float | None]]:
    """Return (the true rest, the estimate) wherever they differ by more than a factor of two after the first tenth."""
    whole = sum(run.seconds.values())
    return [
        (round(true, 1), estimate)
        for _, estimate, true in run.reports()
        if true < 0.9 * whole
        and (estimate is None or not true / 2 - SLACK_SECONDS <= estimate <= true * 2 + SLACK_SECONDS)
    ]


class TestEarlierRuns:
    @pytest.mark.parametrize("name", BUSY_DISKS)
    def test_without_them_a_busy_disk_is_a_surprise(self, name: str) -> None:
        assert wrong_estimates(Run(name)) != []

    @pytest.mark.django_db
    @pytest.mark.parametrize("name", BUSY_DISKS)
    def test_with_them_the_estimate_is_right_within_a_factor_of_two(self, name: str) -> None:
        leave_behind(name)

        assert wrong_estimates(Run(name, paces=earlier_paces(1_000_000))) == []

    @pytest.mark.django_db
    @pytest.mark.parametrize("name", [name for name, run in RECORDED.items() if not run[1]])
    def test_they_harm_no_run_that_was_foreseen_without_them(self, name: str) -> None:
        leave_behind(name)

        assert wrong_estimates(Run(name, paces=earlier_paces(RECORDED[name][0]))) == []

    @pytest.mark.django_db
    def test_the_median_of_the_last_five_counts(self) -> None:
        for name in ["a million, saved to a busy disk", *["a million on PostgreSQL"] * 3]:
            leave_behind(name)

        paces = earlier_paces(1_000_000)

        assert paces["saving"] == pytest.approx(21.81 / 21 * 152_000 / 151_830)

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        "unlike",
        [
            pytest.param({"attempt": 2}, id="interrupted"),
            pytest.param({"status": "failed"}, id="failed"),
            pytest.param({"tables_of": uuid.uuid4()}, id="matched only what changed"),
            pytest.param({"phase_seconds": {"saving_results": 3.0}}, id="saved again"),
            pytest.param({"tracks_analyzed": 100_000}, id="another size"),
        ],
    )
    def test_runs_that_say_nothing_are_left_out(self, unlike: dict[str, Any]) -> None:
        leave_behind("a million on PostgreSQL", **unlike)

        assert earlier_paces(1_000_000) == {}

    @pytest.mark.django_db
    def test_a_run_asks_for_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make_library()
        asked: list[int] = []
        monkeypatch.setattr("duplicates.services.detecting.earlier_paces", lambda tracks: asked.append(tracks) or {})

        DuplicateDetectionService().find_duplicates(AnalysisOptions())

        assert asked == [10]


def leave_behind(name: str, **unlike: Any) -> None:
    """Store a completed analysis that took what was recorded."""
    tracks, _, _, groups, seconds = (RECORDED | BUSY_DISKS)[name]
    phases: dict[str, float] = {}
    for (phase, _), spent in zip(STAGES.values(), seconds, strict=True):
        phases[str(phase)] = phases.get(str(phase), 0.0) + spent
    values = {"status": "completed", "attempt": 1, "tracks_analyzed": tracks, "groups_found": groups}
    DuplicateAnalysisResult.objects.create(
        **values | {"phase_seconds": phases, "created_at": NOW, "completed_at": NOW} | unlike
    )


def test_a_refresh_shows_how_far_its_saving_is() -> None:
    run = Run("a refresh of a million")
    whole = sum(run.seconds.values())

    assert all(abs(percentage - 100 * (1 - true / whole)) < 10 for percentage, _, true in run.reports())


@pytest.mark.parametrize("name", RECORDED | REFRESHES)
def test_percent_follows_the_clock_and_never_goes_back(name: str) -> None:
    percents = [percentage for percentage, _, _ in Run(name).reports()]

    assert percents == sorted(percents)
    assert percents[-1] == 99.9


def test_a_library_without_duplicates_has_nothing_to_save() -> None:
    estimates = [estimate for _, estimate, true in Run("no duplicates").reports() if true < 0.01]

    assert all(estimate is not None and estimate < SLACK_SECONDS for estimate in estimates[1:])


def test_a_stage_taken_from_its_checkpoint_says_nothing_about_the_pace() -> None:
    run = Run("100,000 on SQLite")
    reports = list(run.reports(skip=("candidates", "scoring")))

    late = [(estimate, true) for _, estimate, true in reports if 0.2 < true < 1.9]
    assert all(true / 2 - 0.2 <= estimate <= true * 2 + 0.2 for estimate, true in late if estimate is not None)


def test_nothing_is_promised_before_anything_is_done() -> None:
    run = Run("100,000 on SQLite")
    run.reporter.set_total_tracks(run.tracks)
    run.reporter.begin("load", run.tracks)

    assert run.reporter.progress.estimated_seconds_remaining is None


def test_a_run_that_is_gone_on_with_starts_at_the_percent_it_had() -> None:
    reporter = RunReporter("a1", now=lambda: NOW, percentage=61.5)
    reporter.set_total_tracks(1000)

    reporter.begin("load", 1000)

    assert reporter.progress.percentage == 61.5


@pytest.mark.django_db
def test_a_reclaimed_run_shows_what_its_first_worker_had_reached(settings) -> None:
    make_library()
    settings.PROGRESS_INTERVAL_SECONDS = 0
    analysis = lifecycle.queue_analysis(AnalysisOptions(), actor=None, trigger=Trigger.COMMAND, now=NOW).analysis
    first = claims.claim(analysis.pk, now=NOW)
    assert first is not None
    lifecycle.store_progress(first, AnalysisProgress(str(analysis.pk), "running", percentage=61.5), now=NOW)
    claims.hand_back(first)
    drawn: list[float] = []

    running.run_analysis(analysis.pk, draw=lambda progress: drawn.append(progress.percentage))

    assert drawn[0] == 61.5
    assert drawn == sorted(drawn)
