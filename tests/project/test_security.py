"""What docs/security.md promises and no other test looks at: quiet errors, guarded cookies, a harmless audit."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404
from django.test import Client, RequestFactory

from duplicates.api.errors import answer_error

ROOT = Path(__file__).parents[2]
SECRET = "/srv/secret/place"
GUARDED = """
import django
from django.conf import settings
django.setup()
print(settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE, settings.SESSION_COOKIE_HTTPONLY,
      settings.SESSION_COOKIE_SAMESITE, settings.SECURE_HSTS_SECONDS >= 31536000, settings.SECURE_SSL_REDIRECT)
"""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(RuntimeError(SECRET), 500, id="ours"),
        pytest.param(OSError(13, "Permission denied", SECRET), 500, id="a file"),
        pytest.param(KeyError(SECRET), 500, id="a key"),
        pytest.param(UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), 500, id="a text"),
        pytest.param(OperationalError(f"connection to {SECRET} failed"), 503, id="database away"),
        pytest.param(InterfaceError(SECRET), 503, id="connection lost"),
        pytest.param(IntegrityError(f"DETAIL: Key (path)=({SECRET}) exists"), 500, id="a constraint"),
        pytest.param(PermissionDenied(SECRET), 403, id="refused"),
        pytest.param(Http404(f"No Track matches {SECRET}"), 404, id="not there"),
    ],
)
def test_the_api_says_nothing_of_the_inside(error: Exception, status: int) -> None:
    answer = answer_error(error, {"request": RequestFactory().get("/api/v1/tracks/")})

    assert answer.status_code == status
    assert "secret" not in str(answer.data)


def test_a_page_that_breaks_says_nothing_of_the_inside(admin_user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("duplicates.admin.analyses.AnalysisAdmin.get_queryset", broken)
    client = Client(raise_request_exception=False)
    client.force_login(admin_user)

    answer = client.get("/admin/duplicates/duplicateanalysisresult/")

    assert answer.status_code == 500
    assert "secret" not in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


def test_production_guards_its_cookies_and_insists_on_https() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "REPRISE_"))}
    production = {
        "DJANGO_ENV": "production",
        "DJANGO_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "DJANGO_ALLOWED_HOSTS": "music.example.org",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": "sqlite:////tmp/none",
    }
    done = subprocess.run(
        [sys.executable, "-c", GUARDED], cwd=ROOT, env=clean | production, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["True", "True", "True", "Lax", "True", "True"]


class TestDependencyAudit:
    """The last step of .ci/run: it tells of known holes, and fails nothing."""

    SCRIPT = ROOT / ".ci" / "audit"

    def audit(self, tmp_path: Path, uv: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "uv").write_text(f"#!/bin/sh\n{uv}\n")
        (tmp_path / "uv").chmod(0o755)
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "AUDIT_SECONDS": "1"}
        return subprocess.run([self.SCRIPT], env=environment, capture_output=True, text=True, check=False)

    @pytest.mark.parametrize(
        ("uv", "told"),
        [
            pytest.param("echo No known vulnerabilities found", "No known vulnerabilities", id="clean"),
            pytest.param("echo 'django 6.1 CVE-1'; exit 1", "CVE-1", id="a hole"),
            pytest.param("echo offline >&2; exit 2", "could not be finished", id="no network"),
            pytest.param(
                "echo 'django  Dependency could not be audited: django (6.1)'; echo No known holes",
                "1 packages could not be audited: nothing is said of them",
                id="not asked",
            ),
            pytest.param("sleep 20", "could not be finished", id="no answer"),
        ],
    )
    def test_it_tells_and_never_fails(self, tmp_path: Path, uv: str, told: str) -> None:
        done = self.audit(tmp_path, uv)

        assert told in done.stdout
        assert done.returncode == 0

    def test_it_is_a_step_of_the_checks(self) -> None:
        assert ".ci/audit" in (ROOT / ".ci" / "run").read_text()
