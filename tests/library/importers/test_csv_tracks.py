"""CSV files: every dialect and language they come in, columns mapped by hand, values that do not parse."""

import gzip
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from library.importers.csv_columns import parse_mapping
from library.importers.csv_tracks import read_csv
from library.importers.opening import open_source
from library.importers.records import (
    ImportedItem,
    ImportedTrack,
    ImportProblem,
    SkippedEntry,
    SourceFacts,
    UnreadableSource,
)

EXPORTIFY = (
    "Track URI,Track Name,Artist Name(s),Album Name,Album Release Date,Track Duration (ms),Explicit,ISRC,Added At"
)
EXPORTIFY_GERMAN = (
    '"Track-URI","Track-Name","Künstler-URI(s)","Künstlername(n)","Album-URI","Album-Name","Album-Künstler-URI(s)",'
    '"Album-Künstlername(n)","Veröffentlichungsdatum des Albums","Album-Bild-URL","Disc-Nummer","Track-Nummer",'
    '"Track-Dauer (ms)","Track-Vorschau-URL","Explizit","Beliebtheit","ISRC","Hinzugefügt von","Hinzugefügt am"'
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "songs.csv"


def read(
    path: Path, content: str | bytes, *, mapping: Mapping[str, str] | None = None, id_column: str = ""
) -> list[ImportedItem]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_csv(lambda: open_source(path), mapping=mapping, id_column=id_column, this_year=2026))


def tracks(path: Path, content: str | bytes, **options: Any) -> list[ImportedTrack]:
    return [item for item in read(path, content, **options) if isinstance(item, ImportedTrack)]


class TestLayouts:
    def test_exportify_is_understood_unasked(self, file: Path) -> None:
        row = 'spotify:track:1,Harbour Lights,"The Quiet Tide, Ines",Low Water,2022-12-21,251874,true,'
        row += "US-AB1-22-00001,2026-03-29T17:03:53Z"
        song = tracks(file, f"{EXPORTIFY}\n{row}\n")[0]

        assert song == ImportedTrack(
            source_track_id="spotify:track:1",
            entry=1,
            line=2,
            title="Harbour Lights",
            artist="The Quiet Tide, Ines",
            album="Low Water",
            year=2022,
            release_date=date(2022, 12, 21),
            duration_ms=251_874,
            isrc="USAB12200001",
            explicit=True,
            added_at=datetime(2026, 3, 29, 17, 3, 53, tzinfo=UTC),
        )

    def test_exportify_is_understood_in_german(self, file: Path) -> None:
        cells = ["spotify:track:1", "Lied", "spotify:artist:9", "Band", "spotify:album:8", "Platte", "spotify:artist:9"]
        cells += ["Band", "1989", "http://x", "1", "6", "137773", "", "false", "0", "USEP40403306", "", ""]
        row = ",".join(f'"{cell}"' for cell in cells)
        song = tracks(file, f"{EXPORTIFY_GERMAN}\n{row}\n")[0]

        assert (song.title, song.artist, song.album_artist, song.album) == ("Lied", "Band", "Band", "Platte")
        assert (song.year, song.disc_number, song.track_number, song.duration_ms) == (1989, 1, 6, 137_773)

    @pytest.mark.parametrize(
        "header",
        [
            pytest.param(
                "Nombre de la canción,Nombre(s) del artista,Nombre del álbum,Duración de la canción (ms)", id="es"
            ),
            pytest.param("Nom du titre,Nom(s) de l'artiste,Nom de l'album,Durée du titre (ms)", id="fr"),
            pytest.param("Nome della traccia,Nome/i artista/i,Nome dell'album,Durata traccia (ms)", id="it"),
            pytest.param("Nome da faixa,Nome(s) do artista,Nome do álbum,Duração da faixa (ms)", id="pt"),
            pytest.param("Tracknaam,Artiestennaam,Albumnaam,Duur nummer (ms)", id="nl"),
            pytest.param("Låtens namn,Artistnamn,Albumnamn,Låtens längd (ms)", id="sv"),
            pytest.param("トラック名,アーティスト名,アルバム名,再生時間 (ms)", id="ja"),
            pytest.param("曲目名称,艺人名称,专辑名称,曲目时长 (毫秒)", id="zh"),
            pytest.param("Название трека,Имя исполнителя,Название альбома,Длительность трека (мс)", id="ru"),
        ],
    )
    def test_headers_are_known_in_many_languages(self, file: Path, header: str) -> None:
        song = tracks(file, f"{header}\nTitle,Artist,Album,5000\n")[0]

        assert (song.title, song.artist, song.album, song.duration_ms) == ("Title", "Artist", "Album", 5_000)

    def test_tunemymusic_uses_the_id_of_the_service(self, file: Path) -> None:
        header = "Track name,Artist name,Album,Playlist name,Type,ISRC,Spotify - id"
        row = '"Venus","Cheek","Venus","mix","Playlist","","3xUH"'

        assert tracks(file, f"{header}\n{row}\n")[0].source_track_id == "3xUH"

    @pytest.mark.parametrize(
        ("header", "field", "value"),
        [
            ("number", "track_number", 7),
            ("length", "duration_ms", 7_000),
            ("duration_ms", "duration_ms", 7),
            ("Length (seconds)", "duration_ms", 7_000),
            ("release_date", "year", 2007),
            ("Plays", "play_count", 7),
            ("#", "track_number", 7),
            ("Disc Number", "disc_number", 7),
        ],
    )
    def test_the_usual_headers_are_understood(self, file: Path, header: str, field: str, value: int) -> None:
        assert getattr(tracks(file, f"title,{header}\nSong,7\n")[0], field) == value

    def test_track_is_the_title_where_there_is_no_other(self, file: Path) -> None:
        song = tracks(file, "Artist,Track\nBand,7\n")[0]

        assert (song.title, song.track_number) == ("7", None)

    def test_the_file_says_which_fields_it_speaks_of(self, file: Path) -> None:
        facts = read(file, "title,released\nSong,1999\n")[0]

        assert isinstance(facts, SourceFacts)
        assert facts.stated_fields == ("title", "year", "release_date", "unparsed")


