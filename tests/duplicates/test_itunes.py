"""Members looked up in the iTunes catalogue: exactly, fuzzily or not at all, with what differs."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import LazySettings

from duplicates.choices import ITunesMatch
from duplicates.models import DuplicateAnalysisTrack
from duplicates.services import itunes
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.itunes import NO_CATALOG
from duplicates.services.options import AnalysisOptions
from library.models import ITunesTrack, LibraryImport, Track
from tests.duplicates.library_of import make_track

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def pair() -> None:
    """One song held twice."""
    for number in range(2):
        make_track(
            number, title="Harbour Lights", artist="The Quiet Tide", album="Low Water", seconds=215, isrc="GBAYE0601498"
        )


def entry(number: int = 1, **fields: object) -> ITunesTrack:
    values = {
        "title": "Harbour Lights",
        "artist": "The Quiet Tide",
        "album": "Low Water",
        "duration_ms": 215_000,
        "persistent_id": f"{number:016X}",
    }
    return ITunesTrack.objects.create(catalog="home", **(values | fields))


def members(now: datetime = NOW) -> list[DuplicateAnalysisTrack]:
    service = DuplicateDetectionService(now=lambda: now)
    analysis = service.find_duplicates_with_persistence(AnalysisOptions(), force=True).analysis
    return list(DuplicateAnalysisTrack.objects.filter(group__analysis=analysis).order_by("track_id"))


def note(now: datetime = NOW) -> str:
    service = DuplicateDetectionService(now=lambda: now)
    return service.find_duplicates_with_persistence(AnalysisOptions(), force=True).analysis.figures["itunes_note"]


@pytest.mark.usefixtures("pair")
class TestExact:
    def test_by_equal_title_and_artist(self) -> None:
        entry(title="HARBOUR  lights", artist="the quiet tide")

        found = members()

        assert {(member.itunes_match, member.itunes_confidence) for member in found} == {(ITunesMatch.EXACT, 1.0)}

    def test_by_isrc_whatever_it_is_called(self) -> None:
        entry(title="Hafenlichter", artist="Unbekannt", isrc="GBAYE0601498")

        assert {member.itunes_match for member in members()} == {ITunesMatch.EXACT}

    def test_by_persistent_id(self) -> None:
        make_track(9, title="Harbour Lights", artist="The Quiet Tide", album="Low Water", seconds=215)
        last = members()[-1]
        last.track.source_track_id = "00000000000000AB"
        last.track.save()
        entry(0xAB, title="Something else", artist="Somebody")

        assert [member.itunes_persistent_id for member in members()][-1] == "00000000000000AB"

    def test_equal_words_with_a_conflict_of_length_are_not_exact(self) -> None:
        entry(duration_ms=415_000)

        assert ITunesMatch.EXACT not in {member.itunes_match for member in members()}

    def test_of_several_entries_of_one_song_the_one_on_the_same_album_is_taken(self) -> None:
        """Two entries for one (title, artist) must not overwrite each other."""
        entry(1, album="Greatest Hits")
        entry(2, album="Low Water")
        entry(3, album="Live at Home")

        assert {member.itunes_persistent_id for member in members()} == {f"{2:016X}"}

    def test_what_differs_is_listed(self) -> None:
        entry(album="Low Water (Deluxe)", genre="Folk", play_count=7)

        (first, _) = members()

        assert {difference["field"] for difference in first.itunes_differences} == {"album", "genre", "play_count"}


@pytest.mark.usefixtures("pair")
class TestFuzzy:
    @pytest.mark.parametrize("few", [itunes.FEW, 0], ids=["asked for", "all of it read"])
    def test_what_is_named_is_found_without_reading_the_rest(self, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
        # By id in whichever capitals, by ISRC, the nearest of several; a blank key names nothing.
        one, other = Track.objects.order_by("pk")
        Track.objects.filter(pk=one.pk).update(source_track_id="00000000000000ab")
        entry(0xAB, title="Renamed", isrc="")
        entry(2, isrc="GBAYE0601498", duration_ms=300_000)
        entry(3, isrc="GBAYE0601498", duration_ms=216_000)
        entry(4)
        read = []
        load = itunes.load_catalogue
        monkeypatch.setattr(itunes, "FEW", few)
        monkeypatch.setattr(
            itunes, "load_catalogue", lambda *args, **kwargs: (read.append(1), load(*args, **kwargs))[1]
        )

        found = {member.track_id: (member.itunes_match, member.itunes_persistent_id) for member in members()}

        assert found == {one.pk: (ITunesMatch.EXACT, f"{0xAB:016X}"), other.pk: (ITunesMatch.EXACT, f"{3:016X}")}
        assert bool(read) == (few == 0)

    @pytest.mark.parametrize("few", [0, itunes.FEW], ids=["all is read", "only what is named is read"])
    def test_moments_are_the_same_either_way(
        self, few: int, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
    ) -> None:
        # SQLite once took the %s in its way of writing a moment for a value, and with DJANGO_DEBUG the run failed.
        settings.DEBUG = True
        monkeypatch.setattr(itunes, "FEW", few)
        Track.objects.update(added_at=NOW, last_played_at=NOW)
        entry(isrc="GBAYE0601498", added_at=NOW, last_played_at=NOW + timedelta(days=1))

        differences = [one for one in members()[0].itunes_differences if one["field"].endswith("_at")]

        then, later = NOW.isoformat(), (NOW + timedelta(days=1)).isoformat()
        assert differences == [{"field": "last_played_at", "library": then, "itunes": later}]

    def test_all_is_read_where_one_is_named_by_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one, other = Track.objects.order_by("pk")
        Track.objects.filter(pk=one.pk).update(source_track_id=f"{7:016X}")
        Track.objects.filter(pk=other.pk).update(isrc="")
        entry(7, title="Renamed")
        entry(8)

        found = {member.track_id: member.itunes_persistent_id for member in members()}

        assert found == {one.pk: f"{7:016X}", other.pk: f"{8:016X}"}

    def test_a_typo_is_found_with_its_probability(self) -> None:
        entry(title="Harbour Ligths", artist="Quiet Tide")

        (first, second) = members()

        assert first.itunes_match == second.itunes_match == ITunesMatch.FUZZY
        assert 0.80 <= first.itunes_confidence < 1
        assert "title" in {difference["field"] for difference in first.itunes_differences}

    def test_it_makes_no_difference_how_many_are_looked_up_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in (2, 3):
            make_track(number, title="Copper Wire", artist="Foundry Row", album="Sparks", seconds=199 + number)
        entry(1, title="Harbour Ligths", artist="Quiet Tide")
        entry(2, title="Coper Wire", artist="Foundry Row", album="Sparks", duration_ms=201_000)
        together = [(member.itunes_match, member.itunes_persistent_id) for member in members()]
        monkeypatch.setattr(itunes, "members_at_once", lambda *counts: 1)

        assert [(member.itunes_match, member.itunes_persistent_id) for member in members()] == together
        assert [match for match, _ in together] == [ITunesMatch.FUZZY] * 4

    def test_another_song_is_not_found(self) -> None:
        entry(title="Copper Wire", artist="Foundry Row", album="Sparks", duration_ms=199_000)

        assert {member.itunes_match for member in members()} == {ITunesMatch.NONE}

    def test_the_group_says_how_many_members_are_there(self) -> None:
        entry(title="Harbour Ligths")

        group = members()[0].group

        assert (group.itunes_match, group.itunes_match_count) == (ITunesMatch.FUZZY, 2)


@pytest.mark.usefixtures("pair")
class TestTheCatalogue:
    def test_none_is_said_and_stops_nothing(self) -> None:
        assert note() == NO_CATALOG

    def test_an_old_one_is_said(self) -> None:
        entry()
        LibraryImport.objects.create(
            source="home",
            format="itunes",
            file_name="Library.xml",
            is_catalog=True,
            status="completed",
            started_at=NOW - timedelta(days=40),
            completed_at=NOW - timedelta(days=40),
        )

        for facts in ({"status": "failed"}, {"status": "completed", "is_dry_run": True}):
            # Neither a refused import nor a dry run has loaded anything.
            LibraryImport.objects.create(source="home", is_catalog=True, started_at=NOW, completed_at=NOW, **facts)

        assert "40 days ago" in note()
        assert "days ago" not in note(NOW - timedelta(days=35))

    @pytest.mark.parametrize("with_entries", [False, True], ids=["nothing loaded before", "an older one loaded"])
    def test_one_that_could_not_be_read_is_said_and_stops_nothing(self, with_entries: bool) -> None:
        if with_entries:
            entry()
        LibraryImport.objects.create(
            source="home",
            file_name="Library.xml",
            is_catalog=True,
            status="failed",
            started_at=NOW,
            completed_at=NOW,
            error_message="The file breaks off in line 7.",
        )

        said = note()

        assert said.startswith(
            "The iTunes catalogue Library.xml could not be read (The file breaks off in line 7), so "
        )
        assert ("earlier one" in said) == with_entries

    def test_every_copy_of_a_song_gets_the_same_answer(self) -> None:
        """Tracks that say the same are asked for once, and all of them hear it."""
        entry(title="Harbour Ligths")

        assert len({(member.itunes_persistent_id, member.itunes_confidence) for member in members()}) == 1
        assert members()[0].itunes_match == ITunesMatch.FUZZY
