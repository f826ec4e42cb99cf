"""One analysis from wish to saved result: queue, claim, run, save, delete."""

import uuid
from datetime import UTC, datetime

import pytest

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.exceptions import (
    AnalysisNotFound,
    ClaimLost,
    InvalidOptions,
)
from duplicates.models import AuditRecord, DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import claims, lifecycle, saving
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
            claims.renew(claimed, now=NOW, groups_found=99)
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


def test_a_half_applied_import_is_said_in_the_result(detector) -> None:
    make_library()
    LibraryImport.objects.create(source="x", format="csv", file_name="x.csv", status="applying", started_at=NOW)

    analysis = detector.find_duplicates_with_persistence(OPTIONS).analysis

    assert "applied only in part" in analysis.figures["notes"][0]
