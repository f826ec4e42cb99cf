"""iTunes and Apple Music libraries: what is a song, how it is read, and what a damaged file gives."""

import io
from datetime import UTC, date, datetime
from typing import Any

import pytest

from library.importers.itunes_xml import read_itunes_xml
from library.importers.records import (
    ImportedItem,
    ImportedPlaylist,
    ImportedTrack,
    SkippedEntry,
    SkippedPlaylist,
    SkipReason,
    SourceFacts,
    UnreadableSource,
)
from tests.library.sources import HEAD, LIBRARY_ID, entry, itunes_xml, playlist, plist


def read(xml: str | bytes) -> list[ImportedItem]:
    return list(read_itunes_xml(io.BytesIO(xml.encode() if isinstance(xml, str) else xml)))


def read_until_fault(xml: str) -> tuple[list[ImportedItem], UnreadableSource]:
    items: list[ImportedItem] = []
    reader = read_itunes_xml(io.BytesIO(xml.encode()))
    with pytest.raises(UnreadableSource) as caught:
        items.extend(iter(lambda: next(reader), None))
    return items, caught.value


def tracks(items: list[ImportedItem]) -> list[ImportedTrack]:
    return [item for item in items if isinstance(item, ImportedTrack)]


def only_track(**fields: Any) -> ImportedTrack:
    return tracks(read(itunes_xml([entry(1, **fields)])))[0]


class TestTracks:
    def test_a_song_comes_with_everything_its_entry_says(self) -> None:
        song = only_track(
            Album="Low Water",
            Album_Artist="Various Artists",
            Genre="Folk",
            Track_Number=3,
            Disc_Number=2,
            Year=1998,
            Release_Date=datetime(1998, 5, 4, 7, tzinfo=UTC),
            Compilation=True,
            Explicit=True,
            Bit_Rate=256,
            Sample_Rate=44_100,
            Size=7_223_758,
            Play_Count=19,
            Skip_Count=2,
            Play_Date_UTC=datetime(2025, 3, 31, 0, 36, 47, tzinfo=UTC),
            Rating=80,
            Loved=True,
            Date_Added=datetime(2022, 6, 9, 20, 6, 44, tzinfo=UTC),
        )

        assert song == ImportedTrack(
            source_track_id="0000000000000001",
            entry=1,
            line=song.line,
            title="Song 1",
            artist="The Quiet Tide",
            album_artist="Various Artists",
            album="Low Water",
            genre="Folk",
            track_number=3,
            disc_number=2,
            year=1998,
            release_date=date(1998, 5, 4),
            duration_ms=215_000,
            explicit=True,
            compilation=True,
            location="file://localhost/Users/user/Music/1.mp3",
            availability="local",
            format="MP3",
            bit_rate_kbps=256,
            sample_rate_hz=44_100,
            size_bytes=7_223_758,
            lossless=False,
            play_count=19,
            skip_count=2,
            last_played_at=datetime(2025, 3, 31, 0, 36, 47, tzinfo=UTC),
            rating=80,
            loved=True,
            added_at=datetime(2022, 6, 9, 20, 6, 44, tzinfo=UTC),
        )

    def test_the_library_says_its_id_and_application(self) -> None:
        facts = [item for item in read(itunes_xml([entry(1)])) if isinstance(item, SourceFacts)]

        assert (facts[-1].library_id, facts[-1].application) == (LIBRARY_ID, "12.9.4.104")

    def test_a_computed_rating_was_given_by_nobody(self) -> None:
        assert only_track(Rating=60, Rating_Computed=True).rating is None

    def test_favorited_is_the_newer_word_for_loved(self) -> None:
        assert only_track(Favorited=True).loved

    @pytest.mark.parametrize(
        ("fields", "availability"),
        [
            pytest.param({}, "local", id="a file"),
            pytest.param({"Location": None, "Track_Type": "Remote"}, "cloud", id="cloud only"),
            pytest.param({"Location": None}, "missing", id="a file iTunes cannot find"),
        ],
    )
    def test_songs_without_a_file_are_imported_and_flagged(self, fields: dict[str, Any], availability: str) -> None:
        assert only_track(**fields).availability == availability

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            pytest.param({"Kind": "MPEG-Audiodatei"}, ("MP3", False), id="German kind, known extension"),
            pytest.param({"Kind": "Apple Lossless audio file", "Location": "file:///a.m4a"}, ("ALAC", True), id="ALAC"),
            pytest.param({"Kind": "Purchased AAC audio file", "Location": "file:///a.m4a"}, ("AAC", False), id="AAC"),
            pytest.param({"Kind": "Fichier audio AAC Apple\u00a0Music", "Location": None}, ("AAC", False), id="cloud"),
            pytest.param({"Kind": "Áudio MPEG", "Location": None}, ("MP3", False), id="Portuguese"),
            pytest.param({"Kind": "WAV audio file", "Location": "file:///a.WAV"}, ("WAV", True), id="upper case"),
            pytest.param(
                {"Kind": "Internet audio stream", "Location": None}, ("Internet audio stream", None), id="odd"
            ),
        ],
    )
    def test_the_format_is_found_in_any_language(
        self, fields: dict[str, Any], expected: tuple[str, bool | None]
    ) -> None:
        song = only_track(**fields)

        assert (song.format, song.lossless) == expected

    def test_a_number_that_is_none_is_kept_as_text(self) -> None:
        xml = itunes_xml([entry(1, Year=1998)]).replace("<integer>1998</integer>", "<integer>19x8</integer>")
        song = tracks(read(xml))[0]

        assert (song.year, song.unparsed) == (None, {"year": "19x8"})

    def test_a_song_without_a_persistent_id_gets_one_from_its_content(self) -> None:
        twice = [entry(number, Name="Same", Persistent_ID=None, Location=None) for number in (1, 2)]
        first, second = (song.source_track_id for song in tracks(read(itunes_xml(twice))))

        assert (first[:8], first[:-1], first[-2:], second[-2:]) == ("content:", second[:-1], ":1", ":2")


