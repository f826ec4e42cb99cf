"""One analysis from wish to saved result: queue, claim, run, save, fail, cancel, reuse."""

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, IntegrityError, connection, transaction

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.exceptions import (
    AnalysisAlreadyRunning,
    AnalysisCancelled,
    AnalysisNotFound,
    AnalysisTimeout,
    ClaimLost,
    HandedBack,
    InvalidOptions,
)
from duplicates.models import AuditRecord, DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import claims, lifecycle, loading, refreshing, running, saving
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from library.models import LibraryImport, Track
from tests.duplicates.library_of import SONG_COUNT, make_library, make_track

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OPTIONS = AnalysisOptions()


@pytest.fixture
def detector() -> DuplicateDetectionService:
    return DuplicateDetectionService()


def queue(options: AnalysisOptions = OPTIONS, *, actor=None, now: datetime = NOW) -> DuplicateAnalysisResult:
    return lifecycle.queue_analysis(options, actor=actor, trigger=Trigger.COMMAND, now=now).analysis


class TestFindingWithoutKeeping:
    def test_find_duplicates_returns_groups_and_stores_nothing(self, detector) -> None:
        make_library()

        detection = detector.find_duplicates(OPTIONS)

        assert len(detection) == SONG_COUNT
        assert not DuplicateAnalysisResult.objects.exists()
        assert not AuditRecord.objects.exists()

    def test_an_empty_library_has_no_duplicates(self, detector) -> None:
        assert len(detector.find_duplicates(OPTIONS)) == 0

    def test_a_quarantined_track_is_not_looked_at(self, detector) -> None:
        tracks = make_library()
        Track.objects.filter(pk=tracks[0].pk).update(quarantined_at=NOW)

        members = {m.track_id for group in detector.find_duplicates(OPTIONS).iter_groups() for m in group.members}

        assert tracks[0].pk not in members
        assert len(members) == 2 * SONG_COUNT - 2

    def test_blank_titles_never_match(self, detector) -> None:
        for number in range(5):
            make_track(number, title="", artist="", seconds=180)

        assert len(detector.find_duplicates(OPTIONS)) == 0


class TestKeeping:
    def test_the_result_is_saved_with_counts_revision_and_snapshots(self, detector) -> None:
        make_library()

        analysis = detector.find_duplicates_with_persistence(OPTIONS).analysis

        assert analysis.status == AnalysisStatus.COMPLETED
        assert (analysis.groups_found, analysis.duplicates_found) == (SONG_COUNT, SONG_COUNT)
        assert (analysis.tracks_analyzed, analysis.library_track_count) == (2 * SONG_COUNT, 2 * SONG_COUNT)
        assert analysis.library_revision
        assert analysis.peak_memory_bytes
        assert analysis.phase_seconds

    def test_each_group_has_one_keeper_first_and_direct_evidence(self, detector) -> None:
        make_library(copies=3)

        analysis = detector.find_duplicates_with_persistence(OPTIONS).analysis

        for group in analysis.groups.prefetch_related("members"):
            keeper, *others = sorted(group.members.all(), key=lambda member: member.position)
            assert keeper.is_canonical
            assert keeper.track_id == group.keeper_track_id
            assert group.confidence == min(member.similarity for member in others)
            assert not any(member.is_canonical for member in others)

    def test_a_track_is_in_at_most_one_group(self, detector) -> None:
        make_library(copies=4)

        analysis = detector.find_duplicates_with_persistence(OPTIONS).analysis

        ids = list(DuplicateAnalysisTrack.objects.filter(group__analysis=analysis).values_list("track_id", flat=True))
        assert len(ids) == len(set(ids)) == 4 * SONG_COUNT

    def test_the_snapshot_survives_its_track(self, detector) -> None:
        tracks = make_library()
        detector.find_duplicates_with_persistence(OPTIONS)

        Track.objects.filter(pk=tracks[0].pk).delete()

        assert DuplicateAnalysisTrack.objects.get(track_id=tracks[0].pk).title == tracks[0].title

    def test_groups_have_the_same_key_in_the_next_analysis(self, detector) -> None:
        make_library()

        keys = [
            set(
                detector.find_duplicates_with_persistence(OPTIONS, force=True).analysis.groups.values_list(
                    "group_key", flat=True
                )
            )
            for _ in range(2)
        ]

        assert keys[0] == keys[1]

    def test_every_run_is_audited_with_its_user(self, detector, django_user_model) -> None:
        make_library()
        user = django_user_model.objects.create_user("ada")

        analysis = detector.find_duplicates_with_persistence(OPTIONS, user=user).analysis

        records = AuditRecord.objects.filter(subject_id=str(analysis.pk)).order_by("id")
        assert [record.action for record in records] == ["analysis.queued", "analysis.completed"]
        assert {record.user_name for record in records} == {"ada"}


