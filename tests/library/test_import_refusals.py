"""What cannot be imported: refused in a sentence with its place, and no value that a database could refuse."""

import re
from pathlib import Path
from typing import Any

import pytest

from library.importing import ImportRefused
from library.models import LibraryImport, Track
from tests.library.sources import NOW, entry, flac, itunes_xml, run_import, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


class TestRefusals:
    def test_a_damaged_source_changes_nothing_and_says_where(self, tmp_path: Path, work_dir: Path) -> None:
        xml = itunes_xml([entry(number) for number in range(1, 50)])
        path = write(tmp_path / "Library.xml", xml[:-300])

        with pytest.raises(ImportRefused, match=rf"^{re.escape(str(path))}: Line \d+, byte [\d,]+: ") as caught:
            run_import(path)

        assert caught.value.code == "ITUNES_LIBRARY_UNREADABLE"
        assert (Track.objects.count(), LibraryImport.objects.get().status) == (0, "failed")
        assert not list((work_dir / "imports").iterdir())

    def test_what_was_readable_is_kept_on_request(self, tmp_path: Path) -> None:
        xml = itunes_xml([entry(1), entry(2), entry(3)])
        row = run_import(write(tmp_path / "Library.xml", xml[: xml.index("Song 3")]), keep_partial=True)

        assert (row.status, row.seen_count, Track.objects.count()) == ("partial", 2, 2)
        assert "The file ends in the middle" in LibraryImport.objects.get().error_message

    @pytest.mark.parametrize(
        ("name", "content", "options", "reason"),
        [
            pytest.param("a.xml", "", {}, "empty", id="an empty file"),
            pytest.param("a.xml", "<html/>", {}, "<html>", id="a web page"),
            pytest.param("a.csv", ",,\na,b,c\n", {}, "Line 1.*first row is blank", id="a blank header"),
            pytest.param(
                "a.csv",
                "title\n" + "\0" * 200 + "\n" + "abcdefg\n" * 900,
                {},
                "Line 2, byte 6: A line holds 200 NUL",
                id="NULs early",
            ),
            pytest.param(
                "a.csv",
                "title\n" + "abcdefg\n" * 900 + "\0" * 200,
                {},
                "Line 902, byte 7,206: A line holds 200 NUL",
                id="NULs late",
            ),
            pytest.param("a.csv", "title\n" + "\0" * 900, {}, "at byte 6", id="more NULs than text"),
            pytest.param("a.csv", "title\n" + "x" * 3_000_000, {}, "Line 2, byte 6: A line is longer", id="one line"),
            pytest.param("a.csv", "when,amount\n1,2\n", {}, "known as the title", id="another CSV"),
            pytest.param("a.csv", "wh\0en,amount\n1,2\n", {}, "known as the title", id="a NUL in the header"),
            pytest.param("a.bin", "\0\1\2\3", {}, "neither XML nor CSV", id="binary"),
            pytest.param("a.plist", "bplist00", {}, "binary property list", id="a binary property list"),
            pytest.param("a.zip", "PK\3\4", {}, "ZIP", id="an archive"),
            pytest.param("a.mp3", "ID3\3", {}, "single audio file", id="one song"),
            pytest.param("a.xml", "<plist/>", {"mapping": {"title": "x"}}, "CSV only", id="a mapping without CSV"),
            pytest.param("a.csv", "title\na\n", {"format": "audio"}, "needs the other", id="a file as a folder"),
        ],
    )
    def test_what_is_none_of_the_formats_is_refused(
        self, tmp_path: Path, name: str, content: str, options: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(ImportRefused, match=reason):
            run_import(write(tmp_path / name, content), **options)

    def test_a_path_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ImportRefused, match="no such file"):
            run_import(tmp_path / "nowhere.xml")

    def test_an_error_amid_reading_is_kept_without_what_it_quotes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: Any) -> None:
            raise OSError(28, "No space left on device", "/secret/place/spool")

        monkeypatch.setattr("library.importing.resolve_format", full)
        (tmp_path / "a.csv").write_text("title\nOne\n")
        with pytest.raises(OSError, match="secret"):
            run_import(tmp_path / "a.csv")

        stopped = "The import was stopped by an error: No space left on device. Nothing was changed."
        assert LibraryImport.objects.get().error_message == stopped

    def test_a_refusal_leaves_a_row_with_its_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(ImportRefused) as refused:
            run_import(tmp_path / "nowhere.xml")
        row = LibraryImport.objects.get()

        # The person at the prompt gave the path; others who read of the import need not know this machine.
        assert str(refused.value) == f"{tmp_path}/nowhere.xml: There is no such file or folder."
        assert row.error_message == "nowhere.xml: There is no such file or folder."
        assert (row.status, row.completed_at) == ("failed", NOW)
        assert row.report == {"readable_entries": 0, "code": "SOURCE_NOT_FOUND"}


class TestDatabaseLimits:
    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param({"Name": "x" * 100_000}, id="a very long title"),
            pytest.param({"Name": "a\u0001b"}, id="a control character"),
            pytest.param({"Total_Time": 2**70, "Size": 2**70, "Play_Count": 2**40}, id="numbers too large"),
            pytest.param({"Year": -5, "Track_Number": -1, "Rating": 250}, id="numbers out of range"),
            pytest.param({"Kind": "k" * 500, "Location": None}, id="a long kind"),
            pytest.param({"Persistent_ID": "z" * 900}, id="an odd id"),
        ],
    )
    def test_no_value_can_be_refused(self, tmp_path: Path, fields: dict[str, Any]) -> None:
        xml = itunes_xml([entry(1, **fields)]).replace("\u0001", "&#x9;")

        assert run_import(write(tmp_path / "Library.xml", xml)).added_count == 1

    def test_nor_one_of_a_csv(self, tmp_path: Path) -> None:
        header = "title,isrc,year,length,number,rating,plays,size,format,added at,location,k"
        digits = "9" * 400
        row = ["a\0b", digits, digits, digits, digits, "999", digits, digits, "f" * 99, "0001-01-01", "\0", "k" * 999]
        path = write(tmp_path / "a.csv", f"{header}\n{','.join(row)}\n")

        assert run_import(path, id_column="k").added_count == 1

    def test_nor_one_of_an_audio_file(self, music: Path) -> None:
        tags = {"TITLE": "a\0b", "TRACKNUMBER": "9" * 18, "DATE": "9" * 30, "ISRC": "9" * 30}
        (music / "a.flac").write_bytes(flac(**tags))

        assert run_import(music).added_count == 1
