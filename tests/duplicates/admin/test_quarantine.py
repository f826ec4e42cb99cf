"""The quarantine in the admin: what was removed, brought back from there, or deleted for good after a question."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from duplicates.choices import CleanupState
from duplicates.models import CleanupAction
from duplicates.services import permissions
from duplicates.services.removal import remove_duplicates
from library.models import Track
from tests.duplicates.admin.conftest import messages_of, signed_in
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import VIEWS, AnalysisFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = "admin:duplicates_cleanupaction_changelist"
PAGE = "admin:duplicates_cleanupaction_change"
SEES = (*VIEWS, "duplicates.view_cleanupaction")


@pytest.fixture
def curator() -> User:
    """Staff who may remove and undo."""
    return UserFactory(permissions=(*SEES, permissions.REMOVE))


@pytest.fixture
def purger() -> User:
    """Staff who may also delete for good."""
    return UserFactory(permissions=(*SEES, permissions.REMOVE, permissions.PURGE))


def removal(by: User | None = None, **about: Any) -> CleanupAction:
    kept, other = copy(play_count=50), copy(play_count=3)
    group = group_of(kept, other, analysis=AnalysisFactory(**about))
    return remove_duplicates(group=group, keeper_id=kept.pk, removing=[other.pk], actor=by, now=timezone.now())


def do(user: User, action: str, *removals: CleanupAction, **more: str) -> Any:
    chosen = {"action": action, "_selected_action": [str(one.pk) for one in removals], **more}
    return signed_in(user).post(reverse(LIST), chosen, follow=True)


def press(user: User, action: str, one: CleanupAction, **more: str) -> Any:
    pressed = {"CHANGE_FORM-action": action, "_selected_action": str(one.pk), **more}
    return signed_in(user).post(reverse(PAGE, args=[one.pk]), pressed, follow=True)


class TestBringingBack:
    def test_copies_come_back_from_the_list(self, curator: User) -> None:
        removals = [removal(), removal()]

        response = do(curator, "bring_back", *removals)

        assert messages_of(response) == ["2 copies are back."]
        assert not Track.objects.quarantined().exists()

    def test_one_comes_back_from_its_page(self, curator: User) -> None:
        one = removal()

        press(curator, "bring_back", one)

        one.refresh_from_db()
        assert one.state == CleanupState.UNDONE

    def test_what_was_edited_since_is_named_and_decided_by_a_second_choice(self, curator: User) -> None:
        one = removal()
        Track.objects.filter(pk=one.keeper_track_id).update(play_count=60)

        refused = do(curator, "bring_back", one)
        kept = do(curator, "bring_back_keeping_edits", one)

        assert any("Edited since" in said for said in messages_of(refused))
        assert messages_of(refused)[-1] == "Bring them back with one of the other two choices."
        assert messages_of(kept) == ["1 copy is back."]
        # The three plays that were lent go back; the seven that came since stay.
        assert Track.objects.get(pk=one.keeper_track_id).play_count == 57

    def test_a_removal_in_somebody_elses_analysis_is_not_there(self, curator: User) -> None:
        one = removal(UserFactory(), user=UserFactory())

        assert signed_in(curator).get(reverse(PAGE, args=[one.pk])).status_code == 302
        do(curator, "bring_back", one)

        one.refresh_from_db()
        assert one.state == CleanupState.DONE


class TestDeletingForGood:
    def test_it_asks_first(self, purger: User) -> None:
        one = removal()

        response = do(purger, "delete_for_good", one)

        assert "1 copy leaves the library for good" in response.content.decode()
        assert Track.objects.quarantined().count() == 1

    @pytest.mark.parametrize("door", [do, press], ids=["list", "page"])
    def test_it_deletes_before_the_time_is_over_once_confirmed(self, purger: User, door: Any) -> None:
        one = removal()

        response = door(purger, "delete_for_good", *[one], confirmed="yes")

        assert messages_of(response) == ["Deleted 1 copy for good."]
        one.refresh_from_db()
        assert (one.state, Track.objects.quarantined().exists()) == (CleanupState.PURGED, False)

    def test_who_may_not_is_not_offered_it_and_is_refused(self, curator: User) -> None:
        one = removal()

        response = do(curator, "delete_for_good", one, confirmed="yes")

        assert "Delete for good…" not in response.content.decode()
        assert Track.objects.quarantined().count() == 1


class TestPages:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            pytest.param("state=waiting", 1, id="waiting"),
            pytest.param("state=undone", 1, id="undone"),
            pytest.param("state=soon", 0, id="soon"),
            pytest.param("by=me", 1, id="mine"),
            pytest.param("q=nothing", 0, id="search"),
        ],
    )
    def test_the_list_is_filtered(self, curator: User, query: str, found: int) -> None:
        removal(curator)
        do(curator, "bring_back", removal())

        response = signed_in(curator).get(f"{reverse(LIST)}?{query}")

        assert response.context["cl"].result_count == found

    def test_the_page_names_copies_and_what_moved(self, curator: User) -> None:
        shown = signed_in(curator).get(reverse(PAGE, args=[removal().pk])).content.decode()

        assert "In quarantine" in shown
        assert "Bring back" in shown

    def test_the_page_counts_what_else_changed(self, curator: User) -> None:
        """Each line was a bullet without words."""
        shown = signed_in(curator).get(reverse(PAGE, args=[removal().pk])).content.decode()

        assert "1 value of a track changed" in shown
        assert "1 group decided" in shown

    def test_what_is_over_offers_nothing(self, curator: User) -> None:
        one = removal()
        do(curator, "bring_back", one)

        assert "CHANGE_FORM-action" not in signed_in(curator).get(reverse(PAGE, args=[one.pk])).content.decode()

    def test_the_list_costs_as_much_for_many_as_for_one(self, curator: User) -> None:
        client = signed_in(curator)
        counts = []
        for many in (1, 5):
            for _ in range(many):
                removal()
            client.get(reverse(LIST))
            with CaptureQueriesContext(connection) as seen:
                client.get(reverse(LIST))
            counts.append(len(seen))

        assert counts[0] == counts[1] <= 30
