"""The removal plan: what it says, and what its script really does with the worst file names there are."""

# ruff: noqa: PTH108, PTH118, PTH208, PTH211

import csv
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command

from duplicates.exceptions import InvalidOptions
from duplicates.models import AuditRecord
from duplicates.services.file_paths import path_of, playlist_line, quoted_for_shell
from duplicates.services.removal_plan import CSV_NAME, M3U_NAME, SCRIPT_NAME, RemovalPlan, export_removal_plan
from library.importers.audio_folder import location_of
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.test_removal import NOW, remove

pytestmark = pytest.mark.django_db
NASTY = [
    b"new\nline.mp3",
    b"quo'te.mp3",
    b"'''.mp3",
    b'dou"ble.mp3',
    b"-rf",
    b"--help",
    b"$(touch pwned).mp3",
    b"`touch pwned`.mp3",
    b"; touch pwned #.mp3",
    b"back\\slash\\n.mp3",
    b" space ",
    b"*.mp3",
    b"~",
    b"#EXTM3U",
    b"\xff\xfe invalid.mp3",
    b"\x01\x1b[31m control.mp3",
    "Ænima – 見本.flac".encode(),
]


class Disk:
    """A folder of music: one file that is kept, and copies of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.fsencode(folder)
        self.kept = self.write(b"kept.flac")

    def write(self, name: bytes, content: bytes = b"music") -> bytes:
        path = os.path.join(self.folder, name)
        Path(os.fsdecode(path)).write_bytes(content)
        return path

    def removed(self, path: bytes, **values: object) -> Track:
        """Remove a copy that is this file, in favour of the one that is kept."""
        keeper = copy(location=location_of(self.kept))
        gone = copy(**{"location": location_of(path), "size_bytes": 5, **values})
        remove(group_of(keeper, gone), gone)
        return gone

    def names(self) -> set[bytes]:
        return set(os.listdir(self.folder))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    (tmp_path / "music").mkdir()
    return Disk(tmp_path / "music")


def plan(folder: Path) -> RemovalPlan:
    return export_removal_plan(folder, actor=None, now=NOW)


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", SCRIPT_NAME, *options], cwd=folder, capture_output=True, check=False)


class TestTheScript:
    def test_deletes_every_name_a_file_can_have_and_nothing_else(self, disk: Disk, tmp_path: Path) -> None:
        for name in NASTY:
            disk.removed(disk.write(name))
        disk.write(b"bystander.mp3")
        plan(tmp_path / "plan")

        done = run(tmp_path / "plan", "--delete")

        assert (done.returncode, done.stderr) == (0, b"")
        assert disk.names() == {b"kept.flac", b"bystander.mp3"}
        assert {path.name for path in (tmp_path / "plan").iterdir()} == {CSV_NAME, M3U_NAME, SCRIPT_NAME}
        assert done.stdout.endswith(f"{len(NASTY)} deleted, 0 left alone, 0 failed.\n".encode())

    def test_changes_nothing_unless_it_is_told_to(self, disk: Disk, tmp_path: Path) -> None:
        for name in NASTY:
            disk.removed(disk.write(name))
        before = disk.names()
        plan(tmp_path / "plan")

        done = run(tmp_path / "plan")

        assert disk.names() == before
        assert f"{len(NASTY)} would be deleted, 0 left alone. Nothing was changed".encode() in done.stdout
        assert b"\x1b" not in done.stdout

    def test_refuses_an_option_it_does_not_know(self, disk: Disk, tmp_path: Path) -> None:
        disk.removed(disk.write(b"copy.mp3"))
        plan(tmp_path / "plan")

        assert run(tmp_path / "plan", "--delte").returncode == 2
        assert b"copy.mp3" in disk.names()

    @pytest.mark.parametrize(
        ("spoil", "says"),
        [
            pytest.param(lambda disk, path: os.unlink(disk.kept), b"the file to keep is not there", id="kept is gone"),
            pytest.param(lambda disk, path: os.unlink(path), b"it is not there", id="copy is gone"),
            pytest.param(lambda disk, path: disk.write(b"copy.mp3", b"others"), b"another size", id="changed"),
            pytest.param(
                lambda disk, path: (os.unlink(path), os.link(disk.kept, path)), b"it is the file to keep", id="one file"
            ),
            pytest.param(
                lambda disk, path: (os.unlink(path), os.symlink(disk.kept, path)), b"it is not there", id="a link"
            ),
        ],
    )
    def test_leaves_a_file_alone_when_it_is_not_what_was_planned(
        self, disk: Disk, tmp_path: Path, spoil: object, says: bytes
    ) -> None:
        path = disk.write(b"copy.mp3")
        disk.removed(path)
        plan(tmp_path / "plan")
        spoil(disk, path)  # type: ignore[operator]
        before = disk.names()

        done = run(tmp_path / "plan", "--delete")

        assert disk.names() == before
        assert says in done.stdout

    def test_a_line_of_a_title_is_no_line_of_the_script(self, disk: Disk, tmp_path: Path) -> None:
        disk.removed(disk.write(b"copy.mp3"), title="x\ntouch pwned\n", artist="'; touch pwned; '")
        plan(tmp_path / "plan")

        run(tmp_path / "plan", "--delete")

        assert not (tmp_path / "plan" / "pwned").exists()


class TestWhatIsLeftOut:
    def plan_of(self, tmp_path: Path) -> dict[str, str]:
        plan(tmp_path / "plan")
        with (tmp_path / "plan" / CSV_NAME).open(newline="") as rows:
            return {row["track_id"]: row["why_not"] for row in csv.DictReader(rows)}

    @pytest.mark.parametrize(
        "location",
        [
            pytest.param("", id="none"),
            pytest.param("http://example.org/a.mp3", id="web"),
            pytest.param("C:\\Music\\a.mp3", id="Windows"),
            pytest.param("file://localhost/C:/Music/a.mp3", id="iTunes on Windows"),
            pytest.param("Music/a.mp3", id="relative"),
            pytest.param("file://nas/share/a.mp3", id="another machine"),
        ],
    )
    def test_a_file_of_another_system(self, disk: Disk, tmp_path: Path, location: str) -> None:
        gone = disk.removed(b"", location=location)

        assert "names no file" in self.plan_of(tmp_path)[str(gone.pk)]

    def test_the_very_file_that_was_kept(self, disk: Disk, tmp_path: Path) -> None:
        gone = disk.removed(disk.kept)

        assert "the file of the track that was kept" in self.plan_of(tmp_path)[str(gone.pk)]

    @pytest.mark.parametrize(
        "write",
        [
            pytest.param(location_of, id="the same"),
            pytest.param(lambda path: f"file://localhost{quote(path)}", id="an iTunes address"),
            pytest.param(lambda path: os.fsdecode(path).replace("copy", "Copy"), id="case"),
            pytest.param(lambda path: os.fsdecode(path).replace("/copy", "//./copy"), id="slashes"),
            pytest.param(lambda path: normalize("NFD", os.fsdecode(path)), id="accents of their own"),
        ],
    )
    def test_a_file_that_another_track_is_by_another_way_of_writing(
        self, disk: Disk, tmp_path: Path, write: Callable[[bytes], str]
    ) -> None:
        path = disk.write("copy été.mp3".encode())
        gone = disk.removed(path)
        copy(location=write(path))

        assert "another track of the library" in self.plan_of(tmp_path)[str(gone.pk)]

    def test_a_copy_whose_keeper_is_gone(self, disk: Disk, tmp_path: Path) -> None:
        gone = disk.removed(disk.write(b"copy.mp3"))
        Track.objects.active().delete()

        assert "not in the library any more" in self.plan_of(tmp_path)[str(gone.pk)]

    def test_what_was_undone_or_never_removed(self, disk: Disk, tmp_path: Path) -> None:
        gone = disk.removed(disk.write(b"copy.mp3"))

        assert list(self.plan_of(tmp_path)) == [str(gone.pk)]


class TestTheOtherFiles:
    def test_the_playlist_has_two_lines_a_file_whatever_it_is_called(self, disk: Disk, tmp_path: Path) -> None:
        for name in NASTY:
            disk.removed(disk.write(name), title="Two\nlines")

        plan(tmp_path / "plan")

        lines = (tmp_path / "plan" / M3U_NAME).read_bytes().split(b"\n")
        assert len(lines) == 1 + 2 * len(NASTY) + 1
        paths = {path_of(line.decode()) for line in lines[2::2]}
        assert paths == {os.path.join(disk.folder, name) for name in NASTY}

    def test_a_title_that_is_a_formula_is_shown_as_it_is(self, disk: Disk, tmp_path: Path) -> None:
        disk.removed(disk.write(b"copy.mp3"), title="=HYPERLINK(1)")

        plan(tmp_path / "plan")

        assert "'=HYPERLINK(1)" in (tmp_path / "plan" / CSV_NAME).read_text()

    def test_are_readable_by_their_owner_only(self, disk: Disk, tmp_path: Path) -> None:
        disk.removed(disk.write(b"copy.mp3"))

        plan(tmp_path / "plan")

        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "plan").iterdir()} == {0o600}

    def test_the_audit_trail_says_how_much_was_planned(self, disk: Disk, tmp_path: Path) -> None:
        disk.removed(disk.write(b"copy.mp3"))

        found = plan(tmp_path / "plan")

        assert (found.tracks, found.in_script, found.bytes_in_script) == (1, 1, 5)
        assert AuditRecord.objects.get(action="removal_plan.exported").counts["files"] == 1


class TestTheCommand:
    def test_writes_and_says_what_to_do(self, disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        disk.removed(disk.write(b"copy.mp3"))

        call_command("export_removal_plan", str(tmp_path / "plan"))

        shown = capsys.readouterr().out
        assert "1 removed tracks; 1 files in the script" in shown
        assert "sh removal-plan.sh" in shown

    def test_refuses_where_nothing_was_removed(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="Nothing is in quarantine"):
            call_command("export_removal_plan", str(tmp_path / "plan"))
        assert not (tmp_path / "plan").exists()

    def test_takes_one_batch(self, disk: Disk, tmp_path: Path) -> None:
        disk.removed(disk.write(b"one.mp3"))
        kept, gone = copy(), copy()
        action = remove(group_of(kept, gone), gone)

        found = export_removal_plan(tmp_path / "plan", actor=None, now=NOW, batch_id=action.batch_id)

        assert (found.tracks, found.in_script) == (1, 0)

    def test_of_a_source_without_removed_tracks_is_refused(self, disk: Disk, tmp_path: Path) -> None:
        disk.removed(disk.write(b"one.mp3"))

        with pytest.raises(InvalidOptions):
            export_removal_plan(tmp_path / "plan", actor=None, now=NOW, source="elsewhere")


def test_an_itunes_address_is_a_path() -> None:
    assert path_of("file://localhost/Users/m/" + quote("Ænima's.mp3")) == "/Users/m/Ænima's.mp3".encode()


def test_one_word_for_the_shell() -> None:
    assert quoted_for_shell(b"it's") == b"'it'\\''s'"


def test_a_path_that_breaks_no_line_stays_as_it_is() -> None:
    assert playlist_line(b"/a b/#1.mp3") == b"/a b/#1.mp3"
