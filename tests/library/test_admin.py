"""The library in the admin: lists that stay cheap, tracks that may be corrected, records that may not."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.forms import ModelForm
from django.test import Client
from django.test.html import parse_html
from django.urls import reverse
from django.utils import timezone

from library import quarantine
from library.admin_pages import CappedPaginator, duration, length, percent
from library.changes import recording
from library.models import ITunesTrack, LibraryChange, LibraryImport, Playlist, PlaylistEntry, Track
from tests.library.sources import run_import, write

pytestmark = pytest.mark.django_db


def make_track(number: int, **fields: Any) -> Track:
    fields = {"title": f"Song {number}", "artist": "The Quiet Tide", "duration_ms": 215_000} | fields
    return Track.objects.create(source="test", source_track_id=str(number), **fields)


def make_import(number: int) -> None:
    LibraryImport.objects.create(source="test", format="csv", file_name=f"{number}.csv", started_at=timezone.now())


def make_playlist(number: int) -> None:
    playlist = Playlist.objects.create(source="test", source_playlist_id=str(number), name=f"List {number}")
    PlaylistEntry.objects.create(playlist=playlist, track=make_track(number), position=0)


def make_itunes(number: int) -> None:
    ITunesTrack.objects.create(persistent_id=f"{number:016X}", catalog="test", title=f"Song {number}")


@pytest.mark.parametrize(
    ("model", "make", "queries"),
    [
        pytest.param("track", make_track, 6, id="tracks"),
        pytest.param("librarychange", make_track, 4, id="changes"),
        pytest.param("libraryimport", make_import, 5, id="imports"),
        pytest.param("playlist", make_playlist, 5, id="playlists"),
        pytest.param("itunestrack", make_itunes, 5, id="iTunes catalogue"),
    ],
)
def test_a_list_takes_the_same_queries_for_one_row_and_for_many(
    admin_client: Client, django_assert_num_queries: Any, model: str, make: Any, queries: int
) -> None:
    address = reverse(f"admin:library_{model}_changelist")
    make(1)
    with django_assert_num_queries(queries):
        admin_client.get(address)

    for number in range(2, 12):
        make(number)
    with django_assert_num_queries(queries):
        admin_client.get(address)


def test_the_box_of_a_row_is_the_one_that_django_makes() -> None:
    track = make_track(1, title='<b>"Gold" & Glass</b>')
    page = admin.site._registry[Track]

    ours, theirs = page.action_checkbox(track), admin.ModelAdmin.action_checkbox(page, track)

    assert parse_html(ours) == parse_html(theirs)


@pytest.mark.parametrize("model", ["track", "librarychange", "libraryimport", "playlist", "itunestrack"])
def test_an_empty_list_says_what_to_do(admin_client: Client, model: str) -> None:
    shown = admin_client.get(reverse(f"admin:library_{model}_changelist")).content.decode()

    assert 'class="empty"' in shown


class _Fields(HTMLParser):
    """What a browser would send of the fields of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._choice = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        name, value = said.get("name") or "", said.get("value") or ""
        if tag == "select":
            self._choice = name
        elif tag == "option" and "selected" in said:
            self.sent[self._choice] = value
        elif tag == "input" and name and (said.get("type") != "checkbox" or "checked" in said):
            self.sent[name] = value


def as_a_browser_sends_it(page: str) -> dict[str, str]:
    fields = _Fields()
    fields.feed(page)
    return fields.sent


