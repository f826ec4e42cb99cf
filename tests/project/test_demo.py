"""`manage.py demo` as a newcomer meets it: from nothing to a page with duplicates, and never over somebody's music."""

import http.cookiejar
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import claims, lifecycle
from duplicates.services.options import AnalysisOptions
from library.models import Track
from project import demo, serving

LONGEST_SECONDS = 55  # what the demo promises once its packages are there


def run_demo(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "demo", *arguments],
        cwd=settings.BASE_DIR,
        env=newcomer_environment(folder) | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def newcomer_environment(folder: Path) -> dict[str, str]:
    """Return an environment without any of our variables, but for a database and a work folder aside."""
    ours = {*settings.ENVIRONMENT.variables, "DJANGO_SETTINGS_MODULE"}
    plain = {name: value for name, value in os.environ.items() if name not in ours}
    return plain | {
        "DJANGO_ENV": "development",
        "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
        "REPRISE_WORK_DIR": str(folder / "var"),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
    }


def count(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "demo.sqlite3")) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def password_in(output: str) -> str:
    found = re.search(r"^Password  (\S+)   \(shown only now\)$", output, re.MULTILINE)
    assert found, output
    return found[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((serving.HOST, 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newcomer")


@pytest.fixture(scope="module")
def first(home: Path) -> subprocess.CompletedProcess[str]:
    begun = time.monotonic()
    finished = run_demo(home)
    assert finished.returncode == 0, finished.stderr
    assert time.monotonic() - begun < LONGEST_SECONDS
    return finished


@pytest.fixture(scope="module")
def second(home: Path, first: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    return run_demo(home)


class TestTheFirstRun:
    def test_it_imports_the_sample(self, home: Path, first: subprocess.CompletedProcess[str]) -> None:
        assert count(home, "library_track") > 400
        assert count(home, "library_playlist") > 5

    def test_it_shows_the_first_groups_with_their_reasons(self, first: subprocess.CompletedProcess[str]) -> None:
        assert first.stdout.count("    keep  ") == demo.GROUPS_SHOWN
        assert first.stdout.count("          Kept ") == demo.GROUPS_SHOWN
        assert len(re.findall(r"^          \d+\.\d% sure\. \w+", first.stdout, re.MULTILINE)) >= demo.GROUPS_SHOWN

    def test_it_shows_progress_in_plain_lines_without_a_terminal(self, first: subprocess.CompletedProcess[str]) -> None:
        assert "Phase" in first.stderr
        assert "\r" not in first.stderr + first.stdout

    def test_it_ends_by_saying_how_to_open_the_admin(self, first: subprocess.CompletedProcess[str]) -> None:
        password_in(first.stdout)
        assert first.stdout.splitlines()[-1] == (
            "Open it   uv run manage.py demo --serve   then http://127.0.0.1:8000/admin/"
        )

    def test_its_password_lies_nowhere_in_the_open(self, home: Path, first: subprocess.CompletedProcess[str]) -> None:
        password = password_in(first.stdout).encode()
        assert [path for path in home.rglob("*") if path.is_file() and password in path.read_bytes()] == []


class TestTheSecondRun:
    def test_it_changes_nothing(self, home: Path, second: subprocess.CompletedProcess[str]) -> None:
        assert second.returncode == 0, second.stderr
        assert count(home, "library_librarychange") == count(home, "library_track")
        assert count(home, "duplicates_duplicateanalysisresult") == 1

    def test_it_shows_the_same_groups(
        self, first: subprocess.CompletedProcess[str], second: subprocess.CompletedProcess[str]
    ) -> None:
        assert re.findall("^#.*", first.stdout, re.MULTILINE) == re.findall("^#.*", second.stdout, re.MULTILINE)

    def test_it_leaves_the_password_and_tells_the_way_to_another(
        self, second: subprocess.CompletedProcess[str]
    ) -> None:
        assert "shown only now" not in second.stdout
        assert "--new-password" in second.stdout


class TestServing:
    @pytest.fixture
    def port(self) -> int:
        return free_port()

    @pytest.fixture
    def served(
        self, home: Path, second: subprocess.CompletedProcess[str], port: int
    ) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--serve", "--port", str(port)],
            cwd=settings.BASE_DIR,
            env=newcomer_environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        assert process.stdout is not None
        try:
            while line := process.stdout.readline():
                if line.startswith("Open it"):
                    break
            assert f"http://127.0.0.1:{port}/admin/" in line
            yield process
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()

    def test_the_first_password_opens_the_admin(
        self, first: subprocess.CompletedProcess[str], served: subprocess.Popen[str], port: int
    ) -> None:
        page = logged_in(f"http://127.0.0.1:{port}", password_in(first.stdout))
        assert "Log out" in page

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
    def test_it_stops_both_parts(self, served: subprocess.Popen[str], port: int, number: signal.Signals) -> None:
        served.send_signal(number)
        assert served.wait(30) == 0
        serving.require_free_port(port)
        assert processes_of(served.pid) == []

    @pytest.mark.skipif(not Path("/proc").is_dir(), reason="only /proc tells whose children live")
    def test_both_parts_end_even_when_it_is_killed(self, served: subprocess.Popen[str], port: int) -> None:
        parts = processes_of(served.pid)
        workers = [worker for part in parts for worker in processes_of(int(part))]
        assert len(parts) == 2

        served.kill()
        served.wait(30)

        deadline = time.monotonic() + 30
        while left := [one for one in (*parts, *workers) if lives(one)]:
            assert time.monotonic() < deadline, f"still there: {left}"
            time.sleep(0.1)
        serving.require_free_port(port)

    def test_it_says_when_the_port_is_taken(self, home: Path, second: subprocess.CompletedProcess[str]) -> None:
        with socket.socket() as other:
            other.bind((serving.HOST, 0))
            other.listen()
            port = other.getsockname()[1]
            refused = run_demo(home, "--serve", "--port", str(port))
        assert refused.returncode == 1
        assert f"Port {port} of 127.0.0.1 is taken" in refused.stderr
        assert "1/4" not in refused.stdout

    def test_it_ends_when_a_part_stops_by_itself(self, tmp_path: Path) -> None:
        manage = tmp_path / "manage.py"
        manage.write_text("raise SystemExit(3)")
        with pytest.raises(serving.ServingFailed, match="stopped by itself with exit code 3"):
            serving.serve(manage, free_port(), when_ready=lambda address: None)


def logged_in(site: str, password: str) -> str:
    """Log in as a browser would and return the page behind the login."""
    cookies = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    browser.open(f"{site}/admin/login/", timeout=20).close()
    form = {
        "username": demo.USERNAME,
        "password": password,
        "csrfmiddlewaretoken": next(cookie.value for cookie in cookies if cookie.name == "csrftoken"),
        "next": "/admin/",
    }
    with browser.open(f"{site}/admin/login/", urllib.parse.urlencode(form).encode(), timeout=20) as answer:
        return str(answer.read().decode())


def processes_of(parent: int) -> list[str]:
    """Return what still runs on behalf of a demo, where the system can tell."""
    if not Path("/proc").is_dir():
        return []
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(status.parent.name)
    return found


def lives(process: str) -> bool:
    """Does a process run? One that has ended may wait for a parent that asks."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


class TestItTouchesNothingOfOthers:
    def test_it_refuses_production(self, tmp_path: Path) -> None:
        refused = run_demo(
            tmp_path,
            DJANGO_ENV="production",
            DJANGO_SECRET_KEY="k" * 60,
            DJANGO_ALLOWED_HOSTS="music.example.org",
        )
        assert refused.returncode == 1
        assert "does not run with DJANGO_ENV=production" in refused.stderr
        with closing(sqlite3.connect(tmp_path / "demo.sqlite3")) as database:  # Django's own checks may open it
            assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)

    @pytest.mark.django_db
    def test_it_refuses_a_library_it_did_not_make(self) -> None:
        Track.objects.create(source="Home", source_track_id="1", title="Barley Moon")
        with pytest.raises(CommandError, match="1 tracks that are not the demo's"):
            call_command("demo")
        assert not User.objects.exists()

    @pytest.mark.django_db
    def test_it_refuses_even_when_its_own_tracks_are_there_too(self) -> None:
        Track.objects.create(source=demo.SOURCE, source_track_id="1")
        Track.objects.create(source="Home", source_track_id="1")
        with pytest.raises(demo.DemoStopped):
            demo.require_demo_database()

    @pytest.mark.django_db
    def test_it_leaves_another_persons_user_alone(self) -> None:
        User.objects.create_user(demo.USERNAME, "someone@example.org")
        with pytest.raises(demo.DemoStopped, match="user called demo that the demo did not make"):
            demo.require_demo_database()

    @pytest.mark.django_db
    def test_it_accepts_an_empty_database_and_its_own(self) -> None:
        demo.require_demo_database()
        demo.ensure_user()
        Track.objects.create(source=demo.SOURCE, source_track_id="1")
        demo.require_demo_database()


@pytest.mark.django_db
class TestTheLogin:
    def test_it_may_open_the_admin(self) -> None:
        user = demo.ensure_user()
        assert user.is_staff
        assert user.is_active

    def test_a_password_that_was_never_printed_is_made_on_the_next_run(self) -> None:
        demo.ensure_user()  # and then the run was cut short
        lines = "\n".join(demo.login_lines(demo.ensure_user(), new_password=False))
        assert User.objects.get(username=demo.USERNAME).check_password(password_in(lines))

    def test_a_new_one_replaces_it_on_request(self) -> None:
        list(demo.login_lines(demo.ensure_user(), new_password=False))
        lines = "\n".join(demo.login_lines(demo.ensure_user(), new_password=True))
        assert User.objects.get(username=demo.USERNAME).check_password(password_in(lines))


@pytest.mark.django_db
class TestTheAnalysis:
    def queued(self, user: User) -> DuplicateAnalysisResult:
        now = timezone.now()
        return lifecycle.queue_analysis(AnalysisOptions(), actor=user, trigger=Trigger.COMMAND, now=now).analysis

    def test_a_run_whose_process_was_killed_is_gone_on_with(self) -> None:
        user = demo.ensure_user()
        for number in "12":
            Track.objects.create(source=demo.SOURCE, source_track_id=number, title="Bramble", artist="Moss & Marrow")
        abandoned = self.queued(user)
        claims.claim(abandoned.pk, now=timezone.now() - timedelta(hours=1))
        assert demo.run_analysis(user).status == AnalysisStatus.COMPLETED
        abandoned.refresh_from_db()
        assert abandoned.status == AnalysisStatus.COMPLETED

    def test_a_run_under_way_elsewhere_is_waited_for(self) -> None:
        user = demo.ensure_user()
        claims.claim(self.queued(user).pk, now=timezone.now())
        with pytest.raises(demo.DemoStopped, match="Run the demo again when it has ended"):
            demo.run_analysis(user)
