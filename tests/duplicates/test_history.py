"""The history of clean-up: figures that add up from the records, and advice with its limits."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import translation

from duplicates.exceptions import InvalidOptions
from duplicates.models import CleanupAction
from duplicates.services import audit
from duplicates.services.history import CleanupHistory, Tally, Week, get_cleanup_history
from duplicates.services.history_advice import get_recommendations
from tests.duplicates.copies import copy, group_of
from tests.duplicates.test_outcomes import outcomes_of
from tests.duplicates.test_removal import NOW, remove

pytestmark = pytest.mark.django_db


def note(days_ago: float, action: str = "duplicates.removed", **values: Any) -> None:
    counts = values.pop("counts", {"groups": 1, "tracks": 2, "plays": 30})
    audit.record(action, actor=None, now=NOW - timedelta(days=days_ago), counts=counts, **values)


def history(days: int = 30) -> CleanupHistory:
    return get_cleanup_history(now=NOW, days=days)


class TestFigures:
    def test_add_up_what_was_done(self) -> None:
        note(1, duration_seconds=0.5)
        note(2, "groups.resolved", counts={"groups": 40}, duration_seconds=1.5)
        note(3, was_successful=False)

        cleanup = history().cleanup

        assert (cleanup.actions, cleanup.failed, cleanup.groups, cleanup.tracks, cleanup.plays) == (3, 1, 41, 2, 30)
        assert (cleanup.mean_seconds, cleanup.tracks_per_second) == (1.0, 1.0)
        assert cleanup.success_percent == pytest.approx(66.67, abs=0.01)

    def test_share_what_was_done_out_among_the_actions_that_succeeded(self) -> None:
        note(1, counts={"groups": 1, "tracks": 5, "plays": 30})
        note(2, counts={"groups": 2, "tracks": 2, "plays": 0})
        note(3, was_successful=False)

        removals = history().by_action["duplicates.removed"]

        means = (removals.groups_per_action, removals.tracks_per_action, removals.plays_per_action)
        assert means == (1.5, 3.5, 15.0)
        assert Tally(actions=1, failed=1).tracks_per_action is None

    def test_leave_out_what_lies_before_and_what_is_no_clean_up(self) -> None:
        note(31)
        note(1, "export.completed")

        assert history(30).cleanup == Tally()
        assert history(90).cleanup.actions == 1

    @pytest.mark.parametrize(("days_ago", "weeks_ago"), [(0, 0), (6.9, 0), (7.1, 1), (13.9, 1), (14.1, 2), (29.9, 4)])
    def test_fall_into_weeks_counted_back_from_now(self, days_ago: float, weeks_ago: int) -> None:
        note(days_ago)

        weeks = history(30).weeks

        assert [week.cleanup.actions for week in reversed(weeks)] == [int(n == weeks_ago) for n in range(5)]

    def test_count_what_analyses_found(self) -> None:
        note(1, "analysis.completed", counts={"groups_found": 12, "duplicates_found": 30})

        assert (history().analyses.actions, history().analyses.groups, history().analyses.tracks) == (1, 12, 30)
        assert history().last_analysis_at == NOW - timedelta(days=1)

    def test_tell_single_removals_from_those_of_a_plan(self) -> None:
        remove(group_of(copy(), gone := copy()), gone)
        remove(group_of(copy(), gone := copy()), gone)
        CleanupAction.objects.filter(pk=CleanupAction.objects.latest("pk").pk).update(
            batch_id="00000000-0000-0000-0000-000000000001"
        )

        found = get_cleanup_history(now=NOW, days=1)

        assert (found.single_removals, found.bulk_removals) == (1, 1)

    @pytest.mark.parametrize("days", [0, -1, 3651])
    def test_of_a_period_out_of_range_are_refused(self, days: int) -> None:
        with pytest.raises(InvalidOptions, match="1 to 3,650 days"):
            history(days)

    def test_take_the_same_queries_for_many_records(self, django_assert_num_queries: Any) -> None:
        note(1)
        with django_assert_num_queries(16):
            history()

        for number in range(40):
            note(number / 2)
        with django_assert_num_queries(16):
            history()


def a_history(**values: Any) -> CleanupHistory:
    """Return the quietest history there is: nothing to be said of it."""
    plain: dict[str, Any] = {
        "days": 28,
        "begins_at": NOW - timedelta(days=28),
        "ends_at": NOW,
        "weeks": a_month(2, 2, 2, 2),
        "single_removals": 0,
        "bulk_removals": 0,
        "gone": 0,
        "keepers_gone": 0,
        "last_analysis_at": NOW,
        "last_cleanup_at": NOW,
        "outcomes": outcomes_of(*values.pop("rates", ())),
    }
    return CleanupHistory(**plain | values)


def a_month(*actions: int, **values: Any) -> tuple[Week, ...]:
    def begins(number: int) -> datetime:
        return NOW - timedelta(weeks=len(actions) - number)

    tally = Tally(**{"tracks": 1, **values})
    return tuple(
        Week(begins(n), begins(n + 1), {"duplicates.removed": replace(tally, actions=count)})
        for n, count in enumerate(actions)
    )


class TestAdvice:
    @pytest.mark.parametrize(
        ("code", "values"),
        [
            pytest.param("no_activity", {"weeks": a_month(0, 0, 0, 0)}, id="no activity"),
            pytest.param("low_activity", {"weeks": a_month(1, 1, 1, 0)}, id="below one a week"),
            pytest.param("high_activity", {"weeks": a_month(6, 5, 5, 5)}, id="above five a week"),
            pytest.param("activity_increasing", {"weeks": a_month(2, 2, 3, 2)}, id="a fifth more"),
            pytest.param("activity_decreasing", {"weeks": a_month(3, 2, 2, 1)}, id="a fifth less"),
            pytest.param("poor_success", {"weeks": a_month(5, failed=2)}, id="below 80 %"),
            pytest.param("many_failures", {"weeks": a_month(8, failed=1)}, id="above 10 % failures"),
            pytest.param("good_success", {"weeks": a_month(4, 4, 4, 4)}, id="95 % and more"),
            pytest.param("slow_removals", {"weeks": a_month(4, seconds=9.0, timed=2, timed_tracks=4)}, id="slow"),
            pytest.param("fast_removals", {"weeks": a_month(4, seconds=1.0, timed=2, timed_tracks=4)}, id="fast"),
            pytest.param("slow_actions", {"weeks": a_month(4, seconds=11.0, timed=2)}, id="5 s an action"),
            pytest.param("mostly_single", {"single_removals": 7, "bulk_removals": 2}, id="3 singles a bulk"),
            pytest.param("keepers_go", {"gone": 10, "keepers_gone": 4}, id="30 % keepers"),
            pytest.param("idle", {"last_cleanup_at": NOW - timedelta(days=8)}, id="7 days idle"),
            pytest.param("old_analysis", {"last_analysis_at": NOW - timedelta(days=15)}, id="14 days"),
            pytest.param("low_rate", {"rates": (29.0, 29.0)}, id="below 30 %"),
            pytest.param("moderate_rate", {"rates": (59.0, 59.0)}, id="below 60 %"),
            pytest.param("rate_declining", {"rates": (80.0, 74.0)}, id="5 points down"),
            pytest.param("rate_improving", {"rates": (74.0, 80.0)}, id="5 points up"),
            pytest.param("inconsistent", {"rates": (100.0, 0.0)}, id="deviation above 50"),
            pytest.param("unused_analyses", {"rates": (0.0, 0.0, 90.0)}, id="half untouched"),
            pytest.param(
                "refresh",
                {"weeks": a_month(11, 10), "last_analysis_at": NOW - timedelta(days=1)},
                id="more than 20 actions since",
            ),
        ],
    )
    def test_is_given(self, code: str, values: dict[str, Any]) -> None:
        assert code in [advice.code for advice in get_recommendations(a_history(**values))]

    @pytest.mark.parametrize(
        ("code", "values"),
        [
            pytest.param("low_activity", {"weeks": a_month(1, 1, 1, 1)}, id="one a week"),
            pytest.param("high_activity", {"weeks": a_month(5, 5, 5, 5)}, id="five a week"),
            pytest.param("activity_increasing", {"weeks": a_month(3, 2, 3, 3)}, id="a fifth more at most"),
            pytest.param("activity_decreasing", {"weeks": a_month(3, 2, 2, 2)}, id="a fifth less at most"),
            pytest.param("poor_success", {"weeks": a_month(5, failed=1)}, id="80 %"),
            pytest.param("fair_success", {"weeks": a_month(10, failed=1)}, id="90 %"),
            pytest.param("many_failures", {"weeks": a_month(10, failed=1)}, id="10 % failures"),
            pytest.param("good_success", {"weeks": a_month(19, 1, failed=1)}, id="90 % and a little"),
            pytest.param("slow_removals", {"weeks": a_month(4, seconds=8.0, timed=2, timed_tracks=4)}, id="0.5"),
            pytest.param("fast_removals", {"weeks": a_month(4, seconds=2.0, timed=2, timed_tracks=4)}, id="2 a second"),
            pytest.param("slow_actions", {"weeks": a_month(4, seconds=10.0, timed=2)}, id="5 s"),
            pytest.param("mostly_single", {"single_removals": 6, "bulk_removals": 2}, id="3 singles a bulk"),
            pytest.param("keepers_go", {"gone": 10, "keepers_gone": 3}, id="30 % keepers"),
            pytest.param("idle", {"last_cleanup_at": NOW - timedelta(days=7)}, id="7 days"),
            pytest.param("old_analysis", {"last_analysis_at": NOW - timedelta(days=14)}, id="14 days"),
            pytest.param("low_rate", {"rates": (30.0, 30.0)}, id="30 %"),
            pytest.param("moderate_rate", {"rates": (60.0, 60.0)}, id="60 %"),
            pytest.param("rate_declining", {"rates": (80.0, 75.0)}, id="5 points down"),
            pytest.param("rate_improving", {"rates": (75.0, 80.0)}, id="5 points up"),
            pytest.param("inconsistent", {"rates": (85.0, 15.0)}, id="a deviation of 49.5"),
            pytest.param("unused_analyses", {"rates": (0.0, 90.0)}, id="half of them"),
            pytest.param(
                "refresh", {"weeks": a_month(10, 10), "last_analysis_at": NOW - timedelta(days=1)}, id="20 actions"
            ),
        ],
    )
    def test_is_not_given_at_its_very_limit(self, code: str, values: dict[str, Any]) -> None:
        assert code not in [advice.code for advice in get_recommendations(a_history(**values))]

    def test_is_silent_about_what_is_in_order(self) -> None:
        found = get_recommendations(a_history(single_removals=6, bulk_removals=2, gone=10, keepers_gone=3))

        assert [advice.code for advice in found] == ["good_success"]

    def test_writes_numbers_as_the_reader_does(self) -> None:
        with translation.override("de"):
            (advice, *_others) = get_recommendations(a_history(weeks=a_month(1, 1, 0, 0)))

        assert "0,5" in advice.sentence

    def test_names_the_weeks_that_were_most_and_least_active(self) -> None:
        found = a_history(weeks=a_month(3, 0, 7, 1))

        assert found.most_active_week == found.weeks[2]
        assert found.least_active_week == found.weeks[3]
