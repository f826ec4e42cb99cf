"""The configuration: typed, checked, documented, and strict in production."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import global_settings, settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import override_settings

from project import checks, reference
from project.environment import Environment

ROOT = Path(__file__).parent.parent.parent
SAFE_PRODUCTION = {
    "DJANGO_ENV": "production",
    "DJANGO_SECRET_KEY": "k3yWithManyDifferentCharacters-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DJANGO_ALLOWED_HOSTS": "music.example.org",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
}


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "REPRISE_"))}
    clean.pop("DATABASE_URL", None)
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


class TestProduction:
    def test_three_variables_are_enough_and_raise_no_warning(self) -> None:
        done = manage("check", "--deploy", "--fail-level", "WARNING", **SAFE_PRODUCTION)

        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize(
        ("variable", "value", "complaint"),
        [
            pytest.param("DJANGO_SECRET_KEY", "", "DJANGO_SECRET_KEY is not set", id="default key"),
            pytest.param("DJANGO_SECRET_KEY", "short", "DJANGO_SECRET_KEY is too short", id="short key"),
            pytest.param("DJANGO_DEBUG", "true", "DJANGO_DEBUG is on", id="debug"),
            pytest.param("DJANGO_ALLOWED_HOSTS", "*", "wildcard", id="any host"),
            pytest.param("DJANGO_ALLOWED_HOSTS", ".example.org", "wildcard", id="any subdomain"),
            pytest.param("DJANGO_ALLOWED_HOSTS", "", "DJANGO_ALLOWED_HOSTS is empty", id="no host"),
            pytest.param("DATABASE_URL", "", "DATABASE_URL is not set", id="no database"),
        ],
    )
    def test_refuses_to_start(self, variable: str, value: str, complaint: str) -> None:
        environment = {name: text for name, text in (SAFE_PRODUCTION | {variable: value}).items() if text}

        done = manage("check", **environment)

        assert done.returncode != 0
        assert complaint in done.stderr


class TestValues:
    def test_a_value_of_the_wrong_type_names_the_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REPRISE_QUARANTINE_DAYS", "soon")

        with pytest.raises(ImproperlyConfigured, match="REPRISE_QUARANTINE_DAYS='soon' is not a whole number"):
            Environment().whole("REPRISE_QUARANTINE_DAYS", default=1, least=1, most=9, unit="days", says="…")

    @pytest.mark.parametrize("spelling", ["true", "TRUE", "1", "yes", "on"])
    def test_a_flag_may_be_spelt_in_several_ways(self, monkeypatch: pytest.MonkeyPatch, spelling: str) -> None:
        monkeypatch.setenv("SOME_FLAG", spelling)

        assert Environment().flag("SOME_FLAG", default=False, says="…") is True

    def test_a_flag_refuses_anything_else(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOME_FLAG", "maybe")

        with pytest.raises(ImproperlyConfigured, match="SOME_FLAG='maybe'"):
            Environment().flag("SOME_FLAG", default=False, says="…")

    @pytest.mark.parametrize("name", [v.name for v in settings.ENVIRONMENT.variables.values() if v.least is not None])
    def test_every_bounded_variable_is_checked_with_a_hint(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        variable = settings.ENVIRONMENT.variables[name]
        assert variable.most is not None
        too_large = type(variable)(
            **{field: getattr(variable, field) for field in variable.__slots__} | {"value": variable.most + 1}
        )
        monkeypatch.setitem(settings.ENVIRONMENT.variables, name, too_large)

        problems = checks.variables_are_in_range(None)

        assert [name in problem.msg and bool(problem.hint) for problem in problems] == [True]
        assert "PerEnvironment" not in problems[0].hint

    def test_a_web_server_refuses_a_value_out_of_range_as_commands_do(self) -> None:
        """Gunicorn imports the application and runs no system check."""
        done = subprocess.run(
            [sys.executable, "-c", "import project.wsgi"],
            cwd=ROOT,
            env=os.environ | {"REPRISE_LEASE_SECONDS": "9999", "DJANGO_SETTINGS_MODULE": "project.settings"},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 1
        assert "REPRISE_LEASE_SECONDS=9999 is out of range: 3 to 3,600 seconds." in done.stderr

    @pytest.mark.parametrize(
        "contradiction",
        [
            pytest.param({"STALENESS_FRESH_HOURS": 30}, id="fresh longer than moderate"),
            pytest.param({"CONFIDENCE_MEDIUM": 0.93}, id="medium above high"),
            pytest.param({"LEASE_RENEW_SECONDS": 20}, id="lease renewed too late"),
        ],
    )
    def test_contradicting_variables_are_an_error(self, contradiction: dict[str, float]) -> None:
        with override_settings(**contradiction):
            assert len(checks.related_variables_agree(None)) == 1

    def test_the_defaults_raise_nothing(self) -> None:
        assert checks.variables_are_in_range(None) == checks.related_variables_agree(None) == []

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("TIME_ZONE", "Nowhere/Land"),
            ("REPRISE_QUARANTINE_DAYS", "soon"),
            ("DATABASE_URL", "postgres://u:pa/ss@h/d"),
        ],
    )
    def test_a_wrong_value_is_one_sentence_and_no_traceback(self, variable: str, value: str) -> None:
        done = manage("check", **{variable: value})

        assert done.returncode == 1
        assert variable in done.stderr
        assert "Traceback" not in done.stderr
        assert "pa/ss" not in done.stderr

    def test_relative_places_do_not_depend_on_where_a_command_is_started(self, tmp_path: Path) -> None:
        script = "from project import settings; print(settings.WORK_DIR, settings.DATABASES['default']['NAME'])"
        environment = os.environ | {
            "REPRISE_WORK_DIR": "var",
            "DATABASE_URL": "sqlite:///db.sqlite3",
            "PYTHONPATH": str(ROOT),
        }

        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )

        assert done.stdout.split() == [str(ROOT / "var"), str(ROOT / "db.sqlite3")]

    def test_an_unprepared_database_is_said_with_the_way_out(self, tmp_path: Path) -> None:
        done = manage("run_duplicate_analysis", DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")

        assert (done.returncode, done.stderr.splitlines()[-1]) == (
            1,
            "The database is not prepared. Run: uv run manage.py migrate",
        )

    @pytest.mark.parametrize("address", ["mysql://u@h/d", "nonsense"])
    def test_a_foreign_database_is_refused_by_name(self, address: str) -> None:
        done = manage("check", DATABASE_URL=address)

        assert done.returncode != 0
        assert "sqlite:///" in done.stderr


class TestDocumentation:
    def test_the_example_lists_every_variable_with_its_default(self) -> None:
        assert reference.ENV_EXAMPLE.read_text() == reference.env_example(settings.ENVIRONMENT.variables.values())

    def test_the_settings_page_lists_every_variable(self) -> None:
        assert reference.SETTINGS_PAGE.read_text() == reference.settings_page(settings.ENVIRONMENT.variables.values())

    def test_every_setting_used_in_the_code_is_declared(self) -> None:
        """No module reads the environment past the declarations. Setting a variable for a library is no reading."""
        strays = [
            str(path.relative_to(ROOT))
            for place in ("library", "duplicates")
            for path in (ROOT / place).rglob("*.py")
            if re.search(r"os\.environ(?!\.setdefault\()|getenv", path.read_text())
        ]

        assert not strays

    def test_the_reference_command_prints_the_page(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("settings_reference")

        assert "REPRISE_QUARANTINE_DAYS" in capsys.readouterr().out


def test_every_admin_page_is_checked_though_commands_load_none() -> None:
    script = (
        "import django; django.setup(); from django.contrib import admin; print(len(admin.site._registry)); "
        "from django.core.checks import run_checks; run_checks(tags=['admin']); print(len(admin.site._registry))"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stdout.split())

    assert (before, after > 10) == (0, True)


def test_no_setting_is_declared_and_read_by_nobody() -> None:
    """A setting that does nothing is a promise broken quietly."""
    declared = (ROOT / "project" / "settings.py").read_text()
    sources = [
        path.read_text() for place in ("library", "duplicates", "project") for path in (ROOT / place).rglob("*.py")
    ]
    texts = [text for text in sources if text != declared]

    unread = []
    for variable in settings.ENVIRONMENT.variables.values():
        names = re.findall(rf"([A-Z_]+)(?:: \w+)? = ENVIRONMENT\.\w+\(\s*\"{variable.name}\"", declared)
        is_read = any(f"settings.{name}" in text or f"site.{name}" in text for name in names for text in texts)
        is_djangos = any(hasattr(global_settings, name) for name in names)
        is_used_here = any(len(re.findall(rf"\b{name}\b", declared)) > 2 for name in names) or not names
        if not (is_read or is_djangos or is_used_here):
            unread.append(variable.name)

    assert unread == []
