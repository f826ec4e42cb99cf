"""A refresh of a library in which little changed matches only that, and its result is as good as any other."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from duplicates.choices import AnalysisStatus, Resolution, Trigger
from duplicates.engine import model
from duplicates.engine.records import KEEPER_SCHEMA, TRACK_SCHEMA
from duplicates.exceptions import SaveFailed
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack, NotDuplicate
from duplicates.services import (
    bulk_rows,
    detecting,
    incremental,
    itunes,
    keepers,
    lifecycle,
    refreshing,
    retention,
    running,
    saving_again,
)
from duplicates.services.carrying import carry_late
from duplicates.services.difference import carry_identities_over
from duplicates.services.different import declare_different, take_back
from duplicates.services.options import AnalysisOptions
from duplicates.services.resolution import mark_groups_resolved, reopen_groups
from duplicates.services.running import run_analysis
from duplicates.services.work_folder import drop_needless_indexes, index_bytes, index_folder, indexes
from library.change_triggers import MATCHING_FIELDS
from library.models import LibraryChange, Track, TrackTouch
from library.touches import TOUCHED_FIELDS
from tests.duplicates.factories import TrackFactory

pytestmark = pytest.mark.django_db
ARTISTS = ("The Quiet Tide", "Ines Calder", "Ostrava Trio", "Mara Lindqvist")
WORDS = (
    "harbour",
    "lights",
    "paper",
    "moons",
    "nine",
    "bridges",
    "slow",
    "weather",
    "copper",
    "wire",
    "almanac",
    "río",
)


@pytest.fixture(autouse=True)
def work_folder(tmp_path: Path, settings: Any) -> None:
    settings.WORK_DIR = tmp_path
    settings.ANALYSES_PER_HOUR = 0


def a_library(songs: int = 120) -> list[Track]:
    """Return songs of which every fourth is there twice and every twelfth three times, the third a little other."""
    chance = random.Random(7)
    rows = []
    for number in range(songs):
        said = {
            "title": f"{chance.choice(WORDS)} {chance.choice(WORDS)} {number}",
            "artist": chance.choice(ARTISTS),
            "album": f"Album {number % 17}",
            "duration_ms": 150_000 + chance.randrange(100_000),
            "play_count": chance.randrange(9),
        }
        copies = 3 if number % 12 == 0 else 2 if number % 4 == 0 else 1
        albums = (said["album"], said["album"], "Best of")[:copies]
        rows += [TrackFactory.build(**said | {"album": album}) for album in albums]
    return Track.objects.bulk_create(rows)


def first_run(**options: Any) -> DuplicateAnalysisResult:
    queued = lifecycle.queue_analysis(
        AnalysisOptions(**options), actor=None, trigger=Trigger.COMMAND, now=timezone.now(), force=True
    )
    return ran(queued.analysis)


def ran(analysis: DuplicateAnalysisResult) -> DuplicateAnalysisResult:
    run_analysis(analysis.pk)
    analysis.refresh_from_db()
    assert analysis.status == AnalysisStatus.COMPLETED, analysis.error_message
    return analysis


def refreshed(analysis: DuplicateAnalysisResult, **wishes: Any) -> DuplicateAnalysisResult:
    return ran(refreshing.refresh_analysis(analysis, actor=None, now=timezone.now(), **wishes))


def said(analysis: DuplicateAnalysisResult) -> list[Any]:
    """Return everything people can see of the groups, whatever their rows are."""
    groups = [field.attname for field in DuplicateAnalysisGroup._meta.concrete_fields]
    members = [field.attname for field in DuplicateAnalysisTrack._meta.concrete_fields]
    for name in ("id", "analysis_id", "identity"):
        groups.remove(name)
    for name in ("id", "group_id"):
        members.remove(name)
    counts = (analysis.groups_found, analysis.duplicates_found, analysis.tracks_analyzed, analysis.average_similarity)
    return [counts, analysis.not_enough_data] + [
        [tuple(getattr(group, name) for name in groups), *group.members.order_by("position").values_list(*members)]
        for group in analysis.groups.order_by("position")
    ]


def note_of(analysis: DuplicateAnalysisResult) -> str:
    return " ".join(analysis.figures["notes"])


def change_the_library(tracks: list[Track]) -> None:
    """Edit, remove, add, play and quarantine a few tracks of 150."""
    Track.objects.filter(pk=tracks[1].pk).update(title=tracks[0].title, artist=tracks[0].artist)
    Track.objects.filter(pk=tracks[20].pk).update(title="Something else altogether")
    tracks[8].delete()
    Track.objects.filter(pk=tracks[30].pk).update(quarantined_at=timezone.now())
    Track.objects.filter(pk=tracks[40].pk).update(play_count=99)
    TrackFactory(title=tracks[60].title, artist=tracks[60].artist, album=tracks[60].album, duration_ms=180_000)
    TrackFactory(title="Never heard before", artist="Nobody Known")
    TrackFactory(title="Never heard before", artist="Nobody Known")


class TestResult:
    def test_it_says_what_a_full_run_on_the_same_tables_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tracks = a_library()
        first = first_run()
        change_the_library(tracks)

        incremental = refreshed(first)
        monkeypatch.setattr(
            "duplicates.engine.model.fit", lambda shipped, codes: model.from_bytes(bytes(first.learnt_tables or b""))
        )
        full = refreshed(first, learns_anew=True)

        assert "Incremental: " in note_of(incremental)
        assert "Incremental: " not in note_of(full)
        assert said(incremental) == said(full)
        assert bytes(incremental.learnt_tables or b"") == bytes(first.learnt_tables or b"")

    def test_it_says_how_many_tracks_it_looked_at_and_whose_tables_it_used(self) -> None:
        tracks = a_library()
        first = first_run()
        change_the_library(tracks)

        second = refreshed(first)
        third = refreshed(second)

        assert str(first.pk) in note_of(second)
        assert second.tables_of == third.tables_of == first.pk
        assert third.tables_revision == first.library_revision
        assert said(third) == said(second)

    def test_nothing_changed_is_nothing_to_look_at(self) -> None:
        a_library()
        first = first_run()

        second = refreshed(first)

        assert note_of(second).startswith("Incremental: 0 tracks were looked at")
        assert said(second) == said(first)

    def test_a_chain_of_refreshes_equals_one(self) -> None:
        tracks = a_library()
        first = first_run()
        for track in tracks[3:7]:
            Track.objects.filter(pk=track.pk).update(title=tracks[12].title, artist=tracks[12].artist)
        second = refreshed(first)
        Track.objects.filter(pk=tracks[3].pk).update(title=tracks[3].title, artist=tracks[3].artist)
        tracks[12].delete()

        third = refreshed(second)
        direct = refreshed(first)

        assert said(third) == said(direct)

    def test_a_pair_declared_different_since_is_kept_apart(self) -> None:
        tracks = a_library()
        first = first_run()
        pair = first.groups.filter(member_count=2).order_by("position")[3].members.all()
        left, right = (member.track_id for member in pair)
        declare_different([(pair[0], pair[1])], actor=None, now=timezone.now())

        second = refreshed(first)

        assert tracks
        assert "Incremental" in note_of(second)
        assert not second.groups.filter(members__track_id=left).filter(members__track_id=right).exists()

    def test_a_track_edited_while_it_was_saved_and_edited_back_says_what_it_says_now(self) -> None:
        # The library has not changed in the end, but the snapshot was taken in between.
        a_library()
        first = first_run()
        member = first.groups.order_by("position")[2].members.order_by("position")[1]
        track = Track.objects.filter(pk=member.track_id)
        track.update(album="For a moment")
        DuplicateAnalysisTrack.objects.filter(pk=member.pk).update(album="For a moment")
        track.update(album=member.album)

        second = refreshed(first)

        assert "Incremental" in note_of(second)
        again = DuplicateAnalysisTrack.objects.get(group__analysis=second, track_id=member.track_id)
        assert again.album == member.album

    def test_what_decides_about_a_keeper_and_is_no_change_of_the_library_is_weighed_again(self) -> None:
        # Protecting a track is in no snapshot; a comparison of snapshots missed it.
        a_library()
        first = first_run()
        group = first.groups.order_by("position")[4]
        other = group.members.order_by("position")[1].track_id
        Track.objects.filter(pk=other).update(is_protected=True)

        second = refreshed(first)

        assert "Incremental" in note_of(second)
        assert second.groups.get(group_key=group.group_key).keeper_track_id == other != group.keeper_track_id

    def test_what_was_played_while_the_first_run_went_on_is_weighed_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Its snapshot already says so, but its keeper was chosen before.
        a_library()
        whole = first_run()
        group = whole.groups.filter(member_count=2).order_by("position")[1]
        other = group.members.order_by("position")[1].track_id
        choose = detecting.choose_keepers

        def play_after(*args: Any, **kwargs: Any) -> Any:
            chosen = choose(*args, **kwargs)
            Track.objects.filter(pk=other).update(play_count=1_000)
            return chosen

        monkeypatch.setattr(detecting, "choose_keepers", play_after)
        first = first_run()
        monkeypatch.undo()

        second = refreshed(first)

        assert first.groups.get(group_key=group.group_key).keeper_track_id == group.keeper_track_id
        assert second.groups.get(group_key=group.group_key).keeper_track_id == other

    def test_what_it_reads_of_a_track_is_told_by_the_library(self) -> None:
        read = {*bulk_rows.SNAPSHOT_COLUMNS, *KEEPER_SCHEMA, *TRACK_SCHEMA, *itunes._MEMBER} - {"track_id"}

        assert read <= {*MATCHING_FIELDS, *TOUCHED_FIELDS}

    def test_a_group_that_was_lost_while_it_was_saved_moves_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Groups are found again by their places: each must keep its own.
        a_library()
        whole = first_run()
        lost = whole.groups.filter(member_count=2).order_by("position")[1]
        gone = lost.members.order_by("position")[1].track_id
        monkeypatch.setattr(
            bulk_rows, "present_tracks", lambda track_ids: {track_id for track_id in track_ids if track_id != gone}
        )
        first = first_run()
        monkeypatch.undo()

        second = refreshed(first)

        assert first.groups_found == whole.groups_found - 1
        assert not first.groups.filter(position=lost.position).exists()
        assert said(second) == said(whole)

    def test_another_order_needs_no_full_run(self) -> None:
        a_library()
        first = first_run()

        second = refreshed(first, overrides={"sort_by": "title"})

        titles = list(second.groups.order_by("position").values_list("title", flat=True))
        assert titles == sorted(titles, key=str.lower)
        assert "Incremental" in note_of(second)


class TestDecisions:
    def test_identities_and_decisions_come_along(self) -> None:
        tracks = a_library()
        first = first_run()
        untouched, touched = first.groups.order_by("-position")[:2]
        first.groups.filter(pk__in=[untouched.pk, touched.pk]).update(
            is_resolved=True, resolution=Resolution.KEPT_CANONICAL, resolved_at=timezone.now()
        )
        Track.objects.filter(pk=touched.keeper_track_id).update(album="Renamed")

        second = refreshed(first)

        assert tracks
        by_identity = {group.identity: group for group in second.groups.all()}
        assert len(by_identity) == second.groups.count()
        assert by_identity[untouched.identity].resolution == Resolution.KEPT_CANONICAL
        assert by_identity[touched.identity].resolution == ""

    @pytest.mark.parametrize("learns_anew", [False, True], ids=["incremental", "full"])
    def test_what_is_decided_while_the_result_is_saved_counts(
        self, monkeypatch: pytest.MonkeyPatch, learns_anew: bool
    ) -> None:
        a_library()
        first = first_run()
        large = first.groups.filter(member_count__gt=2).order_by("position")[0]
        decided, reopened = first.groups.filter(member_count=2).order_by("position")[:2]
        mark_groups_resolved(first, [reopened.pk], Resolution.MANUAL_REVIEW, actor=None, now=timezone.now())
        leave_result = running._Run._leave_result

        def decide_meanwhile(*args: Any) -> None:
            leave_result(*args)
            mark_groups_resolved(first, [decided.pk], Resolution.KEPT_CANONICAL, actor=None, now=timezone.now())
            reopen_groups(first, [reopened.pk], actor=None, now=timezone.now())
            other = large.members.order_by("position")[1].track_id
            keepers.choose_keeper(group=large, track_id=other, actor=None, now=timezone.now())

        monkeypatch.setattr(running._Run, "_leave_result", decide_meanwhile)
        second = refreshed(first, learns_anew=learns_anew)

        again = {group.group_key: group for group in second.groups.all()}
        assert ("Incremental" in note_of(second)) is not learns_anew
        assert again[decided.group_key].resolution == Resolution.KEPT_CANONICAL
        assert not again[reopened.group_key].is_resolved
        large.refresh_from_db()
        assert again[large.group_key].keeper_track_id == large.keeper_track_id
        assert again[large.group_key].keeper_chosen_at is not None

    @pytest.mark.parametrize("learns_anew", [False, True], ids=["incremental", "full"])
    def test_a_group_whose_pair_was_taken_back_is_open_again(self, learns_anew: bool) -> None:
        a_library()
        first = first_run()
        group = first.groups.filter(member_count=2).order_by("position")[0]
        mark_groups_resolved(first, [group.pk], Resolution.NOT_DUPLICATES, actor=None, now=timezone.now())
        take_back(NotDuplicate.objects.all(), actor=None, now=timezone.now())

        second = refreshed(first, learns_anew=learns_anew)

        assert not second.groups.get(group_key=group.group_key).is_resolved

    @pytest.mark.parametrize("learns_anew", [False, True], ids=["incremental", "full"])
    def test_a_group_declared_no_duplicates_while_it_ran_stays_so(
        self, monkeypatch: pytest.MonkeyPatch, learns_anew: bool
    ) -> None:
        a_library()
        first = first_run()
        group = first.groups.filter(member_count=2).order_by("position")[0]
        leave_result = running._Run._leave_result

        def declare_meanwhile(*args: Any) -> None:
            leave_result(*args)
            mark_groups_resolved(first, [group.pk], Resolution.NOT_DUPLICATES, actor=None, now=timezone.now())

        monkeypatch.setattr(running._Run, "_leave_result", declare_meanwhile)
        second = refreshed(first, learns_anew=learns_anew)

        again = second.groups.get(group_key=group.group_key)
        assert again.resolution == Resolution.NOT_DUPLICATES

        # Reopened, it once left the pair declared by the group of the earlier analysis.
        reopen_groups(second, [again.pk], actor=None, now=timezone.now())
        assert not NotDuplicate.objects.in_force().exists()

    @pytest.mark.parametrize("learns_anew", [False, True], ids=["incremental", "full"])
    def test_a_chosen_keeper_comes_along_where_no_member_changed(self, learns_anew: bool) -> None:
        a_library()
        first = first_run()
        kept, reopened = [group for group in first.groups.order_by("position") if group.member_count > 2][:2]
        for group in (kept, reopened):
            other = group.members.order_by("position").last()
            assert other is not None
            keepers.choose_keeper(group=group, track_id=other.track_id, actor=None, now=timezone.now())
        Track.objects.filter(pk=reopened.keeper_track_id).update(year=1999)
        kept.refresh_from_db()

        second = refreshed(first, learns_anew=learns_anew)

        again = second.groups.get(group_key=kept.group_key)
        assert again.keeper_track_id == kept.keeper_track_id != first.groups.get(pk=reopened.pk).keeper_track_id
        assert again.keeper_chosen_at == kept.keeper_chosen_at
        assert again.members.get(is_canonical=True).track_id == kept.keeper_track_id
        assert second.groups.get(group_key=reopened.group_key).keeper_chosen_at is None
        keepers.take_back_choice(group=again, actor=None, now=timezone.now())
        again.refresh_from_db()
        assert again.keeper_rule != keepers.CHOSEN


class TestFullRunInstead:
    def test_because_it_was_asked_for(self) -> None:
        a_library()

        assert "that was asked for" in note_of(refreshed(first_run(), learns_anew=True))

    def test_because_more_than_a_tenth_changed_in_all(self) -> None:
        tracks = a_library()
        first = first_run()
        Track.objects.filter(pk__in=[track.pk for track in tracks[:10]]).update(genre="Jazz")
        second = refreshed(first)
        Track.objects.filter(pk__in=[track.pk for track in tracks[10:20]]).update(genre="Jazz")

        third = refreshed(second)

        assert "Incremental" in note_of(second)
        assert "20 of 160 tracks have changed" in note_of(third)
        assert third.tables_of is None
        assert "Incremental" in note_of(refreshed(third))

    @pytest.mark.parametrize("harm", ["removed", "cut short", "flipped"])
    def test_because_what_it_starts_from_is_gone_or_damaged(self, harm: str) -> None:
        a_library()
        first = first_run()
        path = index_folder(first.pk) / "features.checkpoint"
        content = path.read_bytes()
        if harm == "removed":
            path.unlink()
        else:
            path.write_bytes(content[:-100] if harm == "cut short" else content[:-200] + b"\0" + content[-199:])

        second = refreshed(first)

        assert "is not on this machine" in note_of(second)
        assert said(second) == said(first)

    def test_because_the_matcher_is_another_one(self) -> None:
        a_library()
        first = first_run()
        DuplicateAnalysisResult.objects.filter(pk=first.pk).update(engine_fingerprint="another")

        assert "the matcher or its settings are not those" in note_of(refreshed(first))

    def test_because_a_search_looks_at_every_group(self) -> None:
        a_library()

        assert "looks at every group" in note_of(refreshed(first_run(search="harbour")))

    @pytest.mark.parametrize("mark", [None, 2**60], ids=["of an older release", "of another server"])
    def test_because_nobody_knows_what_was_played(self, mark: int | None) -> None:
        a_library()
        first = first_run()
        DuplicateAnalysisResult.objects.filter(pk=first.pk).update(touch_mark=mark)

        assert "what was played or rated since" in note_of(refreshed(first))

    def test_because_the_change_log_does_not_add_up(self) -> None:
        tracks = a_library()
        first = first_run()
        tracks[5].delete()
        LibraryChange.objects.all().delete()

        second = refreshed(first)

        assert "does not add up" in note_of(second)
        assert second.tracks_analyzed == first.tracks_analyzed - 1


class TestConcurrency:
    def test_a_track_removed_while_groups_are_copied_is_marked_as_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        a_library()
        first = first_run()
        group = first.groups.order_by("position")[0]
        gone = group.members.order_by("position")[1].track_id
        copied = saving_again._copy

        def remove_first(*args: Any) -> None:
            Track.objects.filter(pk=gone).delete()
            copied(*args)

        monkeypatch.setattr(saving_again, "_copy", remove_first)
        second = refreshed(first)

        again = second.groups.get(group_key=group.group_key)
        assert again.remaining_count == group.member_count - 1
        assert not again.members.get(track_id=gone).still_exists

    def test_a_track_edited_while_it_is_looked_at_is_read_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tracks = a_library()
        first = first_run()
        edited, other = tracks[3], tracks[4]
        edited.title, edited.artist = other.title, other.artist
        edited.save()
        matched, edits = incremental._matched, []

        def edit_meanwhile(*args: Any) -> Any:
            found = matched(*args)
            if not edits:
                edits.append(Track.objects.filter(pk=other.pk).update(title="Not what it was"))
            return found

        monkeypatch.setattr(incremental, "_matched", edit_meanwhile)
        second = refreshed(first)

        assert not second.groups.filter(members__track_id=edited.pk).filter(members__track_id=other.pk).exists()
        assert second.library_revision == first.library_revision + 2  # type: ignore[operator]


class TestWhatIsKept:
    def test_only_the_newest_full_runs_keep_their_tables(self, settings: Any) -> None:
        a_library(20)
        settings.KEPT_INDEXES = 1
        old = first_run()
        new = first_run(preset="song")
        follower = refreshed(new)

        assert sorted(indexes()) == sorted([new.pk, follower.pk])
        assert index_bytes(new.pk) > index_bytes(follower.pk) > 0
        assert "is not on this machine" in note_of(refreshed(old))

    def test_they_go_with_the_last_analysis_that_rests_on_them(self) -> None:
        a_library(20)
        first = first_run()
        assert drop_needless_indexes() == (0, 0)

        first.delete()

        assert drop_needless_indexes()[0] == 1
        assert indexes() == []

    def test_nobody_has_to_keep_any(self, settings: Any) -> None:
        settings.KEPT_INDEXES = 0
        a_library(20)
        first = first_run()

        assert indexes() == []
        assert "REPRISE_KEPT_INDEXES is 0" in note_of(refreshed(first))


def test_cleaning_up_keeps_what_a_kept_analysis_has_not_seen() -> None:
    tracks = a_library(20)
    first = first_run()
    Track.objects.filter(pk__in=[track.pk for track in tracks[:5]]).update(play_count=99)

    plan = retention.plan_cleanup(now=timezone.now())
    result = retention.cleanup_old_results(plan, actor=None, now=timezone.now())

    assert result.leftovers["touches"].count == 0

    assert TrackTouch.objects.filter(stamp__gte=first.touch_mark).count() == 5


def test_copying_takes_as_many_queries_for_many_groups_as_for_few(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    a_library(240)
    first = first_run()
    successor = refreshing.refresh_analysis(first, actor=None, now=timezone.now() + timedelta(seconds=1))

    with django_assert_max_num_queries(80):
        run_analysis(successor.pk)


def test_a_result_that_is_deleted_under_its_refresh_leaves_no_half_one(monkeypatch: pytest.MonkeyPatch) -> None:
    a_library()
    first = first_run()
    successor = refreshing.refresh_analysis(first, actor=None, now=timezone.now())
    next_one = saving_again.is_next

    def deleted_by_hand(*args: Any) -> bool:
        first.groups.order_by("position")[4].delete()
        return next_one(*args)

    monkeypatch.setattr(saving_again, "is_next", deleted_by_hand)
    run_analysis(successor.pk)

    successor.refresh_from_db()
    assert (successor.status, successor.error_code) == (AnalysisStatus.FAILED, SaveFailed.code)
    assert "was deleted meanwhile" in successor.error_message


def test_a_batch_whose_writing_was_not_heard_of_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a connection that breaks at the end of a transaction leaves: it is done, and is tried again.
    tracks = a_library()
    first = first_run()
    change_the_library(tracks)
    once = said(refreshed(first))
    monkeypatch.setattr(saving_again, "retrying", lambda work: (work(), work())[1])
    monkeypatch.setattr(saving_again, "COPIED_PER_BATCH", 7)

    assert said(refreshed(first)) == once


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL chooses by what it counted")
def test_what_is_carried_over_is_looked_up_and_no_result_is_walked_through() -> None:
    tracks = a_library()
    first = first_run()
    change_the_library(tracks)
    second = refreshed(first)
    fresh = list(second.groups.order_by("-pk").values_list("pk", flat=True)[:3])
    for analysis in (first, second):
        decided = analysis.groups.order_by("position").values("pk")[:1]
        analysis.groups.filter(pk__in=decided).update(is_resolved=True, resolution=Resolution.MANUAL_REVIEW)
    plans = []

    def explain(execute: Any, sql: str, values: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}", values)
                plans.append([row[3] for row in cursor.fetchall()])
        return execute(sql, values, many, context)

    with connection.execute_wrapper(explain):
        carry_identities_over(first, second, fresh=fresh)
        carry_late(second)

    assert len(plans) == 3
    for line in (line for plan in plans for line in plan):
        assert not line.startswith("SCAN duplicates_")
        assert not line.endswith("(analysis_id=?)"), line


def test_where_nothing_is_decided_no_group_is_looked_up() -> None:
    # PostgreSQL put all groups of a result it had counted none of into a table, twice, to find nothing.
    tracks = a_library()
    first = first_run()
    change_the_library(tracks)
    second = refreshed(first)

    with CaptureQueriesContext(connection) as asked:
        carry_late(second)

    assert not [one["sql"] for one in asked if "UPDATE" in one["sql"]]
