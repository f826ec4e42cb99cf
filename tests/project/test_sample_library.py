"""The sample library is what a newcomer sees first: it must be whole, current and as mixed as a real one."""

import csv
import plistlib
import unicodedata
from collections import Counter
from typing import Any

import pytest

from project.sample import build
from project.sample.entries import Entry, all_entries
from project.sample.rest import SKIPPED
from project.sample.versions import APART, SAME


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return all_entries()


@pytest.fixture(scope="module")
def library() -> dict[str, Any]:
    return plistlib.loads(build.LIBRARY_FILE.read_bytes())


@pytest.fixture(scope="module")
def truth() -> list[dict[str, str]]:
    with build.TRUTH_FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def recording_of(truth: list[dict[str, str]]) -> dict[str, str]:
    return {row["persistent_id"]: row["recording"] for row in truth}


class TestTheFilesAreCurrent:
    def test_the_library_is_what_its_menus_give(self, entries: list[Entry]) -> None:
        assert build.LIBRARY_FILE.read_text(encoding="utf-8") == build.library_xml(entries), (
            "Run `uv run project/sample/build.py` and commit what it writes."
        )

    def test_the_truth_is_what_its_menus_give(self, entries: list[Entry]) -> None:
        assert build.TRUTH_FILE.read_text(encoding="utf-8") == build.truth_csv(entries)

    def test_the_menus_are_read_the_same_way_twice(self, entries: list[Entry]) -> None:
        assert all_entries() == entries


class TestTheLibraryIsWhole:
    def test_it_holds_a_few_hundred_songs(self, truth: list[dict[str, str]]) -> None:
        assert 350 <= len(truth) <= 450

    def test_every_entry_has_a_persistent_id_of_its_own(self, library: dict[str, Any]) -> None:
        ids = [track["Persistent ID"] for track in library["Tracks"].values()]
        assert len(set(ids)) == len(ids)
        assert all(len(one) == 16 and int(one, 16) for one in ids)

    def test_every_file_has_a_place_of_its_own(self, library: dict[str, Any]) -> None:
        places = [track["Location"] for track in library["Tracks"].values() if "Location" in track]
        assert [place for place, count in Counter(places).items() if count > 1] == []

    def test_the_truth_names_every_song_and_nothing_else(
        self, library: dict[str, Any], recording_of: dict[str, str]
    ) -> None:
        skipped = {row.title for row in SKIPPED}
        songs = [track for track in library["Tracks"].values() if track.get("Name") not in skipped]
        assert {track["Persistent ID"] for track in songs} == set(recording_of)

    def test_playlists_name_only_entries_of_the_library(self, library: dict[str, Any]) -> None:
        listed = {item["Track ID"] for one in library["Playlists"] for item in one.get("Playlist Items", ())}
        assert listed == {int(key) for key in library["Tracks"]}

    def test_the_first_list_is_the_whole_library(self, library: dict[str, Any]) -> None:
        master = library["Playlists"][0]
        assert master["Master"] is True
        assert len(master["Playlist Items"]) == len(library["Tracks"])


class TestItIsAsMixedAsARealOne:
    @pytest.mark.parametrize(
        "script",
        ["CYRILLIC", "GREEK", "HIRAGANA", "KATAKANA", "HANGUL", "CJK", "ARABIC", "HEBREW", "DEVANAGARI", "THAI"],
    )
    def test_it_is_written_in_many_scripts(self, entries: list[Entry], script: str) -> None:
        titles = [e.title for e in entries if any(unicodedata.name(c, "").startswith(script) for c in e.title)]
        assert titles

    @pytest.mark.parametrize("reason", ["movie", "podcast", "audiobook", "voice memo", "stream", "document"])
    def test_some_entries_are_no_songs(self, entries: list[Entry], reason: str) -> None:
        assert [entry for entry in entries if entry.kind == reason and entry.recording is None]

    def test_some_songs_are_in_the_cloud_or_lost(self, library: dict[str, Any]) -> None:
        away = [track["Track Type"] for track in library["Tracks"].values() if "Location" not in track]
        assert set(away) == {"Remote", "File"}

    def test_some_recordings_are_there_three_and_four_times(self, truth: list[dict[str, str]]) -> None:
        sizes = Counter(Counter(row["recording"] for row in truth).values())
        assert sizes[2] > 50
        assert sizes[3] > 10
        assert sizes[4] > 0

    def test_what_only_looks_the_same_is_a_recording_of_its_own(self, truth: list[dict[str, str]]) -> None:
        kinds = {version.kind for version in APART}
        alone = {row["recording"] for row in truth if row["kind"] in kinds}
        assert len(alone) == sum(row["kind"] in kinds for row in truth)

    def test_no_kind_means_both_same_and_apart(self) -> None:
        assert {version.kind for version in SAME} & {version.kind for version in APART} == set()

    def test_every_playlist_kind_is_there(self, library: dict[str, Any]) -> None:
        playlists = library["Playlists"]
        assert any("Smart Criteria" in one for one in playlists)
        assert any(one.get("Folder") for one in playlists)
        assert any("Parent Persistent ID" in one for one in playlists)
        assert any(not one.get("Playlist Items") for one in playlists)


class TestAClumsyCleanUpWouldLoseSomething:
    def test_often_the_poorer_file_has_the_plays(self, entries: list[Entry]) -> None:
        best: dict[str | None, Entry] = {}
        for entry in entries:
            best[entry.recording] = max(entry, best.get(entry.recording, entry), key=lambda e: e.audio.kbps)
        poorer = [e for e in entries if e.recording and e.audio.kbps < best[e.recording].audio.kbps]
        assert sum(e.plays > best[e.recording].plays for e in poorer) > 30

    def test_copies_sit_in_playlists(self, library: dict[str, Any], truth: list[dict[str, str]]) -> None:
        copies = {row["persistent_id"] for row in truth if row["kind"] in {version.kind for version in SAME}}
        ids = {track["Track ID"]: track["Persistent ID"] for track in library["Tracks"].values()}
        own = [one for one in library["Playlists"] if "Distinguished Kind" not in one and "Visible" not in one]
        listed = {ids[item["Track ID"]] for one in own for item in one.get("Playlist Items", ())}
        assert len(copies & listed) > 20

    def test_one_playlist_holds_two_copies_of_a_song(
        self, library: dict[str, Any], recording_of: dict[str, str]
    ) -> None:
        ids = {track["Track ID"]: track["Persistent ID"] for track in library["Tracks"].values()}
        show = next(one for one in library["Playlists"] if one["Name"] == "Sunday Morning Show")
        tracks = [ids[item["Track ID"]] for item in show["Playlist Items"]]
        assert len({recording_of[one] for one in tracks}) < len(set(tracks)) < len(tracks)
