"""Clean-up plans and keeper profiles through the API: the same verbs, states and rights as in the admin."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from duplicates.models import CleanupPlan, DuplicateAnalysisResult, KeeperProfile
from library.models import Track
from tests.duplicates.api.counting import queries_of
from tests.duplicates.copies import everything
from tests.duplicates.factories import AnalysisFactory, UserFactory
from tests.duplicates.plans import groups_of_two, planned, worked_on

pytestmark = pytest.mark.django_db
PLANS, PROFILES = "/api/v1/plans/", "/api/v1/keeper-profiles/"


@pytest.fixture
def api(somebody: Callable[..., User], client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(somebody("Administrator"))


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    analysis = AnalysisFactory.create()
    groups_of_two(analysis, 3)
    return analysis


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """Leave the work to the test, which does it when it says so."""
    asked: list[uuid.UUID] = []
    monkeypatch.setattr("duplicates.api.plans.enqueue_plan", asked.append)
    return asked


def made(api: APIClient, analysis: DuplicateAnalysisResult, **wish: Any) -> str:
    """Return the id of a plan that is worked out."""
    answer = api.post(PLANS, {"analysis": str(analysis.pk), "resolution": "deleted", **wish})
    assert answer.status_code == 201, answer.json()
    worked_on(CleanupPlan.objects.get(pk=answer.json()["id"]))
    return str(answer.json()["id"])


class TestPlanning:
    def test_a_plan_waits_for_a_worker_and_does_nothing(
        self, api: APIClient, analysis: DuplicateAnalysisResult, woken: list[uuid.UUID]
    ) -> None:
        before = everything()

        plan = api.post(PLANS, {"analysis": str(analysis.pk), "resolution": "deleted"}).json()

        assert (plan["state"], woken) == ("planning", [uuid.UUID(plan["id"])])
        assert everything() == before

    def test_the_preview_names_group_by_group_what_goes(
        self, api: APIClient, analysis: DuplicateAnalysisResult
    ) -> None:
        plan = made(api, analysis)

        items = api.get(f"{PLANS}{plan}/items/").json()["results"]

        copies = [[one.track_id for one in group.members.all()[1:]] for group in analysis.groups.order_by("position")]
        assert [one["removing"] for one in items] == copies
        assert api.get(f"{PLANS}{plan}/").json()["track_count"] == 3

    def test_it_can_be_about_named_groups_only(self, api: APIClient, analysis: DuplicateAnalysisResult) -> None:
        chosen = analysis.groups.order_by("pk").values_list("pk", flat=True)[:2]

        plan = made(api, analysis, resolution="not_duplicates", groups={"group_ids": list(chosen)})

        assert api.get(f"{PLANS}{plan}/").json()["group_count"] == 2

    @pytest.mark.parametrize(
        ("wish", "status"),
        [
            pytest.param({"resolution": "burnt"}, 400, id="decision"),
            pytest.param({"groups": {"bandd": "high"}}, 400, id="misspelt filter"),
            pytest.param({"profile": "Nobody's"}, 400, id="profile"),
            pytest.param({"analysis": str(uuid.UUID(int=1))}, 404, id="analysis"),
        ],
    )
    def test_what_is_not_accepted_is_said(
        self, api: APIClient, analysis: DuplicateAnalysisResult, wish: dict[str, Any], status: int
    ) -> None:
        answer = api.post(PLANS, {"analysis": str(analysis.pk), "resolution": "deleted", **wish})

        assert answer.status_code == status
        assert not CleanupPlan.objects.exists()


class TestCarryingOut:
    def test_confirmed_it_is_done_and_undone(self, api: APIClient, analysis: DuplicateAnalysisResult) -> None:
        before = everything()
        plan = made(api, analysis)

        confirmed = api.post(f"{PLANS}{plan}/confirm/", {}).json()
        worked_on(CleanupPlan.objects.get(pk=plan))
        progress = api.get(f"{PLANS}{plan}/progress/").json()
        removed = Track.objects.filter(quarantined_at__isnull=False).count()
        api.post(f"{PLANS}{plan}/undo/", {})
        undone = worked_on(CleanupPlan.objects.get(pk=plan))

        assert (confirmed["state"], progress["state"], progress["percentage"]) == ("executing", "completed", 100.0)
        assert (removed, undone.state) == (3, "undone")
        assert everything() == before

    def test_a_second_confirmation_is_refused(self, api: APIClient, analysis: DuplicateAnalysisResult) -> None:
        plan = made(api, analysis)
        api.post(f"{PLANS}{plan}/confirm/", {})

        answer = api.post(f"{PLANS}{plan}/confirm/", {})

        assert (answer.status_code, answer.json()["code"]) == (409, "PLAN_NOT_READY")

    def test_a_large_removal_needs_its_count(
        self, api: APIClient, analysis: DuplicateAnalysisResult, settings: Any
    ) -> None:
        settings.BULK_REMOVAL_LIMIT = 2
        plan = made(api, analysis)

        codes = [api.post(f"{PLANS}{plan}/confirm/", body).status_code for body in ({}, {"count": 2}, {"count": 3})]

        assert codes == [409, 409, 200]

    def test_cancelled_it_does_nothing(self, api: APIClient, analysis: DuplicateAnalysisResult) -> None:
        plan = made(api, analysis)

        assert api.post(f"{PLANS}{plan}/cancel/").json()["state"] == "cancelled"
        assert api.post(f"{PLANS}{plan}/confirm/", {}).status_code == 409
        assert api.post(f"{PLANS}{plan}/undo/", {}).json()["code"] == "NOTHING_TO_UNDO"

    def test_a_failed_one_goes_on(
        self, api: APIClient, analysis: DuplicateAnalysisResult, woken: list[uuid.UUID]
    ) -> None:
        plan = made(api, analysis)
        CleanupPlan.objects.update(state="failed", failed_state="executing")
        woken.clear()

        assert api.post(f"{PLANS}{plan}/continue/").json()["state"] == "executing"
        assert woken == [uuid.UUID(plan)]


class TestRights:
    def test_a_reviewer_may_set_aside_and_not_remove(
        self,
        somebody: Callable[..., User],
        client_of: Callable[[User], APIClient],
        analysis: DuplicateAnalysisResult,
    ) -> None:
        reviewer = client_of(somebody("Reviewer"))

        answers = [
            reviewer.post(PLANS, {"analysis": str(analysis.pk), "resolution": wanted}).status_code
            for wanted in ("manual_review", "deleted")
        ]

        assert answers == [201, 403]

    def test_a_token_for_reviewing_does_not_remove(
        self,
        somebody: Callable[..., User],
        client_with_token: Callable[..., APIClient],
        analysis: DuplicateAnalysisResult,
    ) -> None:
        program = client_with_token(somebody("Administrator"), "read", "review")
        plan = planned(analysis)

        assert program.post(f"{PLANS}{plan.pk}/confirm/", {}).status_code == 403
        assert program.post(PLANS, {"analysis": str(analysis.pk), "resolution": "deleted"}).status_code == 403

    def test_somebody_elses_plan_does_not_exist(
        self, somebody: Callable[..., User], client_of: Callable[[User], APIClient]
    ) -> None:
        theirs = AnalysisFactory.create(user=UserFactory())
        groups_of_two(theirs, 1)
        plan = planned(theirs)
        blinkered = UserFactory(permissions=["duplicates.view_cleanupplan", "duplicates.view_duplicateanalysisresult"])

        for part in ("", "items/", "progress/"):
            assert client_of(blinkered).get(f"{PLANS}{plan.pk}/{part}").status_code == 404


class TestLists:
    def test_a_list_costs_the_same_however_long(self, api: APIClient, analysis: DuplicateAnalysisResult) -> None:
        planned(analysis)
        few = queries_of(api, PLANS)
        for _ in range(5):
            planned(analysis)

        assert queries_of(api, PLANS) == few <= 14


class TestProfiles:
    def test_one_is_made_changed_and_removed(self, api: APIClient) -> None:
        made = api.post(PROFILES, {"name": "Studio", "rules": [{"rule": "lossless"}]}).json()
        url = f"{PROFILES}{made['id']}/"

        changed = api.put(url, {"name": "Studio", "rules": [{"rule": "loved"}, {"rule": "lossless"}]}).json()

        assert [one["rule"] for one in changed["rules"]] == ["loved", "lossless"]
        assert (made["version"], changed["version"]) == (1, 2)
        assert api.delete(url).status_code == 204
        assert not KeeperProfile.objects.filter(name="Studio").exists()

    def test_a_built_in_one_stays(self, api: APIClient) -> None:
        built_in = api.get(PROFILES).json()["results"][0]
        url = f"{PROFILES}{built_in['id']}/"

        answers = [api.put(url, {"name": "Mine", "rules": [{"rule": "loved"}]}), api.delete(url)]

        assert built_in["is_built_in"]
        assert built_in["rules"]
        assert [one.json()["code"] for one in answers] == ["PROFILE_IS_BUILT_IN"] * 2

    @pytest.mark.parametrize(
        "wish",
        [
            pytest.param({"name": "A", "rules": []}, id="no rule"),
            pytest.param({"name": "A", "rules": [{"rule": "colour"}]}, id="unknown rule"),
            pytest.param({"name": "A", "rules": [{"rule": "preferred_source"}]}, id="no list"),
            pytest.param({"name": " ", "rules": [{"rule": "loved"}]}, id="no name"),
        ],
    )
    def test_what_makes_no_profile_is_refused(self, api: APIClient, wish: dict[str, Any]) -> None:
        assert api.post(PROFILES, wish).status_code == 400

    def test_a_reviewer_reads_and_does_not_change(
        self, somebody: Callable[..., User], client_of: Callable[[User], APIClient]
    ) -> None:
        reviewer = client_of(somebody("Reviewer"))

        assert reviewer.get(PROFILES).status_code == 200
        assert reviewer.post(PROFILES, {"name": "A", "rules": [{"rule": "loved"}]}).status_code == 403
