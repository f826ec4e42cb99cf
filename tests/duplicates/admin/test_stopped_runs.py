"""The page of a run that failed or was stopped: what it kept, and the ways out."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.urls import reverse

from duplicates.choices import AnalysisStatus
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import saving
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from duplicates.services.work_folder import discard_checkpoints
from tests.duplicates.admin.conftest import do, messages_of, page, press, signed_in
from tests.duplicates.factories import AnalysisFactory, UserFactory
from tests.duplicates.library_of import SONG_COUNT, make_library

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queue")]


class TestStoppedRuns:
    @pytest.fixture
    def unsaved(self, colleague: User, monkeypatch: pytest.MonkeyPatch) -> DuplicateAnalysisResult:
        """A run of the colleague's that found everything and could not save it."""

        def refuse(*args: Any) -> None:
            raise DatabaseError("disk full")

        make_library()
        monkeypatch.setattr(saving, "_write", refuse)
        service = DuplicateDetectionService()
        return service.find_duplicates_with_persistence(AnalysisOptions(), user=colleague).analysis

    def test_retry_puts_the_same_analysis_back_into_the_queue(self, colleague: User) -> None:
        stopped = AnalysisFactory(user=colleague, status=AnalysisStatus.FAILED, error_code="SAVE_FAILED")

        response = do(signed_in(colleague), "resume", stopped)

        stopped.refresh_from_db()
        assert messages_of(response) == ["Queued 1 analysis."]
        assert stopped.status != AnalysisStatus.FAILED

    def test_what_could_not_be_saved_can_be_saved_again_or_exported(self, colleague: User, unsaved) -> None:
        client = signed_in(colleague)

        shown = client.get(page(unsaved)).content.decode()
        response = press(client, "unsaved_csv", unsaved)

        assert "Save again" in shown
        assert 'attachment; filename="unsaved-duplicates-' in response["Content-Disposition"]
        assert b"".join(response.streaming_content).count(b"\n") == 1 + 2 * SONG_COUNT

    def test_what_is_not_kept_here_is_not_offered(self, colleague: User, unsaved) -> None:
        discard_checkpoints(unsaved.pk)
        client = signed_in(colleague)

        shown = client.get(page(unsaved)).content.decode()
        response = press(client, "unsaved_json", unsaved)

        assert "Save again" not in shown
        assert "Retry" in shown
        assert "unsaved_json" not in shown
        assert "is failed" in messages_of(response)[0]

    def test_an_unsaved_result_is_exported_only_by_those_who_may_see_and_export_it(
        self, viewer: User, colleague: User, unsaved
    ) -> None:
        DuplicateAnalysisResult.objects.filter(pk=unsaved.pk).update(user=UserFactory())

        for person in (viewer, colleague):
            response = press(signed_in(person), "unsaved_json", unsaved)
            assert "Content-Disposition" not in response

    def test_a_completed_one_is_refused_in_words(self, colleague: User) -> None:
        response = do(signed_in(colleague), "resume", AnalysisFactory(user=colleague))

        assert "is completed" in messages_of(response)[0]

    def test_what_a_stopped_run_kept_is_shown_and_marked(self, colleague: User) -> None:
        stopped = AnalysisFactory(user=colleague, status=AnalysisStatus.CANCELLED, is_partial=True)

        shown = signed_in(colleague).get(page(stopped)).content.decode()

        assert "Stopped early" in shown
        assert "Look at the groups" in shown

    def test_starting_too_many_is_said_in_words(self, colleague: User, settings) -> None:
        settings.ANALYSES_PER_HOUR = 0

        response = signed_in(colleague).post(
            reverse("admin:duplicates_run_analysis"),
            {"preset": "recording", "sort_by": "confidence", "min_confidence": "0"},
            follow=True,
        )

        assert "within the last hour" in response.content.decode()
