"""The documentation says what the code does: every command, option and link in it is real, and none is missing."""

import re
from argparse import ArgumentParser
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = {
    name: app for name, app in get_commands().items() if str(app).split(".")[0] in ("library", "duplicates", "project")
}
EVERY_COMMAND_HAS = set(ArgumentParser()._option_string_actions) | {
    "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color",
    "--skip-checks", "-v",
}  # fmt: skip


def options_of(name: str) -> set[str]:
    parser = load_command_class(OURS[name], name).create_parser("manage.py", name)
    return {option for option in parser._option_string_actions if option.startswith("--")} - EVERY_COMMAND_HAS


def section_of(command: str) -> str:
    texts = [(ROOT / "docs" / name).read_text() for name in ("commands.md", "importing.md")]
    found = re.search(rf"^## {command}\b.*?(?=^## |\Z)", texts[0], re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no section on {command}"
    return found[0] + (texts[1] if command == "import_library" else "")


@pytest.mark.parametrize("command", sorted(OURS))
def test_every_command_and_option_is_documented(command: str) -> None:
    section = section_of(command)

    assert {option for option in options_of(command) if option not in section} == set()


@pytest.mark.parametrize("command", sorted(OURS))
def test_every_command_says_what_it_is_for(command: str) -> None:
    assert load_command_class(OURS[command], command).help


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()) if "://" not in link]

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_commands_named_in_the_text_exist(page: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", page.read_text()))

    assert named - set(get_commands()) == set()
