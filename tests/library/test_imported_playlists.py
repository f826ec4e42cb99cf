"""Importing playlists: replaced as a whole when they differ, left alone when equal, gone only on request."""

from pathlib import Path

import pytest
from django.utils import timezone

from library.models import Playlist, PlaylistEntry, Track
from tests.library.sources import LIBRARY_ID, entry, itunes_xml, library, places, playlist, run_import, write

pytestmark = pytest.mark.django_db


def test_a_playlist_is_replaced_as_a_whole_when_it_differs(tmp_path: Path) -> None:
    library(tmp_path, entry(1), entry(2), playlists=[playlist("Mix", [101, 102, 101])])
    row = library(tmp_path, entry(1), entry(2), playlists=[playlist("Mix", [102, 101])])

    assert places("Mix") == ["Song 2", "Song 1"]
    assert row.report["playlists"] == {"changed": 1}


def test_an_equal_playlist_is_not_touched(tmp_path: Path) -> None:
    library(tmp_path, entry(1), playlists=[playlist("Mix", [101])])
    before = set(PlaylistEntry.objects.values_list("pk", flat=True))
    row = library(tmp_path, entry(1, Track_ID=900), playlists=[playlist("Mix", [900])])

    assert row.report["playlists"] == {"unchanged": 1}
    assert set(PlaylistEntry.objects.values_list("pk", flat=True)) == before


def test_a_keeper_in_the_place_of_a_removed_copy_stays_there(tmp_path: Path) -> None:
    library(tmp_path, entry(1), entry(2), playlists=[playlist("Mix", [101])])
    Track.objects.filter(title="Song 1").update(quarantined_at=timezone.now())
    PlaylistEntry.objects.update(track=Track.objects.get(title="Song 2"))
    library(tmp_path, entry(1), entry(2), playlists=[playlist("Mix", [101])])

    assert places("Mix") == ["Song 2"]


def test_a_vanished_playlist_is_reported_and_pruned_on_request(tmp_path: Path) -> None:
    lists = [playlist("Mix", [101]), playlist("Run", [101])]
    library(tmp_path, entry(1), playlists=lists)
    row = library(tmp_path, entry(1), playlists=lists[:1])
    assert (row.report["vanished_playlists"], Playlist.objects.count()) == (["Run"], 2)

    row = library(tmp_path, entry(1), playlists=lists[:1], prune=True)
    assert (Playlist.objects.get().name, row.report["playlists"]["removed"]) == ("Mix", 1)


def test_the_last_playlist_of_a_library_can_vanish_too(tmp_path: Path) -> None:
    library(tmp_path, entry(1), playlists=[playlist("Mix", [101])])
    row = library(tmp_path, entry(1), playlists=[])
    assert (row.report["vanished_playlists"], Playlist.objects.count()) == (["Mix"], 1)

    library(tmp_path, entry(1), playlists=[], prune=True)
    assert not Playlist.objects.exists()


def test_a_source_that_speaks_of_no_playlists_has_lost_none(tmp_path: Path) -> None:
    library(tmp_path, entry(1), playlists=[playlist("Mix", [101])])
    run_import(write(tmp_path / "a.csv", "title\na\n"), source=LIBRARY_ID, prune=True)
    xml = itunes_xml([entry(1)]).replace("<key>Playlists</key><array>\n</array>", "")
    row = run_import(write(tmp_path / "Library.xml", xml), prune=True)

    assert (row.report["vanished_playlists"], Playlist.objects.count()) == ([], 1)


def test_an_emptied_library_prunes_no_playlists_either(tmp_path: Path) -> None:
    library(tmp_path, entry(1), playlists=[playlist("Mix", [101])])
    row = library(tmp_path, prune=True)

    assert [warning["code"] for warning in row.report["warnings"]] == ["NOT_PRUNED"]
    assert (Track.objects.count(), Playlist.objects.count()) == (1, 1)
