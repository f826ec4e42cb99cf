"""Web requests while the database is away: 503 with a clear sentence and when to try again, and nothing is changed."""

import http.client
import json
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings

from tests.faults.postgres import private_postgres
from tests.faults.support import House, house

_LOG_IN = """
import django
django.setup()
from django.contrib.auth.models import User
from django.test import Client

boss = User.objects.create_superuser("boss")
browser = Client(headers={"host": "localhost"})
browser.force_login(boss)
print(browser.session.session_key)
"""
_CSRF = "a" * 32
_BOOKS = """
    SELECT (SELECT count(*) FROM duplicates_duplicateanalysisresult), (SELECT count(*) FROM duplicates_auditrecord),
           (SELECT count(*) FROM duplicates_duplicateanalysisgroup WHERE is_resolved),
           (SELECT count(*) FROM django_tasks_database_dbtaskresult), (SELECT value FROM library_libraryrevision)
"""


@dataclass
class Answer:
    """What a request was answered with."""

    status: int
    retry_after: str | None
    body: str


class Site:
    """The web server of a house, asked by one logged-in browser over one connection a request."""

    def __init__(self, home: House, *command: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.session = home.script(_LOG_IN).strip()
        home.start(sys.executable, *command, f"127.0.0.1:{self.port}")
        home.wait_until(self._answers, bool)

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/healthz").status == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, fields: dict[str, Any] | None = None) -> Answer:
        """Ask as a browser does; a form for the admin, JSON for the API."""
        is_api = path.startswith("/api/")
        headers = {
            "Host": "localhost",
            "Cookie": f"sessionid={self.session}; csrftoken={_CSRF}",
            "X-CSRFToken": _CSRF,
            "Content-Type": "application/json" if is_api else "application/x-www-form-urlencoded",
        }
        body = json.dumps(fields or {}) if is_api else urlencode(fields or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body if method == "POST" else None, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers["Retry-After"], answer.read().decode())
        finally:
            connection.close()


def requests_of(analysis_id: str, group_id: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Return pages, reads and changes, each of which asks the database."""
    page = f"/admin/duplicates/duplicateanalysisresult/{analysis_id}/change/"
    return [
        ("GET", "/admin/", {}),
        ("GET", "/admin/duplicates/duplicateanalysisresult/", {}),
        ("GET", page, {}),
        ("GET", f"/admin/duplicates/duplicateanalysisgroup/{group_id}/change/", {}),
        ("POST", page, {"CHANGE_FORM-action": "refresh", "_selected_action": analysis_id}),
        ("POST", "/admin/login/", {"username": "boss", "password": "wrong"}),
        ("GET", "/api/v1/analyses/", {}),
        ("GET", f"/api/v1/analyses/{analysis_id}/progress/", {}),
        ("POST", "/api/v1/analyses/", {"preset": "song"}),
        ("POST", f"/api/v1/analyses/{analysis_id}/refresh/", {}),
    ]


@pytest.mark.database
@pytest.mark.parametrize("pool", ["0", "4"], ids=["no pool", "a pool"])
def test_pages_and_api_say_that_the_database_is_away_and_come_back(tmp_path: Path, pool: str) -> None:
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        pytest.skip("runs with the PostgreSQL tests")
    with private_postgres() as server, house(server.url, tmp_path, DATABASE_POOL_SIZE=pool) as home:
        home.manage("migrate", "-v0")
        home.make_library(50)
        analysis_id = home.manage("run_duplicate_analysis").stdout.split()[-1]
        ((group_id,), *_) = home.rows("SELECT id FROM duplicates_duplicateanalysisgroup ORDER BY id")
        site = Site(home, "manage.py", "runserver", "--noreload")
        wanted = requests_of(analysis_id, group_id)
        if pool != "0":  # each waits ten seconds for a connection
            wanted = wanted[2::4]
        reads = [one for one in wanted if one[0] == "GET"]
        assert [site.ask(*one).status for one in reads] == [200] * len(reads)
        before = home.rows(_BOOKS)

        server.stop()
        answers = {one[:2]: site.ask(*one) for one in wanted}
        health, ready = site.ask("GET", "/healthz"), site.ask("GET", "/readyz")
        server.start()

        assert {address: answer.status for address, answer in answers.items()} == dict.fromkeys(answers, 503)
        for (_, path), answer in answers.items():
            assert answer.retry_after == "10"
            if path.startswith("/api/"):
                told = json.loads(answer.body)
                assert (told["code"], told["retry_suggested"]) == ("DATABASE_BUSY", True)
                assert "nothing is half done" in told["message"]
            else:
                assert "<h1>The database does not answer</h1>" in answer.body
                assert "Traceback" not in answer.body
            assert str(server.port) not in answer.body
        assert (health.status, ready.status) == (200, 503)
        assert home.rows(_BOOKS) == before
        home.wait_until(lambda: [site.ask(*one).status for one in reads], lambda seen: set(seen) == {200}, 120)
        assert site.ask("POST", "/api/v1/analyses/", {"preset": "song"}).status == 201
