"""How old a result is, in words and levels; what is advised; which warnings one person sees."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError

from duplicates.models import DuplicatePreferences
from duplicates.services.library_changes import LibraryChangeSummary
from duplicates.services.recommendations import (
    SuggestedAction,
    Urgency,
    WarningLevel,
    get_refresh_recommendations,
    judge_condition,
)
from duplicates.services.staleness import (
    Staleness,
    Thresholds,
    get_analysis_age_info,
    get_staleness_level,
    is_analysis_stale,
)
from library.models import Track
from tests.duplicates.factories import AnalysisFactory, TrackFactory, UserFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def analysis_of(**age: float):
    at = NOW - timedelta(**age)
    return AnalysisFactory.build(created_at=at, started_at=at, library_revision=None)


def changes_of(total: int, *, of: int = 1000) -> LibraryChangeSummary:
    percent = 100.0 * total / of
    significant = Thresholds.of_site().are_passed_by(total, percent)
    return LibraryChangeSummary(total, 0, 0, percent, of, of + total, 0, 0, is_significant=significant)


class TestAge:
    @pytest.mark.parametrize(
        ("age", "relative", "level", "colour"),
        [
            pytest.param({"seconds": 5}, "just now", Staleness.FRESH, "green", id="now"),
            pytest.param({"minutes": 15}, "15\xa0minutes ago", Staleness.FRESH, "green", id="minutes"),
            pytest.param({"hours": 2}, "2\xa0hours ago", Staleness.MODERATE, "yellow", id="hours"),
            pytest.param({"days": 2}, "2\xa0days ago", Staleness.STALE, "red", id="days"),
            pytest.param({"days": 30}, "4\xa0weeks ago", Staleness.VERY_STALE, "red", id="weeks"),
        ],
    )
    def test_it_has_words_a_level_and_a_colour(
        self, age: dict[str, float], relative: str, level: Staleness, colour: str
    ) -> None:
        info = get_analysis_age_info(analysis_of(**age), now=NOW)

        assert (info.relative, info.level, info.colour) == (relative, level, colour)

    def test_the_absolute_time_is_in_the_zone_of_the_viewer(self) -> None:
        info = get_analysis_age_info(analysis_of(minutes=0), now=NOW, zone=ZoneInfo("Asia/Tokyo"))

        assert info.absolute == "22 Nov 2026, 21:00"

    def test_a_result_from_the_future_says_that_a_clock_is_wrong(self) -> None:
        info = get_analysis_age_info(analysis_of(hours=-3), now=NOW)

        assert (info.level, info.hours) == (Staleness.FRESH, 0)
        assert info.relative == "dated in 3\xa0hours: a clock is wrong"

    def test_a_few_seconds_of_skew_are_nobodys_concern(self) -> None:
        assert get_analysis_age_info(analysis_of(seconds=-20), now=NOW).relative == "just now"

    def test_the_hour_that_comes_twice_in_autumn_counts_twice(self) -> None:
        # On 25 October 2026 Berlin's clocks go from 3:00 back to 2:00: 2:30 summer time was two hours before 3:30.
        berlin = ZoneInfo("Europe/Berlin")
        at = datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=0)
        now = datetime(2026, 10, 25, 3, 30, tzinfo=berlin)
        analysis = AnalysisFactory.build(created_at=at.astimezone(UTC), started_at=at.astimezone(UTC))

        info = get_analysis_age_info(analysis, now=now.astimezone(UTC), zone=berlin)

        assert (info.hours, info.relative) == (2.0, "2\xa0hours ago")

    @pytest.mark.parametrize("hours", [0.5, 1, 23.9, 24, 167, 168, 1000])
    def test_every_door_agrees_on_what_is_stale(self, hours: float) -> None:
        analysis = analysis_of(hours=hours)
        info = get_analysis_age_info(analysis, now=NOW)
        advice = get_refresh_recommendations(info, changes_of(0))

        assert info.level == get_staleness_level(timedelta(hours=hours))
        assert info.needs_refresh is is_analysis_stale(analysis, now=NOW) is advice.should_refresh


class TestThresholdsOfAPerson:
    def test_their_hours_move_where_stale_begins(self) -> None:
        limits = Thresholds.for_preferences(DuplicatePreferences(stale_after_hours=48))

        levels = [get_staleness_level(timedelta(hours=hours), limits) for hours in (0.5, 47, 48, 168)]

        assert levels == [Staleness.FRESH, Staleness.MODERATE, Staleness.STALE, Staleness.VERY_STALE]

    def test_hours_beyond_the_last_level_of_the_site_keep_the_order(self) -> None:
        limits = Thresholds.for_preferences(DuplicatePreferences(stale_after_hours=1000))

        assert get_staleness_level(timedelta(hours=999), limits) == Staleness.MODERATE
        assert get_staleness_level(timedelta(hours=1000), limits) == Staleness.VERY_STALE

    def test_nobody_can_call_stale_what_the_site_calls_fresh(self) -> None:
        with pytest.raises(ValidationError, match=r"nothing can be stale after 0\.5 h"):
            DuplicatePreferences(stale_after_hours=0.5).clean()

    def test_their_limits_of_change_win(self) -> None:
        site, own = Thresholds.of_site(), Thresholds.for_preferences(DuplicatePreferences(significant_tracks=50))

        assert site.are_passed_by(11, 0.1)
        assert not own.are_passed_by(50, 0.1)
        assert own.are_passed_by(1, 10.1)

    def test_a_time_zone_must_exist(self) -> None:
        with pytest.raises(ValidationError, match="'Europe/Atlantis' is no time zone"):
            DuplicatePreferences(time_zone="Europe/Atlantis").clean_fields(exclude=["user"])

    def test_reset_brings_every_default_back(self) -> None:
        mine = DuplicatePreferences(default_preset="song", warn_of_age=False, stale_after_hours=2, time_zone="UTC")

        mine.reset()

        fresh = DuplicatePreferences()
        assert all(
            getattr(mine, field.attname) == getattr(fresh, field.attname) for field in fresh._meta.concrete_fields
        )


class TestAdvice:
    @pytest.mark.parametrize(
        ("age", "changed", "urgency", "action"),
        [
            pytest.param({"hours": 2}, 10, Urgency.LOW, SuggestedAction.CONTINUE, id="ten changes are none"),
            pytest.param({"hours": 2}, 11, Urgency.MEDIUM, SuggestedAction.REFRESH, id="eleven are significant"),
            pytest.param({"days": 2}, 0, Urgency.MEDIUM, SuggestedAction.REFRESH, id="stale"),
            pytest.param({"days": 8}, 0, Urgency.HIGH, SuggestedAction.REFRESH, id="very stale"),
            pytest.param({"hours": 2}, 201, Urgency.HIGH, SuggestedAction.REFRESH, id="a fifth changed"),
            pytest.param({"hours": 2}, 501, Urgency.HIGH, SuggestedAction.NEW_ANALYSIS, id="another library"),
        ],
    )
    def test_age_and_change_decide(
        self, age: dict[str, float], changed: int, urgency: Urgency, action: SuggestedAction
    ) -> None:
        advice = get_refresh_recommendations(
            get_analysis_age_info(analysis_of(**age), now=NOW), changes_of(changed, of=1000)
        )

        assert (advice.urgency, advice.suggested_action) == (urgency, action)
        assert advice.should_refresh is (action != SuggestedAction.CONTINUE)

    def test_it_gives_its_reasons_in_words(self) -> None:
        age = get_analysis_age_info(analysis_of(days=2), now=NOW)

        advice = get_refresh_recommendations(age, changes_of(120))

        assert advice.sentence == (
            "This result is from 2\xa0days ago. 120 tracks (12.0 %) have changed since. Refresh it."
        )


@pytest.mark.django_db
class TestWarnings:
    def analysis(self, **age: float):
        at = NOW - timedelta(**age)
        return AnalysisFactory(created_at=at, started_at=at, library_revision=0, library_track_count=100)

    def test_a_young_result_of_an_unchanged_library_is_silent(self) -> None:
        condition = judge_condition(self.analysis(hours=2), DuplicatePreferences(), now=NOW)

        assert (condition.level, condition.warnings, condition.offers) == (WarningLevel.NONE, (), ())

    def test_a_small_change_is_information_without_buttons(self) -> None:
        analysis = self.analysis(hours=2)
        TrackFactory()

        condition = judge_condition(analysis, DuplicatePreferences(), now=NOW)

        assert (condition.level, condition.offers) == (WarningLevel.INFO, ())
        assert condition.warnings[0].message == "1 track added since."

    def test_the_loudest_warning_sets_the_level(self) -> None:
        analysis = self.analysis(days=2)
        TrackFactory.create_batch(21)

        condition = judge_condition(analysis, DuplicatePreferences(), now=NOW)

        assert [warning.level for warning in condition.warnings] == [WarningLevel.WARNING, WarningLevel.DANGER]
        assert condition.level == WarningLevel.DANGER
        assert SuggestedAction.REFRESH in condition.offers

    def test_what_a_person_does_not_want_to_hear_is_not_said(self) -> None:
        analysis = self.analysis(days=2)
        TrackFactory.create_batch(21)

        quiet = judge_condition(analysis, DuplicatePreferences(warn_of_age=False, warn_of_changes=False), now=NOW)
        plain = judge_condition(analysis, DuplicatePreferences(suggest_refresh=False), now=NOW)
        ignoring = judge_condition(analysis, DuplicatePreferences(), now=NOW, ignores_changes=True)

        assert quiet.level == WarningLevel.NONE
        assert (plain.level, plain.offers) == (WarningLevel.DANGER, ())
        assert [warning.kind for warning in ignoring.warnings] == ["age"]

    def test_playing_a_song_is_no_change(self) -> None:
        track = TrackFactory()
        analysis = AnalysisFactory(created_at=NOW, started_at=NOW, library_revision=1, library_track_count=1)
        Track.objects.filter(pk=track.pk).update(play_count=7, last_played_at=NOW)

        assert judge_condition(analysis, DuplicatePreferences(), now=NOW).changes.total == 0

    def test_people_without_a_row_have_the_defaults(self) -> None:
        assert DuplicatePreferences.objects.of(UserFactory()).warn_of_age
        assert DuplicatePreferences.objects.of(None).warn_of_changes
