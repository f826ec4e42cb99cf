"""Playlists in the admin: their open groups, and protection of all their tracks at once."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from duplicates.exceptions import TrackProtected
from duplicates.models import AuditRecord
from duplicates.services.removal import remove_duplicates
from library.models import Playlist, Track
from tests.duplicates.admin.conftest import messages_of, signed_in
from tests.duplicates.copies import copy, group_of, playlist_of
from tests.duplicates.factories import AnalysisFactory, UserFactory

pytestmark = pytest.mark.django_db
LIST, PAGE = "admin:library_playlist_changelist", "admin:library_playlist_change"


@pytest.fixture
def curator(db: None) -> User:
    return UserFactory(
        permissions=(
            "library.view_playlist", "library.view_track", "library.change_track",
            "duplicates.view_duplicateanalysisgroup", "duplicates.view_all_analyses",
        )
    )  # fmt: skip


def press(client: Client, action: str, playlist: Playlist) -> Any:
    pressed = {"CHANGE_FORM-action": action, "_selected_action": str(playlist.pk)}
    return client.post(reverse(PAGE, args=[playlist.pk]), pressed, follow=True)


def test_the_tracks_of_a_playlist_are_protected_and_no_longer(curator: User) -> None:
    inside, outside = copy(), copy()
    playlist = playlist_of(inside, inside)
    client = signed_in(curator)

    first = press(client, "protect", playlist)
    assert messages_of(first) == ["1 track is protected now."]
    assert list(Track.objects.filter(is_protected=True)) == [inside]

    second = press(client, "lift_protection", playlist)
    assert messages_of(second) == ["1 track is no longer protected."]
    assert not Track.objects.filter(is_protected=True).exists()
    assert outside.is_protected is False
    assert list(AuditRecord.objects.order_by("pk").values_list("action", flat=True)) == [
        "tracks.protected",
        "tracks.protection_lifted",
    ]


def test_a_protected_copy_stays_when_duplicates_are_removed(curator: User) -> None:
    kept, other = copy(play_count=9), copy()
    group = group_of(kept, other, analysis=AnalysisFactory())
    press(signed_in(curator), "protect", playlist_of(other))

    with pytest.raises(TrackProtected):
        remove_duplicates(group=group, keeper_id=kept.pk, removing=[other.pk], actor=None, now=timezone.now())


def test_an_empty_playlist_says_why_nothing_happens(curator: User) -> None:
    answer = press(signed_in(curator), "protect", playlist_of())

    assert messages_of(answer) == ["These are 0 tracks; choose 1 to 10,000."]


def test_its_page_names_the_open_groups_of_the_newest_result(curator: User) -> None:
    track, elsewhere = copy(title="Harbour Lights"), copy(title="Low Water")
    older, newest = AnalysisFactory(), AnalysisFactory()
    group_of(copy(), elsewhere, analysis=newest)
    group_of(copy(), track, analysis=older)
    wanted = group_of(copy(), track, analysis=newest)

    shown = signed_in(curator).get(reverse(PAGE, args=[playlist_of(track).pk])).context["its_groups"]

    assert [one["url"] for one in shown] == [
        reverse("admin:duplicates_duplicateanalysisgroup_change", args=[wanted.pk])
    ]


def test_its_page_takes_the_same_queries_for_one_track_and_many(
    curator: User, django_assert_max_num_queries: Any
) -> None:
    analysis = AnalysisFactory()
    tracks = [copy() for _ in range(12)]
    for number in range(0, 12, 2):
        group_of(tracks[number], tracks[number + 1], analysis=analysis)
    client = signed_in(curator)

    for playlist in (playlist_of(tracks[0]), playlist_of(*tracks)):
        with django_assert_max_num_queries(10):
            client.get(reverse(PAGE, args=[playlist.pk]))
