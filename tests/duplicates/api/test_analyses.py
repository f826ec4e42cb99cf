"""Analyses through the API: the same verbs as everywhere, the same rights, one shape of errors."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from duplicates.choices import AnalysisStatus
from duplicates.models import AuditRecord, DuplicateAnalysisResult
from library.changes import current_revision
from tests.duplicates.api.counting import queries_of
from tests.duplicates.factories import AnalysisFactory, GroupFactory, UserFactory

pytestmark = pytest.mark.django_db
ANALYSES = "/api/v1/analyses/"
ERROR_KEYS = {"code", "message", "details", "suggestions", "retry_suggested", "partial_results_available"}


@pytest.fixture
def admin(somebody: Callable[..., User]) -> User:
    return somebody("Administrator")


@pytest.fixture
def api(admin: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(admin)


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """Leave what is queued in the queue."""
    woken: list[uuid.UUID] = []
    monkeypatch.setattr("duplicates.api.analyses.enqueue_analysis", woken.append)
    return woken


class TestReading:
    def test_a_list_tells_the_staleness_of_each(self, api: APIClient) -> None:
        AnalysisFactory(started_at=timezone.now() - timedelta(hours=30))
        AnalysisFactory(status=AnalysisStatus.FAILED, error_code="MEMORY_LIMIT")

        results = api.get(ANALYSES).json()["results"]

        assert {(one["status"], one["staleness"]) for one in results} == {("completed", "stale"), ("failed", None)}

    def test_a_list_costs_the_same_however_long(self, api: APIClient) -> None:
        AnalysisFactory.create_batch(2)
        few = queries_of(api, ANALYSES)
        AnalysisFactory.create_batch(8)

        assert queries_of(api, ANALYSES) == few <= 16

    def test_pages_follow_each_other_without_gap(self, api: APIClient) -> None:
        made = {str(one.pk) for one in AnalysisFactory.create_batch(5)}
        seen: list[str] = []
        url = f"{ANALYSES}?page_size=2"
        while url:
            page = api.get(url).json()
            seen += [one["id"] for one in page["results"]]
            url = page["next"]

        assert len(seen) == 5
        assert set(seen) == made

    @pytest.mark.parametrize("cursor", ["x", "cD0x", "cD1hYmM=", "bz05OTk5OTk5OTk5OTk5OTk5OTk5OQ=="])
    def test_a_made_up_cursor_leads_nowhere(self, api: APIClient, cursor: str) -> None:
        answer = api.get(ANALYSES, {"cursor": cursor})

        assert answer.status_code in (200, 404)

    def test_somebody_elses_analysis_does_not_exist(
        self, somebody: Callable[..., User], client_of: Callable[[User], APIClient]
    ) -> None:
        theirs = AnalysisFactory(user=UserFactory())
        user = UserFactory(permissions=["duplicates.view_duplicateanalysisresult"])

        answer = client_of(user).get(f"{ANALYSES}{theirs.pk}/")

        assert answer.status_code == 404
        assert set(answer.json()) == ERROR_KEYS

    def test_one_analysis_says_whether_it_still_holds(self, api: APIClient) -> None:
        analysis = AnalysisFactory(started_at=timezone.now() - timedelta(days=9))

        shown = api.get(f"{ANALYSES}{analysis.pk}/").json()
        condition = api.get(f"{ANALYSES}{analysis.pk}/age/").json()

        assert shown["condition"] == condition
        assert condition["age"]["level"] == "very_stale"
        assert condition["recommendation"]["suggested_action"] == "refresh"

    def test_the_changes_name_the_groups_they_touch(self, api: APIClient) -> None:
        group = GroupFactory(analysis__library_revision=0)
        GroupFactory(analysis=group.analysis)
        member = group.members.first()
        assert member is not None
        analysis = group.analysis
        DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(library_revision=current_revision())
        member.track.title = "Harbor Lights"
        member.track.save()

        changes = api.get(f"{ANALYSES}{analysis.pk}/changes/").json()

        assert (changes["modified"], changes["touched_groups"], changes["touched_group_ids"]) == (1, 1, [group.pk])

    def test_progress_of_a_queued_one(self, api: APIClient) -> None:
        analysis = AnalysisFactory(status=AnalysisStatus.QUEUED, started_at=None, completed_at=None)

        progress = api.get(f"{ANALYSES}{analysis.pk}/progress/").json()

        assert (progress["status"], progress["percentage"]) == ("queued", 0.0)

    def test_two_analyses_are_compared(self, api: APIClient) -> None:
        earlier, later = AnalysisFactory(), AnalysisFactory()
        GroupFactory(analysis=earlier)

        difference = api.get(f"{ANALYSES}{later.pk}/difference/", {"with": str(earlier.pk)}).json()

        assert (difference["gone"], difference["new"]) == (1, 0)

    def test_comparing_with_what_is_no_id_says_so(self, api: APIClient) -> None:
        answer = api.get(f"{ANALYSES}{AnalysisFactory().pk}/difference/", {"with": "yesterday"})

        assert answer.status_code == 400
        assert "yesterday" in str(answer.json()["details"])


class TestStarting:
    def test_an_analysis_is_queued_and_a_worker_woken(
        self, api: APIClient, admin: User, no_worker: list[uuid.UUID], django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            answer = api.post(ANALYSES, {"preset": "release", "min_confidence": 0.9})

        assert answer.status_code == 201
        analysis = DuplicateAnalysisResult.objects.get(pk=answer.json()["analysis_id"])
        assert (analysis.user, analysis.preset, analysis.trigger) == (admin, "release", "api")
        assert no_worker == [analysis.pk]

    def test_without_a_worker_it_says_which_command_helps(self, api: APIClient) -> None:
        assert "run_workers" in api.post(ANALYSES, {}).json()["notice"]

    def test_an_equal_one_is_answered_instead(self, api: APIClient) -> None:
        first = api.post(ANALYSES, {"preset": "song"})

        second = api.post(ANALYSES, {"preset": "song"})

        assert (second.status_code, second.json()["is_new"]) == (200, False)
        assert second.json()["analysis_id"] == first.json()["analysis_id"]

    @pytest.mark.parametrize(
        ("wish", "named"),
        [
            pytest.param({"preset": "everything"}, "everything", id="preset"),
            pytest.param({"min_confidence": 2}, "min_confidence", id="confidence"),
            pytest.param({"presett": "song"}, "presett", id="misspelt name"),
            pytest.param({"time_limit_seconds": 0}, "time_limit_seconds", id="time limit"),
            pytest.param({"search": "a\0b"}, "search", id="NUL"),
        ],
    )
    def test_what_is_not_accepted_is_named(self, api: APIClient, wish: dict[str, Any], named: str) -> None:
        answer = api.post(ANALYSES, wish)

        assert answer.status_code == 400
        assert answer.json()["code"] == "VALIDATION_FAILED"
        assert named in str(answer.json()["details"])

    def test_a_list_is_no_wish(self, api: APIClient) -> None:
        assert api.post(ANALYSES, ["song"]).status_code == 400

    def test_a_broken_body_is_malformed(self, api: APIClient) -> None:
        answer = api.post(ANALYSES, "{", content_type="application/json")

        assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED_REQUEST")

    def test_the_hourly_limit_is_told(self, api: APIClient, settings: Any) -> None:
        settings.ANALYSES_PER_HOUR = 1
        api.post(ANALYSES, {"preset": "song"})

        answer = api.post(ANALYSES, {"preset": "exact"})

        assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
        assert answer.json()["retry_suggested"]


class TestRefreshing:
    def test_overrides_are_taken(self, api: APIClient, admin: User) -> None:
        analysis = AnalysisFactory(user=admin)

        answer = api.post(f"{ANALYSES}{analysis.pk}/refresh/", {"min_confidence": 0.5})

        successor = DuplicateAnalysisResult.objects.get(pk=answer.json()["analysis_id"])
        assert (successor.predecessor, successor.min_confidence) == (analysis, 0.5)

    def test_a_second_one_is_refused_with_the_id_of_the_first(self, api: APIClient, admin: User) -> None:
        analysis = AnalysisFactory(user=admin)
        first = api.post(f"{ANALYSES}{analysis.pk}/refresh/", {}).json()

        answer = api.post(f"{ANALYSES}{analysis.pk}/refresh/", {})

        assert (answer.status_code, answer.json()["code"]) == (409, "ANALYSIS_ALREADY_RUNNING")
        assert answer.json()["details"]["analysis_id"] == first["analysis_id"]

    def test_quick_refresh_takes_the_newest(self, api: APIClient, admin: User) -> None:
        AnalysisFactory(user=admin, created_at=timezone.now() - timedelta(days=2))
        newest = AnalysisFactory(user=admin)

        answer = api.post(f"{ANALYSES}quick-refresh/", {})

        assert answer.status_code == 201
        assert DuplicateAnalysisResult.objects.get(pk=answer.json()["analysis_id"]).predecessor == newest

    @pytest.mark.parametrize("door", ["{0}/refresh/", "quick-refresh/"])
    def test_both_can_be_told_to_match_every_track(self, api: APIClient, admin: User, door: str) -> None:
        older = AnalysisFactory(user=admin)

        answer = api.post(f"{ANALYSES}{door.format(older.pk)}", {"learns_anew": True})

        successor = DuplicateAnalysisResult.objects.get(pk=answer.json()["analysis_id"])
        assert (successor.learns_anew, successor.parameters) == (True, older.parameters)

    def test_quick_refresh_without_any_says_so(self, api: APIClient) -> None:
        answer = api.post(f"{ANALYSES}quick-refresh/", {})

        assert (answer.status_code, answer.json()["code"]) == (404, "ANALYSIS_NOT_FOUND")

    def test_one_without_a_result_cannot_be_refreshed(self, api: APIClient) -> None:
        analysis = AnalysisFactory(status=AnalysisStatus.FAILED, is_partial=True)

        answer = api.post(f"{ANALYSES}{analysis.pk}/refresh/", {})

        assert (answer.status_code, answer.json()["code"]) == (409, "ANALYSIS_NOT_READY")
        assert answer.json()["partial_results_available"]


class TestStopping:
    def test_a_queued_one_is_cancelled(self, api: APIClient) -> None:
        analysis = AnalysisFactory(status=AnalysisStatus.QUEUED)

        assert api.post(f"{ANALYSES}{analysis.pk}/cancel/").json() == {"was_active": True}
        assert api.post(f"{ANALYSES}{analysis.pk}/cancel/").json() == {"was_active": False}

    def test_a_cancelled_one_is_resumed(self, api: APIClient) -> None:
        analysis = AnalysisFactory(status=AnalysisStatus.CANCELLED)

        answer = api.post(f"{ANALYSES}{analysis.pk}/resume/", {"time_limit_seconds": 900})

        analysis.refresh_from_db()
        assert answer.status_code == 200
        assert (analysis.status, analysis.time_limit_seconds) == ("queued", 900)

    def test_a_completed_one_cannot_be_resumed(self, api: APIClient) -> None:
        answer = api.post(f"{ANALYSES}{AnalysisFactory().pk}/resume/", {})

        assert (answer.status_code, answer.json()["code"]) == (409, "NOT_RESUMABLE")

    def test_what_one_only_sees_one_cannot_cancel(self, client_of: Callable[[User], APIClient]) -> None:
        theirs = AnalysisFactory(status=AnalysisStatus.QUEUED, user=UserFactory())
        seer = UserFactory(
            permissions=[
                "duplicates.view_duplicateanalysisresult",
                "duplicates.view_all_analyses",
                "duplicates.run_analysis",
            ]
        )

        answer = client_of(seer).post(f"{ANALYSES}{theirs.pk}/cancel/")

        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ALLOWED")


class TestKeeping:
    def test_a_pinned_one_is_not_deleted(self, api: APIClient) -> None:
        analysis = AnalysisFactory()

        assert api.patch(f"{ANALYSES}{analysis.pk}/", {"is_pinned": True}).json()["is_pinned"]
        answer = api.delete(f"{ANALYSES}{analysis.pk}/")

        assert (answer.status_code, answer.json()["code"]) == (409, "ANALYSIS_PINNED")

    def test_deleting_leaves_a_record(self, api: APIClient) -> None:
        analysis = AnalysisFactory()

        assert api.delete(f"{ANALYSES}{analysis.pk}/").status_code == 204
        assert AuditRecord.objects.filter(action="analysis.deleted", subject_id=str(analysis.pk)).exists()

    def test_a_running_one_is_not_deleted(self, api: APIClient) -> None:
        analysis = AnalysisFactory(status=AnalysisStatus.QUEUED)

        assert api.delete(f"{ANALYSES}{analysis.pk}/").json()["code"] == "ANALYSIS_ACTIVE"
