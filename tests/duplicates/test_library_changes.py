"""What changed since an analysis, counted exactly, and which of its groups are touched."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duplicates.services import retention
from duplicates.services.library_changes import cause_of, get_library_change_summary, touched_groups
from library.change_triggers import MATCHING_FIELDS
from library.changes import compact, count_changes_since, current_revision, net_changes_since, recording
from library.large_counts import LargeCounts
from library.models import LibraryChange, LibraryRevision, Track
from tests.duplicates.factories import AnalysisFactory, GroupFactory, TrackFactory

pytestmark = pytest.mark.django_db
LATER = datetime(2100, 1, 1, tzinfo=UTC)
CLEAN_UP = "analysis:1"

# What can happen to a library: a verb and which of its tracks it happens to.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "edit", "edit back", "play", "remove", "restore", "delete", "edit all", "clean up"]),
        st.integers(0, 5),
    ),
    max_size=12,
)


def snapshot() -> dict[int, tuple[object, ...]]:
    """Return what the matcher would read of every track."""
    rows = Track.objects.filter(quarantined_at=None).values_list("pk", *MATCHING_FIELDS)
    return {row[0]: row[1:] for row in rows}


def take(step: str, at: int) -> None:
    tracks = list(Track.objects.order_by("pk"))
    chosen = Track.objects.filter(pk=tracks[at % len(tracks)].pk) if tracks else Track.objects.none()
    if step == "add":
        TrackFactory(source_track_id=f"{timezone.now().timestamp()}-{at}")
    elif step == "edit":
        chosen.update(title=f"Renamed {at}")
    elif step == "edit back":
        chosen.update(title="Harbour Lights")
    elif step == "play":
        chosen.update(play_count=at)
    elif step == "remove":
        chosen.update(quarantined_at=timezone.now())
    elif step == "restore":
        chosen.update(quarantined_at=None)
    elif step == "delete":
        chosen.delete()
    elif step == "edit all":
        Track.objects.update(album=f"Album {at}")
    elif step == "clean up":
        with recording(CLEAN_UP):
            chosen.update(quarantined_at=timezone.now())


def compared(before: dict[int, tuple[object, ...]], after: dict[int, tuple[object, ...]]) -> tuple[int, int, int]:
    """Count what differs between two snapshots, the slow and obvious way."""
    modified = sum(before[pk] != after[pk] for pk in before.keys() & after.keys())
    return len(after.keys() - before.keys()), modified, len(before.keys() - after.keys())


def counted(revision: int) -> tuple[int, int, int]:
    counts = count_changes_since(revision)
    return counts.added, counts.modified, counts.deleted


@given(before=STEPS, after=STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_equal_a_comparison_of_before_and_after(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    for step in before:
        take(*step)
    revision, was = current_revision(), snapshot()

    for step in after:
        take(*step)

    assert counted(revision) == compared(was, snapshot())


@given(parts=st.lists(STEPS, min_size=1, max_size=4), kept=st.sets(st.integers(0, 3)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_compacting_changes_no_count_of_a_kept_revision(parts: list[list[tuple[str, int]]], kept: set[int]) -> None:
    revisions = []
    for part in parts:
        revisions.append(current_revision())
        for step in part:
            take(*step)
    wanted = [revision for place, revision in enumerate(revisions) if place in kept]
    exact = [(counted(revision), count_changes_since(revision, ignoring_cause=CLEAN_UP)) for revision in wanted]

    compact(wanted, older_than=LATER)

    assert [(counted(revision), count_changes_since(revision, ignoring_cause=CLEAN_UP)) for revision in wanted] == exact


class TestCompaction:
    def test_it_keeps_the_first_and_the_last_change_between_two_analyses(self) -> None:
        track = TrackFactory()
        revision = current_revision()
        for number in range(5):
            Track.objects.filter(pk=track.pk).update(title=f"Title {number}")

        removed = compact([revision], older_than=LATER)

        assert removed == 4  # the insertion before the analysis, and three of five edits
        assert list(LibraryChange.objects.values_list("kind", flat=True)) == ["modified", "modified"]

    def test_young_changes_stay_for_the_timeline_of_their_track(self) -> None:
        TrackFactory.create_batch(3)

        assert compact([], older_than=timezone.now() - timedelta(days=30)) == 0

    def test_without_a_kept_analysis_everything_old_goes(self) -> None:
        TrackFactory.create_batch(3)

        assert compact([], older_than=LATER) == 3
        assert current_revision() == LibraryRevision.objects.get().value > 0


class TestSummary:
    def test_it_counts_and_says_what_happened(self) -> None:
        tracks = TrackFactory.create_batch(4)
        analysis = AnalysisFactory(library_revision=current_revision(), library_track_count=4)
        TrackFactory.create_batch(2)
        Track.objects.filter(pk=tracks[0].pk).update(title="Renamed")
        tracks[1].delete()

        summary = get_library_change_summary(analysis)

        assert (summary.added, summary.modified, summary.deleted, summary.total) == (2, 1, 1, 4)
        assert (summary.tracks_then, summary.tracks_now, summary.percent) == (4, 5, 100.0)
        assert summary.is_significant
        assert summary.sentence == "2 tracks added, 1 edited, 1 removed since."

    def test_its_own_clean_up_is_counted_apart(self) -> None:
        tracks = TrackFactory.create_batch(30)
        analysis = AnalysisFactory(library_revision=current_revision(), library_track_count=30)
        with recording(cause_of(analysis)):
            Track.objects.filter(pk__in=[track.pk for track in tracks[:12]]).update(quarantined_at=timezone.now())
        tracks[20].delete()

        summary = get_library_change_summary(analysis)

        assert (summary.total, summary.deleted, summary.by_clean_up) == (1, 1, 12)
        assert summary.tracks_now == 17
        assert not summary.is_significant

    def test_a_track_edited_and_then_cleaned_up_is_no_change_of_the_library(self) -> None:
        track = TrackFactory()
        analysis = AnalysisFactory(library_revision=current_revision(), library_track_count=1)
        Track.objects.update(title="Renamed")
        with recording(cause_of(analysis)):
            track.delete()

        assert get_library_change_summary(analysis).total == 0

    def test_the_clean_up_of_another_analysis_does_count(self) -> None:
        TrackFactory()
        analysis = AnalysisFactory(library_revision=current_revision(), library_track_count=1)
        with recording(cause_of(AnalysisFactory())):
            Track.objects.update(quarantined_at=timezone.now())

        assert get_library_change_summary(analysis).deleted == 1

    def test_an_analysis_that_never_read_the_library_has_seen_no_change(self) -> None:
        TrackFactory()

        assert get_library_change_summary(AnalysisFactory(library_revision=None)).total == 0

    @pytest.mark.parametrize("tracks", [3, 60])
    def test_it_takes_two_queries_however_large(self, tracks: int, django_assert_num_queries) -> None:
        TrackFactory.create_batch(tracks)
        analysis = AnalysisFactory(library_revision=current_revision(), library_track_count=tracks)
        Track.objects.update(title="Renamed")

        with django_assert_num_queries(2):
            assert get_library_change_summary(analysis).modified == tracks


class TestTouchedGroups:
    def test_it_reads_a_range_of_the_log_and_never_all_of_it(self) -> None:
        # SQLite once walked through the whole timeline of tracks, because that comes grouped already.
        query, values = net_changes_since(5)
        sqlite = connection.vendor == "sqlite"
        with connection.cursor() as cursor:
            if not sqlite:
                cursor.execute("SET LOCAL enable_seqscan = off")  # an empty table is not worth an index
            cursor.execute(f"{'EXPLAIN QUERY PLAN' if sqlite else 'EXPLAIN'} {query}", values)
            plan = "\n".join(str(row) for row in cursor.fetchall())

        assert re.search(r"SEARCH library_librarychange|Index Cond: \(\(revision > ", plan), plan
        assert "SCAN library_librarychange" not in plan

    @pytest.mark.parametrize("is_long", [False, True], ids=["a short log", "a long one"])
    def test_only_groups_with_a_changed_member_are_touched(
        self, is_long: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(LargeCounts, "is_long", lambda counts, question: is_long)
        analysis = AnalysisFactory(library_track_count=8)
        edited, removed, played, untouched = GroupFactory.create_batch(4, analysis=analysis)
        analysis.library_revision = current_revision()
        analysis.save(update_fields=["library_revision"])

        Track.objects.filter(pk=edited.members.get(position=0).track_id).update(artist="Ines Calder")
        Track.objects.filter(pk=removed.members.get(position=1).track_id).delete()
        Track.objects.filter(pk=played.members.get(position=1).track_id).update(play_count=9)

        assert set(touched_groups(analysis)) == {edited, removed}
        assert get_library_change_summary(analysis).touched_groups == 2
        assert untouched not in touched_groups(analysis)

    def test_groups_of_other_analyses_are_left_out(self) -> None:
        ours, theirs = GroupFactory(), GroupFactory()
        ours.analysis.library_revision = current_revision()
        Track.objects.filter(pk=theirs.members.get(position=0).track_id).delete()

        assert not touched_groups(ours.analysis).exists()


def test_cleaning_up_compacts_the_log_up_to_the_oldest_kept_analysis() -> None:
    TrackFactory.create_batch(3)
    AnalysisFactory(library_revision=current_revision())
    TrackFactory()
    plan = retention.plan_cleanup(now=LATER, days=36_500)

    result = retention.cleanup_old_results(plan, actor=None, now=LATER)

    assert (result.leftovers["library_changes"].count, LibraryChange.objects.count()) == (3, 1)
