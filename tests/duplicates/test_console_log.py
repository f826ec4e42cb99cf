"""The console log of a real run: lines a machine can read in production, and what each line says."""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from duplicates.choices import Phase
from duplicates.services.progress import STAGES

ROOT = Path(__file__).parent.parent.parent
MAKE_LIBRARY = """
import django; django.setup()
from tests.duplicates.library_of import make_library
make_library(copies=60)
"""
BROKEN = """
import django; django.setup()
from django.core.management import call_command
from duplicates.services import saving
saving.save_groups = lambda *args, **kwargs: 1 / 0
call_command("run_duplicate_analysis", "--force-refresh")
"""
TROUBLE = """
import django; django.setup()
from django.core.management import call_command
from django.db import OperationalError
from duplicates.services import loading
count, failed = loading.count_active_tracks, []
def trouble_once():
    if not failed:
        failed.append(1)
        raise OperationalError("database is locked")
    return count()
loading.count_active_tracks = trouble_once
call_command("run_duplicate_analysis", "--force-refresh")
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory, prepared_sqlite: Path) -> dict[str, str]:
    """An installation as it is in production, with 300 tracks."""
    folder = tmp_path_factory.mktemp("production")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "REPRISE_", "LOG_"))}
    environment = clean | {
        "DJANGO_ENV": "production",
        "DJANGO_SECRET_KEY": "x" * 60,
        "DJANGO_ALLOWED_HOSTS": "music.example.org",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "REPRISE_WORK_DIR": str(folder / "work"),
        "PYTHONPATH": str(ROOT),
    }
    shutil.copy(prepared_sqlite, folder / "db.sqlite3")
    run(environment, "-c", MAKE_LIBRARY)
    return environment


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def lines_of(environment: dict[str, str], *arguments: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the id of the analysis and the log; fails where a line is not one JSON object."""
    done = run(environment, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1], [json.loads(line) for line in done.stderr.splitlines()]


@pytest.fixture(scope="module")
def log(production: dict[str, str]) -> tuple[str, list[dict[str, Any]]]:
    """The id of one analysis and its log."""
    return lines_of(production, "manage.py", "run_duplicate_analysis", "--force-refresh")


def test_every_line_is_json_and_carries_the_analysis_id(log: tuple[str, list[dict[str, Any]]]) -> None:
    analysis_id, lines = log

    assert {line["analysis_id"] for line in lines} == {analysis_id}
    assert {line["level"] for line in lines} == {"INFO"}
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)


def test_a_line_of_the_database_within_a_run_carries_its_id_too(production: dict[str, str]) -> None:
    analysis_id, lines = lines_of(production, "-c", TROUBLE)

    (warning,) = (line for line in lines if line["logger"] == "reprise.database")
    assert warning["message"].startswith("Database trouble, trying again in")
    assert {line["analysis_id"] for line in lines} == {analysis_id}


def test_it_begins_with_the_total_and_ends_with_a_summary(log: tuple[str, list[dict[str, Any]]]) -> None:
    _, lines = log
    messages = [line["message"] for line in lines]

    assert messages[0] == "Analysis started: 300 tracks"
    assert re.fullmatch(r"Finished: 300 tracks, \d+ groups, \d+ duplicates in \d+\.\d s", messages[-1])


def test_each_phase_and_each_stage_is_named_once_with_its_time(log: tuple[str, list[dict[str, Any]]]) -> None:
    _, lines = log
    messages = [line["message"] for line in lines]

    assert [message for message in messages if message.startswith("Phase: ")] == [f"Phase: {p.label}" for p in Phase]
    timed = [
        found[1] for message in messages if (found := re.fullmatch(r"Stage (\w+) finished in \d+\.\d\d s", message))
    ]
    assert timed == list(STAGES)
    phases = [
        found[1] for message in messages if (found := re.fullmatch(r"Phase (.+) finished in \d+\.\d\d s", message))
    ]
    assert phases == [str(phase.label) for phase in Phase]


def test_progress_comes_in_steps_of_a_hundred_tracks_and_no_more_than_once_a_second(
    log: tuple[str, list[dict[str, Any]]],
) -> None:
    _, lines = log
    reports = [line for line in lines if " of 300 tracks, " in line["message"]]

    assert reports
    assert all(re.search(r": \d{3} of 300 tracks, \d+\.\d %$", line["message"]) for line in reports)
    assert all(first["time"] != second["time"] for first, second in pairwise(reports))


def test_an_error_is_one_line_too_with_its_traceback(production: dict[str, str]) -> None:
    done = run(production, "-c", BROKEN)
    errors = [json.loads(line) for line in done.stderr.splitlines() if '"ERROR"' in line]

    assert [error["message"] for error in errors] == ["The analysis stopped because of an internal error."]
    assert "ZeroDivisionError" in errors[0]["traceback"]
    assert errors[0]["analysis_id"]


def test_details_are_for_those_who_ask(production: dict[str, str]) -> None:
    done = run(production | {"LOG_LEVEL": "DEBUG"}, "manage.py", "run_duplicate_analysis", "--force-refresh")

    details = [line for line in map(json.loads, done.stderr.splitlines()) if line["level"] == "DEBUG"]
    assert [line["message"] for line in details if line["message"].startswith("Stage load")] == [
        "Stage load: 300 units"
    ]
