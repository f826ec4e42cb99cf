"""Real processes on a database of their own, to be killed, frozen and starved.

A *paused worker* is the product's own worker with one thing changed: when its run enters the stage that is named, or
once it has done some of it, it says so on standard output and waits. The test then does to it what life would do.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).parent.parent.parent

_PAUSED_WORKER = """
import sys, time
import django
django.setup()
from duplicates.services import loading
from duplicates.services.progress import RunReporter
from duplicates.worker import work

stage, seconds, midway, late = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "True", float(sys.argv[4])
advance, has_waited = RunReporter.advance, False
loading.ROWS_PER_CHUNK = 200

def advance_and_wait(self, done, **found):
    global has_waited
    advance(self, done, **found)
    if self.progress.stage == stage and bool(done) is midway and not has_waited:
        has_waited = True
        print("paused", flush=True)
        self._begun_at -= late  # what its clock would say after so long a wait
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.05)
            advance(self, done)

RunReporter.advance = advance_and_wait
work()
"""

# Waits for a word, cancels an analysis through one of the doors, and says when it is done. So that a test measures from
# the wish on, without the seconds an interpreter takes to start.
_CANCELLER = """
import sys
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

door, analysis_id = sys.argv[1:]
User.objects.filter(username="stop").exists() or User.objects.create_superuser("stop")
browser = Client(headers={"host": "localhost"})
browser.force_login(User.objects.get(username="stop"))
page = reverse("admin:duplicates_duplicateanalysisresult_change", args=[analysis_id])
assert browser.get(page).status_code == 200  # and everything is imported
print("ready", flush=True)
sys.stdin.readline()
if door == "command":
    call_command("cancel_analysis", analysis_id)
elif door == "api":
    answer = browser.post(f"/api/v1/analyses/{analysis_id}/cancel/", content_type="application/json")
    assert answer.json() == {"was_active": True}, answer.content
else:
    answer = browser.post(page, {"CHANGE_FORM-action": "cancel", "_selected_action": analysis_id})
    assert answer.status_code == 302, answer.content
"""

# A command, or the product's own worker, that waits before the call of this number to a function or method, until it is
# killed or told by SIGUSR1 to go on.
_PAUSED_BEFORE_A_CALL = """
import importlib, signal, sys, time
import django
django.setup()
from django.core.management import call_command
from duplicates.worker import work

place, left, *command = sys.argv[1:]
module, _, name = place.partition(":")
owner = importlib.import_module(module)
*holders, last = name.split(".")
for holder in holders:
    owner = getattr(owner, holder)
real, left = getattr(owner, last), int(left)

class GoOn(Exception):
    pass

def go_on(*_):
    raise GoOn

signal.signal(signal.SIGUSR1, go_on)

def wait_once(*arguments, **options):
    global left
    left -= 1
    if left == 0:
        try:
            print("paused", flush=True)
            for _ in range(6000):  # in one long sleep it would miss a signal that reaches another thread
                time.sleep(0.1)
        except GoOn:
            pass
    return real(*arguments, **options)

setattr(owner, last, wait_once)
call_command(*command) if command else work()
"""

_MAKE_LIBRARY = """
import random, sys
import django
django.setup()
from library.models import Track

rnd = random.Random(11)
syllables = ("ka", "ro", "mi", "ten", "sul", "var", "no", "el", "dra", "phi")
words = ["".join(rnd.choice(syllables) for _ in range(rnd.randint(2, 4))) for _ in range(2000)]
def phrase(most):
    return " ".join(rnd.choice(words) for _ in range(rnd.randint(1, most))).title()

tracks, number = [], 0
for _ in range(int(sys.argv[1])):
    title, artist, album, seconds = phrase(4), phrase(2), phrase(3), rnd.randint(90, 400)
    for copy in range(rnd.choice((1, 1, 1, 2, 3))):
        tracks.append(Track(
            source="faults", source_track_id=str(number), title=title + (" (Remastered)" if copy == 2 else ""),
            artist=artist, album=album, duration_ms=1000 * (seconds + copy), play_count=copy,
        ))
        number += 1
    if len(tracks) > 2000:
        Track.objects.bulk_create(tracks)
        tracks = []