class TestFilters:
    def test_search_limits_the_groups_not_the_candidates(self, detector) -> None:
        make_library()

        groups = list(detector.find_duplicates(AnalysisOptions(search="HARBOUR")).iter_groups())

        assert [(group.title, len(group.members)) for group in groups] == [("Harbour Lights", 2)]

    def test_a_group_shows_when_any_member_holds_the_term(self, detector) -> None:
        make_track(1, title="Harbour Lights", artist="The Quiet Tide", album="Low Water")
        make_track(2, title="Harbour Lights", artist="The Quiet Tide", album="Greatest Hits", play_count=50)

        (group,) = detector.find_duplicates(AnalysisOptions(search="low wat")).iter_groups()

        assert len(group.members) == 2

    def test_min_confidence_drops_whole_groups(self, detector) -> None:
        make_library()

        everything = list(detector.find_duplicates(OPTIONS).iter_groups())
        limit = max(group.confidence for group in everything)
        sure = list(detector.find_duplicates(AnalysisOptions(min_confidence=limit)).iter_groups())

        assert sure
        assert all(group.confidence >= limit for group in sure)

    @pytest.mark.parametrize(
        ("sort_by", "key"),
        [
            pytest.param("artist", lambda group: group.artist.lower(), id="artist"),
            pytest.param("title", lambda group: group.title.lower(), id="title"),
            pytest.param("plays", lambda group: -group.total_plays, id="plays"),
            pytest.param("confidence", lambda group: -group.confidence, id="confidence"),
        ],
    )
    def test_groups_come_in_the_order_asked_for(self, detector, sort_by, key) -> None:
        make_library()

        groups = list(detector.find_duplicates(AnalysisOptions(sort_by=sort_by)).iter_groups())

        assert [key(group) for group in groups] == sorted(key(group) for group in groups)


class TestOptions:
    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            pytest.param({"preset": "loose"}, "'loose'", id="preset"),
            pytest.param({"sort_by": "colour"}, "'colour'", id="sort"),
            pytest.param({"ignored_fields": ("isbn",)}, "'isbn'", id="field"),
            pytest.param({"min_confidence": 1.5}, "1.5", id="confidence"),
            pytest.param({"min_confidence": float("nan")}, "nan", id="not a number"),
            pytest.param({"search": "x" * 201}, "201", id="long search"),
            pytest.param({"search": "a\0b"}, "NUL", id="NUL"),
        ],
    )
    def test_a_wrong_value_is_named(self, wrong, named) -> None:
        with pytest.raises(InvalidOptions, match=named):
            AnalysisOptions(**wrong)

    def test_equal_options_have_equal_fingerprints_whatever_their_order(self) -> None:
        one = AnalysisOptions(ignored_fields=("isrc", "year"), search=" moon ")
        other = AnalysisOptions(ignored_fields=("year", "isrc", "year"), search="moon")

        assert one.fingerprint() == other.fingerprint()

    def test_options_survive_being_stored(self) -> None:
        options = AnalysisOptions(preset="song", ignored_fields=("isrc",), min_confidence=0.5)

        assert AnalysisOptions.from_parameters(options.as_parameters()) == options


