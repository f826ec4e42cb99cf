"""Searching a library too large to be read: by the beginning of a title or an artist, through the indexes."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import reverse

from library import search
from library.models import Track
from tests.factories import TrackFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every library count as large."""
    monkeypatch.setattr(search, "SCANNED", 0)


def found(text: str) -> list[str]:
    return sorted(track.title for track in search.beginning_with(Track.objects.all(), text))


@pytest.mark.parametrize(
    ("typed", "titles"),
    [
        pytest.param("harb", ["Harbour Lights"], id="a title, whatever its case"),
        pytest.param("HARBOUR L", ["Harbour Lights"], id="more than a word"),
        pytest.param("the quiet", ["Harbour Lights"], id="an artist"),
        pytest.param("lights", [], id="the middle is not looked at"),
        pytest.param("école", ["École buissonnière"], id="an accent typed small"),
        pytest.param("Москва", ["Москва слезам"], id="other scripts"),
        pytest.param("100%_x", ["100%_x"], id="signs that mean something to a database"),
        pytest.param("x" * 40, ["x" * 60], id="longer than what the index holds"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_it_finds_what_begins_so(typed: str, titles: list[str]) -> None:
    TrackFactory(title="Harbour Lights", artist="The Quiet Tide")
    for title in ("École buissonnière", "Москва слезам", "100%_x", "100 and x", "x" * 60):
        TrackFactory(title=title, artist="Somebody")

    assert (found(typed) if typed else []) == titles


def test_a_number_is_that_track() -> None:
    track = TrackFactory(title="Harbour Lights")

    assert list(search.beginning_with(Track.objects.all(), str(track.pk))) == [track]


@pytest.mark.parametrize("name", ["title", "artist"])
def test_the_index_answers(name: str) -> None:
    if connection.vendor == "postgresql":
        connection.cursor().execute("SET LOCAL enable_seqscan = off")
    rows = Track.objects.order_by().annotate(beginning=search.Beginning(F(name)))

    plan = rows.filter(search.begins("harb", "default")).values("pk").explain()

    assert f"track_{name}_beginning" in plan


@pytest.mark.usefixtures("large")
def test_the_list_of_a_large_library_asks_the_index(admin_client: Client, monkeypatch: Any) -> None:
    wanted = TrackFactory(title="Harbour Lights")
    TrackFactory(title="Copper Wire", album="Harbour")

    listed = admin_client.get(f"{reverse('admin:library_track_changelist')}?q=harbour").context["cl"]

    assert list(listed.result_list) == [wanted]


def test_a_small_library_is_searched_in_every_part(admin_client: Client) -> None:
    TrackFactory(title="Harbour Lights")
    TrackFactory(title="Copper Wire", album="Harbour")

    listed = admin_client.get(f"{reverse('admin:library_track_changelist')}?q=harbour").context["cl"]

    assert len(listed.result_list) == 2