class TestMapping:
    def test_a_person_may_name_the_columns(self, file: Path) -> None:
        mapping = parse_mapping(["title=song_name", "artist=artist_name", "duration=time", "year=released"])
        text = "id,song_name,artist_name,time,released\nI1,Illusion,Zedd,6:30,18-May-15\n"
        song = tracks(file, text, mapping=mapping, id_column="id")[0]

        assert (song.source_track_id, song.title, song.artist) == ("I1", "Illusion", "Zedd")
        assert (song.duration_ms, song.year, song.release_date) == (390_000, 2015, date(2015, 5, 18))

    def test_a_mapping_wins_over_what_would_be_recognised(self, file: Path) -> None:
        assert tracks(file, "title,real title\nWrong,Right\n", mapping={"title": "Real Title"})[0].title == "Right"

    def test_a_missing_column_is_named_with_those_there_are(self, file: Path) -> None:
        with pytest.raises(UnreadableSource, match=r"no column “song”.*title, artist"):
            read(file, "title,artist\na,b\n", mapping={"title": "song"})

    def test_a_file_without_a_title_is_refused_with_advice(self, file: Path) -> None:
        with pytest.raises(UnreadableSource, match=r"left_id, right_id.*--map title=COLUMN"):
            read(file, "left_id,right_id\n1,2\n")

    @pytest.mark.parametrize(
        ("pair", "reason"),
        [("title", "is not FIELD=COLUMN"), ("title=", "is not FIELD=COLUMN"), ("nose=x", "not a field")],
    )
    def test_a_mapping_that_makes_no_sense_is_refused(self, pair: str, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            parse_mapping([pair])

    def test_unmapped_columns_ids_and_order_reach_nothing_but_the_key(self, file: Path) -> None:
        header = "TID,CID,CTID,SourceID,id,number,title,length,artist,album,year,language"
        row = "3,2,77,88,MBox1,17,Mustard Gas,129,,There,95,English"
        song = tracks(file, f"{header}\n{row}\n", id_column="TID")[0]

        stated = {name: value for name, value in vars(song).items() if value not in ("", None, {}, False, 0)}
        assert stated == {
            "source_track_id": "3",
            "entry": 1,
            "line": 2,
            "title": "Mustard Gas",
            "album": "There",
            "track_number": 17,
            "duration_ms": 129_000,
            "year": 1995,
        }


class TestUnparsed:
    @pytest.mark.parametrize(
        ("column", "field", "text"),
        [
            ("length", "duration_ms", "unk."),
            ("year", "year", "null"),
            ("number", "track_number", "0D1"),
            ("isrc", "isrc", "test4"),
            ("explicit", "explicit", "perhaps"),
            ("release_date", "release_date", "Patton (1997)"),
        ],
    )
    def test_a_value_that_does_not_parse_is_kept_as_text(self, file: Path, column: str, field: str, text: str) -> None:
        song = tracks(file, f"title,{column}\nSong,{text}\n")[0]

        assert song.unparsed == {field: text}

    def test_a_value_from_another_column_is_kept_in_full(self, file: Path) -> None:
        text = "Illusion ( feat . Echosmith ) Zedd True Colors Dance , Music , Electronic 2015 " * 20
        song = tracks(file, f'title,time\n,"{text}"\n')[0]

        assert (song.title, song.unparsed) == ("", {"duration_ms": text})

    def test_a_length_with_text_behind_it_counts_and_is_kept(self, file: Path) -> None:
        song = tracks(file, "title,time\nSong,3:34 COL Released VAL\n")[0]

        assert (song.duration_ms, song.unparsed) == (214_000, {"duration_ms": "3:34 COL Released VAL"})

    def test_text_columns_are_kept_as_they_stand(self, file: Path) -> None:
        assert tracks(file, 'title,artist\n"  null  ",Unknown Artist\n')[0].title == "  null  "

    def test_text_no_database_keeps_is_mended(self, file: Path) -> None:
        assert tracks(file, "title\nA\x00b\n")[0].title == "Ab"

    def test_blank_cells_are_not_known_and_no_evidence(self, file: Path) -> None:
        song = tracks(file, "title,year,length\nSong, ,\n")[0]

        assert (song.year, song.unparsed) == (None, {})

    def test_a_row_without_anything_is_left_out(self, file: Path) -> None:
        items = read(file, "title,artist\na,b\n,\n\nc,d\n")

        assert [item.line for item in items if isinstance(item, SkippedEntry)] == [3]


class TestDialects:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_the_delimiter_is_found_out(self, file: Path, delimiter: str) -> None:
        text = delimiter.join(["title", "artist", "album"]) + "\n" + delimiter.join(["A", "B", "C"]) + "\n"

        assert tracks(file, text)[0].album == "C"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"])
    def test_the_encoding_is_found_out(self, file: Path, encoding: str) -> None:
        text = "title,artist\nÄrger – “Größe”,Motörhead\n"

        assert tracks(file, text.encode(encoding))[0].title == "Ärger – “Größe”"

    def test_one_latin_letter_late_in_the_file_decides(self, file: Path) -> None:
        content = b"title\n" + b"plain\n" * 200_000 + b"caf\xe9\n"

        assert tracks(file, content)[-1].title == "café"

    def test_a_single_broken_byte_does_not_garble_the_rest(self, file: Path) -> None:
        items = read(file, b"title\n" + "Größe\n".encode() * 100 + b"br\xffken\n")

        assert [item.title for item in items if isinstance(item, ImportedTrack)][-2:] == ["Größe", "br\ufffdken"]
        assert [item.code for item in items if isinstance(item, ImportProblem)] == ["DAMAGED_TEXT"]

    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    def test_every_line_end_is_read(self, file: Path, newline: str) -> None:
        assert len(tracks(file, newline.join(["title", "a", "b", ""]))) == 2

    def test_what_spreadsheets_put_first_is_passed_over(self, file: Path) -> None:
        assert tracks(file, "sep=;\ntitle;artist\na;b\n")[0].artist == "b"

    def test_a_line_break_inside_quotes_belongs_to_the_value(self, file: Path) -> None:
        songs = tracks(file, 'title,artist\n"a\nb",c\nd,e\n')

        assert [(song.title, song.line) for song in songs] == [("a\nb", 2), ("d", 4)]

    def test_cells_beyond_the_header_are_left_out_and_told(self, file: Path) -> None:
        problem = read(file, "title,artist\na,b,c\n")[-1]

        assert isinstance(problem, ImportProblem)
        assert (problem.code, problem.line) == ("SURPLUS_CELLS", 2)

    def test_gzip_is_unpacked(self, file: Path) -> None:
        assert tracks(file, gzip.compress(b"title\nSong\n"))[0].title == "Song"

    def test_a_header_alone_is_an_empty_list(self, file: Path) -> None:
        assert tracks(file, "title,artist\n") == []


class TestDamage:
    def test_a_quote_that_is_never_closed_is_refused_where_it_opens(self, file: Path) -> None:
        text = "title,artist\na,b\n" + '"c,d\n' + "e,f\n" * 50

        with pytest.raises(UnreadableSource, match=r"^Line 3, byte 17: .*never closed"):
            read(file, text)

    def test_a_value_without_end_is_refused(self, file: Path) -> None:
        with pytest.raises(UnreadableSource, match="Line 2, byte 13"):
            read(file, 'title,artist\n"' + "a" * 2_000_000)

    def test_a_cut_archive_names_the_line(self, file: Path) -> None:
        rows = "".join(f"Song {number},{hash(str(number))}\n" for number in range(20_000))
        packed = gzip.compress(f"title,artist\n{rows}".encode())

        with pytest.raises(UnreadableSource, match=r"^Line [\d,]+, byte [\d,]+: The gzip archive ends too early"):
            read(file, packed[: len(packed) // 2])
