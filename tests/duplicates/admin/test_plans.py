"""Bulk clean-up in the admin: from the list of groups to the preview, one confirmation, and one undo."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from duplicates.choices import PlanState, Resolution
from duplicates.models import CleanupPlan, DuplicateAnalysisGroup, DuplicateAnalysisResult, KeeperProfile
from duplicates.services.keeper_profiles import find_profile
from library.changes import current_revision
from library.models import Track
from tests.duplicates.admin.conftest import messages_of, signed_in
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import VIEWS, AnalysisFactory, UserFactory
from tests.duplicates.plans import carried_out, groups_of_two, planned, worked_on

pytestmark = pytest.mark.django_db
GROUPS = "admin:duplicates_duplicateanalysisgroup_changelist"
PLAN_VIEWS = (*VIEWS, "duplicates.view_cleanupplan", "duplicates.view_keeperprofile")


@pytest.fixture
def reviewer() -> User:
    return UserFactory(permissions=(*PLAN_VIEWS, "duplicates.review_groups"))


@pytest.fixture
def curator() -> User:
    return UserFactory(
        username="clara", permissions=(*PLAN_VIEWS, "duplicates.review_groups", "duplicates.remove_duplicates")
    )


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    return AnalysisFactory.create(library_revision=current_revision())


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """Nobody works in these tests: the queue only notes whom it would have woken."""
    woken: list[uuid.UUID] = []
    monkeypatch.setattr("duplicates.admin.plans.enqueue_plan", woken.append)
    return woken


def page(plan: CleanupPlan) -> str:
    return reverse("admin:duplicates_cleanupplan_change", args=[plan.pk])


def act(client: Client, plan: CleanupPlan, verb: str, **more: str) -> Any:
    return client.post(reverse("admin:duplicates_do_plan", args=[plan.pk]), {"verb": verb, **more}, follow=True)


def choose(client: Client, query: str, groups: list[DuplicateAnalysisGroup], *, all_pages: bool = False) -> Any:
    """Tick groups in their list and choose the action."""
    ticked = {"action": "clean_up", "_selected_action": [group.pk for group in groups]}
    chosen = ticked | {"select_across": "1" if all_pages else "0"}
    return client.post(f"{reverse(GROUPS)}?{query}", chosen, follow=True)


class TestFromTheList:
    """Groups are ticked, or all that a filter shows."""

    def test_ticked_groups_make_a_plan(
        self, curator: User, analysis: DuplicateAnalysisResult, woken: list[uuid.UUID]
    ) -> None:
        groups = groups_of_two(analysis, 3)
        client = signed_in(curator)

        asked = choose(client, f"analysis={analysis.pk}", groups[:2])
        assert "2 undecided groups" in asked.content.decode()
        profile = find_profile("keep_oldest")
        made = client.post(asked.redirect_chain[-1][0], {"resolution": "deleted", "profile": profile.pk}, follow=True)

        plan = CleanupPlan.objects.get()
        assert woken == [plan.pk]
        assert (plan.user, plan.profile_name, len(plan.filters["group_ids"])) == (curator, "keep_oldest", 2)
        assert "Being worked out" in made.content.decode()
        assert worked_on(plan).group_count == 2

    def test_all_pages_of_a_filter_make_a_plan(self, curator: User, analysis: DuplicateAnalysisResult) -> None:
        groups = groups_of_two(analysis, 3)
        group_of(copy(title="Other"), copy(title="Other"), copy(title="Other"), analysis=analysis)
        client = signed_in(curator)

        asked = choose(client, f"analysis={analysis.pk}&size=pair&q=harbour", groups[:1], all_pages=True)
        client.post(asked.redirect_chain[-1][0], {"resolution": "kept_canonical"})

        assert CleanupPlan.objects.get().filters == {"size": "pair", "search": "harbour"}
        assert worked_on(CleanupPlan.objects.get()).group_count == 3

    def test_a_list_of_decided_groups_offers_nothing(self, curator: User, analysis: DuplicateAnalysisResult) -> None:
        groups = groups_of_two(analysis, 1)
        DuplicateAnalysisGroup.objects.update(is_resolved=True, resolution=Resolution.NOT_DUPLICATES)

        answer = choose(signed_in(curator), f"analysis={analysis.pk}&decision=not_duplicates", groups, all_pages=True)

        assert "is no decision" in messages_of(answer)[0]

    def test_who_may_not_remove_is_not_offered_to(self, reviewer: User, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 1)
        client, url = signed_in(reviewer), f"{reverse('admin:duplicates_new_plan')}?analysis={analysis.pk}"

        assert "Remove the others" not in client.get(url).content.decode()
        assert client.post(url, {"resolution": "deleted"}).status_code == 403
        assert client.post(url, {"resolution": "manual_review"}).status_code == 302

    def test_who_may_only_look_sees_no_action(self, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 1)
        client = signed_in(UserFactory(permissions=PLAN_VIEWS))

        assert "Clean up these groups" not in client.get(reverse(GROUPS)).content.decode()
        url = f"{reverse('admin:duplicates_new_plan')}?analysis={analysis.pk}"
        assert client.get(url).status_code == 403


class TestThePageOfAPlan:
    """What it shows, and what can be done from it."""

    def test_a_preview_shows_its_figures_and_what_it_leaves_alone(
        self, curator: User, analysis: DuplicateAnalysisResult
    ) -> None:
        groups_of_two(analysis, 2, size_bytes=2_000_000)
        group_of(copy(title="Copper Wire"), copy(is_protected=True), analysis=analysis)

        shown = signed_in(curator).get(page(planned(analysis))).content.decode()

        assert "<h1>Remove the others</h1>" in shown, "nothing is removed yet"
        assert "Duplicates removed" not in shown
        assert "2 copies in 2 groups go into quarantine" in shown
        assert "TRACK_PROTECTED" not in shown, "a code says nothing to people"
        assert "<dt>A copy is protected from removal.</dt><dd>1</dd>" in shown
        assert "Protected from removal" in shown

    def test_it_is_confirmed_carried_out_and_undone(
        self, curator: User, analysis: DuplicateAnalysisResult, woken: list[uuid.UUID]
    ) -> None:
        groups_of_two(analysis, 2)
        plan, client = planned(analysis), signed_in(curator)

        assert "Under way" in act(client, plan, "confirm").content.decode()
        worked_on(plan)
        done = client.get(page(plan)).content.decode()
        assert "<h1>Duplicates removed</h1>" in done
        assert "Undo the whole plan" in done
        assert "Being undone" in act(client, plan, "undo").content.decode()
        worked_on(plan)

        plan.refresh_from_db()
        assert (plan.state, plan.confirmed_name, woken) == (PlanState.UNDONE, "clara", [plan.pk, plan.pk])
        assert not Track.objects.quarantined().exists()

    def test_a_large_one_wants_its_count_typed(
        self, curator: User, analysis: DuplicateAnalysisResult, settings: Any
    ) -> None:
        settings.BULK_REMOVAL_LIMIT = 1
        groups_of_two(analysis, 2)
        plan, client = planned(analysis), signed_in(curator)

        assert "type 2 to confirm" in client.get(page(plan)).content.decode()
        assert "removes 2 copies" in messages_of(act(client, plan, "confirm"))[0]
        assert "not -1" in messages_of(act(client, plan, "confirm", count="two"))[0]
        act(client, plan, "confirm", count=" 2 ")

        plan.refresh_from_db()
        assert plan.state == PlanState.EXECUTING

    def test_it_is_cancelled(self, curator: User, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 1)
        plan = planned(analysis)

        assert "Cancelled" in act(signed_in(curator), plan, "cancel").content.decode()

    def test_a_failed_one_is_continued(self, curator: User, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 1)
        plan = planned(analysis)
        CleanupPlan.objects.update(state="failed", failed_state="executing", error_message="disk full")

        client = signed_in(curator)
        assert "disk full" in client.get(page(plan)).content.decode()
        act(client, plan, "continue")

        plan.refresh_from_db()
        assert plan.state == PlanState.EXECUTING

    def test_conflicts_are_named_and_asked_about(self, curator: User, analysis: DuplicateAnalysisResult) -> None:
        edited = groups_of_two(analysis, 1)[0]
        plan = carried_out(planned(analysis))
        Track.objects.filter(pk=edited.keeper_track_id).update(play_count=99)
        client = signed_in(curator)
        act(client, plan, "undo")
        worked_on(plan)

        shown = client.get(page(plan)).content.decode()
        assert "Keep the later values" in shown
        act(client, plan, "undo", later_edits="keep")
        worked_on(plan)

        assert not Track.objects.quarantined().exists()

    def test_its_progress_is_said_to_the_script(self, curator: User, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 4)
        plan = planned(analysis)
        CleanupPlan.objects.update(state="executing", done_groups=1)

        values = signed_in(curator).get(reverse("admin:duplicates_plan_progress", args=[plan.pk])).json()

        assert (values["percentage"], values["tracks_text"], values["is_active"]) == (25.0, "1 of 4 groups", True)

    def test_a_reviewer_cannot_steer_a_removal(self, reviewer: User, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 1)
        plan, client = planned(analysis), signed_in(reviewer)

        assert "Carry it out" not in client.get(page(plan)).content.decode()
        assert act(client, plan, "confirm").status_code == 403

    def test_plans_of_analyses_one_may_not_see_do_not_exist(self, curator: User) -> None:
        hidden = AnalysisFactory.create(user=UserFactory())
        groups_of_two(hidden, 1)
        plan, client = planned(hidden), signed_in(curator)

        assert act(client, plan, "confirm").status_code == 404
        assert client.get(page(plan)).status_code == 302
        assert "waiting for" not in client.get(reverse("admin:duplicates_cleanupplan_changelist")).content.decode()

    def test_the_list_takes_as_many_queries_for_many_plans(
        self, curator: User, analysis: DuplicateAnalysisResult
    ) -> None:
        client, counts = signed_in(curator), []
        for many in (2, 10):
            for _ in range(many):
                planned(analysis)
            with CaptureQueriesContext(connection) as seen:
                client.get(reverse("admin:duplicates_cleanupplan_changelist"))
            counts.append(len(seen))

        assert counts[0] == counts[1]


class TestKeeperProfiles:
    """Rules are edited line by line; built-in ones are read."""

    @pytest.fixture
    def maker(self) -> Client:
        verbs = (f"duplicates.{verb}_keeperprofile" for verb in ("add", "change", "delete"))
        return signed_in(UserFactory(permissions=(*PLAN_VIEWS, *verbs)))

    def test_one_is_made_and_changed(self, maker: Client) -> None:
        add = reverse("admin:duplicates_keeperprofile_add")
        rules = {"rule_1": "preferred_folder", "rule_3": "lossless", "folders": "/music/masters\n\n /music "}

        assert maker.post(add, {"name": "Masters first", **rules}).status_code == 302
        profile = KeeperProfile.objects.get(name="Masters first")
        change = reverse("admin:duplicates_keeperprofile_change", args=[profile.pk])
        assert "/music/masters\n/music" in maker.get(change).content.decode()
        maker.post(change, {"name": "Masters first", "rule_1": "loved"})

        assert profile.rules == [
            {"rule": "preferred_folder", "prefer": ["/music/masters", "/music"]},
            {"rule": "lossless", "prefer": []},
        ]
        profile.refresh_from_db()
        assert (profile.version, profile.rules) == (2, [{"rule": "loved", "prefer": []}])

    @pytest.mark.parametrize(
        ("values", "why"),
        [
            ({"name": "Mine"}, "at least one rule"),
            ({"name": "Mine", "rule_1": "loved", "rule_2": "loved"}, "there twice"),
            ({"name": "Mine", "rule_1": "preferred_source"}, "needs to be told"),
            ({"name": "KEEP_OLDEST", "rule_1": "loved"}, "of this name already"),
        ],
    )
    def test_what_makes_no_profile_is_said_beside_the_form(
        self, maker: Client, values: dict[str, str], why: str
    ) -> None:
        answer = maker.post(reverse("admin:duplicates_keeperprofile_add"), values)

        assert answer.status_code == 200
        assert why in answer.content.decode()

    def test_a_built_in_one_is_read(self, maker: Client) -> None:
        built_in = find_profile("keep_oldest")
        change = reverse("admin:duplicates_keeperprofile_change", args=[built_in.pk])

        assert "Protected copies, Added first, Most plays" in maker.get(change).content.decode()
        assert maker.post(change, {"name": "Mine", "rule_1": "loved"}).status_code == 403
        assert maker.post(reverse("admin:duplicates_keeperprofile_delete", args=[built_in.pk])).status_code == 403

    def test_one_is_deleted(self, maker: Client) -> None:
        maker.post(reverse("admin:duplicates_keeperprofile_add"), {"name": "Mine", "rule_1": "loved"})
        profile = KeeperProfile.objects.get(name="Mine")

        maker.post(reverse("admin:duplicates_keeperprofile_delete", args=[profile.pk]), {"post": "yes"})

        assert not KeeperProfile.objects.filter(name="Mine").exists()
