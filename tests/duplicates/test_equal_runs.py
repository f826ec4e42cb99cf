"""Equal wishes: one run at a time, and a result that still holds is reused."""

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.exceptions import (
    AnalysisAlreadyRunning,
)
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import claims, lifecycle, refreshing
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from library.models import LibraryImport, Track
from tests.duplicates.library_of import make_library

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OPTIONS = AnalysisOptions()


@pytest.fixture
def detector() -> DuplicateDetectionService:
    return DuplicateDetectionService()


def queue(options: AnalysisOptions = OPTIONS, *, actor=None, now: datetime = NOW) -> DuplicateAnalysisResult:
    return lifecycle.queue_analysis(options, actor=actor, trigger=Trigger.COMMAND, now=now).analysis


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
