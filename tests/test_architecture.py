"""The arrows of the house: who may import whom. Read from the source, so a forbidden import fails before it runs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGINE_MAY_IMPORT = {
    "anyascii",
    "numpy",
    "polars",
    "rapidfuzz",
    "scipy",
    "duplicates.engine",
    *sys.stdlib_module_names,
}

# (folder or file, what it must not import, why)
FORBIDDEN = [
    ("library", "duplicates", "the library knows nothing of duplicates"),
    ("duplicates/models", "duplicates.services", "models say what is, services what happens"),
    ("duplicates/models", "duplicates.engine", "a web process must not load the matcher"),
    ("duplicates/services", "duplicates.admin", "services do not know their doors"),
    ("duplicates/services", "duplicates.management", "services do not know their doors"),
    ("duplicates/services", "duplicates.tasks", "the queue is handed in"),
    ("duplicates/services", "rest_framework", "services do not know their doors"),
    ("duplicates/engine", "django", "the engine is pure"),
    ("library/importers", "django", "readers are pure"),
    ("library", "project", "applications do not know the project they live in"),
    ("duplicates", "project", "applications do not know the project they live in"),
]


def sources(place: str) -> Iterator[Path]:
    return (path for path in (ROOT / place).rglob("*.py") if "migrations" not in path.parts)


@cache  # a dozen arrows ask the same files
def imports_of(path: Path) -> list[str]:
    return list(_imports_in(ast.parse(path.read_text())))


def _imports_in(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def belongs_to(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize(("place", "package", "reason"), FORBIDDEN, ids=[f"{a} -> {b}" for a, b, _ in FORBIDDEN])
def test_no_import_against_the_arrows(place: str, package: str, reason: str) -> None:
    offenders = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(place)
        for name in imports_of(path)
        if belongs_to(name, package)
    ]

    assert not offenders, f"{reason}: {offenders}"


def test_the_engine_imports_only_itself_and_its_libraries() -> None:
    strangers = {
        name
        for path in sources("duplicates/engine")
        for name in imports_of(path)
        if name and not any(belongs_to(name, allowed) for allowed in ENGINE_MAY_IMPORT)
    }

    assert not strangers


def test_starting_django_loads_no_matching_library() -> None:
    """A web process that never runs an analysis must not pay for numpy, polars and numba; nor must an import."""
    script = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'project.settings'; import project.wsgi; "
        "from django.urls import get_resolver; get_resolver().url_patterns; "
        "print(*({'numpy', 'polars', 'numba', 'scipy', 'rapidfuzz'} & set(sys.modules)))"
    )

    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == ""


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for place in ("project", "library", "duplicates", "tests")
        for path in sources(place)
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert not silent
