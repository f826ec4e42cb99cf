"""The figures of monitoring: what they add up, what they cost, and what follows from them in words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from duplicates.choices import AnalysisStatus, ConfidenceBand, ExportStatus, Phase, Resolution
from duplicates.models import StorageSample, Worker
from duplicates.services import audit
from duplicates.services.error_patterns import find_patterns
from duplicates.services.measured_precision import BandPrecision, measure_precision
from duplicates.services.metrics import Metrics, Run, get_metrics, size_class
from duplicates.services.storage_growth import Growth, forecast, get_growth
from tests.duplicates.factories import AnalysisFactory, ExportFactory, GroupFactory, UserFactory

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
GB = 1_000_000_000


def note(days_ago: float, action: str, **values: Any) -> None:
    values = {"actor": None, "counts": {"groups": 2, "tracks": 3}} | values
    audit.record(action, now=NOW - timedelta(days=days_ago), **values)


def run_ended(days_ago: float = 1, **values: Any) -> None:
    AnalysisFactory(completed_at=NOW - timedelta(days=days_ago), **values)


def metrics(days: int = 30) -> Metrics:
    return get_metrics(now=NOW, days=days)


@pytest.mark.django_db
class TestActivity:
    def test_tells_how_many_runs_completed_of_those_that_came_to_an_end_by_themselves(self) -> None:
        for action, times in (("analysis.completed", 3), ("analysis.failed", 1), ("analysis.cancelled", 5)):
            for _ in range(times):
                note(2, action, was_successful=action != "analysis.failed")

        found = metrics().activity()

        assert (found.completed, found.failed, found.cancelled, found.completion_ratio) == (3, 1, 5, 0.75)

    def test_has_no_ratio_where_nothing_ended(self) -> None:
        assert metrics().activity().completion_ratio is None

    def test_still_counts_runs_that_clean_up_has_removed(self) -> None:
        note(2, "analysis.completed")

        assert (metrics().activity().completed, metrics().runs) == (1, ())

    def test_is_told_by_days_that_end_now(self) -> None:
        note(0.5, "groups.resolved")
        note(1.5, "duplicates.removed")
        note(8, "groups.resolved")

        found = metrics(days=30)

        assert [day.groups_decided for day in found.by_day[-2:]] == [2, 2]
        assert (found.by_day[-2].tracks_removed, found.activity(7).groups_decided) == (3, 4)
        assert found.activity().groups_decided == 6

    def test_counts_exports_and_downloads(self) -> None:
        note(1, "export.requested")
        note(1, "export.requested", was_successful=False)
        note(1, "export.unsaved")
        note(1, "export.downloaded")

        found = metrics().activity()

        assert (found.exports_requested, found.downloads) == (2, 1)

    def test_names_who_decided_how_much(self) -> None:
        ada = UserFactory(username="ada")
        note(1, "groups.resolved", actor=ada)
        note(2, "duplicates.removed", actor=ada)
        note(1, "groups.resolved")
        note(1, "analysis.queued", actor=ada)

        assert [(one.name, one.actions, one.groups, one.tracks) for one in metrics().reviewers] == [
            ("ada", 2, 4, 6),
            ("", 1, 2, 3),
        ]


@pytest.mark.django_db
class TestRuns:
    def test_are_put_together_by_size(self) -> None:
        phases = dict.fromkeys(Phase.values, 1.0)
        for seconds in (10.0, 20.0, 60.0):
            run_ended(tracks_analyzed=40_000, processing_seconds=seconds, phase_seconds=phases, peak_memory_bytes=GB)
        run_ended(tracks_analyzed=600_000, processing_seconds=90.0)

        small, large = metrics().by_size

        assert (small.size_class, small.runs, small.median_seconds, small.longest_seconds) == (
            "up to 100,000",
            3,
            20.0,
            60.0,
        )
        assert (small.tracks_per_second, small.peak_memory_bytes) == (2_000.0, GB)
        assert small.phase_seconds["saving_results"] == 1.0
        assert large.size_class == "above 500,000"

    @pytest.mark.parametrize(
        ("tracks", "name"),
        [(10_000, "up to 10,000"), (10_001, "up to 100,000"), (500_000, "up to 500,000"), (500_001, "above 500,000")],
    )
    def test_a_limit_belongs_to_the_class_below_it(self, tracks: int, name: str) -> None:
        assert size_class(tracks) == name

    def test_failures_are_counted_by_code_and_unknown_codes_together(self) -> None:
        for code in ("ANALYSIS_TIMEOUT", "ANALYSIS_TIMEOUT", "NOBODY_KNOWS"):
            run_ended(status=AnalysisStatus.FAILED, error_code=code)
        run_ended(days_ago=10, status=AnalysisStatus.FAILED, error_code="MEMORY_LIMIT")

        assert metrics().failures == {"ANALYSIS_TIMEOUT": 2, "OTHER": 1, "MEMORY_LIMIT": 1}
        assert metrics().failures_within(7) == {"ANALYSIS_TIMEOUT": 2, "OTHER": 1}


@pytest.mark.django_db
class TestWorkAtHand:
    def test_the_queue_is_told_with_its_longest_wait(self) -> None:
        AnalysisFactory(status=AnalysisStatus.QUEUED, created_at=NOW - timedelta(minutes=3))
        AnalysisFactory(status=AnalysisStatus.QUEUED, created_at=NOW - timedelta(minutes=1))
        ExportFactory(status=ExportStatus.PENDING)

        queue = metrics().queue

        assert (queue.queued, queue.running, queue.oldest_queued_seconds, queue.exports_waiting) == (2, 0, 180.0, 1)

    def test_only_workers_seen_lately_are_alive(self) -> None:
        for name, seconds in (("a", 4), ("b", 300)):
            Worker.objects.create(
                worker_id=name, host="h", process_id=1, started_at=NOW, seen_at=NOW - timedelta(seconds=seconds)
            )

        assert (metrics().workers.alive, metrics().workers.heartbeat_age_seconds) == (1, 4.0)


@pytest.mark.django_db
class TestPrecision:
    def decided(self, resolution: Resolution, confidence: float = 0.97, **values: Any) -> None:
        GroupFactory(is_resolved=True, resolution=resolution, resolved_at=NOW, confidence=confidence, **values)

    def test_counts_decisions_by_band(self) -> None:
        self.decided(Resolution.DELETED, identity="a")
        self.decided(Resolution.KEPT_CANONICAL, identity="b")
        self.decided(Resolution.NOT_DUPLICATES, identity="c")
        self.decided(Resolution.MANUAL_REVIEW, identity="d")
        self.decided(Resolution.NOT_DUPLICATES, confidence=0.85, identity="e")

        found = {one.band: (one.confirmed, one.different) for one in measure_precision()}

        assert found == {
            ConfidenceBand.VERY_HIGH: (2, 1),
            ConfidenceBand.HIGH: (0, 0),
            ConfidenceBand.MEDIUM: (0, 1),
            ConfidenceBand.LOW: (0, 0),
        }

    def test_a_group_decided_in_two_analyses_counts_once(self) -> None:
        self.decided(Resolution.DELETED, identity="a")
        self.decided(Resolution.DELETED, identity="a")

        assert measure_precision()[0].confirmed == 1

    def test_reads_an_index_of_what_is_decided(self) -> None:
        with CaptureQueriesContext(connection) as captured:
            measure_precision()
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")  # so few rows are read from the start to the end
                cursor.execute(f"EXPLAIN {captured[0]['sql']}")
            else:
                cursor.execute(f"EXPLAIN QUERY PLAN {captured[0]['sql']}")
            plan = str(cursor.fetchall())

        assert "group_decided" in plan

    def test_the_interval_is_wide_for_few_decisions_and_narrow_for_many(self) -> None:
        few = BandPrecision(ConfidenceBand.HIGH, 9, 1).interval
        many = BandPrecision(ConfidenceBand.HIGH, 900, 100).interval

        assert few == pytest.approx((0.596, 0.982), abs=0.001)
        assert many == pytest.approx((0.880, 0.917), abs=0.001)
        assert BandPrecision(ConfidenceBand.HIGH, 0, 0).interval is None


@pytest.mark.django_db
def test_the_number_of_queries_does_not_depend_on_the_data(django_assert_num_queries: Any) -> None:
    metrics()
    with CaptureQueriesContext(connection) as without:
        metrics()
    for number in range(4):
        run_ended(user=UserFactory(), tracks_analyzed=10, processing_seconds=1.0)
        note(number, "groups.resolved", actor=UserFactory())
        GroupFactory(is_resolved=True, resolution=Resolution.DELETED, resolved_at=NOW)

    with django_assert_num_queries(len(without)):
        metrics()
    assert len(without) <= 17


def failed(code: str = "ANALYSIS_TIMEOUT", tracks: int = 0, phase: str = "") -> Run:
    return Run("failed", NOW, tracks, None, {}, None, code, phase)


class TestPatterns:
    def test_seven_of_nine_are_time_outs_of_large_libraries(self) -> None:
        runs = [failed(tracks=600_000 + n) for n in range(7)] + [failed("SAVE_FAILED"), failed("MEMORY_LIMIT")]

        assert find_patterns(runs) == [
            "7 of 9 failures are time-outs above 500,000 tracks: raise REPRISE_ANALYSIS_TIMEOUT_SECONDS, or set it to "
            "0 to allow by size."
        ]

    def test_the_size_is_named_only_where_all_exceed_it(self) -> None:
        assert " above 10,000 tracks:" in find_patterns([failed(tracks=600_000), failed(tracks=20_000)])[0]
        assert " above " not in find_patterns([failed(tracks=600_000), failed(tracks=20)])[0]

    def test_the_phase_is_named_where_most_end_in_it(self) -> None:
        runs = [failed("WORKER_LOST", phase="saving_results")] * 2 + [failed("WORKER_LOST", phase="loading_tracks")]

        assert find_patterns(runs)[0].startswith(
            "3 of 3 failures are runs whose workers died, mostly while saving results: look at the workers' log"
        )

    def test_an_unknown_kind_is_named_by_its_code(self) -> None:
        assert find_patterns([failed("DATABASE_ERROR")] * 2) == [
            "2 of 2 failures are failures with the code DATABASE_ERROR: their pages and the log say more."
        ]

    def test_one_failure_is_no_pattern_and_success_is_none(self) -> None:
        completed = Run("completed", NOW, 1, 1.0, {}, None, "", "")

        assert find_patterns([failed(), completed, completed]) == []


class TestGrowth:
    def growth(self, *sizes: int) -> Growth:
        for days_ago, size in enumerate(reversed(sizes)):
            StorageSample.objects.create(day=(NOW - timedelta(days=days_ago)).date(), total_bytes=size)
        return get_growth(now=NOW, days=30)

    @pytest.mark.django_db
    def test_is_the_line_nearest_to_the_samples(self) -> None:
        found = self.growth(1 * GB, 3 * GB, 3 * GB, 5 * GB)

        assert found.bytes_per_day == pytest.approx(1.2 * GB)
        assert found.days_until(11 * GB) == 5

    @pytest.mark.django_db
    def test_two_days_are_no_trend(self) -> None:
        assert forecast(self.growth(1, 2), free_bytes=GB).startswith("A forecast needs samples of three days")

    @pytest.mark.django_db
    def test_is_said_with_the_day_the_disk_is_full(self) -> None:
        said = forecast(self.growth(1 * GB, 2 * GB, 3 * GB), free_bytes=30 * GB)

        assert said == "Storage grows by 1,000.0 MB a day. At this pace the disk is full in about 30 days."

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("sizes", "said"),
        [
            pytest.param((3, 2, 1), "Storage does not grow.", id="shrinking"),
            pytest.param((GB, GB + 10**6, GB + 2 * 10**6), "lasts for years.", id="slow"),
        ],
    )
    def test_no_end_is_foretold_where_none_is_near(self, sizes: tuple[int, ...], said: str) -> None:
        assert forecast(self.growth(*sizes), free_bytes=10 * GB).endswith(said)
