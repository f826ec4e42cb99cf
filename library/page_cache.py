"""How many of its pages SQLite keeps in memory while something large is written."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def page_cache(kib: int) -> Iterator[None]:
    """Keep so much in memory inside the block. PostgreSQL looks after itself."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        before = cursor.execute("PRAGMA cache_size").fetchone()[0]
        cursor.execute(f"PRAGMA cache_size = -{kib:d}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA cache_size = {before}")
