"""What docs/deploy.md hands out fits: services, container and proxy start what exists, within each other's limits."""

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands, load_command_class
from gunicorn.config import Config

from project.environment import PerEnvironment

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "reprise"}


def unit(path: Path) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]  # systemd minds capitals
    parsed.read_string(path.read_text())
    return parsed


def containerfile() -> list[tuple[str, str]]:
    """Return the instructions of the Containerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Containerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def instruction(name: str) -> str:
    return [rest for found, rest in containerfile() if found == name][-1]


def commands() -> dict[str, list[str]]:
    """Return every command line that the files start, by where it stands, from the program on."""
    found = {path.name: shlex.split(unit(path)["Service"]["ExecStart"]) for path in UNITS if path.suffix == ".service"}
    found["Containerfile"] = json.loads(instruction("CMD"))
    found |= {f"compose: {name}": service["command"] for name, service in OURS.items() if "command" in service}
    return found


COMMANDS = commands()
GUNICORN = {place: line[1:] for place, line in COMMANDS.items() if line[0].endswith("gunicorn")}


def settings_of(arguments: list[str]) -> dict[str, Any]:
    """Let gunicorn read its own options; it ends the test when one does not exist."""
    read = vars(Config().parser().parse_args(arguments))
    return {name: value for name, value in read.items() if value is not None}


class TestCommands:
    @pytest.mark.parametrize("place", [place for place in COMMANDS if place not in GUNICORN])
    def test_each_is_one_of_ours_with_options_it_knows(self, place: str) -> None:
        line = COMMANDS[place]
        program, script, name, *arguments = line

        assert (Path(program).name, script) == ("python", "manage.py")
        parser: ArgumentParser = load_command_class(get_commands()[name], name).create_parser(script, name)
        assert parser.parse_args(arguments)

    def test_the_web_server_is_started_alike_everywhere(self) -> None:
        differs_in_a_container = ("bind", "worker_tmp_dir")
        found = [settings_of(arguments) for arguments in GUNICORN.values()]

        alike = [{name: value for name, value in one.items() if name not in differs_in_a_container} for one in found]
        assert len(alike) == 2
        assert alike[0] == alike[1]
        assert alike[0]["args"] == ["project.wsgi"]

    def test_the_web_server_waits_longer_than_a_request_may_take(self) -> None:
        variable = settings.ENVIRONMENT.variables["REPRISE_WEB_REQUEST_SECONDS"]
        assert isinstance(variable.default, PerEnvironment)
        seconds = variable.default.production
        (proxy,) = re.findall(r"proxy_read_timeout (\d+)s;", (DEPLOY / "nginx.conf").read_text())

        assert all(settings_of(arguments)["timeout"] > seconds for arguments in GUNICORN.values())
        assert int(proxy) > seconds

    def test_the_command_of_the_unit_serves(self, empty_sqlite: Path, tmp_path: Path) -> None:
        """Started as systemd starts it, in production, with a worker that is missing and said to be."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        line = COMMANDS["reprise-web.service"]
        arguments = [f"127.0.0.1:{port}" if part == "127.0.0.1:8000" else part for part in line[1:]]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "REPRISE_"))}
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
            env=clean
            | {
                "DJANGO_ENV": "production",
                "DJANGO_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
                "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
                "DJANGO_BEHIND_PROXY": "true",
                "DATABASE_URL": f"sqlite:///{empty_sqlite}",
                "REPRISE_WORK_DIR": str(tmp_path),
            },
        )
        try:
            answers = {path: ask(port, path) for path in ("/healthz", "/readyz", "/api/v1/analyses/")}
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)

        assert answers == {"/healthz": 200, "/readyz": 503, "/api/v1/analyses/": 401}
        assert server.returncode == 0


