"""The site under load: a database of its own, an invented library, web server and workers started as documented."""

import csv
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.benchmarks.invented import library
from tests.faults.postgres import PrivatePostgres, private_postgres
from tests.faults.support import ROOT, House, house
from tests.load.person import PASSWORD

SOURCE = "soak"
DISK_MB = 256
_UNIT = ROOT / "docs" / "deploy" / "systemd" / "reprise-web.service"
_PREPARE = """
import random, sys
import django
django.setup()
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.db import transaction
from library.importers.records import ImportedPlaylist
from library.playlists import replace_playlist

people, tracks, password = int(sys.argv[1]), int(sys.argv[2]), make_password(sys.argv[3])
for name, role, count in (("reviewer", "Curator", people), ("curator", "Administrator", 2)):
    made = [User(username=f"{name}{at}", is_staff=True, password=password) for at in range(count)]
    for user in User.objects.bulk_create(made):
        user.groups.add(Group.objects.get(name=role))
draw = random.Random(7)
with transaction.atomic():
    for at in range(20):
        songs = [f"T{draw.randrange(tracks)}" for _ in range(tracks // 100)]
        replace_playlist(ImportedPlaylist(str(at), f"List {at}", False, songs), source="soak")
"""


@dataclass
class Site:
    """A running site, its processes and what they need of memory."""

    home: House
    folder: Path
    address: str
    server: PrivatePostgres | None
    disk: Path | None  # a disk of its own for the work folder, where one may be mounted
    web: subprocess.Popen[Any] | None = None
    supervisor: subprocess.Popen[Any] | None = None
    memory: list[tuple[float, str, float, int]] = field(default_factory=list)  # moment, role, MB a process, processes

    def prepare(self, tracks: int, people: int) -> str:
        """Fill the library by an import, run one analysis and make the people; return the analysis's id."""
        self.home.manage("migrate", "-v0")
        if not is_static_gathered():
            self.home.manage("collectstatic", "--noinput", "-v0")
        source = write_csv(self.folder / "library.csv", tracks)
        self.home.manage("import_library", str(source), "--source", SOURCE, "--id-column", "id")
        self.home.script(_PREPARE, str(people), str(tracks), PASSWORD)
        return self.home.manage("run_duplicate_analysis", "--preset", "recording").stdout.split()[-1]

    def start(self) -> None:
        """Start the web server and the workers, and wait until the site is ready."""
        unit = _UNIT.read_text()
        options = shlex.split(re.search(r"ExecStart=\S+/gunicorn (.*)", unit)[1])  # type: ignore[index]
        self.home.environment |= dict(re.findall(r"^Environment=(\w+)=(.*)$", unit, re.MULTILINE))
        host = self.address.removeprefix("http://")
        bound = [host if one == "127.0.0.1:8000" else one for one in options]
        self.web = self._start("web", sys.executable, "-m", "gunicorn", *bound)
        self.supervisor = self._start(
            "workers", sys.executable, "manage.py", "run_workers", "--processes", "2", "--grace", "10"
        )
        deadline = time.monotonic() + 120
        while not self._is_ready():
            assert time.monotonic() < deadline, f"the site does not get ready: {self.log('web')[-2000:]}"
            time.sleep(0.5)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def look_at_memory(self) -> None:
        """Note how much memory web and worker processes hold just now."""
        for role, parent in (("web", self.web), ("worker", self.supervisor)):
            sizes = [resident_mb(pid) for pid in children_of(parent.pid)] if parent else []
            if sizes:
                self.memory.append((time.monotonic(), role, sum(sizes) / len(sizes), len(sizes)))

    def kill_a_worker(self, patience: float = 20) -> bool:
        """Kill a worker as `kill -9` does, in the middle of an analysis if one begins soon. Says whether it had one."""
        query = """SELECT w.process_id FROM duplicates_worker w JOIN duplicates_duplicateanalysisresult a
            ON a.worker = w.worker_id WHERE a.status = 'running'"""
        deadline = time.monotonic() + patience
        while not (busy := self.home.rows(query)) and time.monotonic() < deadline:
            time.sleep(0.2)
        self.home.kill(busy[0][0] if busy else min(self.home.workers()))
        return bool(busy)

    def restart_database(self, seconds: float) -> None:
        """Stop the private server, breaking every connection, and start it again."""
        assert self.server is not None
        self.server.stop()
        time.sleep(seconds)
        self.server.start()

    def _start(self, name: str, *command: str) -> subprocess.Popen[Any]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process: Any = subprocess.Popen(
                command, cwd=ROOT, env=self.home.environment, stdout=log, stderr=subprocess.STDOUT
            )
        self.home.processes.append(process)
        return process

    def _is_ready(self) -> bool:
        try:
            answer = requests.get(f"{self.address}/readyz", headers={"X-Forwarded-Proto": "https"}, timeout=10)
        except requests.RequestException:
            return False
        return answer.status_code == 200


@contextmanager
def site(database: str, folder: Path, port: int = 0) -> Iterator[Site]:
    """Make a site on SQLite or on a private PostgreSQL server; end its processes and its server afterwards."""
    with ExitStack() as stack:
        server = stack.enter_context(private_postgres(is_durable=True)) if database == "postgres" else None
        work = folder / "work"
        work.mkdir(mode=0o700)
        disk = work if stack.enter_context(_own_disk(work)) else None
        address = f"127.0.0.1:{port or _free_port()}"
        settings = {
            "DJANGO_ENV": "production",
            "DJANGO_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
            "DJANGO_BEHIND_PROXY": "true",
            "REPRISE_LEAST_FREE_MB": "1",  # the disk of the work folder is small
            "REPRISE_PROGRESS_INTERVAL_SECONDS": "1",
            "REPRISE_LEASE_SECONDS": "10",
            "REPRISE_LEASE_RENEW_SECONDS": "3",
        }
        url = server.url if server else f"sqlite:///{folder / 'db.sqlite3'}"
        home = stack.enter_context(house(url, folder, **settings))
        yield Site(home, folder, f"http://{address}", server, disk)


@contextmanager
def _own_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk on a folder where that is allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def write_csv(path: Path, tracks: int, seed: int = 1) -> Path:
    """Write an invented library with plays and ratings."""
    columns, _ = library(tracks, seed)
    frame = columns.frame
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        names = ("title", "artist", "album", "duration_ms", "year", "track_number")
        out.writerow(("id", *names, "play_count", "rating"))
        for number, row in enumerate(frame.select(names).iter_rows()):
            out.writerow((f"T{number}", *row, plays_of(number), number % 6 or ""))
    return path


def plays_of(number: int) -> int:
    return number % 17


def is_static_gathered() -> bool:
    """Is what `collectstatic` gathered newer than everything it gathers? It takes minutes on a busy machine."""
    manifest = ROOT / "staticfiles" / "staticfiles.json"
    ours = [path for app in ("library", "duplicates", "project") for path in ROOT.glob(f"{app}/static/**/*")]
    newest = max(path.stat().st_mtime for path in [ROOT / "uv.lock", *ours])
    return manifest.exists() and manifest.stat().st_mtime > newest


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children_of(parent: int) -> list[int]:
    """Return the processes a process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def resident_mb(process: int) -> float:
    """Return how much memory a process holds, in MB; 0 for one that has gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0
