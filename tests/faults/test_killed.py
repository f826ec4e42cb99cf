"""Workers that are killed, frozen, stopped and starved: a reader sees the old result or the new one."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from duplicates.services.progress import STAGES
from tests.faults.support import House

IN_CI = ("scoring", "saving")  # the other stages run with the full form
WITH_GROUPS = ("keeper", "cross_reference", "saving")  # from here on there is something to keep
DOORS = ("command", "api", "page")
CANCEL_SECONDS = 2.0  # from the wish to the row that says so


@pytest.mark.parametrize(
    "stage", [stage if stage in IN_CI else pytest.param(stage, marks=pytest.mark.slow) for stage in STAGES]
)
def test_a_run_killed_in_any_stage_is_finished_by_another_worker(home: House, undisturbed, stage: str) -> None:
    analysis_id = home.queue()
    home.worker_paused_at(stage).kill()
    killed_at = time.monotonic()

    home.supervisor()
    row = home.wait_for(analysis_id, "completed", "failed", seconds=600)

    print(f"killed in {stage}: finished by another worker {time.monotonic() - killed_at:.1f} s later")
    assert row["status"] == "completed"
    assert row["attempt"] > 1  # on a crowded machine the next worker may lose its short lease, too
    assert home.groups(analysis_id) == undisturbed


def test_an_owner_frozen_past_its_lease_changes_nothing_when_it_wakes_up(home: House, undisturbed) -> None:
    analysis_id = home.queue()
    frozen = home.worker_paused_at("saving", seconds=1)
    frozen.send_signal(signal.SIGSTOP)

    home.supervisor()
    home.wait_for(analysis_id, "completed", seconds=600)
    found = home.groups(analysis_id)
    frozen.send_signal(signal.SIGCONT)
    time.sleep(4)

    assert home.groups(analysis_id) == found == undisturbed
    assert home.analysis(analysis_id)["attempt"] > 1


def test_a_worker_asked_to_stop_hands_back_and_loses_no_attempt(home: House, undisturbed) -> None:
    analysis_id = home.queue()
    worker = home.worker_paused_at("scoring")
    worker.terminate()
    worker.wait(60)

    assert home.analysis(analysis_id)["status"] == "queued"
    home.supervisor()
    assert home.wait_for(analysis_id, "completed", seconds=600)["attempt"] == 1
    assert home.groups(analysis_id) == undisturbed


def test_a_supervisor_restarts_a_worker_that_was_killed_and_stops_with_all_of_them(home: House) -> None:
    supervisor = home.supervisor(processes=2)
    first = home.wait_until(home.workers, lambda seen: len(seen) == 2)

    os.kill(min(first), signal.SIGKILL)
    second = home.wait_until(home.workers, lambda seen: len(seen - first) == 1)
    supervisor.terminate()
    supervisor.wait(60)

    for process_id in first | second:
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)


def test_workers_end_when_their_supervisor_is_killed(home: House) -> None:
    supervisor = home.supervisor()
    (worker,) = home.wait_until(home.workers, lambda seen: len(seen) == 1)

    supervisor.kill()

    home.wait_until(home.workers, lambda seen: worker not in seen, seconds=30)


@pytest.mark.parametrize(
    "stage", [stage if stage in IN_CI else pytest.param(stage, marks=pytest.mark.slow) for stage in STAGES]
)
def test_a_cancel_takes_effect_within_two_seconds_in_any_stage(
    home: House, undisturbed, earlier: str, stage: str
) -> None:
    analysis_id = home.queue()
    worker = home.worker_paused_at(stage)

    seconds, _ = home.cancel(analysis_id, DOORS[list(STAGES).index(stage) % len(DOORS)])
    row = home.wait_until(lambda: home.analysis(analysis_id), lambda row: row["lease_token"] is None)

    print(f"cancelled in {stage} after {seconds:.2f} s")
    assert seconds < CANCEL_SECONDS
    assert row["status"] == "cancelled"
    assert bool(row["is_partial"]) is (stage in WITH_GROUPS)
    assert home.groups(earlier) == undisturbed
    worker.terminate()  # settles its own task; one left by a worker that was killed earlier does not count
    worker.wait(20)
    home.manage("cleanup_analyses", "--checkpoint-hours", "0")
    assert [path for path in _checkpoints(home).rglob("*") if path.is_file()] == []
    assert _tasks(home, "SUCCESSFUL") == _tasks(home, "FAILED") == 0


def test_other_writers_do_not_disturb_a_run_that_reads_the_library(home: House, undisturbed) -> None:
    """SQLite refuses to let a connection write that reads from before another one's write; the run's progress did."""
    analysis_id = home.queue()
    home.worker_paused_at("load", seconds=3, midway=True)

    other = home.queue(search="other")
    row = home.wait_for(analysis_id, "completed", "failed", seconds=120)

    assert (row["status"], row["error_code"]) == ("completed", "")
    assert home.groups(analysis_id) == undisturbed
    home.wait_for(other, "completed", seconds=120)


@pytest.mark.parametrize("door", DOORS)
def test_a_cancel_is_not_kept_waiting_until_the_library_is_read(home: House, undisturbed, door: str) -> None:
    """PostgreSQL reads in one transaction; progress written in it kept the row locked against the cancel."""
    analysis_id = home.queue()
    home.worker_paused_at("load", seconds=20, midway=True)

    seconds, _ = home.cancel(analysis_id, door)

    assert seconds < CANCEL_SECONDS


def test_a_cancel_takes_effect_while_the_worker_is_frozen(home: House, undisturbed) -> None:
    analysis_id = home.queue()
    frozen = home.worker_paused_at("scoring", seconds=1)
    frozen.send_signal(signal.SIGSTOP)

    seconds, _ = home.cancel(analysis_id, "command")
    frozen.send_signal(signal.SIGCONT)
    row = home.wait_until(lambda: home.analysis(analysis_id), lambda row: row["lease_token"] is None)

    assert seconds < CANCEL_SECONDS
    assert (row["status"], row["attempt"]) == ("cancelled", 1)


@pytest.mark.parametrize(
    "stage", [stage if stage in IN_CI else pytest.param(stage, marks=pytest.mark.slow) for stage in STAGES]
)
def test_a_timeout_in_any_stage_keeps_what_was_found_and_leaves_nothing_else(
    home: House, undisturbed, earlier: str, stage: str
) -> None:
    analysis_id = home.queue(timeout="3600")
    worker = home.worker_paused_at(stage, late=3600)
    late_at = time.monotonic()

    row = home.wait_for(analysis_id, "failed", "completed", seconds=30)

    print(f"timed out in {stage} after {time.monotonic() - late_at:.2f} s")
    assert (row["status"], row["error_code"]) == ("failed", "ANALYSIS_TIMEOUT")
    assert bool(row["is_partial"]) is (stage in WITH_GROUPS)
    assert home.groups(earlier) == undisturbed
    worker.terminate()
    worker.wait(20)
    home.manage("cleanup_analyses", "--checkpoint-hours", "0")
    assert [path for path in _checkpoints(home).rglob("*") if path.is_file()] == []
    assert _tasks(home, "SUCCESSFUL") == _tasks(home, "FAILED") == 0


def _checkpoints(home: House) -> Path:
    return Path(home.environment["REPRISE_WORK_DIR"]) / "checkpoints"


def _tasks(home: House, status: str) -> int:
    ((count,),) = home.rows("SELECT count(*) FROM django_tasks_database_dbtaskresult WHERE status = ?", status)
    return int(count)


def test_a_database_locked_by_another_writer_for_long_is_waited_for(home: House, undisturbed, songs: int) -> None:
    if not home.environment["DATABASE_URL"].startswith("sqlite"):
        pytest.skip("only SQLite has one lock for all")
    seconds = 30 if songs > 10_000 else 6
    home.environment["SQLITE_BUSY_TIMEOUT"] = "2" if seconds < 10 else "20"
    analysis_id = home.queue()
    home.worker_paused_at("saving", seconds=2)
    path = home.environment["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        other.rollback()

    assert home.wait_for(analysis_id, "completed", "failed", seconds=120)["status"] == "completed"
    assert home.groups(analysis_id) == undisturbed


def test_a_supervisor_kills_a_worker_that_does_not_stop_in_time(home: House) -> None:
    supervisor = home.supervisor(grace=2)
    (worker,) = home.wait_until(home.workers, lambda seen: len(seen) == 1)
    os.kill(worker, signal.SIGSTOP)

    supervisor.terminate()
    supervisor.wait(30)

    assert worker not in home.workers()
