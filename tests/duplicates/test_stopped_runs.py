"""A run that does not reach its end: failures, time limits, cancels, and what is kept of it."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import DatabaseError

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.exceptions import (
    AnalysisCancelled,
    AnalysisTimeout,
    ClaimLost,
    HandedBack,
)
from duplicates.models import AuditRecord, DuplicateAnalysisResult
from duplicates.services import claims, lifecycle, loading, running, saving
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from library.models import Track
from tests.duplicates.library_of import SONG_COUNT, make_library

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OPTIONS = AnalysisOptions()


@pytest.fixture
def detector() -> DuplicateDetectionService:
    return DuplicateDetectionService()


def queue(options: AnalysisOptions = OPTIONS, *, actor=None, now: datetime = NOW) -> DuplicateAnalysisResult:
    return lifecycle.queue_analysis(options, actor=actor, trigger=Trigger.COMMAND, now=now).analysis


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

    def test_a_running_one_ends_at_once_and_its_worker_is_told(self) -> None:
        analysis = queue()
        claimed = claims.claim(analysis.pk, now=NOW)

        assert lifecycle.request_cancel(analysis, actor=None, now=NOW)
        analysis.refresh_from_db()
        assert (analysis.status, analysis.completed_at) == (AnalysisStatus.CANCELLED, NOW)
        for write in (claims.renew, partial(lifecycle.complete, actor=None)):
            with pytest.raises(AnalysisCancelled):
                write(claimed, now=NOW)

    def test_its_worker_may_still_keep_what_it_had_found_once(self) -> None:
        analysis = queue()
        claimed = claims.claim(analysis.pk, now=NOW)
        lifecycle.request_cancel(analysis, actor=None, now=NOW)

        kept = lifecycle.stop_own(claimed, now=NOW)
        lifecycle.finish_cancelled(kept, actor=None, now=NOW, groups_found=7, is_partial=True)

        analysis.refresh_from_db()
        assert (analysis.status, analysis.groups_found, analysis.lease_token) == ("cancelled", 7, None)
        with pytest.raises(ClaimLost):
            lifecycle.finish_cancelled(kept, actor=None, now=NOW, groups_found=8)

    def test_nothing_is_added_to_one_that_was_retried_meanwhile(self) -> None:
        analysis = queue()
        claimed = claims.claim(analysis.pk, now=NOW)
        lifecycle.request_cancel(analysis, actor=None, now=NOW)
        lifecycle.resume(lifecycle.get_analysis(analysis.pk), actor=None, now=NOW)

        for late in (claimed, claimed.as_cancelled()):
            with pytest.raises(ClaimLost):
                claims.renew(late, now=NOW)
        assert claims.claim(analysis.pk, now=NOW)

    def test_one_whose_worker_died_is_let_go_of(self) -> None:
        analysis = queue()
        claims.claim(analysis.pk, now=NOW)
        lifecycle.request_cancel(analysis, actor=None, now=NOW)

        given_on = lifecycle.reclaim(now=NOW + timedelta(minutes=5), enqueue=lambda pk: None)

        analysis.refresh_from_db()
        assert (given_on, analysis.status, analysis.lease_token) == ([], AnalysisStatus.CANCELLED, None)
        assert AuditRecord.objects.filter(action="analysis.cancelled").count() == 1

    def test_a_worker_asked_to_stop_meanwhile_does_not_hand_it_back(self, monkeypatch) -> None:
        make_library()
        analysis = queue()

        def cancel_and_stop(*args, **kwargs):
            lifecycle.request_cancel(analysis, actor=None, now=NOW)
            raise HandedBack

        monkeypatch.setattr(loading, "load_library", cancel_and_stop)
        ran = running.run_analysis(analysis.pk)

        assert (ran.analysis.status, ran.analysis.lease_token) == (AnalysisStatus.CANCELLED, None)

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
