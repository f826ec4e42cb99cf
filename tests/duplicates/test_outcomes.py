"""What became of the analyses of a period: kept or deleted since, best and worst, and each limit on both its sides."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from duplicates.models import DuplicateAnalysisResult
from duplicates.services import audit, retention
from duplicates.services.impact import follow_library
from duplicates.services.outcomes import Outcome, Outcomes, get_outcomes
from duplicates.services.resolution import mark_groups_resolved
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory
from tests.duplicates.test_removal import NOW, remove

MONTH = timedelta(days=30)


def outcomes_of(*rates: float) -> Outcomes:
    """Return analyses of a thousand groups each, a day apart, so many percent of which are decided."""

    def one(number: int, rate: float) -> Outcome:
        at, resolved = NOW - timedelta(days=len(rates) - number), round(10 * rate)
        return Outcome(at, str(number), f"Run {number}", 1000, resolved, duplicates=1500, eliminated=resolved)

    return Outcomes(tuple(one(number, rate) for number, rate in enumerate(rates)))


def completed(days_ago: float, groups: int = 2, **values: Any) -> DuplicateAnalysisResult:
    analysis = AnalysisFactory.create(completed_at=NOW - timedelta(days=days_ago), duplicates_found=groups, **values)
    for _ in range(groups):
        group_of(copy(), copy(), analysis=analysis)
    return analysis


def decide(analysis: DuplicateAnalysisResult, many: int) -> None:
    ids = list(analysis.groups.values_list("pk", flat=True)[:many])
    mark_groups_resolved(analysis, ids, "kept_canonical", actor=None, now=NOW)


def found(begins_at: datetime = NOW - MONTH) -> Outcomes:
    return get_outcomes(begins_at, NOW)


@pytest.mark.django_db
class TestCounting:
    def test_adds_up_groups_and_what_went_of_kept_analyses(self) -> None:
        completed(5)
        cleaned = completed(3, groups=3)
        decide(cleaned, 1)
        group = cleaned.groups.order_by("pk").last()
        assert group is not None
        remove(group, Track.objects.get(pk=group.members.get(position=1).track_id))

        outcomes = found()

        assert (outcomes.analyses, outcomes.with_cleanup) == (2, 1)
        assert (outcomes.groups, outcomes.resolved) == (5, 2)
        assert (outcomes.duplicates, outcomes.eliminated) == (5, 1)

    def test_counts_one_copy_of_a_lost_group_as_the_song(self) -> None:
        analysis = completed(1, groups=1)
        ids = list(analysis.groups.get().members.values_list("track_id", flat=True))
        Track.objects.filter(pk__in=ids).delete()
        follow_library(now=NOW)

        assert found().eliminated == 1

    def test_remembers_analyses_that_retention_deleted_by_when_they_ended(self) -> None:
        kept = completed(1)
        gone = completed(20, created_at=NOW - timedelta(days=300), search_term="gone")
        decide(gone, 2)
        retention.cleanup_old_results(retention.plan_cleanup(now=NOW), actor=None, now=NOW - timedelta(hours=2))

        outcomes = found()

        assert not DuplicateAnalysisResult.objects.filter(pk=gone.pk).exists()
        assert [(one.analysis_id, one.rate, one.is_kept) for one in outcomes.each] == [
            (str(gone.pk), 100.0, False),
            (str(kept.pk), 0.0, True),
        ]
        assert found(NOW - timedelta(days=10)).analyses == 1

    def test_takes_older_records_by_when_they_were_written(self) -> None:
        counts = {"groups": 4, "resolved": 1, "duplicates": 5, "eliminated": 2}
        audit.record("analysis.forgotten", actor=None, now=NOW - timedelta(days=2), counts=counts)

        (one,) = found().each

        assert (one.at, one.rate, one.duplicates, one.eliminated) == (NOW - timedelta(days=2), 25.0, 5, 2)

    @pytest.mark.parametrize(("days_ago", "many"), [(29.9, 1), (30, 0), (-0.1, 0)])
    def test_takes_those_of_the_period(self, days_ago: float, many: int) -> None:
        completed(days_ago)

        assert found().analyses == many

    def test_leaves_out_those_that_found_nothing(self) -> None:
        completed(1, groups=0)

        assert found() == Outcomes()

    def test_takes_four_queries_however_many_there_are(self, django_assert_num_queries: Any) -> None:
        for days in range(5):
            completed(days + 1)
        with django_assert_num_queries(4):
            found()


class TestExtremes:
    def test_are_the_analyses_of_which_most_and_fewest_groups_are_decided(self) -> None:
        outcomes = outcomes_of(40, 90, 10, 60)

        assert outcomes.best == outcomes.each[1]
        assert outcomes.worst == outcomes.each[2]

    def test_of_equal_ones_are_the_newest(self) -> None:
        outcomes = outcomes_of(90, 10, 90, 10)

        assert (outcomes.best, outcomes.worst) == (outcomes.each[2], outcomes.each[3])

    def test_of_one_and_of_none(self) -> None:
        assert (outcomes_of(40).best, outcomes_of(40).worst) == (outcomes_of(40).each[0], None)
        assert (outcomes_of().best, outcomes_of().worst, outcomes_of().average_rate) == (None, None, None)


@pytest.mark.parametrize(
    ("rates", "trend"),
    [
        pytest.param((50, 55), "stable", id="5 points up"),
        pytest.param((50, 55.1), "improving", id="more than 5 up"),
        pytest.param((50, 45), "stable", id="5 points down"),
        pytest.param((50, 44.9), "declining", id="more than 5 down"),
        pytest.param((50, 0, 60), "improving", id="the one in the middle counts for neither half"),
        pytest.param((50,), "stable", id="one"),
        pytest.param((), "stable", id="none"),
    ],
)
def test_the_trend_holds_the_newer_half_beside_the_older(rates: tuple[float, ...], trend: str) -> None:
    assert outcomes_of(*rates).trend == trend


@pytest.mark.parametrize(
    ("rates", "word"),
    [
        pytest.param((50, 60, 60, 60), "as_usual", id="10 points up"),
        pytest.param((50, 60, 60, 60.4), "better", id="more than 10 up"),
        pytest.param((50, 40, 40, 40), "as_usual", id="10 points down"),
        pytest.param((50, 40, 40, 39.6), "worse", id="more than 10 down"),
        pytest.param((90, 90, 90), None, id="none before the newest three"),
    ],
)
def test_recent_performance_holds_the_newest_three_beside_those_before(
    rates: tuple[float, ...], word: str | None
) -> None:
    assert outcomes_of(*rates).recent_performance == word


def test_consistency_is_a_hundred_less_the_standard_deviation() -> None:
    assert outcomes_of(40, 60).consistency == pytest.approx(100 - 14.142, abs=0.001)
    assert (outcomes_of(50, 50).consistency, outcomes_of(50).consistency) == (100, None)
