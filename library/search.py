"""Finds tracks by the beginning of their title or artist, by two indexes: never a scan, however large the library is.

Whoever lists other rows with titles and artists finds the same here: an index, and the condition that uses it.

In a library of up to `SCANNED` tracks any part of title, artist or album is found; reading so many takes no time. The
indexes are on the first letters only, because PostgreSQL refuses an index row of a 10,000-character title, and are put
in place after every `migrate`: SQLite loses what Django does not know when it rebuilds a table. Fewer letters make a
row cheaper to write and a search read more of them. Rows that are written by the hundred thousand, over and over, have
`FEW`, which all lie in the same few hundred places.
"""

from typing import Any

from django.db import connections
from django.db.models import F, Func, Q, QuerySet, TextField

from library.models import Track

LETTERS = 24
FEW = 2
SCANNED = 50_000
MOST_FOUND = 1_000  # per field; people who want more of them type another letter
_INDEXED = ("title", "artist")
_HIGHEST = "\U0010ffff"


class Beginning(Func):
    """The first letters of a text in lower case, written as the index has it."""

    template = "lower(substr(%(expressions)s, 1, %(letters)d))"
    output_field = TextField()

    def __init__(self, expression: F, letters: int = LETTERS) -> None:
        super().__init__(expression, letters=letters)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="lower(left(%(expressions)s, %(letters)d))", **context)


def install(using: str, table: str = "library_track", called: str = "track") -> None:
    """Create the indexes that are missing on title and artist of a table."""
    _install(using, table, f"{called}_{{}}_beginning", letters=LETTERS)


def install_within(using: str, table: str, called: str, *, within: str) -> None:
    """Create the indexes that are missing on a column, and few letters of title or artist, of a table."""
    _install(using, table, f"{called}_{{}}_start", letters=FEW, within=within)


def _install(using: str, table: str, called: str, *, letters: int, within: str = "") -> None:
    connection = connections[using]
    if table not in connection.introspection.table_names():
        return
    is_postgres = connection.vendor == "postgresql"
    first = f"{within}, " if within else ""
    with connection.cursor() as cursor:
        for name in _INDEXED:
            start = f"left({name}, {letters})" if is_postgres else f"substr({name}, 1, {letters})"
            order = " text_pattern_ops" if is_postgres else ""
            cursor.execute(
                f"CREATE INDEX IF NOT EXISTS {called.format(name)} ON {table} ({first}lower({start}){order})"
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
    """Return all of the rows whose title or artist begins with a text.

    Those that share its first two letters are found by the indexes of `install_within`, and looked at one by one.
    """
    # Put together, not one or the other: with OR, PostgreSQL looked at every row there is.
    by_title, by_artist = (
        rows.order_by()
        .annotate(start=Beginning(F(name), FEW), beginning=Beginning(F(name)))
        .filter(begins(text, rows.db, FEW, "start"), begins(text, rows.db))
        .values("pk")
        for name in _INDEXED
    )
    return rows.filter(pk__in=by_title.union(by_artist))


def begins(text: str, using: str, letters: int = LETTERS, name: str = "beginning") -> Q:
    """Return the condition that a `Beginning` of so many letters starts with a text, in whichever case."""
    if connections[using].vendor == "postgresql":
        return Q(**{f"{name}__startswith": text.lower()[:letters]})
    # SQLite lowers ASCII letters only, so others are looked for as typed and in the cases titles have.
    spellings = {"".join(sign.lower() if sign.isascii() else sign for sign in one) for one in _cases(text)}
    within = Q()
    for one in sorted({spelling[:letters] for spelling in spellings}):
        within |= Q(**{f"{name}__gte": one, f"{name}__lt": one + _HIGHEST})
    return within


def _cases(text: str) -> tuple[str, ...]:
    return text, text.lower(), text.upper(), text.title(), text[:1].upper() + text[1:].lower()