class TestLeftOut:
    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            pytest.param({"Movie": True, "Has_Video": True}, SkipReason.MOVIE, id="film"),
            pytest.param({"Movie": True, "Podcast": True}, SkipReason.PODCAST, id="video podcast"),
            pytest.param({"TV_Show": True}, SkipReason.TV_SHOW, id="series"),
            pytest.param({"Music_Video": True}, SkipReason.MUSIC_VIDEO, id="music video"),
            pytest.param({"Genre": "Audiobook"}, SkipReason.AUDIOBOOK, id="audiobook"),
            pytest.param({"Genre": "Hörbuch"}, SkipReason.AUDIOBOOK, id="German audiobook"),
            pytest.param({"Location": "file:///a.m4b"}, SkipReason.AUDIOBOOK, id="audiobook by file"),
            pytest.param({"Genre": "Voice Memo"}, SkipReason.VOICE_MEMO, id="voice memo"),
            pytest.param({"Location": "file:///Booklet.pdf"}, SkipReason.BOOK, id="booklet"),
            pytest.param({"Location": "file:///tone.m4r"}, SkipReason.RINGTONE, id="ringtone"),
            pytest.param({"Track_Type": "URL", "Total_Time": None}, SkipReason.RADIO, id="radio"),
            pytest.param({"Name": None, "Artist": None, "Location": None}, SkipReason.BLANK, id="nothing in it"),
        ],
    )
    def test_what_is_no_song_is_left_out_with_the_reason(self, fields: dict[str, Any], reason: SkipReason) -> None:
        items = read(itunes_xml([entry(1, **fields)]))

        assert [item.reason for item in items if isinstance(item, SkippedEntry)] == [reason]

    def test_an_entry_that_is_empty_is_malformed(self) -> None:
        items = read(itunes_xml([entry(1)]).replace(plist(entry(1)), "<dict></dict>"))

        assert [item.reason for item in items if isinstance(item, SkippedEntry)] == [SkipReason.MALFORMED]


class TestPlaylists:
    def test_a_playlist_keeps_its_order_and_repetitions(self) -> None:
        items = read(itunes_xml([entry(1), entry(2)], [playlist("Mix", [102, 101, 102])]))
        mix = next(item for item in items if isinstance(item, ImportedPlaylist))

        assert list(mix.source_track_ids) == ["0000000000000002", "0000000000000001", "0000000000000002"]

    def test_places_of_what_was_left_out_are_left_out(self) -> None:
        items = read(itunes_xml([entry(1), entry(2, Podcast=True)], [playlist("Mix", [102, 101, 999])]))
        mix = next(item for item in items if isinstance(item, ImportedPlaylist))

        assert list(mix.source_track_ids) == ["0000000000000001"]

    @pytest.mark.parametrize(
        "fields",
        [{"Master": True}, {"Music": True}, {"Distinguished_Kind": 4}, {"Distinguished_Kind": 65}, {"Folder": True}],
    )
    def test_lists_that_itunes_keeps_by_itself_are_left_out(self, fields: dict[str, Any]) -> None:
        items = read(itunes_xml([entry(1)], [playlist("Library", [101], **fields)]))

        assert isinstance(items[-1], SkippedPlaylist)

    def test_a_smart_playlist_is_flagged_also_a_ready_made_one(self) -> None:
        items = read(itunes_xml([entry(1)], [playlist("Top", [101], Smart_Info="x", Distinguished_Kind=202)]))

        assert isinstance(items[-1], ImportedPlaylist)
        assert items[-1].is_smart

    def test_playlists_before_the_tracks_find_them_all_the_same(self) -> None:
        library = {"Playlists": [playlist("Mix", [102, 101])], "Tracks": {"2": entry(2), "1": entry(1)}}
        items = read(f"{HEAD}{plist(library)}</plist>")

        assert isinstance(items[-1], ImportedPlaylist)
        assert list(items[-1].source_track_ids) == ["0000000000000002", "0000000000000001"]


