"""The operator's page: its chapters, and whatever it says one sees is what Reprise says."""

import re
from pathlib import Path

import yaml

from duplicates import exceptions
from tests.project.test_deploy import GUNICORN

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operator.md").read_text()
SOURCES = "\n".join(
    path.read_text() for app in ("duplicates", "library", "project") for path in (ROOT / app).rglob("*.py")
)
CHAPTERS = [
    "Configuration", "Serving", "Workers", "Timers", "Backup and restore", "Upgrading without losing a run",
    "Monitoring", "Trouble",
]  # fmt: skip


def chapter(name: str) -> str:
    return re.split(r"^## ", TEXT, flags=re.MULTILINE)[1 + CHAPTERS.index(name)]


def rows() -> list[list[str]]:
    """Return the rows of the table of trouble: what one sees, why, what to do."""
    lines = [line for line in chapter("Trouble").splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_it_has_every_chapter_and_lists_them() -> None:
    assert re.findall(r"^## (.+)$", TEXT, re.MULTILINE) == CHAPTERS
    assert re.findall(r"^- \[(.+)\]\(#", TEXT, re.MULTILINE) == CHAPTERS


def test_every_alert_has_its_way_out() -> None:
    groups = yaml.safe_load((ROOT / "docs" / "monitoring" / "alerts.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}

    assert {name for seen, _why, _do in rows() for name in re.findall(r"`(Reprise\w+)`", seen)} == alerts


def test_every_code_it_names_exists() -> None:
    known = {getattr(one, "code", "") for one in vars(exceptions).values()} | {"DEADLINE_PASSED"}
    named = {code for row in rows() for code in re.findall(r"`([A-Z]+_[A-Z]+)`", row[0])}

    assert len(named) > 5
    assert named - known == set()
    assert "DEADLINE_PASSED" in SOURCES


def test_whatever_it_quotes_is_said_somewhere() -> None:
    quoted = {text for row in rows() for cell in row for text in re.findall(r'"([^"]+)"', cell)}
    everything = SOURCES + "\n".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))

    assert {text for text in quoted - {"CSRF verification failed"} if text not in everything} == set()


def test_it_starts_the_web_server_as_the_unit_does() -> None:
    (line,) = re.findall(r"^gunicorn (.+)$", chapter("Serving"), re.MULTILINE)

    assert line.split() == GUNICORN["reprise-web.service"]


def test_its_timers_are_the_units() -> None:
    units = [path.read_text() for path in (ROOT / "docs" / "deploy" / "systemd").glob("*.service")]

    for command in re.findall(r"`(manage\.py [^`]+)`", chapter("Timers")):
        assert any(command in text for text in units), command
