"""Databases for houses. Most are copies of a template, which is made once for all processes of a test run.

On SQLite they are files, on PostgreSQL databases of the server the tests use. A copy takes a moment; making the tables
takes seconds, and analysing a large library minutes.
"""

import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.conf import settings
from psycopg import sql


def is_sqlite() -> bool:
    """Tell which of the two the tests run on."""
    return str(settings.DATABASES["default"]["ENGINE"]).endswith("sqlite3")


@contextmanager
def new_database(folder: Path, like: str = "") -> Iterator[str]:
    """Yield the URL of a database for this block: a copy of one nobody is connected to, or an empty one."""
    url = _create(folder, like)
    try:
        yield url
    finally:
        _drop(url)


@contextmanager
def template(folder: Path, fill: Callable[[str], None], like: str = "") -> Iterator[str]:
    """Yield the URL of a database that the first process to come here fills and the last one to go drops.

    All of them name the same folder.
    """
    folder.mkdir(exist_ok=True)
    address, users = folder / "url", folder / "users"
    with _one_at_a_time(folder):
        if not address.exists():
            url = _create(folder, like)
            fill(url)
            address.write_text(url)
        url = address.read_text()
        users.write_text(str(_number_in(users) + 1))
    try:
        yield url
    finally:
        with _one_at_a_time(folder):
            users.write_text(str(_number_in(users) - 1))
            if not _number_in(users):
                address.unlink()
                _drop(url)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _number_in(file: Path) -> int:
    return int(file.read_text()) if file.exists() else 0


def _create(folder: Path, like: str) -> str:
    if is_sqlite():
        path = folder / "db.sqlite3"
        if like:
            shutil.copy(like.removeprefix("sqlite:///"), path)
        return f"sqlite:///{path}"
    name = f"reprise_faults_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    if like:
        _on_server("CREATE DATABASE {} TEMPLATE {}", name, like.rpartition("/")[2])
    else:
        _on_server("CREATE DATABASE {}", name)
    return f"{_server()}/{name}"


def _drop(url: str) -> None:
    if not is_sqlite():  # a file goes with its folder
        _on_server("DROP DATABASE {} WITH (FORCE)", url.rpartition("/")[2])


def _on_server(command: str, *names: str) -> None:
    with psycopg.connect(f"{_server()}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL(command).format(*map(sql.Identifier, names)))


def _server() -> str:
    configured = settings.DATABASES["default"]
    password = f":{configured['PASSWORD']}" if configured.get("PASSWORD") else ""
    return f"postgresql://{configured['USER']}{password}@{configured['HOST']}:{configured['PORT'] or 5432}"
