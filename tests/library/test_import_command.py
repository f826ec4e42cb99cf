"""`manage.py import_library`: what it prints, what it accepts, and how it ends."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, reset_queries

from library.models import ITunesTrack, LibraryImport, Track
from tests.library.sources import entry, itunes_xml, write

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.django_db


def run(path: Path | str, *arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command("import_library", str(path), *arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Make the disk seem full; a database in memory or in a server of its own does not notice."""
    resource = pytest.importorskip("resource", reason="only POSIX can limit the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return write(tmp_path / "Library.xml", itunes_xml([entry(1), entry(2, Podcast=True)]))


class TestWhatBrokeOff:
    @pytest.mark.parametrize("place", ["file", "/dev/null/work", "/proc/work"])
    def test_a_work_folder_that_cannot_be_is_named_and_nothing_was_changed(
        self, library: Path, tmp_path: Path, settings: Any, place: str
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        settings.WORK_DIR = tmp_path / place if place == "file" else Path(place)

        with pytest.raises(CommandError, match=r"Nothing was changed.*REPRISE_WORK_DIR"):
            run(library)

        assert not Track.objects.exists()
        assert LibraryImport.objects.get().status == "failed"


class TestLogLines:
    @pytest.mark.parametrize(("is_terminal", "lines"), [(True, 0), (False, 1)], ids=["terminal", "elsewhere"])
    def test_a_terminal_shows_bars_and_everything_else_a_line(
        self, library: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any, is_terminal: bool, lines: int
    ) -> None:
        caplog.set_level(logging.INFO)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)

        run(library)

        assert len([one for one in caplog.records if one.name == "library.importing"]) == lines

    def test_a_full_work_folder_leaves_either_database_as_it_was(self, tmp_path: Path, work_dir: Path) -> None:
        path = write(tmp_path / "songs.csv", "title\n" + "".join(f"Song {number}\n" for number in range(20_000)))

        # What the spool still held in its buffer could not be written either, and that left a file and a connection.
        with files_no_larger_than(100_000), pytest.raises(CommandError, match="Nothing was changed"):
            run(path)

        assert (Track.objects.count(), LibraryImport.objects.get().status) == (0, "failed")
        assert not list((work_dir / "imports").iterdir())

    @pytest.mark.usefixtures("empty_sqlite")
    def test_a_full_work_folder_is_named_with_the_way_out_and_nothing_was_changed(self, tmp_path: Path) -> None:
        path = write(tmp_path / "songs.csv", "title\n" + "".join(f"Song {number}\n" for number in range(50_000)))
        # A file may grow to 2 MB here: enough for the database as it is, too little for the spool and its keys.
        script = (
            "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
            "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000)); "
            "from django.core.management import execute_from_command_line as run; "
            f"run(['manage.py', 'import_library', {str(path)!r}])"
        )
        ended = python("-c", script, folder=tmp_path)
        last = ended.stderr.splitlines()[-1]

        assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)
        assert "Nothing was changed" in last
        assert f"{tmp_path / 'work'}, set by REPRISE_WORK_DIR" in last
        assert not list((tmp_path / "work" / "imports").iterdir())
        states = (
            "from library.models import *; print(Track.objects.count(), *LibraryImport.objects.values_list('status'))"
        )
        assert manage("shell", "-v0", "-c", states, folder=tmp_path).stdout.split("\n")[0] == "0 ('failed',)"


class TestReport:
    def test_it_says_what_became_of_every_entry(self, library: Path) -> None:
        text = run(library)

        assert [line.split() for line in text.splitlines()[1:6]] == [
            ["2", "entries", "seen", "="],
            ["1", "added"],
            ["0", "changed"],
            ["0", "unchanged"],
            ["1", "skipped"],
        ]
        assert "PODCAST: A podcast, not a song." in text
        assert text.splitlines()[-1] == f"Import {LibraryImport.objects.get().pk}: completed."

    def test_it_speaks_json(self, library: Path) -> None:
        report = json.loads(run(library, "--output", "json"))

        assert report["seen"] == report["added"] + report["changed"] + report["unchanged"] + report["skipped"]
        assert report["report"]["skipped"]["PODCAST"]["count"] == 1

    def test_a_dry_run_says_so_and_changes_nothing(self, library: Path) -> None:
        text = run(library, "--dry-run")

        assert text.startswith("Would import Library.xml")
        assert text.splitlines()[-1] == f"Dry run {LibraryImport.objects.get().pk}: completed."
        assert not Track.objects.exists()

    def test_a_part_that_was_kept_is_told_with_the_fault(self, tmp_path: Path) -> None:
        xml = itunes_xml([entry(1), entry(2)])
        path = write(tmp_path / "Library.xml", xml[: xml.index("Song 2")])
        text = run(path, "--keep-partial")

        assert f"Kept what was readable before the fault. {path.name}: Line" in text


