"""What the container would do, done in a bare folder: no container engine is needed for that, only the same commands.

The builder's instructions are followed one by one with nothing there but what they copy; then the commands of the image
and of the compose file are started from that folder, and its health checks and the commands of docs/deploy.md are run.
What an engine adds is left out: the base image, its account, its read-only file system.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.databases import is_sqlite, new_database
from tests.project.test_deploy import COMMANDS, OURS, ROOT, SERVICES, ask, containerfile

PLACE = "/srv/reprise"
# `uv` is what installs here, too, and an account needs the machine's administrator.
NOT_HERE = re.compile(r"pip install .*uv|useradd|install -d .*-o reprise")
PEOPLE = {
    "DJANGO_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "DJANGO_ALLOWED_HOSTS": "music.example.org",
    "POSTGRES_PASSWORD": "letters1and2digits",
}

pytestmark = [pytest.mark.slow, pytest.mark.database]


@dataclass
class Image:
    """A folder with what the image holds, and the environment its commands get."""

    folder: Path
    variables: dict[str, str]

    def line(self, command: list[str], port: int = 0) -> list[str]:
        """Return a command of the image as it is started here."""
        places = {
            "0.0.0.0:8000": f"127.0.0.1:{port}",
            "127.0.0.1:8000": f"127.0.0.1:{port}",
            "web:8000": f"127.0.0.1:{port}",
        }
        line = [self._here(part) for part in command]
        for name, here in places.items():
            line = [part.replace(name, here) for part in line]
        return [str(self.folder / ".venv" / "bin" / line[0]), *line[1:]]

    def run(self, command: list[str], port: int = 0) -> str:
        """Run a command to its end."""
        done = subprocess.run(
            self.line(command, port), cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def started(self, command: list[str], port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
        """Start a service, and stop it as the engine does."""
        process = subprocess.Popen(
            self.line(command, port), cwd=self.folder, env=self.variables, stderr=subprocess.DEVNULL
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def _here(self, part: str) -> str:
        return part.replace(PLACE, str(self.folder))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Follow the instructions of the builder; return the folder that it would hand to the image."""
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    folder = tmp_path_factory.mktemp("image") / "reprise"
    folder.mkdir()
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "SSL_CERT_FILE") if name in os.environ}
    variables["UV_PYTHON"] = sys.executable
    for name, rest in containerfile()[1:]:
        if name == "FROM":
            break
        if name == "ENV":
            variables |= dict(part.split("=", 1) for part in shlex.split(rest))
        elif name == "COPY":
            copy(rest.split(), folder)
        elif name == "RUN" and not NOT_HERE.search(rest):
            # What was fetched before need not be fetched again.
            command = rest.replace("--no-cache", "").replace(PLACE, str(folder))
            done = subprocess.run(
                ["sh", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{rest}: {done.stderr}"
    return folder


def copy(parts: list[str], folder: Path) -> None:
    """Copy as the builder does: files into a folder, a folder under its new name; only what belongs to the project."""
    *sources, target = parts
    for source in sources:
        listed = subprocess.run(["git", "ls-files", "-z", source], cwd=ROOT, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            place = folder / target / (Path(name).relative_to(source) if (ROOT / source).is_dir() else name)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place)


@pytest.fixture
def image(built: Path, tmp_path: Path, prepared_sqlite: Path) -> Iterator[Image]:
    """The image with the variables of the compose file, on a database of its own."""
    given = {name: compose_value(str(value)) for name, value in OURS["web"]["environment"].items()}
    with new_database(tmp_path, like=f"sqlite:///{prepared_sqlite}" if is_sqlite() else "") as url:
        own = {"DATABASE_URL": url, "REPRISE_WORK_DIR": str(tmp_path / "var"), "HOME": str(tmp_path)}
        if url.startswith("sqlite"):
            given.pop("DATABASE_POOL_SIZE")
        path = f"{built / '.venv' / 'bin'}:{os.environ['PATH']}"
        (tmp_path / "var").mkdir(mode=0o700)
        yield Image(built, given | own | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"})


def compose_value(text: str) -> str:
    """Put in what an operator wrote into .env, and what stands for the rest."""

    def of(found: re.Match[str]) -> str:
        name, _, default = found[1].partition(":")
        return PEOPLE.get(name, default[1:])

    return re.sub(r"\$\{([^}]*)\}", of, text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def page(port: int, path: str, **headers: str) -> tuple[int, Any, str]:
    """Ask as the proxy would: status, headers, text."""
    headers = {"X-Forwarded-Proto": "https", "Host": "music.example.org"} | headers
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read().decode(errors="replace")


def test_the_image_works_from_migration_to_analysis(image: Image, tmp_path: Path) -> None:
    port = free_port()
    image.run(SERVICES["migrate"]["command"])
    image.run(["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"])

    with image.started(COMMANDS["Containerfile"], port), image.started(SERVICES["worker"]["command"]):
        assert ask(port, "/healthz") == 200
        wait_until_ready(port)
        for service in ("web", "worker"):
            _cmd, *check = SERVICES[service]["healthcheck"]["test"]
            image.run(check, port)
        status, _headers, shown = page(port, "/admin/login/", **{"Accept-Language": "de"})
        sheets = re.findall(r'href="(/static/[^"]+\.css)"', shown)
        assert (status, "Anmelden" in shown, len(sheets) > 0) == (200, True, True)
        for sheet in sheets:
            status, headers, _text = page(port, sheet)
            assert (status, "immutable" in headers["Cache-Control"]) == (200, True)
        image.variables["DJANGO_SUPERUSER_PASSWORD"] = "a-long-enough-phrase"
        image.run(
            ["python", "manage.py", "createsuperuser", "--noinput", "--username", "ada", "--email", "a@example.org"]
        )
        songs = tmp_path / "songs.csv"
        songs.write_text("id,title,artist,duration_ms\n1,Harbour Lights,Ada,200000\n2,Harbour Lights,Ada,200000\n")
        image.run(["python", "manage.py", "import_library", str(songs), "--id-column", "id"])
        said = image.run(["python", "manage.py", "run_duplicate_analysis"])
        image.run(["python", "manage.py", "run_duplicate_analysis", "--refresh-stale", "--background"])

    assert "1 group" in said


def wait_until_ready(port: int) -> None:
    for _ in range(300):
        if ask(port, "/readyz") == 200:
            return
        signal.sigtimedwait([], 0.2)
    raise AssertionError(page(port, "/readyz")[2])