class TestDamage:
    def test_a_cut_file_gives_what_was_before_the_cut(self) -> None:
        xml = itunes_xml([entry(1), entry(2), entry(3)])
        items, fault = read_until_fault(xml[: xml.index("Song 3")])

        assert [song.title for song in tracks(items)] == ["Song 1", "Song 2"]
        assert str(fault).startswith(f"Line {fault.line}, byte ")

    def test_a_fault_names_line_byte_and_reason(self) -> None:
        xml = itunes_xml([entry(1)]).replace("<string>Song 1</string>", "<string>Song & 1</string>")
        _, fault = read_until_fault(xml)

        lines = xml.encode().split(b"\n")
        assert b"Song & 1" in lines[(fault.line or 0) - 1]
        assert xml.encode()[: fault.byte].endswith(b"Song &")
        assert "not well-formed" in fault.reason

    def test_a_track_that_lost_its_wrapping_is_recovered_before_the_fault_is_told(self) -> None:
        whole = itunes_xml([entry(1), entry(2)])
        items, fault = read_until_fault(whole.replace("<key>101</key><dict>", "", 1))

        assert [song.title for song in tracks(items)] == ["Song 1", "Song 2"]
        assert "where the dictionary of a track should begin" in fault.reason

    @pytest.mark.parametrize(
        ("xml", "reason"),
        [
            pytest.param(f"{HEAD}</plist>", "no Tracks", id="an empty property list"),
            pytest.param(
                f"{HEAD}<dict><key>Name</key><string>x</string></dict></plist>", "no Tracks", id="another list"
            ),
            pytest.param("<html><body/></html>", "<html>", id="a web page"),
            pytest.param('<?xml version="1.0" encoding="UT8-8"?><plist/>', "encoding", id="no such encoding"),
            pytest.param('<?xml version="1.0" encoding="big5"?><plist/>', "encoding", id="an encoding of two bytes"),
            pytest.param(f"{HEAD}<dict><key>Tracks</key><dict><foo/></dict></dict></plist>", "<foo>", id="a stranger"),
            pytest.param(f"{HEAD}<dict><key>a</key><key>Tracks</key><dict/></dict></plist>", "no value", id="no value"),
            pytest.param(
                f"{HEAD}<dict><string>a</string><key>Tracks</key><dict/></dict></plist>", "no key", id="no key"
            ),
            pytest.param(f"{HEAD}<dict><key>Tracks</key>" + "<dict><key>a</key>" * 80, "nested", id="too deep"),
            pytest.param(f"{HEAD}<dict><key>{'a' * 3_000_000}</key>", "longer than", id="too long a value"),
            pytest.param(f'{HEAD}<dict a="{"a" * 6_000_000}">', "longer than", id="too long a tag"),
        ],
    )
    def test_what_is_no_library_is_refused_with_a_sentence(self, xml: str, reason: str) -> None:
        _, fault = read_until_fault(xml)

        assert reason in fault.reason
        assert fault.code == "ITUNES_LIBRARY_UNREADABLE"

    def test_entities_are_refused(self) -> None:
        # A billion laughs: ten lines that grow to gigabytes.
        laughs = '<!DOCTYPE plist [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><plist><dict/></plist>'
        _, fault = read_until_fault(laughs)

        assert "entities" in fault.reason

    def test_a_valid_library_without_songs_is_fine(self) -> None:
        assert tracks(read(itunes_xml([]))) == []

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_byte_order_marks_are_survived(self, encoding: str) -> None:
        xml = itunes_xml([entry(1, Name="Größe")]).replace('encoding="UTF-8"', "")

        assert tracks(read(xml.encode(encoding)))[0].title == "Größe"
