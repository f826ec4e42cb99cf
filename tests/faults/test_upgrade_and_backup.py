"""What docs/deploy.md promises: an upgrade amid runs loses none, and a backup brings everything back."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.databases import new_database
from tests.faults.support import ROOT, House

EVERYTHING = """
    SELECT (SELECT count(*) FROM library_track), (SELECT count(*) FROM duplicates_duplicateanalysisgroup),
           (SELECT count(*) FROM duplicates_auditrecord), (SELECT value FROM library_libraryrevision)
"""
EDIT_A_TRACK = """
import django
django.setup()
from library.models import Track
track = Track.objects.first()
track.title += " again"
track.save()
"""


def test_an_upgrade_amid_a_run_loses_neither_it_nor_those_that_wait(home: House, undisturbed) -> None:
    running = home.queue()
    old = home.worker_paused_at("scoring")
    waiting = home.queue(preset="release")

    old.terminate()
    old.wait(60)
    handed_back = {home.analysis(running)["status"], home.analysis(waiting)["status"]}
    home.manage("migrate", "--noinput")
    home.supervisor()

    assert handed_back == {"queued"}
    for analysis_id in (running, waiting):
        row = home.wait_for(analysis_id, "completed", "failed", seconds=600)
        assert (row["status"], row["attempt"], row["is_partial"]) == ("completed", 1, False)
    assert home.groups(running) == undisturbed


def documented(program: str) -> str:
    """Return the one command of docs/deploy.md that uses a program."""
    (line,) = re.findall(rf"^.*\b{program}\b.*$", (ROOT / "docs" / "deploy.md").read_text(), re.MULTILINE)
    return line


def run(command: str, **values: str) -> None:
    """Run a documented command with this test's own places."""
    for name, value in values.items():
        assert name in command
        command = command.replace(name, value)
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
    path = os.pathsep.join([*map(str, newest), os.environ["PATH"]])
    done = subprocess.run(["sh", "-c", command], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_backup_brings_back_everything(house_to_clean: House, tmp_path: Path) -> None:
    house_to_clean.make_library(50)
    house_to_clean.manage("run_duplicate_analysis")
    before = house_to_clean.rows(EVERYTHING)
    url = house_to_clean.environment["DATABASE_URL"]
    copy = tmp_path / "copy"

    if url.startswith("sqlite"):
        places = {"/srv/reprise/data/db.sqlite3": url.removeprefix("sqlite:///"), ".venv/bin/python": sys.executable}
        run(documented("VACUUM"), **places, **{"/backup/reprise.sqlite3": str(copy)})
        check_restored(House(house_to_clean.environment | {"DATABASE_URL": f"sqlite:///{copy}"}), before)
        return
    if shutil.which("pg_dump") is None and not list(Path("/usr/lib/postgresql").glob("*/bin/pg_dump")):
        pytest.skip("the programs of PostgreSQL are not installed")
    run(documented("pg_dump"), **{"postgres://reprise@localhost/reprise": url, "/backup/reprise.dump": str(copy)})
    with new_database(tmp_path) as new:
        run(documented("pg_restore"), **{"postgres://reprise@localhost/new": new, "/backup/reprise.dump": str(copy)})
        check_restored(House(house_to_clean.environment | {"DATABASE_URL": new}), before)


def check_restored(restored: House, before: list[tuple[object, ...]]) -> None:
    """Everything is there, the schema is whole, and the triggers still record what changes."""
    assert restored.rows(EVERYTHING) == before
    restored.manage("migrate", "--check")
    restored.script(EDIT_A_TRACK)
    assert restored.rows("SELECT value FROM library_libraryrevision") == [(before[0][3] + 1,)]
    refused = restored.manage(
        "shell", "-c", "from duplicates.models import AuditRecord as A; A.objects.all().delete()", check=False
    )
    assert refused.returncode != 0