class TestOptions:
    def test_several_columns_are_mapped_at_once(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", "I,song_name,artist_name,time\n1,Illusion,Zedd,6:30\n")
        run(path, "--map", "title=song_name", "artist=artist_name", "--map", "duration=time", "--id-column", "I")

        song = Track.objects.get()
        assert (song.source_track_id, song.title, song.artist, song.duration_ms) == ("1", "Illusion", "Zedd", 390_000)

    def test_the_source_is_named(self, library: Path) -> None:
        run(library, "--source", "Ines")

        assert Track.objects.get().source == "Ines"

    def test_the_catalogue_is_loaded(self, library: Path) -> None:
        run(library, "--catalog")

        assert (ITunesTrack.objects.count(), Track.objects.count()) == (1, 0)

    def test_the_format_may_be_named(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="malformed"):
            run(write(tmp_path / "a.csv", "title\na\n"), "--format", "itunes")

    def test_home_may_be_written_within_quotes(self, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(library.parent))

        assert "1 added" in run("~/Library.xml")


class TestRefusal:
    @pytest.mark.parametrize("path", ["/no/such/Library.xml", "~nobody-of-that-name/Library.xml"])
    def test_the_path_is_named_as_it_was_given(self, path: str) -> None:
        with pytest.raises(CommandError, match=f"^{path}: There is no such file or folder"):
            run(path)

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            pytest.param(["--map", "title"], "is not FIELD=COLUMN", id="half a mapping"),
            pytest.param(["--map", "nose=x"], "is not a field", id="no such field"),
            pytest.param(["--map", "title=x"], "CSV only", id="a mapping without CSV"),
        ],
    )
    def test_options_that_make_no_sense_are_refused(self, library: Path, arguments: list[str], reason: str) -> None:
        with pytest.raises(CommandError, match=reason):
            run(library, *arguments)

    @pytest.mark.usefixtures("empty_sqlite")
    def test_the_process_ends_with_1_and_the_sentence_last(self, tmp_path: Path) -> None:
        ended = manage("import_library", str(write(tmp_path / "a.xml", "<html/>")), folder=tmp_path)

        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.splitlines()[-1].endswith("The root element is <html>, so this is not an iTunes library.")
        assert "Traceback" not in ended.stderr

    def test_a_database_without_tables_is_no_traceback(self, tmp_path: Path) -> None:
        ended = manage("import_library", str(write(tmp_path / "a.csv", "title\na\n")), folder=tmp_path)

        assert ended.returncode == 1
        assert "Traceback" not in ended.stderr


class TestMemory:
    """300 MB of XML in under 64 MB, most of which Python and Django need for themselves."""

    @pytest.mark.usefixtures("empty_sqlite")
    def test_an_import_loads_neither_the_engine_nor_the_pages_of_the_site(self, tmp_path: Path) -> None:
        path = write(tmp_path / "Library.xml", itunes_xml([entry(1)]))
        script = (
            "import sys; from django.core.management import execute_from_command_line as run; "
            f"run(['manage.py', 'import_library', {str(path)!r}]); print(*sys.modules, sep=chr(10))"
        )
        loaded = set(python("-c", script, folder=tmp_path).stdout.splitlines())

        assert "library.importing" in loaded
        assert not loaded & {"polars", "numpy", "scipy", "rapidfuzz", "tinytag", "tqdm", "duplicates.admin"}

    def test_no_log_of_statements_is_kept(self, library: Path, settings: Any) -> None:
        settings.DEBUG = True
        reset_queries()
        run(library)

        assert not [query for query in connection.queries if "library_track" in query["sql"]]
        assert connection.queries  # and everything else is logged as ever


def manage(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return python(str(ROOT / "manage.py"), *arguments, folder=folder)


def python(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "REPRISE_WORK_DIR": str(folder / "work")}
    environment["DATABASE_URL"] = f"sqlite:///{folder / 'db.sqlite3'}"
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
