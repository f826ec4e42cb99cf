"""The library, the audit trail and preferences through the API."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from duplicates.models import AuditRecord, DuplicatePreferences
from duplicates.services import audit
from library.models import ImportStatus, LibraryImport
from tests.duplicates.api.counting import queries_of
from tests.duplicates.copies import copy, playlist_of
from tests.duplicates.factories import UserFactory

pytestmark = pytest.mark.django_db
Login = Callable[[User], APIClient]


@pytest.fixture
def admin(somebody: Callable[..., User]) -> User:
    return somebody("Administrator")


@pytest.fixture
def api(admin: User, client_of: Login) -> APIClient:
    return client_of(admin)


class TestTracks:
    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            pytest.param({"search": "moons CALDER"}, ["Paper Moons"], id="words"),
            pytest.param({"in_quarantine": "true"}, ["Removed"], id="quarantine"),
            pytest.param({"in_quarantine": "false"}, ["Paper Moons"], id="library"),
            pytest.param({"isrc": "GBAYE0601498"}, ["Paper Moons"], id="recording code"),
        ],
    )
    def test_they_are_found(self, api: APIClient, asked: dict[str, str], found: list[str]) -> None:
        copy(title="Paper Moons", artist="Ines Calder", isrc="GBAYE0601498")
        copy(title="Removed", quarantined_at=timezone.now())

        assert [one["title"] for one in api.get("/api/v1/tracks/", asked).json()["results"]] == found

    def test_a_large_library_is_searched_by_beginnings(self, api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("library.search.SCANNED", 0)
        copy(title="Paper Moons", artist="Ines Calder")

        counts = [len(api.get("/api/v1/tracks/", {"search": text}).json()["results"]) for text in ("paper", "moons")]

        assert counts == [1, 0]

    def test_a_list_costs_the_same_however_long(self, api: APIClient) -> None:
        copy()
        few = queries_of(api, "/api/v1/tracks/")
        for _ in range(5):
            copy()

        assert queries_of(api, "/api/v1/tracks/") == few <= 14

    def test_where_a_file_lies_is_for_those_who_may_see_it(
        self, api: APIClient, somebody: Callable[..., User], client_of: Login
    ) -> None:
        track = copy(location="/music/a.flac")
        url = f"/api/v1/tracks/{track.pk}/"

        assert api.get(url).json()["location"] == "/music/a.flac"
        assert client_of(somebody("Viewer")).get(url).json()["location"] is None

    def test_a_huge_id_is_not_there(self, api: APIClient) -> None:
        assert api.get(f"/api/v1/tracks/{10**30}/").status_code == 404


class TestPlaylists:
    def test_places_come_in_order(self, api: APIClient) -> None:
        first, second = copy(title="One"), copy(title="Two")
        playlist = playlist_of(second, first, second)

        (shown,) = api.get("/api/v1/playlists/").json()["results"]
        entries = api.get(f"/api/v1/playlists/{playlist.pk}/entries/").json()["results"]

        assert shown["entry_count"] == 3
        assert [(one["position"], one["title"]) for one in entries] == [(0, "Two"), (1, "One"), (2, "Two")]


class TestImports:
    def test_what_an_import_did(self, api: APIClient) -> None:
        done = LibraryImport.objects.create(
            source="radio", format="csv", file_name="a.csv", status=ImportStatus.COMPLETED, started_at=timezone.now(),
            seen_count=3, added_count=2, skipped_count=1, report={"skipped": {"no title": 1}},
        )  # fmt: skip

        (listed,) = api.get("/api/v1/imports/", {"status": "completed"}).json()["results"]

        assert listed == api.get(f"/api/v1/imports/{done.pk}/").json()
        assert (listed["seen_count"], listed["report"]) == (3, {"skipped": {"no title": 1}})


class TestAudit:
    def test_ones_own_and_the_systems_are_seen(self, client_of: Login) -> None:
        me = UserFactory(permissions=["duplicates.view_auditrecord"])
        for actor in (me, None, UserFactory()):
            audit.record("analysis.queued", actor=actor, now=timezone.now())

        records = client_of(me).get("/api/v1/audit/", {"action": "analysis.queued"}).json()["results"]

        assert sorted(one["user"] for one in records) == ["", me.username]

    def test_it_cannot_be_changed(self, api: APIClient) -> None:
        record = audit.record("analysis.queued", actor=None, now=timezone.now())

        assert api.delete(f"/api/v1/audit/{record.pk}/").status_code == 405


class TestPreferences:
    URL = "/api/v1/preferences/"

    def test_without_any_the_defaults_are_told(self, api: APIClient) -> None:
        assert api.get(self.URL).json()["default_preset"] == "recording"

    def test_some_are_changed_and_the_others_stay(self, api: APIClient, admin: User) -> None:
        api.patch(self.URL, {"default_preset": "release", "groups_per_page": 20})
        changed = api.patch(self.URL, {"groups_per_page": 30}).json()

        assert (changed["default_preset"], changed["groups_per_page"]) == ("release", 30)
        assert AuditRecord.objects.filter(action="preferences.changed", user_id_then=admin.pk).count() == 2

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            pytest.param({"groups_per_page": 1}, "groups_per_page", id="range"),
            pytest.param({"time_zone": "Mars/Olympus"}, "time_zone", id="zone"),
            pytest.param({"stale_after_hours": 0.5}, "stale_after_hours", id="order of levels"),
            pytest.param({"preset": "song"}, "preset", id="misspelt"),
            pytest.param({"warn_of_age": None}, "warn_of_age", id="null"),
        ],
    )
    def test_what_is_not_accepted_is_named_and_changes_nothing(
        self, api: APIClient, wrong: dict[str, Any], field: str
    ) -> None:
        answer = api.patch(self.URL, {"default_preset": "song", **wrong})

        assert answer.status_code == 400
        assert field in answer.json()["details"]
        assert not DuplicatePreferences.objects.filter(default_preset="song").exists()

    def test_reset_lets_the_defaults_hold(self, api: APIClient) -> None:
        api.patch(self.URL, {"default_preset": "release"})

        assert api.delete(self.URL).json()["default_preset"] == "recording"
