"""The page and list of tracks: the groups a track is in, and why two tracks are no group."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from duplicates.models import DuplicateAnalysisGroup
from library.models import Track
from tests.duplicates.admin.conftest import messages_of, signed_in
from tests.duplicates.factories import GroupFactory, TrackFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = "admin:library_track_changelist"


def page(track_id: int) -> str:
    return reverse("admin:library_track_change", args=[track_id])


def in_another(group: DuplicateAnalysisGroup, **about: object) -> DuplicateAnalysisGroup:
    """Return a group of another analysis with the same keeper."""
    other = GroupFactory(**about)
    other.members.filter(position=0).update(track_id=group.keeper_track_id)
    return other


class TestItsGroups:
    def test_are_named_with_the_newest_first(self, colleague: User) -> None:
        group = GroupFactory(title="Older")
        in_another(group, title="Newer")

        shown = signed_in(colleague).get(page(group.keeper_track_id)).context["its_groups"]

        assert [one.group.partition(" ")[2] for one in shown] == ["Newer by The Quiet Tide", "Older by The Quiet Tide"]

    def test_of_analyses_one_may_not_see_are_left_out(self, colleague: User) -> None:
        group = GroupFactory(analysis__user=UserFactory())

        assert signed_in(colleague).get(page(group.keeper_track_id)).context["its_groups"] == []

    def test_cost_the_same_however_many_there_are(self, colleague: User) -> None:
        client, group = signed_in(colleague), GroupFactory()
        client.get(page(group.keeper_track_id))
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as seen:
                client.get(page(group.keeper_track_id))
            counts.append(len(seen))
            for _again in range(3):
                in_another(group)

        assert counts[0] == counts[1] <= 30


class TestWhyTwoAreNoGroup:
    def test_two_ticked_tracks_are_compared(self, colleague: User) -> None:
        left, right = TrackFactory(), TrackFactory(title="Another Song")
        chosen = {"action": "compare", "_selected_action": [left.pk, right.pk]}

        response = signed_in(colleague).post(reverse(LIST), chosen, follow=True)

        assert response.context["title"] == "Why, or why not?"
        assert (response.context["explained"].left, response.context["explained"].right) == (left, right)

    @pytest.mark.parametrize("many", [1, 3])
    def test_it_takes_exactly_two(self, colleague: User, many: int) -> None:
        chosen = {"action": "compare", "_selected_action": [TrackFactory().pk for _ in range(many)]}

        response = signed_in(colleague).post(reverse(LIST), chosen, follow=True)

        assert messages_of(response) == ["Tick two tracks to compare them."]

    def test_the_page_of_a_track_asks_about_another(self, colleague: User) -> None:
        track: Track = TrackFactory()

        shown = signed_in(colleague).get(page(track.pk)).content.decode()

        assert f"{reverse('admin:duplicates_explain_pair')}?left={track.pk}" in shown

    def test_who_sees_no_groups_is_not_offered_it(self) -> None:
        client = signed_in(UserFactory(permissions=["library.view_track"]))
        track = TrackFactory()

        assert "compare" not in client.get(reverse(LIST)).content.decode().partition("action-toggle")[2]
        assert "pair_url" not in client.get(page(track.pk)).context
