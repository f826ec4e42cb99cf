"""Two web servers that know nothing of each other count requests, and wrong passwords, together."""

import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.faults.databases import new_database
from tests.faults.support import House, house

READS, WRITES, FAILURES = 7, 3, 4
_MAKE_TOKENS = """
from datetime import timedelta
import django
django.setup()
from django.contrib.auth.models import Group, User
from django.utils import timezone
from duplicates.services.tokens import create_token

now = timezone.now()
for name in ("ada", "bob"):
    user = User.objects.create_user(name, password="right", is_staff=True)
    user.groups.add(Group.objects.get(name="Administrator"))
    until = now + timedelta(days=1)
    scopes = ["read", "run"]
    print(create_token(user=user, name="t", scopes=scopes, expires_at=until, actor=user, now=now).secret)
"""


@pytest.fixture
def site(tables: str, tmp_path: Path) -> Iterator[House]:
    limits = {
        "REPRISE_API_READS_PER_MINUTE": str(READS),
        "REPRISE_API_WRITES_PER_MINUTE": str(WRITES),
        "REPRISE_LOGIN_FAILURES_PER_NAME": str(FAILURES),
        "DJANGO_ENV": "testing",
    }
    with new_database(tmp_path, like=tables) as url, house(url, tmp_path, **limits) as built:
        yield built


def serve(home: House) -> str:
    """Start one server process and return its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    home.start(sys.executable, "-m", "gunicorn", "project.wsgi", "-b", host, "--threads", "2", "--no-control-socket")
    deadline = time.monotonic() + 120
    while True:
        try:
            requests.get(f"http://{host}/healthz", timeout=60)
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.2)
        else:
            return f"http://{host}"


def test_two_servers_count_together(site: House) -> None:
    ada, bob = site.script(_MAKE_TOKENS).split()
    servers = [serve(site), serve(site)]

    def ask(number: int, token: str, method: str = "GET", path: str = "analyses/") -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        address = f"{servers[number % 2]}/api/v1/{path}"
        return requests.request(method, address, headers=headers, json={} if method == "POST" else None, timeout=120)

    reads = [ask(number, ada) for number in range(READS + 2)]
    others = ask(0, bob)
    writes = [ask(number, ada, "POST", "analyses/quick-refresh/") for number in range(WRITES + 2)]
    another_kind = ask(0, ada, "POST", "analyses/")

    assert [one.status_code for one in reads] == [200] * READS + [429] * 2
    assert reads[-1].json()["code"] == "RATE_LIMITED"
    assert 1 <= int(reads[-1].headers["Retry-After"]) <= 61
    assert others.status_code == 200
    assert [one.status_code == 429 for one in writes] == [False] * WRITES + [True] * 2
    assert another_kind.status_code == 201

    # Logging in is counted apart, and by both together, too.
    tried = [log_in(servers[number % 2], "wrong") for number in range(FAILURES)]
    refused = [log_in(server, "right") for server in servers]

    assert tried == [200] * FAILURES
    assert refused == [429, 429]
    assert log_in(servers[0], "right", name="bob") == 302


def log_in(server: str, password: str, name: str = "ada") -> int:
    with requests.Session() as session:
        page = session.get(f"{server}/admin/login/", timeout=120)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token is not None
        form = {"username": name, "password": password, "csrfmiddlewaretoken": token[1], "next": "/admin/"}
        sent = session.post(f"{server}/admin/login/", form, allow_redirects=False, timeout=120)
        return sent.status_code
