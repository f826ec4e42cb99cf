"""How SQLite's connection is set while something large is written. PostgreSQL looks after itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def page_cache(kib: int) -> Iterator[None]:
    """Keep so much of the database in memory inside the block."""
    with _set("cache_size", -kib):
        yield


@contextmanager
def unchecked_copies() -> Iterator[None]:
    """Let SQLite not look again at copies of rows it has looked at: at their checks, and whom they refer to.

    Begin no transaction before the block and delete nothing inside: what refers to it would stay.
    """
    with connection.constraint_checks_disabled(), _set("ignore_check_constraints", 1):
        yield


@contextmanager
def _set(name: str, value: int) -> Iterator[None]:
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        before = cursor.execute(f"PRAGMA {name}").fetchone()[0]
        cursor.execute(f"PRAGMA {name} = {value:d}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA {name} = {before:d}")
