"""The documentation says what the code does: every command, option and link in it is real, and none is missing."""

import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.management import get_commands, load_command_class
from drf_spectacular.generators import SchemaGenerator

from project.apps import load_admin_pages

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
OURS = {
    name: app for name, app in get_commands().items() if str(app).split(".")[0] in ("library", "duplicates", "project")
}
EVERY_COMMAND_HAS = set(ArgumentParser()._option_string_actions) | {
    "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color",
    "--skip-checks", "-v",
}  # fmt: skip


def lines_in(page: Path) -> list[str]:
    """Return the commands of ours in the blocks a reader copies, without prompts, remarks and redirections."""
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    found = re.findall(r"manage\.py ([a-z_]+[^\n|>#]*)", "\n".join(blocks).replace("\\\n", " "))
    return [line.strip() for line in found if "…" not in line and "[options]" not in line]


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


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made from their words."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_to_a_heading_find_it(page: Path) -> None:
    links = re.findall(r"\]\(([^):#]*)#([^)]+)\)", page.read_text())

    assert [(to, name) for to, name in links if name not in anchors(page.parent / to if to else page)] == []


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_pictures_say_what_they_show_and_are_small(page: Path) -> None:
    for text, picture in re.findall(r"!\[([^]]*)\]\(([^)]+)\)", page.read_text()):
        assert len(text) > 30, picture
        assert (page.parent / picture).stat().st_size < 250_000


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^):#]+\.md)", page.read_text())
        waiting += [target for link in links if (target := (page.parent / link).resolve()) not in reached]

    assert set(PAGES) - reached == set()


def test_every_setting_is_documented() -> None:
    rows = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))

    assert rows == set(settings.ENVIRONMENT.variables)


def test_every_setting_named_in_the_text_exists() -> None:
    elsewhere = {"DJANGO_SETTINGS_MODULE", "REPRISE_EVAL_DATA"}  # Django's own, and one of the benchmarks
    for page in PAGES:
        named = set(re.findall(r"\b(?:REPRISE|DJANGO)_[A-Z_]*[A-Z]\b", page.read_text()))

        assert {name for name in named - elsewhere if name not in settings.ENVIRONMENT.variables} == set(), page.name


def admin_actions() -> set[str]:
    """Return what every action of our admin is called."""
    load_admin_pages()
    pages = (page for model, page in admin.site._registry.items() if model._meta.app_label in ("duplicates", "library"))
    named = ((page, name) for page in pages for name in page.actions or ())
    found = (getattr(name if callable(name) else getattr(page, name), "short_description", "") for page, name in named)
    return {str(text) for text in found}


def test_every_action_of_the_admin_is_documented() -> None:
    cells = re.findall(r"^\|[^|]*\| ([^|]+?) \|", (ROOT / "docs" / "actions.md").read_text(), re.MULTILINE)
    # A row may name several of one kind, and a name may hold a comma itself.
    documented = {part for cell in cells for part in (cell, *cell.split(", "))}

    actions = admin_actions()
    assert len(actions) > 15
    assert actions - documented == set()


def test_every_endpoint_of_the_api_is_documented() -> None:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    expected = {
        f"| {method.upper()} | `{re.sub(r'{[^}]+}', 'ID', path.removeprefix('/api/v1'))}` | {described['summary']} |"
        for path, methods in paths.items()
        for method, described in methods.items()
    }

    lines = (ROOT / "docs" / "endpoints.md").read_text().splitlines()
    assert {line for line in lines if re.match(r"\| [A-Z]+ \|", line)} == expected


def test_what_the_guide_tells_a_librarian_to_press_exists() -> None:
    text = re.sub(r"!\[[^]]*\]", "", (ROOT / "docs" / "librarian.md").read_text())
    told = {bold or quoted for bold, quoted in re.findall(r'\*\*([A-Z][^*.]+)\*\*|"([A-Z][^"\n]+)"', text)}
    sources = [*(ROOT / "templates").rglob("*.html"), *ROOT.glob("duplicates/**/*.py"), *ROOT.glob("library/**/*.py")]
    everything = "\n".join(path.read_text() for path in sources)

    assert len(told) > 15
    assert {label for label in told if label not in everything} == set()


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_command_that_a_reader_copies_is_understood(page: Path) -> None:
    for line in lines_in(page):
        name, *arguments = shlex.split(line.replace("&& ", ""))
        command = load_command_class(get_commands()[name], name)

        assert command.create_parser("manage.py", name).parse_args(arguments), line


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_commands_named_in_the_text_exist(page: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", page.read_text()))

    assert named - set(get_commands()) == set()