def ask(port: int, path: str) -> int:
    """Ask until the server is up, as its proxy would."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"X-Forwarded-Proto": "https"})
    for _ in range(300):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as answer:
            return answer.code
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the web server does not answer")


@pytest.mark.parametrize("path", UNITS, ids=[path.name for path in UNITS])
class TestUnits:
    def test_is_read_by_systemd(self, path: Path, tmp_path: Path) -> None:
        if shutil.which("systemd-analyze") is None:
            pytest.skip("no systemd on this machine")
        place = tmp_path / "srv"
        (place / ".venv").mkdir(parents=True)
        (place / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
        for one in UNITS:
            (tmp_path / one.name).write_text(one.read_text().replace("/srv/reprise", str(place)))

        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name)],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        )

        assert (done.returncode, [line for line in done.stderr.splitlines() if "reprise" in line]) == (0, [])

    def test_runs_as_an_account_of_its_own_and_writes_to_two_places(self, path: Path) -> None:
        if path.suffix == ".timer":
            assert path.with_suffix(".service") in UNITS
            return
        service = unit(path)["Service"]

        assert service["User"] == "reprise"
        assert (service["ProtectSystem"], service["NoNewPrivileges"]) == ("strict", "true")
        assert service["ReadWritePaths"] == "/srv/reprise/var -/srv/reprise/data"


class TestContainer:
    def test_every_instruction_exists(self) -> None:
        known = {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "USER", "EXPOSE", "STOPSIGNAL", "CMD"}

        assert {name for name, _ in containerfile()} <= known

    def test_the_base_names_its_version(self) -> None:
        bases = {rest.split()[0] for name, rest in containerfile() if name == "FROM"}

        assert bases == {"python:3.13-slim"}
        assert (ROOT / ".python-version").read_text().split()[0] == "3.13"

    def test_runs_as_nobody_in_particular(self) -> None:
        names = [name for name, _ in containerfile()]

        assert instruction("USER") == "reprise"
        assert names.index("USER") > max(number for number, name in enumerate(names) if name == "RUN")

    def test_what_is_copied_is_there_and_reaches_the_builder(self) -> None:
        let_in = (ROOT / ".dockerignore").read_text().splitlines()
        copied = [
            source
            for name, rest in containerfile()
            if name == "COPY" and not rest.startswith("--from")
            for source in rest.split()[:-1]
        ]

        assert [source for source in copied if not (ROOT / source).exists()] == []
        assert sorted(f"!{source.removeprefix('./')}" for source in copied) == sorted(
            line for line in let_in if line.startswith("!")
        )
        assert "**/.env" in let_in

    def test_all_that_runs_is_copied(self) -> None:
        """A new application folder that nobody copies would be missing in the image only."""
        packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}

        assert packages | {"templates", "locale", "manage.py"} <= {
            part for name, rest in containerfile() if name == "COPY" for part in rest.replace("./", "").split()
        }


class TestCompose:
    def test_a_service_can_only_write_to_its_volume(self) -> None:
        for service in OURS.values():
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]
            assert service["volumes"] == ["work:/srv/reprise/var"]
        assert {"database", "work"} == set(COMPOSE["volumes"])

    def test_web_and_workers_start_on_a_migrated_database(self) -> None:
        assert SERVICES["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
        for name in ("web", "worker"):
            assert SERVICES[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}

    def test_whatever_stays_up_is_watched(self) -> None:
        stays = {name for name, service in SERVICES.items() if service.get("restart") == "unless-stopped"}

        assert stays == {"database", "web", "worker"} == {name for name in SERVICES if "healthcheck" in SERVICES[name]}

    def test_every_variable_is_a_setting(self) -> None:
        given = {name for service in OURS.values() for name in service["environment"]}

        assert given - set(settings.ENVIRONMENT.variables) == set()

    @pytest.mark.parametrize("is_told", [True, False], ids=["with the three", "with nothing"])
    def test_is_read_by_compose_which_asks_for_the_three(self, tmp_path: Path, is_told: bool) -> None:
        if shutil.which("docker-compose") is None:
            pytest.skip("docker-compose is not installed (apt-get install docker-compose)")
        for name in ("compose.yaml", "Containerfile"):
            shutil.copy(ROOT / name, tmp_path)
        three = dict.fromkeys(("DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "POSTGRES_PASSWORD"), "letters1and2digits")
        (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in three.items() if is_told))

        command = ["docker-compose", "-f", "compose.yaml", "config"]
        path = {"PATH": os.environ["PATH"]}
        done = subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True, check=False)

        assert done.returncode == (0 if is_told else 1), done.stderr
        assert is_told or "into .env" in done.stderr

    def test_no_secret_has_a_default(self) -> None:
        text = (ROOT / "compose.yaml").read_text()

        assert re.findall(r"\$\{(?:DJANGO_SECRET_KEY|POSTGRES_PASSWORD)(?!:\?)", text) == []

    def test_a_worker_has_the_time_it_needs_to_hand_back(self) -> None:
        grace = float(SERVICES["worker"]["command"][-1])

        assert SERVICES["worker"]["command"][-2] == "--grace"
        assert float(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > grace

    def test_the_pool_has_a_connection_for_each_thread(self) -> None:
        threads = settings_of(GUNICORN["Containerfile"])["threads"]

        assert int(SERVICES["web"]["environment"]["DATABASE_POOL_SIZE"]) >= threads


class TestProxy:
    TEXT = (DEPLOY / "nginx.conf").read_text()

    def test_the_largest_upload_passes(self) -> None:
        (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", self.TEXT)

        assert int(megabytes) > settings.ENVIRONMENT.variables["REPRISE_UPLOAD_LIMIT_MB"].default

    def test_scheme_and_address_are_the_proxys_own(self) -> None:
        assert "proxy_set_header X-Forwarded-Proto $scheme;" in self.TEXT
        assert "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;" in self.TEXT

    def test_blocks_are_closed(self) -> None:
        code = re.sub(r"#.*", "", self.TEXT)

        assert code.count("{") == code.count("}") > 0
        assert [line for line in map(str.strip, code.splitlines()) if line and line[-1] not in ";{}"] == []
