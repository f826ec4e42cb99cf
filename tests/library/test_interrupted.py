"""Imports that were cut short: completed by the next one, or closed with a sentence, and never applied twice."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from library import applying, interrupted
from library.importers.spool import SpoolLock
from library.importing import Silence
from library.interrupted import complete_interrupted_imports
from library.models import LibraryChange, LibraryImport, LibraryRevision, Track
from tests.library.sources import NOW, entry, itunes_xml, playlist, run_import, write

ROOT = Path(__file__).resolve().parent.parent.parent


class StopsAfter(Silence):
    """Asks to stop once so many entries were applied, as a first Ctrl-C does."""

    def __init__(self, entries: int) -> None:
        self.left = entries
        self.is_applying = False

    def stage(self, name: str, total: int | None) -> None:
        self.is_applying = name.startswith("Applying")

    def advance(self, entries: int) -> None:
        self.left -= entries if self.is_applying else 0
        if self.is_applying and self.left <= 0:
            raise KeyboardInterrupt


def csv_of(path: Path, count: int) -> Path:
    return write(path, "k,title\n" + "".join(f"{number},Song {number}\n" for number in range(count)))


def begin(tmp_path: Path, *, rows: int = 3_000, applied: int = 1_000) -> LibraryImport:
    """Leave an import that was cut short after `applied` rows."""
    with pytest.raises(KeyboardInterrupt):
        run_import(csv_of(tmp_path / "songs.csv", rows), id_column="k", progress=StopsAfter(applied))
    return LibraryImport.objects.get()


def complete(**options: Any) -> list[LibraryImport]:
    return complete_interrupted_imports(**{"now": NOW, "progress": Silence()} | options)


@pytest.mark.django_db
class TestStopped:
    def test_a_stopped_import_stands_at_the_end_of_a_batch(self, tmp_path: Path) -> None:
        row = begin(tmp_path)

        assert (row.status, row.applied_entries, row.added_count, Track.objects.count()) == (
            "applying",
            1_000,
            1_000,
            1_000,
        )

    def test_the_next_import_completes_it(self, tmp_path: Path, work_dir: Path) -> None:
        row = begin(tmp_path)
        run_import(write(tmp_path / "other.csv", "title\na\n"))
        row.refresh_from_db()

        assert (row.status, row.seen_count, row.added_count) == ("completed", 3_000, 3_000)
        assert Track.objects.from_source("songs.csv").count() == 3_000
        assert not list((work_dir / "imports").iterdir())

    def test_playlists_are_completed_too(self, tmp_path: Path) -> None:
        xml = itunes_xml([entry(1), entry(2)], [playlist("A", [101]), playlist("B", [102, 101])])
        with pytest.raises(KeyboardInterrupt):
            run_import(write(tmp_path / "Library.xml", xml), progress=StopsAfter(3))
        row = complete()[0]

        assert (row.added_count, row.playlist_count, row.report["playlists"]) == (2, 2, {"added": 2})

    def test_an_import_stopped_while_reading_changed_nothing(self, tmp_path: Path, work_dir: Path) -> None:
        class StopsReading(Silence):
            def advance(self, entries: int) -> None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_import(csv_of(tmp_path / "songs.csv", 3_000), progress=StopsReading())
        row = LibraryImport.objects.get()

        assert (row.status, row.error_message) == ("failed", "The import was stopped on request. Nothing was changed.")
        assert not list((work_dir / "imports").iterdir())

    def test_a_dry_run_leaves_it_as_it_is(self, tmp_path: Path) -> None:
        begin(tmp_path)
        run_import(write(tmp_path / "other.csv", "title\na\n"), dry_run=True)

        assert [row.status for row in LibraryImport.objects.order_by("is_dry_run")] == ["applying", "completed"]


@pytest.mark.django_db
class TestGivenUp:
    @pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"[]")], ids=["gone", "damaged"])
    def test_an_import_whose_spool_cannot_be_used_is_closed_with_advice(
        self, tmp_path: Path, work_dir: Path, damage: Any
    ) -> None:
        row = begin(tmp_path)
        damage(work_dir / "imports" / row.spool)
        complete()
        row.refresh_from_db()

        assert row.status == "failed"
        assert "after 1,000 entries" in row.error_message
        assert "import the file again" in row.error_message

    def test_importing_the_file_again_completes_it(self, tmp_path: Path, work_dir: Path) -> None:
        row = begin(tmp_path)
        (work_dir / "imports" / row.spool).unlink()
        again = run_import(tmp_path / "songs.csv", id_column="k")

        assert (again.unchanged_count, again.added_count) == (1_000, 2_000)

    def test_a_spool_on_another_machine_is_waited_for_a_day(self, tmp_path: Path, work_dir: Path) -> None:
        row = begin(tmp_path)
        (work_dir / "imports" / row.spool).unlink()
        LibraryImport.objects.update(options=row.options | {"host": "another"})

        assert complete(now=NOW + timedelta(hours=23)) == []
        assert [item.status for item in complete(now=NOW + timedelta(hours=25))] == ["failed"]

    def test_one_without_a_spool_is_closed_only_after_a_day(self, work_dir: Path) -> None:
        """The folder of all spools was taken for its spool, so that it was closed at once, also on another machine."""
        row = LibraryImport.objects.create(status="reading", started_at=NOW, options={"host": "another"})

        assert complete(now=NOW + timedelta(hours=23)) == []
        assert complete(now=NOW + timedelta(hours=25)) == [row]

    def test_an_import_that_died_while_reading_is_closed(self, tmp_path: Path, work_dir: Path) -> None:
        begin(tmp_path)
        LibraryImport.objects.update(status="reading")

        assert [(row.status, "Nothing was changed" in row.error_message) for row in complete()] == [("failed", True)]


@pytest.mark.django_db
class TestTogether:
    def test_an_import_under_way_is_left_to_its_process(self, tmp_path: Path, work_dir: Path) -> None:
        row = begin(tmp_path)
        with SpoolLock(work_dir / "imports" / row.spool):
            assert complete() == []

        assert LibraryImport.objects.get().status == "applying"

    def test_a_run_that_was_overtaken_stops(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        begin(tmp_path)
        move_mark = applying.Application._move_mark

        def overtaken(self: applying.Application, entries: int) -> None:
            LibraryImport.objects.update(applied_entries=2_500)
            move_mark(self, entries)

        monkeypatch.setattr(applying.Application, "_move_mark", overtaken)

        assert complete() == []

    def test_a_passing_fault_of_the_database_is_tried_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, transactional_db: None
    ) -> None:
        settings.DATABASE_RETRY_SECONDS = 0.01
        move_mark = applying.Application._move_mark
        faults = iter([True, True, False, False])

        def sometimes(self: applying.Application, entries: int) -> None:
            move_mark(self, entries)
            if next(faults):
                raise OperationalError("database is locked")

        monkeypatch.setattr(applying.Application, "_move_mark", sometimes)
        row = run_import(csv_of(tmp_path / "songs.csv", 10), id_column="k")

        assert (row.added_count, row.changed_count, Track.objects.count()) == (10, 0, 10)


@pytest.fixture
def shared_database(transactional_db: None) -> dict[str, str]:
    """The environment in which another process sees the test's database."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        if "memory" in name:
            pytest.skip("another process cannot see a database in memory")
        address = f"sqlite:///{name}"
    else:
        given = connection.settings_dict
        address = f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{name}"
    return {**os.environ, "DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "tests.settings"}


class TestKilled:
    def test_a_kill_in_mid_apply_is_completed_by_the_next_run(
        self, tmp_path: Path, settings: Any, shared_database: dict[str, str]
    ) -> None:
        path = csv_of(tmp_path / "songs.csv", 30_000)
        command = [sys.executable, str(ROOT / "manage.py"), "import_library", str(path), "--id-column", "k"]
        environment = {**shared_database, "REPRISE_WORK_DIR": str(settings.WORK_DIR)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until(lambda: Track.objects.count() >= 3_000, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        killed = LibraryImport.objects.get()
        assert (killed.status, killed.applied_entries) == ("applying", Track.objects.count())
        assert 3_000 <= killed.applied_entries < 30_000

        run_import(write(tmp_path / "other.csv", "title\na\n"))
        killed.refresh_from_db()

        assert (killed.status, killed.added_count, killed.seen_count) == ("completed", 30_000, 30_000)
        assert Track.objects.from_source("songs.csv").count() == 30_000
        assert LibraryChange.objects.count() == 30_001
        assert not list(interrupted.spool_folder().iterdir())

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
    def test_a_request_to_stop_ends_at_a_batch_and_the_next_run_goes_on(
        self, tmp_path: Path, settings: Any, shared_database: dict[str, str], number: signal.Signals
    ) -> None:
        path = csv_of(tmp_path / "songs.csv", 30_000)
        command = [sys.executable, str(ROOT / "manage.py"), "import_library", str(path), "--id-column", "k"]
        environment = {**shared_database, "REPRISE_WORK_DIR": str(settings.WORK_DIR)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _wait_until(lambda: Track.objects.count() >= 1_000, process)
            process.send_signal(number)
            last = process.communicate(timeout=60)[1].decode().splitlines()[-1]
        finally:
            process.kill()
            process.wait()
        stopped = LibraryImport.objects.get()

        assert (process.returncode, last) == (
            1,
            "CommandError: Stopped. Run an import again: it completes first what was begun.",
        )
        assert (stopped.status, stopped.applied_entries) == ("applying", Track.objects.count())
        assert stopped.applied_entries % applying.BATCH_ROWS == 0
        assert [row.status for row in complete()] == ["completed"]
        assert Track.objects.count() == 30_000

    def test_two_imports_at_once_leave_one_library(
        self, tmp_path: Path, settings: Any, shared_database: dict[str, str]
    ) -> None:
        path = csv_of(tmp_path / "songs.csv", 8_000)
        command = [sys.executable, str(ROOT / "manage.py"), "import_library", str(path), "--id-column", "k"]
        environment = {**shared_database, "REPRISE_WORK_DIR": str(settings.WORK_DIR)}
        processes = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(2)]

        assert [process.wait(timeout=120) for process in processes] == [0, 0]
        rows = LibraryImport.objects.all()
        assert [row.added_count + row.unchanged_count for row in rows] == [8_000, 8_000]
        assert sum(row.added_count for row in rows) == Track.objects.count() == 8_000
        assert LibraryRevision.objects.get().value <= LibraryChange.objects.count() == 8_000


def _wait_until(is_done: Any, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while not is_done():
        assert process.poll() is None, "the import ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.005)
