"""Groups through the API: reading, deciding as one saw them, removing and bringing back, pairs explained."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from duplicates.choices import Resolution
from duplicates.models import CleanupAction, DuplicateAnalysisGroup, NotDuplicate
from library.models import Track
from tests.duplicates.api.counting import queries_of
from tests.duplicates.copies import copy, everything, group_of, playlist_of
from tests.duplicates.factories import AnalysisFactory, GroupFactory, UserFactory

pytestmark = pytest.mark.django_db
GROUPS = "/api/v1/groups/"


@pytest.fixture
def admin(somebody: Callable[..., User]) -> User:
    return somebody("Administrator")


@pytest.fixture
def api(admin: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(admin)


@pytest.fixture
def group() -> DuplicateAnalysisGroup:
    """Three copies; the keeper first."""
    return group_of(*(copy(play_count=plays) for plays in (36, 14, 3)))


def ids_of(group: DuplicateAnalysisGroup) -> list[int]:
    return list(group.members.order_by("position").values_list("track_id", flat=True))


class TestReading:
    def test_without_a_name_it_is_the_newest_analysis(self, api: APIClient) -> None:
        GroupFactory(analysis=AnalysisFactory(created_at=timezone.now() - timedelta(days=1)))
        newest = GroupFactory()

        results = api.get(GROUPS).json()["results"]

        assert [one["id"] for one in results] == [newest.pk]

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            pytest.param({"band": "very_high"}, ["sure"], id="band"),
            pytest.param({"band": "low"}, ["doubtful"], id="low band"),
            pytest.param({"is_resolved": "true"}, ["doubtful"], id="resolved"),
            pytest.param({"artist": "mar"}, ["sure"], id="artist"),
            pytest.param({"search": "doubt INES"}, ["doubtful"], id="words"),
            pytest.param({"min_confidence": "0.9"}, ["sure"], id="confidence"),
            pytest.param({"ordering": "-confidence"}, ["sure", "doubtful"], id="order"),
            pytest.param({"ordering": "title"}, ["doubtful", "sure"], id="by title"),
        ],
    )
    def test_filters_and_orders(self, api: APIClient, asked: dict[str, str], found: list[str]) -> None:
        sure = GroupFactory(title="sure", artist="Mara Lindqvist", confidence=0.99)
        GroupFactory(
            analysis=sure.analysis,
            title="doubtful",
            artist="Ines Calder",
            confidence=0.6,
            is_resolved=True,
            resolution=Resolution.KEPT_CANONICAL,
        )

        results = api.get(GROUPS, asked).json()["results"]

        assert [one["title"] for one in results] == found

    def test_the_groups_of_one_track_in_every_analysis(self, api: APIClient) -> None:
        track = copy()
        mine = {group_of(track, copy()).pk, group_of(track, copy()).pk}
        group_of(copy(), copy())

        results = api.get(GROUPS, {"track": track.pk}).json()["results"]

        assert {one["id"] for one in results} == mine

    def test_equals_by_the_thousand_come_once_each(self, api: APIClient) -> None:
        """Most groups of a library are equally sure; from the thousandth on, the same page came for ever."""
        group = GroupFactory()
        shared = {name: value for name, value in vars(group).items() if name not in ("_state", "id", "group_key")}
        DuplicateAnalysisGroup.objects.bulk_create(
            DuplicateAnalysisGroup(**shared | {"position": place}, group_key=f"more-{place}")
            for place in range(5_000, 6_300)
        )

        seen: list[int] = []
        url: str | None = f"{GROUPS}?ordering=-confidence&page_size=200"
        while url and len(seen) < 2_000:
            page = api.get(url).json()
            seen += [one["id"] for one in page["results"]]
            url = page["next"]

        assert len(seen) == len(set(seen)) == 1_301

    @pytest.mark.parametrize(
        "asked",
        [
            {"band": "sure"},
            {"analysis": "x"},
            {"min_confidence": "high"},
            {"track": "1e40"},
            {"ordering": "colour"},
            {"ordering": "title,-colour"},
        ],
    )
    def test_a_filter_that_is_none_says_so(self, api: APIClient, asked: dict[str, str]) -> None:
        answer = api.get(GROUPS, asked)

        assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_FAILED")
        assert next(iter(asked)) in answer.json()["details"]

    def test_a_list_costs_the_same_however_long(self, api: APIClient) -> None:
        first = GroupFactory()
        few = queries_of(api, GROUPS)
        GroupFactory.create_batch(6, analysis=first.analysis)

        assert queries_of(api, GROUPS) == few <= 15

    def test_one_group_has_its_members_and_its_version(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        answer = api.get(f"{GROUPS}{group.pk}/")

        members = answer.json()["members"]
        assert [(one["play_count"], one["is_keeper"]) for one in members] == [(36, True), (14, False), (3, False)]
        assert answer["ETag"] == f'"{answer.json()["version"]}"'

    def test_a_group_of_an_older_analysis_is_found_by_its_id(
        self, api: APIClient, group: DuplicateAnalysisGroup
    ) -> None:
        """The list begins with the newest analysis, and what was asked for by id used to be looked for in that."""
        GroupFactory()

        assert api.get(f"{GROUPS}{group.pk}/").status_code == 200
        assert api.get(f"{GROUPS}{group.pk}/members/").status_code == 200

    def test_members_come_in_pages(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        page = api.get(f"{GROUPS}{group.pk}/members/", {"page_size": 2}).json()

        rest = api.get(page["next"]).json()
        assert [one["track_id"] for one in page["results"] + rest["results"]] == ids_of(group)

    def test_a_group_of_somebody_else_does_not_exist(self, client_of: Callable[[User], APIClient]) -> None:
        theirs = GroupFactory(analysis__user=UserFactory())
        user = UserFactory(permissions=["duplicates.view_duplicateanalysisresult", "duplicates.review_groups"])
        client = client_of(user)

        assert client.get(f"{GROUPS}{theirs.pk}/").status_code == 404
        answer = client.post(f"{GROUPS}{theirs.pk}/resolve/", {"resolution": "manual_review"})
        assert answer.status_code == 404


class TestDeciding:
    def test_a_decision_is_noted(self, api: APIClient, admin: User, group: DuplicateAnalysisGroup) -> None:
        answer = api.post(f"{GROUPS}{group.pk}/resolve/", {"resolution": "kept_canonical"})

        assert (answer.json()["resolution"], answer.json()["resolved_by"]) == ("kept_canonical", admin.username)
        assert api.post(f"{GROUPS}{group.pk}/reopen/").json()["resolution"] == ""

    def test_who_saw_another_version_is_told_what_happened(
        self, api: APIClient, group: DuplicateAnalysisGroup, admin: User
    ) -> None:
        seen = api.get(f"{GROUPS}{group.pk}/")["ETag"]
        api.post(f"{GROUPS}{group.pk}/resolve/", {"resolution": "not_duplicates"}, headers={"If-Match": seen})

        answer = api.post(f"{GROUPS}{group.pk}/resolve/", {"resolution": "manual_review"}, headers={"If-Match": seen})

        assert (answer.status_code, answer.json()["code"]) == (409, "GROUP_RESOLVED")
        assert admin.username in answer.json()["message"]

    def test_removal_is_no_plain_decision(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        answer = api.post(f"{GROUPS}{group.pk}/resolve/", {"resolution": "deleted"})

        assert answer.status_code == 400

    def test_one_member_is_split_out_and_put_back(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        third = ids_of(group)[2]

        api.post(f"{GROUPS}{group.pk}/split-out/", {"track_id": third})
        assert NotDuplicate.objects.filter(revoked_at=None).count() == 2
        api.post(f"{GROUPS}{group.pk}/put-back/", {"track_id": third})

        assert not NotDuplicate.objects.filter(revoked_at=None).exists()

    def test_who_may_only_view_cannot_decide(
        self, somebody: Callable[..., User], client_of: Callable[[User], APIClient], group: DuplicateAnalysisGroup
    ) -> None:
        answer = client_of(somebody("Viewer")).post(f"{GROUPS}{group.pk}/resolve/", {"resolution": "manual_review"})

        assert answer.status_code == 403

    def test_a_token_for_reviewing_cannot_remove(
        self, admin: User, client_with_token: Callable[..., APIClient], group: DuplicateAnalysisGroup
    ) -> None:
        assert client_with_token(admin, "review").post(f"{GROUPS}{group.pk}/remove/", {}).status_code == 403


class TestRemoving:
    def test_the_preview_is_what_happens(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        keeper, first, second = ids_of(group)
        playlist_of(Track.objects.get(pk=first))
        before = everything()

        ahead = api.get(f"{GROUPS}{group.pk}/removal-preview/").json()
        assert everything() == before
        done = api.post(f"{GROUPS}{group.pk}/remove/", {})

        assert ahead["removing"] == [first, second]
        assert {one["field"]: one["after"] for one in ahead["values"]}["play_count"] == 53
        assert (done.status_code, done.json()["plays_moved"], done.json()["places_moved"]) == (201, 17, 1)
        assert Track.objects.get(pk=keeper).play_count == 53

    def test_only_those_named_go(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        _, _, second = ids_of(group)

        api.post(f"{GROUPS}{group.pk}/remove/", {"track_ids": [second]})

        assert list(Track.objects.quarantined().values_list("pk", flat=True)) == [second]

    def test_another_keeper_than_one_saw_is_refused(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        answer = api.post(f"{GROUPS}{group.pk}/remove/", {"keeper_track_id": ids_of(group)[1]})

        assert (answer.status_code, answer.json()["code"]) == (409, "KEEPER_CHANGED")

    def test_a_protected_copy_stays(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        _, first, second = ids_of(group)
        Track.objects.filter(pk=first).update(is_protected=True)

        obstacles = api.get(f"{GROUPS}{group.pk}/removal-preview/").json()["obstacles"]
        refused = api.post(f"{GROUPS}{group.pk}/remove/", {"track_ids": [first, second]})

        assert [(one["track_id"], one["code"]) for one in obstacles] == [(first, "TRACK_PROTECTED")]
        assert refused.json()["code"] == "TRACK_PROTECTED"

    def test_undo_brings_everything_back(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        before = everything()
        removal = api.post(f"{GROUPS}{group.pk}/remove/", {}).json()

        undone = api.post(f"/api/v1/removals/{removal['id']}/undo/", {})

        assert undone.json()["state"] == "undone"
        assert everything() == before

    def test_an_edit_in_between_is_asked_about(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        removal = api.post(f"{GROUPS}{group.pk}/remove/", {}).json()
        Track.objects.filter(pk=ids_of(group)[0]).update(play_count=60)

        asked = api.post(f"/api/v1/removals/{removal['id']}/undo/", {})
        kept = api.post(f"/api/v1/removals/{removal['id']}/undo/", {"later_edits": "keep"})

        assert (asked.status_code, asked.json()["code"]) == (409, "UNDO_CONFLICT")
        assert kept.status_code == 200

    def test_a_batch_is_undone_at_once(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        removal = api.post(f"{GROUPS}{group.pk}/remove/", {}).json()

        outcome = api.post("/api/v1/removals/undo/", {"batch_id": removal["batch_id"]}).json()

        assert outcome == {"undone": [removal["id"]], "refused": []}

    def test_a_batch_or_a_day(self, api: APIClient) -> None:
        assert api.post("/api/v1/removals/undo/", {}).status_code == 400

    def test_nothing_is_purged_before_its_time(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        removal = api.post(f"{GROUPS}{group.pk}/remove/", {}).json()
        url = f"/api/v1/removals/{removal['id']}/purge/"

        early = api.post(url)
        CleanupAction.objects.update(expires_at=timezone.now())
        late = api.post(url)

        assert early.status_code == 409
        assert late.json() == {"deleted": 2, "held": 0}

    def test_sending_it_twice_removes_once(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        send: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}}

        first = api.post(f"{GROUPS}{group.pk}/remove/", {}, **send)
        second = api.post(f"{GROUPS}{group.pk}/remove/", {}, **send)

        assert second.json() == first.json()
        assert CleanupAction.objects.count() == 1


class TestNotDuplicates:
    def test_decisions_are_found_and_taken_back(self, api: APIClient, group: DuplicateAnalysisGroup) -> None:
        api.post(f"{GROUPS}{group.pk}/resolve/", {"resolution": "not_duplicates"})
        found = api.get("/api/v1/not-duplicates/", {"search": "harbour tide", "in_force": "true"}).json()["results"]

        assert len(found) == 3
        assert api.delete(f"/api/v1/not-duplicates/{found[0]['id']}/").status_code == 204
        assert NotDuplicate.objects.filter(revoked_at=None).count() == 2


class TestPairs:
    def test_two_tracks_are_explained(self, api: APIClient) -> None:
        left, right = copy(), copy(title="Harbor Lights")

        explained = api.get("/api/v1/pairs/explain/", {"left": left.pk, "right": f"test:{right.source_track_id}"})

        assert explained.json()["is_linked"]
        assert {"comparison", "level", "bits"} <= set(explained.json()["steps"][0])

    @pytest.mark.parametrize(
        ("asked", "status"),
        [
            pytest.param({"left": "1"}, 400, id="one only"),
            pytest.param({"left": "999999", "right": "999998"}, 404, id="unknown"),
            pytest.param({"left": "1", "right": "2", "preset": "x"}, 400, id="preset"),
            pytest.param({"left": "9" * 40, "right": "2"}, 404, id="huge"),
        ],
    )
    def test_what_cannot_be_explained(self, api: APIClient, asked: dict[str, str], status: int) -> None:
        assert api.get("/api/v1/pairs/explain/", asked).status_code == status
