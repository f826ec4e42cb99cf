"""Writes what the settings declare about themselves: `.env.example` and the settings page of the documentation.

Both are made from `project.settings`, so they cannot say anything else than the code does.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from project.environment import BASE_DIR, ENVIRONMENTS, PerEnvironment, Variable

ENV_EXAMPLE = BASE_DIR / ".env.example"
SETTINGS_PAGE = BASE_DIR / "docs" / "settings.md"

_ENV_HEAD = """\
# Every variable Reprise reads, with its default. Copy to .env and change what you need.
# DJANGO_ENV=production needs DJANGO_SECRET_KEY, DJANGO_ALLOWED_HOSTS and DATABASE_URL; the rest may stay away.
"""
_PAGE_HEAD = """\
# Settings

Every setting is an environment variable, or a line in a file `.env` beside `manage.py`; the environment wins. A value
of the wrong type stops the start and names the variable; one out of range is an error of `manage.py check`.
Where a default depends on `DJANGO_ENV`, all three are named.

Those marked ✎ can be changed while the site runs, in the admin under "Site settings", by who has the permission
`duplicates.change_sitesetting` (the ready-made group Administrator has it). What is chosen there wins over the
environment, is checked in the same way and stands in the audit trail; an emptied field follows the environment again.
Every process knows of a change within five seconds. Everything else is read once, at the start.

What belongs together must agree, as the staleness levels must grow: of two administrators at once the second is told
who contradicts the first. Where the environment was changed since and contradicts a choice, the environment decides
about all that belong together; the log and "Site settings" say so.

This page and `.env.example` are written by `uv run manage.py settings_reference --write`.

| variable | type | unit | default | range | what it does |
|---|---|---|---|---|---|
"""


def env_example(variables: Iterable[Variable]) -> str:
    """Return the text of `.env.example`."""
    blocks = [f"# {_sentence(variable)}\n#{variable.name}={_default(variable)}\n" for variable in variables]
    return "\n".join([_ENV_HEAD, *blocks])


def settings_page(variables: Iterable[Variable]) -> str:
    """Return the text of the settings page."""
    return _PAGE_HEAD + "".join(
        f"| {_name_cell(v)} | {v.kind} | {v.unit} | {_default_cell(v)} | {v.range_text} | {v.help} |\n"
        for v in variables
    )


def _name_cell(variable: Variable) -> str:
    return f"`{variable.name}` ✎" if variable.at_runtime else f"`{variable.name}`"


def _sentence(variable: Variable) -> str:
    accepted = ", ".join(part for part in (variable.kind, _range(variable)) if part)
    return f"{variable.help} ({accepted})"


def _range(variable: Variable) -> str:
    return f"{variable.range_text} {variable.unit}".strip() if variable.range_text else ""


def _code(text: str) -> str:
    return f"`{text}`" if text else "empty"


def _default(variable: Variable) -> str:
    """Return the development default, as it would be typed."""
    default = variable.default
    return _typed(default.development if isinstance(default, PerEnvironment) else default)


def _default_cell(variable: Variable) -> str:
    default = variable.default
    if not isinstance(default, PerEnvironment):
        return _code(_typed(default))
    shown = [f"{name}: {_code(_typed(default.of(name)))}" for name in ENVIRONMENTS]
    return "<br>".join(shown)


def _typed(default: Any) -> str:
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, list):
        return ",".join(default)
    if isinstance(default, Path) and default.is_relative_to(BASE_DIR):
        return str(default.relative_to(BASE_DIR))
    return str(default).replace(f"{BASE_DIR}/", "")
