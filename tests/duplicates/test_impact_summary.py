"""What clean-up has made of an analysis, counted from what is there, and when to look anew."""

from typing import Any

import pytest

from duplicates.models import DuplicateAnalysisResult
from duplicates.services.impact import follow_library
from duplicates.services.impact_summary import get_impact_summary, suggest_new_analysis
from duplicates.services.resolution import mark_groups_resolved
from duplicates.services.undo import undo_action
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory
from tests.duplicates.test_removal import NOW, remove

pytestmark = pytest.mark.django_db


def cleaned(*, size: int | None = 4_000) -> DuplicateAnalysisResult:
    """Return an analysis of four groups: one cleaned up, one in part, one set aside as different, one untouched."""
    analysis = AnalysisFactory.create()
    kept, gone = copy(), copy(play_count=14, size_bytes=size)
    remove(group_of(kept, gone, analysis=analysis), gone)
    kept, gone, third = copy(), copy(play_count=3, size_bytes=1_000), copy()
    remove(group_of(kept, gone, third, analysis=analysis), gone)
    apart = group_of(copy(), copy(), analysis=analysis)
    mark_groups_resolved(analysis, [apart.pk], "not_duplicates", actor=None, now=NOW)
    group_of(copy(), copy(), analysis=analysis)
    return analysis


class TestSummary:
    def test_groups_tracks_and_resolutions(self) -> None:
        summary = get_impact_summary(cleaned())

        assert (summary.groups, summary.groups_resolved, summary.groups_partly, summary.groups_open) == (4, 2, 1, 2)
        assert (summary.duplicates, summary.duplicates_eliminated) == (5, 2)
        assert (summary.tracks, summary.tracks_remaining, summary.tracks_gone) == (9, 7, 2)
        assert summary.by_resolution == {
            "deleted": 1,
            "kept_canonical": 0,
            "manual_review": 0,
            "not_duplicates": 1,
            "no_action": 2,
        }
        assert (summary.groups_resolved_percent, summary.duplicates_eliminated_percent) == (50.0, 40.0)

    def test_plays_kept_and_bytes_freed(self) -> None:
        summary = get_impact_summary(cleaned())

        assert (summary.tracks_removed, summary.plays_kept, summary.bytes_freed) == (2, 17, 5_000)

    def test_no_bytes_where_a_size_is_not_known(self) -> None:
        summary = get_impact_summary(cleaned(size=None))

        assert (summary.bytes_freed, summary.sizes_unknown) == (None, 1)

    def test_another_analysis_knows_what_was_removed_in_this_one(self) -> None:
        kept, gone = copy(), copy(play_count=14, size_bytes=4_000)
        other = group_of(kept, gone).analysis
        remove(group_of(kept, gone), gone)

        summary = get_impact_summary(other)

        assert (summary.tracks_removed, summary.plays_kept, summary.bytes_freed) == (1, 14, 4_000)

    def test_what_was_pruned_is_gone_and_nothing_kept(self) -> None:
        kept, gone = copy(), copy(play_count=14, size_bytes=4_000)
        analysis = group_of(kept, gone).analysis
        Track.objects.filter(pk=kept.pk).delete()
        follow_library(now=NOW)

        summary = get_impact_summary(analysis)

        assert (summary.tracks_gone, summary.keepers_gone, summary.tracks_removed) == (1, 1, 0)
        assert (summary.plays_kept, summary.bytes_freed) == (0, 0)

    def test_an_undo_takes_it_all_back(self) -> None:
        kept, gone = copy(), copy(play_count=14, size_bytes=4_000)
        group = group_of(kept, gone)
        before = get_impact_summary(group.analysis)
        action = remove(group, gone)

        undo_action(action=action, actor=None, now=NOW)

        assert get_impact_summary(group.analysis) == before

    def test_a_group_that_lost_every_copy_is_no_duplicate_eliminated_twice(self) -> None:
        group = group_of(copy(), copy())
        Track.objects.all().delete()
        follow_library(now=NOW)

        summary = get_impact_summary(group.analysis)

        assert (summary.groups_lost, summary.duplicates_eliminated, summary.tracks_remaining) == (1, 1, 0)

    def test_nothing_found_is_nothing_done(self) -> None:
        summary = get_impact_summary(AnalysisFactory.create())

        assert (summary.groups, summary.duplicates_eliminated_percent, summary.bytes_freed) == (0, 0.0, 0)

    def test_two_queries_whatever_the_size(self, django_assert_num_queries: Any) -> None:
        analysis = cleaned()
        with django_assert_num_queries(2):
            get_impact_summary(analysis)


class TestSuggestion:
    @pytest.mark.parametrize(
        ("threshold", "is_suggested", "timing"),
        [
            pytest.param(None, True, "suggested", id="above the setting's 20 %"),
            pytest.param(40, True, "suggested", id="exactly at it"),
            pytest.param(40.1, False, "not_recommended", id="below it"),
            pytest.param(0, True, "suggested", id="from the first on"),
        ],
    )
    def test_comes_from_a_share_on(self, threshold: float | None, is_suggested: bool, timing: str) -> None:
        suggestion = suggest_new_analysis(get_impact_summary(cleaned()), threshold_percent=threshold)

        assert (suggestion.is_suggested, suggestion.timing) == (is_suggested, timing)
        assert (suggestion.confidence, suggestion.eliminated_percent) == ("medium", 40.0)

    @pytest.mark.parametrize(
        ("duplicates", "confidence", "timing"),
        [(2, "high", "recommended"), (3, "medium", "suggested"), (4, "low", "optional")],
    )
    def test_is_surer_the_more_was_cleaned(self, duplicates: int, confidence: str, timing: str) -> None:
        analysis = AnalysisFactory.create()
        tracks = [copy() for _ in range(duplicates + 1)]
        remove(group_of(*tracks, analysis=analysis), tracks[1])

        suggestion = suggest_new_analysis(get_impact_summary(analysis))

        assert (suggestion.confidence, suggestion.timing) == (confidence, timing)

    def test_nothing_cleaned_suggests_nothing_even_from_nought_on(self) -> None:
        group = group_of(copy(), copy())

        suggestion = suggest_new_analysis(get_impact_summary(group.analysis), threshold_percent=0)

        assert not suggestion.is_suggested

    def test_says_why(self) -> None:
        reasons = suggest_new_analysis(get_impact_summary(cleaned())).reasons

        assert reasons[0] == "2 of 5 duplicates are gone (40.0 %)."
        assert any("cleaned up in part" in reason for reason in reasons)
