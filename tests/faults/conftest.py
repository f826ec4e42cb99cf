"""A house for each fault test, on the database the tests run on."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from tests.faults.support import House, house
from tests.forms import is_full_form

SMALL, FULL = 700, 60_000  # songs; about 1,100 and 100,000 tracks


@pytest.fixture(scope="session")
def songs(request: pytest.FixtureRequest) -> int:
    """How large the library of the fault tests is: the full form runs with `-m slow`."""
    return FULL if is_full_form(request.config) else SMALL


@contextmanager
def new_database(folder: Path, prepared_sqlite: Path) -> Iterator[str]:
    """Yield the URL of a database: a file with its tables, or one created on the PostgreSQL server the tests use."""
    configured = settings.DATABASES["default"]
    if configured["ENGINE"].endswith("sqlite3"):
        yield f"sqlite:///{shutil.copy(prepared_sqlite, folder / 'db.sqlite3')}"
        return
    name = f"reprise_faults_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    user, host, port = configured["USER"], configured["HOST"], configured["PORT"] or 5432
    password = f":{configured['PASSWORD']}" if configured.get("PASSWORD") else ""
    server = f"postgresql://{user}{password}@{host}:{port}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"{server}/{name}"
    finally:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def database_url(prepared_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of its own for the house that most tests share."""
    with new_database(tmp_path_factory.mktemp("house"), prepared_sqlite) as url:
        yield url


@pytest.fixture
def house_to_clean(prepared_sqlite: Path, tmp_path: Path) -> Iterator[House]:
    """A house of one's own, whose library a test may change."""
    with new_database(tmp_path, prepared_sqlite) as url, house(url, tmp_path) as built:
        yield built


@pytest.fixture(scope="session")
def shared_house(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(database_url, tmp_path_factory.mktemp("faults")) as built:
        yield built


@pytest.fixture
def home(shared_house: House) -> Iterator[House]:
    """The installation, with no process left from the test before."""
    yield shared_house
    shared_house.end_processes()


@pytest.fixture(scope="session")
def undisturbed(shared_house: House, songs: int) -> list[object]:
    """The groups of a run over the library that nothing happened to."""
    shared_house.make_library(songs)
    done = shared_house.manage("run_duplicate_analysis", "--force-refresh")
    return shared_house.groups(done.stdout.split()[-1])