class TestEqualRuns:
    def test_an_equal_active_analysis_is_returned_instead(self) -> None:
        first = queue()

        second = lifecycle.queue_analysis(OPTIONS, actor=None, trigger=Trigger.ADMIN, now=NOW)

        assert (second.analysis, second.is_new) == (first, False)

    def test_another_user_gets_an_analysis_of_their_own(self, django_user_model) -> None:
        queue()

        assert queue(actor=django_user_model.objects.create_user("ada")).user.username == "ada"

    def test_the_database_lets_no_two_equal_runs_of_the_system_be_active(self) -> None:
        first = queue()

        with pytest.raises(IntegrityError), transaction.atomic():
            DuplicateAnalysisResult.objects.create(
                created_at=NOW, parameters_fingerprint=first.parameters_fingerprint, status=AnalysisStatus.QUEUED
            )

    def test_a_young_equal_result_on_an_unchanged_library_is_reused(self, detector) -> None:
        make_library()
        first = detector.find_duplicates_with_persistence(OPTIONS).analysis

        assert detector.find_duplicates_with_persistence(OPTIONS).analysis == first

    def test_force_runs_again(self, detector) -> None:
        make_library()
        first = detector.find_duplicates_with_persistence(OPTIONS).analysis

        assert detector.find_duplicates_with_persistence(OPTIONS, force=True).analysis != first

    def test_a_changed_library_runs_again_but_a_play_does_not(self, detector) -> None:
        tracks = make_library()
        first = detector.find_duplicates_with_persistence(OPTIONS).analysis

        Track.objects.filter(pk=tracks[0].pk).update(play_count=99)
        assert detector.find_duplicates_with_persistence(OPTIONS).analysis == first

        Track.objects.filter(pk=tracks[0].pk).update(title="Something else")
        assert detector.find_duplicates_with_persistence(OPTIONS).analysis != first

    def test_an_old_result_runs_again(self, settings) -> None:
        make_library()
        first = DuplicateDetectionService(now=lambda: NOW).find_duplicates_with_persistence(OPTIONS).analysis

        later = NOW + timedelta(hours=settings.ANALYSIS_REUSE_HOURS, seconds=1)
        second = DuplicateDetectionService(now=lambda: later).find_duplicates_with_persistence(OPTIONS).analysis

        assert second != first

    def test_refreshing_links_to_the_predecessor_and_is_refused_while_one_runs(self) -> None:
        first = queue()
        lifecycle.end_by_hand(first, AnalysisStatus.CANCELLED, actor=None, now=NOW)

        successor = refreshing.refresh_analysis(first, actor=None, now=NOW)

        assert successor.predecessor == first
        with pytest.raises(AnalysisAlreadyRunning) as refused:
            refreshing.refresh_analysis(first, actor=None, now=NOW)
        assert refused.value.facts["analysis_id"] == str(successor.pk)


class TestClaims:
    def test_only_one_claim_is_given(self) -> None:
        analysis = queue()

        assert claims.claim(analysis.pk, now=NOW) is not None
        assert claims.claim(analysis.pk, now=NOW) is None

    def test_a_lost_claim_changes_nothing(self) -> None:
        analysis = queue()
        claimed = claims.claim(analysis.pk, now=NOW)
        DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(lease_token=uuid.uuid4())

        with pytest.raises(ClaimLost):
            claims.keep(claimed, now=NOW, groups_found=99)
        with pytest.raises(ClaimLost):
            lifecycle.complete(claimed, actor=None, now=NOW, groups_found=99)

        analysis.refresh_from_db()
        assert (analysis.status, analysis.groups_found) == (AnalysisStatus.RUNNING, 0)

    def test_a_frozen_worker_that_wakes_up_saves_nothing(self, detector) -> None:
        make_library()
        detection = detector.find_duplicates(OPTIONS)
        analysis = queue()
        frozen = claims.claim(analysis.pk, now=NOW)
        DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(lease_token=uuid.uuid4())

        with pytest.raises(ClaimLost):
            saving.save_groups(detection, frozen, now=lambda: NOW, report=lambda done: None)

        assert not DuplicateAnalysisGroup.objects.exists()

    def test_unknown_and_malformed_ids_are_not_found(self) -> None:
        for wrong in (uuid.uuid4(), "not-a-uuid", ""):
            with pytest.raises(AnalysisNotFound):
                lifecycle.get_analysis(wrong)