Track.objects.bulk_create(tracks)
"""


@dataclass
class House:
    """A running installation: its database, its work folder, and the processes started in it."""

    environment: dict[str, str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def manage(
        self, *arguments: str, check: bool = True, under: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; `under` is what comes before it, such as a limit."""
        return subprocess.run(
            [*under, sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=check,
        )

    def script(self, text: str, *arguments: str) -> str:
        """Run Python inside the project and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", text, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a process that the house ends in the end."""
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.processes.append(process)
        return process

    def end_processes(self) -> None:
        """Thaw, stop and forget every process that was started."""
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self.processes.clear()

    def worker_paused_at(
        self, stage: str, seconds: float = 600, *, midway: bool = False, late: float = 0
    ) -> subprocess.Popen[str]:
        """Start a worker that waits when its run enters the stage, or amid it, and return once it does.

        `late` is how many seconds its clock jumps ahead then.
        """
        worker = self.start(sys.executable, "-c", _PAUSED_WORKER, stage, str(seconds), str(midway), str(late))
        assert worker.stdout is not None
        assert worker.stdout.readline() == "paused\n", f"the run never entered {stage}"
        return worker

    def paused_before(self, place: str, call: int, *command: str) -> subprocess.Popen[str]:
        """Start a worker, or a command, that waits before a call of `module:function`; return once it does."""
        process = self.start(sys.executable, "-c", _PAUSED_BEFORE_A_CALL, place, str(call), *command)
        assert process.stdout is not None
        assert "paused\n" in iter(process.stdout.readline, ""), f"{place} was never called {call} times"
        return process

    def supervisor(self, processes: int = 1, *, grace: int = 10) -> subprocess.Popen[str]:
        """Start workers the way an operator does."""
        options = ("--processes", str(processes), "--grace", str(grace))
        return self.start(sys.executable, "manage.py", "run_workers", *options)

    def cancel(self, analysis_id: str, door: str) -> tuple[float, dict[str, Any]]:
        """Cancel an analysis by `command`, `api` or `page`; return the seconds until its row says so, and the row."""
        canceller = subprocess.Popen(
            [sys.executable, "-c", _CANCELLER, door, analysis_id],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert canceller.stdin is not None
        assert canceller.stdout is not None
        assert canceller.stdout.readline() == "ready\n"
        asked_at = time.monotonic()
        canceller.stdin.write("now\n")
        canceller.stdin.flush()
        row = self.wait_for(analysis_id, "cancelled", seconds=30, every=0.02)
        seconds = time.monotonic() - asked_at
        canceller.communicate()
        assert canceller.returncode == 0
        return seconds, row

    def make_library(self, songs: int) -> None:
        """Fill the library with invented songs, some held two or three times."""
        self.script(_MAKE_LIBRARY, str(songs))

    def queue(self, **options: str) -> str:
        """Queue an analysis and return its id."""
        arguments = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
        return self.manage("run_duplicate_analysis", "--background", "--force-refresh", *arguments).stdout.split()[-1]

    def files(self, folder: str) -> list[Path]:
        """Return the files in a folder of the work folder."""
        found = Path(self.environment["REPRISE_WORK_DIR"], folder).rglob("*")
        return sorted(path for path in found if path.is_file())

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read from the database of the house, past Django: a look must not cost a process."""
        url = self.environment["DATABASE_URL"]
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)) as connection:
                return connection.execute(query, parameters).fetchall()
        with psycopg.connect(url) as connection:
            return connection.execute(query.replace("?", "%s"), parameters).fetchall()

    def analysis(self, analysis_id: str) -> dict[str, Any]:
        """Return the state of an analysis."""
        names = ("status", "attempt", "groups_found", "error_code", "is_partial", "peak_memory_bytes", "lease_token")
        query = f"SELECT {', '.join(names)} FROM duplicates_duplicateanalysisresult WHERE analysis_id = ?"
        (row,) = self.rows(query, self._key(analysis_id))
        return dict(zip(names, row, strict=True))

    def progress(self, analysis_id: str) -> tuple[str, dict[str, Any] | None]:
        """Return the status of an analysis and the progress that its worker has written."""
        query = "SELECT status, progress FROM duplicates_duplicateanalysisresult WHERE analysis_id = ?"
        ((status, progress),) = self.rows(query, self._key(analysis_id))
        return status, json.loads(progress) if isinstance(progress, str) else progress

    def workers(self) -> set[int]:
        """Return the process ids of the workers that have shown up and still run."""
        listed = {process_id for (process_id,) in self.rows("SELECT process_id FROM duplicates_worker")}
        return {process_id for process_id in listed if _runs(process_id)}

    def kill(self, process_id: int) -> None:
        """Kill a worker that has shown up, as `kill -9` does."""
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)

    def wait_for(self, analysis_id: str, *statuses: str, seconds: float = 90, every: float = 0.2) -> dict[str, Any]:
        """Wait until an analysis has one of the statuses."""
        return self.wait_until(
            lambda: self.analysis(analysis_id), lambda row: row["status"] in statuses, seconds, every
        )

    def wait_until[T](
        self, look: Callable[[], T], is_reached: Callable[[T], bool], seconds: float = 60, every: float = 0.2
    ) -> T:
        """Look again and again until what is seen is right."""
        deadline = time.monotonic() + seconds
        while not is_reached(seen := look()):
            assert time.monotonic() < deadline, f"not reached in {seconds:.0f} s: {seen}"
            time.sleep(every)
        return seen

    def groups(self, analysis_id: str) -> list[Any]:
        """Return all a reader sees of the groups of an analysis."""
        query = """
            SELECT g.position, g.group_key, g.confidence, g.keeper_track_id, m.position, m.track_id, m.similarity
            FROM duplicates_duplicateanalysisgroup g JOIN duplicates_duplicateanalysistrack m ON m.group_id = g.id
            JOIN duplicates_duplicateanalysisresult a ON a.analysis_id = g.analysis_id
            WHERE a.analysis_id = ? AND a.status = 'completed' ORDER BY g.position, m.position"""
        return self.rows(query, self._key(analysis_id))

    def _key(self, analysis_id: str) -> str:
        """Return an analysis id as its database stores it."""
        is_sqlite = self.environment["DATABASE_URL"].startswith("sqlite")
        return analysis_id.replace("-", "") if is_sqlite else analysis_id


def _runs(process_id: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return False


@contextmanager
def house(database_url: str, folder: Path, **environment: str) -> Iterator[House]:
    """Prepare an installation with short leases on a database, and end all its processes afterwards."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "REPRISE_"))}
    built = House(
        clean
        | {
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "REPRISE_WORK_DIR": str(folder / "work"),
            "REPRISE_LEASE_SECONDS": "4",
            "REPRISE_LEASE_RENEW_SECONDS": "1",
            "REPRISE_RECLAIM_TICK_SECONDS": "1",
            "REPRISE_PROGRESS_INTERVAL_SECONDS": "0.2",
            "PYTHONPATH": str(ROOT),
        }
        | environment
    )
    try:
        yield built
    finally:
        built.end_processes()
