"""What clean-up came to, through the API; a result that could not be saved; the story of a track."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from duplicates.services.removal import remove_duplicates
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory, UserFactory

pytestmark = pytest.mark.django_db
HISTORY = "/api/v1/cleanup-history/"


@pytest.fixture
def admin(somebody: Callable[..., User]) -> User:
    return somebody("Administrator")


@pytest.fixture
def api(admin: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(admin)


@pytest.fixture
def cleaned(admin: User) -> Any:
    """One group whose copy went into quarantine."""
    group = group_of(copy(play_count=9, size_bytes=5), copy(play_count=4, size_bytes=7))
    copies = [one.track_id for one in group.members.order_by("position")[1:]]
    remove_duplicates(group=group, keeper_id=group.keeper_track_id, removing=copies, actor=admin, now=timezone.now())
    return group


def test_the_impact_of_an_analysis(api: APIClient, cleaned: Any) -> None:
    impact = api.get(f"/api/v1/analyses/{cleaned.analysis_id}/impact/").json()

    assert (impact["groups_resolved"], impact["tracks_removed"], impact["plays_kept"]) == (1, 1, 4)
    assert (impact["bytes_freed"], impact["new_analysis"]["timing"]) == (7, "recommended")
    assert [one["code"] for one in impact["recommendations"]] == ["good_progress", "new_analysis"]


class TestHistory:
    def test_it_adds_up_what_was_done_and_says_what_follows(self, api: APIClient, cleaned: Any) -> None:
        history = api.get(HISTORY, {"days": 7}).json()

        assert (history["days"], len(history["weeks"])) == (7, 1)
        assert history["by_action"]["duplicates.removed"]["tracks"] == 1
        assert history["effectiveness"]["single_removals"] == 1
        assert {one["code"] for one in history["recommendations"]} >= {"good_success"}

    @pytest.mark.parametrize("days", ["0", "4000", "week"])
    def test_a_period_out_of_range_is_refused(self, api: APIClient, days: str) -> None:
        assert api.get(HISTORY, {"days": days}).status_code == 400

    def test_it_is_for_those_who_see_everybodys(self, client_of: Callable[[User], APIClient]) -> None:
        user = UserFactory(permissions=["duplicates.view_auditrecord", "duplicates.view_duplicateanalysisresult"])

        assert client_of(user).get(HISTORY).status_code == 403


class TestUnsaved:
    def test_nothing_kept_is_said(self, api: APIClient) -> None:
        answer = api.get(f"/api/v1/analyses/{AnalysisFactory(status='failed').pk}/unsaved/")

        assert (answer.status_code, answer.json()["code"]) == (409, "ANALYSIS_NOT_READY")

    def test_a_format_is_named_in_the_address(self, api: APIClient) -> None:
        url = f"/api/v1/analyses/{AnalysisFactory(status='failed').pk}/unsaved/"

        assert api.get(url, {"format": "xml"}).status_code == 400
        assert api.get(url, {"format": "csv"}).status_code == 409


def test_the_story_of_a_track(api: APIClient, cleaned: Any) -> None:
    removed = cleaned.members.order_by("position")[1].track_id

    story = api.get(f"/api/v1/tracks/{removed}/timeline/").json()

    assert {one["kind"] for one in story} == {"added", "grouped", "removed"}


def test_exports_are_listed_by_format(api: APIClient) -> None:
    # Django REST framework reads ?format= as the form of the answer unless told not to.
    assert api.get("/api/v1/exports/", {"format": "csv"}).json()["results"] == []


class TestSummary:
    def test_it_tells_runs_queue_and_storage(self, api: APIClient, cleaned: Any) -> None:
        AnalysisFactory(status="queued", started_at=None, completed_at=None)

        summary = api.get("/api/v1/summary/", {"days": 7}).json()

        assert (summary["days"], summary["queue"]["queued"], summary["activity"]["tracks_removed"]) == (7, 1, 1)
        assert summary["storage_by_kind"].keys() >= {"library", "members", "exports"}
        assert summary["storage_warnings"] == []

    def test_it_is_for_those_who_see_everybodys(self, client_of: Callable[[User], APIClient]) -> None:
        user = UserFactory(permissions=["duplicates.view_duplicateanalysisresult"])

        assert client_of(user).get("/api/v1/summary/").status_code == 403
