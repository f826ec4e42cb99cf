"""What clean-up has made of an analysis, counted from what is there, and when to look anew."""

from typing import Any

import pytest

from duplicates.models import DuplicateAnalysisResult
from duplicates.services.impact import follow_library
from duplicates.services.impact_summary import get_impact_summary, suggest_new_analysis
from duplicates.services.library_changes import LibraryChangeSummary
from duplicates.services.resolution import mark_groups_resolved
from duplicates.services.undo import undo_action
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory
from tests.duplicates.test_impact_advice import summary as an_impact
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


def changes(added: int = 0, modified: int = 0) -> LibraryChangeSummary:
    """Return what changed in a library since: nothing, unless said."""
    return LibraryChangeSummary(added, modified, 0, 0.0, 100, 100 + added, 0, 0, is_significant=False)


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
        suggestion = suggest_new_analysis(get_impact_summary(cleaned()), changes(), threshold_percent=threshold)

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

        suggestion = suggest_new_analysis(get_impact_summary(analysis), changes())

        assert (suggestion.confidence, suggestion.timing) == (confidence, timing)

    def test_nothing_cleaned_suggests_nothing_even_from_nought_on(self) -> None:
        group = group_of(copy(), copy())

        suggestion = suggest_new_analysis(get_impact_summary(group.analysis), changes(), threshold_percent=0)

        assert not suggestion.is_suggested

    def test_says_why(self) -> None:
        reasons = suggest_new_analysis(get_impact_summary(cleaned()), changes()).reasons

        assert reasons[0] == "2 of 5 duplicates are gone (40.0 %)."
        assert any("cleaned up in part" in reason for reason in reasons)

    @pytest.mark.parametrize(
        ("gone", "added", "estimate"),
        [
            pytest.param(0, 0, None, id="nothing went or came: nothing to expect"),
            pytest.param(1, 0, 5, id="five at least"),
            pytest.param(0, 1, 5, id="five at least of what came, too"),
            pytest.param(59, 0, 5, id="below"),
            pytest.param(60, 0, 6, id="a tenth of what went"),
            pytest.param(0, 120, 6, id="a twentieth of what came"),
            pytest.param(60, 120, 12, id="both"),
            pytest.param(70, 0, 7, id="no rounding fault"),
        ],
    )
    def test_estimates_new_duplicates(self, gone: int, added: int, estimate: int | None) -> None:
        suggestion = suggest_new_analysis(an_impact(tracks_gone=gone), changes(added=added))

        assert suggestion.new_duplicates_estimate == estimate

    def test_says_what_it_would_bring(self) -> None:
        said = suggest_new_analysis(an_impact(tracks_gone=60, keepers_gone=1), changes(added=40, modified=1)).benefits

        assert said == (
            "It finds about 8 new duplicates, as a rule of thumb.",
            "It compares the 40 tracks that came since.",
            "It judges the 1 track edited since by what it says now.",
            "Its groups and figures leave out the 60 tracks that are gone.",
            "It chooses keepers among the copies that are left.",
        )

    def test_brings_nothing_where_nothing_happened(self) -> None:
        assert suggest_new_analysis(an_impact(), changes()).benefits == ()

    @pytest.mark.parametrize(
        ("eliminated", "threshold", "timing", "confidence"),
        [
            (50.0, 20, "recommended", "high"),
            (49.9, 20, "suggested", "medium"),
            (30.0, 20, "suggested", "medium"),
            (29.9, 20, "optional", "low"),
            (20.0, 20, "optional", "low"),
            (19.9, 20, "not_recommended", "low"),
            (100.0, 100, "recommended", "high"),
            (99.9, 100, "not_recommended", "high"),
        ],
    )
    def test_has_exact_limits(self, eliminated: float, threshold: int, timing: str, confidence: str) -> None:
        summary = an_impact(duplicates=1000, duplicates_eliminated=round(10 * eliminated))

        suggestion = suggest_new_analysis(summary, changes(), threshold_percent=threshold)

        assert (suggestion.timing, suggestion.confidence) == (timing, confidence)
