"""Hearing a track: off unless roots are named, only with the permission, and never a file outside the roots."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from library import listening
from tests.factories import TrackFactory

AUDIO = bytes(range(256)) * 8


@pytest.fixture
def root(tmp_path: Path, settings: LazySettings) -> Path:
    """A folder from which files may be heard, with one song."""
    folder = tmp_path / "music"
    folder.mkdir()
    (folder / "Café song.mp3").write_bytes(AUDIO)
    settings.AUDIO_ROOTS = [str(folder)]
    return folder


@pytest.fixture
def listener(db: None) -> Client:
    user = User.objects.create_user("listener", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_track", "listen_to_tracks")))
    client = Client()
    client.force_login(user)
    return client


def address(location: str) -> str:
    return reverse("admin:library_listen", args=[TrackFactory(location=location).pk])


class TestWhichFile:
    @pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
    def test_a_path_and_an_address_name_the_same_file(self, root: Path, form: str) -> None:
        song = root / "Café song.mp3"
        place = str(song) if form == "{}" else str(song).replace(" ", "%20").replace("é", "%C3%A9")

        assert listening.audio_file(form.format(place)) == song

    def test_nothing_is_heard_where_no_root_is_named(self, root: Path, settings: LazySettings) -> None:
        settings.AUDIO_ROOTS = []

        assert (listening.audio_file(str(root / "Café song.mp3")), listening.is_switched_on()) == (None, False)

    @pytest.mark.parametrize(
        "location",
        [
            "",
            "relative.mp3",
            "{root}",
            "{root}/missing.mp3",
            "{root}/../secret.mp3",
            "file://elsewhere{root}/Café song.mp3",
            "http://example.org/song.mp3",
            "{root}/notes.txt",
            "{root}/out.mp3",
            "{root}/disguised.mp3",
            "{root}/circle.mp3",
            "{root}-twin/song.mp3",
            "{root}/nul\0.mp3",
        ],
    )
    def test_anything_else_is_not(self, root: Path, location: str) -> None:
        twin = root.parent / "music-twin"
        twin.mkdir()
        for place in (root.parent / "secret.mp3", root / "notes.txt", twin / "song.mp3"):
            place.write_bytes(AUDIO)
        (root / "out.mp3").symlink_to(root.parent / "secret.mp3")
        (root / "disguised.mp3").symlink_to(root / "notes.txt")
        (root / "circle.mp3").symlink_to(root / "circle.mp3")

        assert listening.audio_file(location.format(root=root)) is None

    def test_a_link_within_the_roots_is_followed(self, root: Path) -> None:
        (root / "again.mp3").symlink_to(root / "Café song.mp3")

        assert listening.audio_file(str(root / "again.mp3")) == root / "Café song.mp3"

    def test_a_missing_root_does_not_silence_the_others(self, root: Path, settings: LazySettings) -> None:
        settings.AUDIO_ROOTS = ["/not/mounted", str(root)]

        assert listening.audio_file(str(root / "Café song.mp3")) is not None


class TestTheDoor:
    def test_a_player_gets_the_part_it_asks_for(self, root: Path, listener: Client) -> None:
        response = listener.get(address(str(root / "Café song.mp3")), headers={"Range": "bytes=10-19"})

        assert (response.status_code, b"".join(response.streaming_content)) == (206, AUDIO[10:20])  # type: ignore[attr-defined]
        assert response["Content-Type"] == "audio/mpeg"

    def test_without_the_permission_it_is_refused(self, root: Path, listener: Client) -> None:
        User.objects.get().user_permissions.set(Permission.objects.filter(codename="view_track"))

        assert listener.get(address(str(root / "Café song.mp3"))).status_code == 403

    def test_nobody_hears_anything_without_a_login(self, root: Path, db: None) -> None:
        assert Client().get(address(str(root / "Café song.mp3"))).status_code == 302

    @pytest.mark.parametrize("location", ["", "/etc/passwd", "/etc/passwd.mp3"])
    def test_what_may_not_be_heard_is_as_good_as_none(self, root: Path, listener: Client, location: str) -> None:
        assert listener.get(address(location)).status_code == 404