class TestTracks:
    def test_an_edit_is_recorded_as_a_change_of_the_library(self, admin_client: Client) -> None:
        track = make_track(1)
        before = LibraryChange.objects.count()
        address = reverse("admin:library_track_change", args=[track.pk])
        form = admin_client.get(address).context["adminform"].form
        answers = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
        answers = {name: value for name, value in answers.items() if value is not None and value is not False}

        response = admin_client.post(address, answers | {"title": "Harbour Lights"})

        assert response.status_code == 302
        assert Track.objects.get(pk=track.pk).title == "Harbour Lights"
        assert LibraryChange.objects.count() == before + 1

    def test_a_page_left_open_overwrites_nothing_that_was_written_meanwhile(self, admin_client: Client) -> None:
        keeper, other = make_track(1, play_count=5, rating=40), make_track(2, play_count=3, rating=80)
        address = reverse("admin:library_track_change", args=[keeper.pk])
        sent = as_a_browser_sends_it(admin_client.get(address).content.decode())
        with recording("clean-up"):
            quarantine.remove({keeper.pk: [other]}, now=timezone.now())

        admin_client.post(address, sent | {"title": "Harbour Lights", "explicit": "true"})

        keeper.refresh_from_db()
        assert (keeper.title, keeper.explicit) == ("Harbour Lights", True)
        assert (keeper.play_count, keeper.rating) == (8, 80)

    def test_a_page_of_a_track_removed_meanwhile_does_not_bring_it_back(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        track = make_track(1, play_count=5)
        address = reverse("admin:library_track_change", args=[track.pk])
        sent = as_a_browser_sends_it(admin_client.get(address).content.decode())
        cleaned = ModelForm.full_clean

        def removed_since_it_was_read(form: Any) -> None:
            Track.objects.filter(pk=track.pk).update(quarantined_at=timezone.now())
            cleaned(form)

        monkeypatch.setattr(ModelForm, "full_clean", removed_since_it_was_read)
        admin_client.post(address, sent | {"genre": "Folk"})

        track.refresh_from_db()
        assert (track.genre, track.quarantined_at is None) == ("Folk", False)

    def test_a_viewer_cannot_change_one(self, client: Client) -> None:
        viewer = User.objects.create_user("viewer", is_staff=True)
        viewer.user_permissions.add(Permission.objects.get(codename="view_track"))
        client.force_login(viewer)

        response = client.post(reverse("admin:library_track_change", args=[make_track(1).pk]), {"title": "New"})

        assert response.status_code == 403

    def test_where_a_file_lies_is_for_those_who_may_know(self, client: Client, admin_client: Client) -> None:
        address = reverse("admin:library_track_change", args=[make_track(1, location="/private/song.mp3").pk])
        viewer = User.objects.create_user("viewer", is_staff=True)
        viewer.user_permissions.add(Permission.objects.get(codename="view_track"))
        other = Client()
        other.force_login(viewer)

        assert "/private/song.mp3" in admin_client.get(address).content.decode()
        assert "/private/song.mp3" not in other.get(address).content.decode()

    def test_tracks_do_not_come_by_hand(self, admin_client: Client) -> None:
        assert admin_client.get(reverse("admin:library_track_add")).status_code == 403

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            pytest.param("quarantine=yes", {"Gone"}, id="in quarantine"),
            pytest.param("quarantine=no", {"Here", "Cloudy"}, id="in the library"),
            pytest.param("availability__exact=cloud", {"Cloudy"}, id="cloud only"),
            pytest.param("format=FLAC", {"Here"}, id="one format"),
            pytest.param("q=cloud", {"Cloudy"}, id="search"),
            pytest.param("source=elsewhere", set(), id="another source"),
        ],
    )
    def test_filters_narrow_the_list(self, admin_client: Client, query: str, found: set[str]) -> None:
        make_track(1, title="Here", format="FLAC")
        make_track(2, title="Cloudy", availability="cloud")
        make_track(3, title="Gone", quarantined_at=timezone.now())

        response = admin_client.get(f"{reverse('admin:library_track_changelist')}?{query}")

        assert {track.title for track in response.context["cl"].result_list} == found


class TestCountsStayCheap:
    def test_a_count_stops_at_the_cap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(CappedPaginator, "cap", 3)
        for number in range(5):
            make_track(number)

        paginator = CappedPaginator(Track.objects.order_by("pk"), 2)

        assert (paginator.count, paginator.is_capped, paginator.num_pages) == (3, True, 2)

    def test_the_list_says_that_there_are_more(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(CappedPaginator, "cap", 3)
        for number in range(5):
            make_track(number)

        shown = admin_client.get(reverse("admin:library_track_changelist")).content.decode()

        assert "The first 3 tracks. Search or filter to see others." in " ".join(shown.split())


class TestValuesAsPeopleReadThem:
    @pytest.mark.parametrize(
        ("milliseconds", "text"),
        [(None, "–"), (0, "0:00"), (59_600, "1:00"), (225_000, "3:45"), (3_723_000, "1:02:03")],
    )
    def test_lengths(self, milliseconds: int | None, text: str) -> None:
        assert length(milliseconds) == text

    @pytest.mark.parametrize(
        ("share", "text"),
        [(None, "–"), (0, "0 %"), (0.0004, "< 0.1 %"), (0.9731, "97.3 %"), (0.99999, "99.9 %"), (1.0, "100 %")],
    )
    def test_shares_never_round_to_certainty(self, share: float | None, text: str) -> None:
        assert percent(share) == text

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(None, "–"), (0.042, "42 ms"), (0.42, "0.4 s"), (12, "12 s"), (200, "3 min 20 s"), (3_900, "1 h 5 min")],
    )
    def test_durations(self, seconds: float | None, text: str) -> None:
        assert duration(seconds) == text


def test_a_nul_in_a_filter_is_answered_like_any_impossible_filter(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:library_track_changelist"), {"source": "a\0b"})

    assert response.status_code == 302
    assert response["Location"].endswith("?e=1")


def test_a_dry_run_is_listed_as_one(admin_client: Client) -> None:
    LibraryImport.objects.create(
        file_name="a.csv", status="completed", is_dry_run=True, started_at=timezone.now(), report={"warnings": []}
    )
    address = reverse("admin:library_libraryimport_changelist")

    assert "Dry run: completed" in admin_client.get(address).content.decode()
    assert "a.csv" not in admin_client.get(address, {"is_dry_run__exact": 0}).content.decode()


def test_how_an_import_was_asked_for_is_said_in_words(admin_client: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "k,song_name\n1,a\n")
    row = run_import(path, mapping={"title": "song_name"}, id_column="k", prune=True, dry_run=True)
    text = admin_client.get(reverse("admin:library_libraryimport_change", args=[row.pk])).content.decode()

    assert "title from the column “song_name”" in text
    assert "Each track known by the column “k”" in text
    assert "As a dry run" in text
    assert "Removing what vanished" in text
    assert "icon-no.svg" not in text
    assert "&quot;" not in text