class TestFailure:
    def test_if_saving_fails_the_caller_still_gets_the_groups_and_a_warning(self, detector, monkeypatch) -> None:
        make_library()

        def refuse(*args, **kwargs):
            raise DatabaseError("disk full at /secret/path")

        monkeypatch.setattr(saving, "save_groups", refuse)
        ran = detector.find_duplicates_with_persistence(OPTIONS)

        assert len(ran.detection) == SONG_COUNT
        assert ran.warning
        assert (ran.analysis.status, ran.analysis.error_code) == (AnalysisStatus.FAILED, "SAVE_FAILED")
        assert "/secret/path" not in f"{ran.analysis.error_message}{ran.analysis.error_details}"

    @pytest.mark.parametrize("asked", [None, "cancel", "stop"])
    def test_a_run_whose_analysis_is_deleted_ends_quietly(self, detector, monkeypatch, settings, asked) -> None:
        make_library()
        settings.PROGRESS_INTERVAL_SECONDS = 0
        original = loading.load_library

        def delete_while_loading(*args, **kwargs):
            DuplicateAnalysisResult.objects.all().delete()
            if asked == "cancel":
                raise AnalysisCancelled
            if asked == "stop":
                raise HandedBack
            return original(*args, **kwargs)

        monkeypatch.setattr(loading, "load_library", delete_while_loading)
        analysis = queue()

        ran = running.run_analysis(analysis.pk)

        assert ran.detection is None
        assert not DuplicateAnalysisResult.objects.exists()

    def test_an_unexpected_error_becomes_data(self, detector, monkeypatch) -> None:
        monkeypatch.setattr(loading, "load_library", lambda report: 1 / 0)

        analysis = detector.find_duplicates_with_persistence(OPTIONS).analysis

        assert (analysis.status, analysis.error_code) == (AnalysisStatus.FAILED, "INTERNAL_ERROR")
        assert analysis.error_details["phase"] == "loading_tracks"
        assert analysis.error_details["type"] == "ZeroDivisionError"

    def test_leftovers_of_a_killed_save_are_invisible_and_swept(self, detector) -> None:
        make_library()
        detection = detector.find_duplicates(OPTIONS)
        analysis = queue()
        killed = claims.claim(analysis.pk, now=NOW)
        saving.save_groups(detection, killed, now=lambda: NOW, report=lambda done: None)
        DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(status="queued", lease_token=None, slot=None)

        ran = running.run_analysis(analysis.pk)

        assert ran.analysis.status == AnalysisStatus.COMPLETED
        assert ran.analysis.groups.count() == SONG_COUNT

    @pytest.mark.parametrize("goes", ["deleted", "quarantined"])
    def test_a_track_that_goes_while_the_run_goes_on_is_left_out(self, detector, goes) -> None:
        tracks = make_library(copies=3)
        detection = detector.find_duplicates(OPTIONS)
        gone = Track.objects.filter(pk=next(iter(detection.iter_groups())).members[-1].track_id)
        gone.delete() if goes == "deleted" else gone.update(quarantined_at=NOW)
        claimed = claims.claim(queue().pk, now=NOW)

        saved = saving.save_groups(detection, claimed, now=lambda: NOW, report=lambda done: None)

        assert (saved.groups, saved.members) == (SONG_COUNT, len(tracks) - 1)

    def test_an_interrupt_cancels_and_passes_on(self, detector, monkeypatch) -> None:
        def interrupt(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr("duplicates.services.loading.load_library", interrupt)
        with pytest.raises(KeyboardInterrupt):
            detector.find_duplicates_with_persistence(OPTIONS)

        assert DuplicateAnalysisResult.objects.get().status == AnalysisStatus.CANCELLED

    def test_a_run_past_its_limit_times_out(self, detector, monkeypatch, settings) -> None:
        make_library()
        settings.PROGRESS_INTERVAL_SECONDS = 0
        monkeypatch.setattr(running, "time_limit", lambda tracks, wanted: -1.0)

        analysis = detector.find_duplicates_with_persistence(OPTIONS).analysis

        assert (analysis.status, analysis.error_code) == (AnalysisStatus.FAILED, AnalysisTimeout.code)


class TestCancel:
    def test_a_queued_analysis_ends_at_once(self, detector) -> None:
        analysis = queue()

        assert detector.cancel_analysis(analysis.pk)
        analysis.refresh_from_db()
        assert analysis.status == AnalysisStatus.CANCELLED
        assert running.run_analysis(analysis.pk) is None

    def test_a_running_one_stops_at_its_next_report(self) -> None:
        analysis = queue()
        claimed = claims.claim(analysis.pk, now=NOW)

        assert lifecycle.request_cancel(analysis, actor=None, now=NOW)
        with pytest.raises(AnalysisCancelled):
            claims.keep(claimed, now=NOW)

    def test_earlier_results_stay(self, detector, monkeypatch, settings) -> None:
        make_library()
        first = detector.find_duplicates_with_persistence(OPTIONS).analysis
        settings.PROGRESS_INTERVAL_SECONDS = 0

        def cancel_while_loading(*args, **kwargs):
            lifecycle.request_cancel(DuplicateAnalysisResult.objects.get(status="running"), actor=None, now=NOW)
            return original(*args, **kwargs)

        original = loading.load_library
        monkeypatch.setattr(loading, "load_library", cancel_while_loading)
        second = detector.find_duplicates_with_persistence(OPTIONS, force=True).analysis

        assert second.status == AnalysisStatus.CANCELLED
        first.refresh_from_db()
        assert (first.status, first.groups.count()) == (AnalysisStatus.COMPLETED, SONG_COUNT)

    def test_a_finished_one_cannot_be_cancelled(self, detector) -> None:
        analysis = detector.find_duplicates_with_persistence(OPTIONS).analysis

        assert not detector.cancel_analysis(analysis.pk)


class TestDeleting:
    def test_an_analysis_goes_with_its_groups_in_a_handful_of_statements(
        self, detector, django_assert_max_num_queries
    ) -> None:
        make_library(copies=3)
        analysis = detector.find_duplicates_with_persistence(OPTIONS).analysis

        with django_assert_max_num_queries(4):
            analysis.delete()

        assert not DuplicateAnalysisGroup.objects.exists()
        assert not DuplicateAnalysisTrack.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_twenty_equal_wishes_at_once_make_one_analysis() -> None:
    get_user_model().objects.create_user("ada")
    found: list[tuple[uuid.UUID, bool]] = []

    def wish() -> None:
        try:
            ada = get_user_model().objects.get(username="ada")
            queued = lifecycle.queue_analysis(OPTIONS, actor=ada, trigger=Trigger.API, now=NOW)
            found.append((queued.analysis.pk, queued.is_new))
        finally:
            connection.close()

    threads = [threading.Thread(target=wish) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 20
    assert len({pk for pk, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1


class TestWhatIsReused:
    def test_a_result_older_than_the_newest_import_is_not_reused(self, detector) -> None:
        """An import may have brought plays, which decide keepers, or the catalogue somebody was told to load."""
        make_library()
        first = detector.find_duplicates_with_persistence(OPTIONS)
        LibraryImport.objects.create(
            source="home",
            format="itunes",
            file_name="L.xml",
            started_at=NOW,
            completed_at=NOW,
            is_catalog=True,
            added_count=7,
        )

        second = detector.find_duplicates_with_persistence(OPTIONS)

        assert (second.is_reused, second.analysis != first.analysis) == (False, True)

    def test_a_dry_run_of_an_import_makes_no_result_old(self, detector) -> None:
        make_library()
        detector.find_duplicates_with_persistence(OPTIONS)
        LibraryImport.objects.create(
            source="home", status="completed", is_dry_run=True, started_at=NOW, completed_at=NOW, added_count=7
        )

        assert detector.find_duplicates_with_persistence(OPTIONS).is_reused

    def test_a_reused_result_says_that_it_is_one(self, detector) -> None:
        make_library()
        detector.find_duplicates_with_persistence(OPTIONS)

        assert detector.find_duplicates_with_persistence(OPTIONS).is_reused

    def test_a_run_that_a_killed_command_left_behind_is_gone_on_with(self, detector) -> None:
        make_library()
        left_behind = queue()
        claims.claim(left_behind.pk, now=NOW - timedelta(hours=5))

        ran = detector.find_duplicates_with_persistence(OPTIONS)

        assert (ran.analysis, ran.analysis.status) == (left_behind, AnalysisStatus.COMPLETED)


def test_a_half_applied_import_is_said_in_the_result(detector) -> None:
    make_library()
    LibraryImport.objects.create(source="x", format="csv", file_name="x.csv", status="applying", started_at=NOW)

    analysis = detector.find_duplicates_with_persistence(OPTIONS).analysis

    assert "applied only in part" in analysis.figures["notes"][0]
