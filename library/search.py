"""Finds tracks by the beginning of their title or artist, by two indexes: never a scan, however large the library is.

Whoever lists other rows with titles and artists finds the same here: an index, and the condition that uses it.

In a library of up to `SCANNED` tracks any part of title, artist or album is found; reading so many takes no time. The
indexes are on the first letters only, because PostgreSQL refuses an index row of a 10,000-character title, and are put
in place after every `migrate`: SQLite loses what Django does not know when it rebuilds a table.
"""

from typing import Any

from django.db import connections
from django.db.models import F, Func, Q, QuerySet, TextField

from library.models import Track

LETTERS = 24
SCANNED = 50_000
MOST_FOUND = 1_000  # per field; people who want more of them type another letter
_INDEXED = ("title", "artist")
_HIGHEST = "\U0010ffff"


class Beginning(Func):
    """The first letters of a text in lower case, written as the index has it."""

    template = f"lower(substr(%(expressions)s, 1, {LETTERS}))"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=f"lower(left(%(expressions)s, {LETTERS}))", **context)


def install(using: str, table: str = "library_track", called: str = "track", *, within: str = "") -> None:
    """Create the indexes that are missing on title and artist of a table; `within` names a column to begin with."""
    connection = connections[using]
    if table not in connection.introspection.table_names():
        return
    is_postgres = connection.vendor == "postgresql"
    first = f"{within}, " if within else ""
    with connection.cursor() as cursor:
        for name in _INDEXED:
            start = f"left({name}, {LETTERS})" if is_postgres else f"substr({name}, 1, {LETTERS})"
            order = " text_pattern_ops" if is_postgres else ""
            cursor.execute(
                f"CREATE INDEX IF NOT EXISTS {called}_{name}_beginning ON {table} ({first}lower({start}){order})"
            )


def is_small() -> bool:
    """Is the library so small that all of it may be read for a search?"""
    newest = Track.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest is None or newest <= SCANNED or Track.objects.all()[: SCANNED + 1].count() <= SCANNED


def beginning_with(tracks: QuerySet[Track], text: str) -> QuerySet[Track]:
    """Return those of the tracks whose title or artist begins with a text, or whose number it is."""
    found: set[int] = set()
    for name in _INDEXED:
        matching = tracks.order_by().annotate(beginning=Beginning(F(name))).filter(begins(text, tracks.db))
        found.update(matching.values_list("pk", flat=True)[:MOST_FOUND])
    numbered = Q(pk=int(text)) if text.isascii() and text.isdecimal() and len(text) < 19 else Q()
    return tracks.filter(Q(pk__in=found) | numbered) if numbered else tracks.filter(pk__in=found)


def with_beginning(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Return all of the rows whose title or artist begins with a text, by the indexes `install` made on their table."""
    found = Q()
    for name in _INDEXED:
        matching = rows.order_by().annotate(beginning=Beginning(F(name))).filter(begins(text, rows.db))
        found |= Q(pk__in=matching.values("pk"))
    return rows.filter(found)


def begins(text: str, using: str) -> Q:
    """Return the condition that `beginning` starts with a text, in whichever case."""
    if connections[using].vendor == "postgresql":
        return Q(beginning__startswith=text.lower()[:LETTERS])
    # SQLite lowers ASCII letters only, so others are looked for as typed and in the cases titles have.
    spellings = {"".join(sign.lower() if sign.isascii() else sign for sign in one) for one in _cases(text)}
    within = Q()
    for one in sorted(spellings):
        within |= Q(beginning__gte=one[:LETTERS], beginning__lt=one[:LETTERS] + _HIGHEST)
    return within


def _cases(text: str) -> tuple[str, ...]:
    return text, text.lower(), text.upper(), text.title(), text[:1].upper() + text[1:].lower()
