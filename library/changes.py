"""The library revision: what changed since when, exact to the track.

Triggers write the log (`library.change_triggers`); this module reads it and names causes. Nobody is told of a change:
whoever cares keeps the last revision seen and asks `changes_since`. That way the library needs to know nothing of its
readers, and a reader that was down misses nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import batched, pairwise

from django.db import connection, transaction
from django.db.models import QuerySet

from library.change_triggers import differs_from_json
from library.models import LibraryChange, LibraryRevision

QUESTIONS_PER_QUERY = 100
COMPACTION_BATCH = 5_000  # rows deleted in one transaction
# Of a range with two ends PostgreSQL expects little, and takes the index; of one with a single end a third of the log,
# until it has counted it anew, which it has not when an import has just ended.
_LAST = 2**63 - 1
_ENDLESS = f"revision <= {_LAST}"
_REVISION, _CHANGES = -1, -2  # the places of what a count says besides


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """Net changes between two moments: each track counts once, and one that came and went not at all."""

    added: int = 0
    modified: int = 0
    deleted: int = 0

    @property
    def total(self) -> int:
        return self.added + self.modified + self.deleted

    def __add__(self, other: "ChangeCounts") -> "ChangeCounts":
        return ChangeCounts(self.added + other.added, self.modified + other.modified, self.deleted + other.deleted)

    def __sub__(self, other: "ChangeCounts") -> "ChangeCounts":
        return ChangeCounts(self.added - other.added, self.modified - other.modified, self.deleted - other.deleted)


class TooMany(Exception):
    """There are more changes than were to be counted."""


def current_revision() -> int:
    """Return the revision of the library as this transaction sees it; 0 before the first change."""
    return LibraryRevision.objects.filter(pk=1).values_list("value", flat=True).first() or 0


def changes_since(revision: int) -> QuerySet[LibraryChange]:
    """Return the recorded changes after `revision`, oldest first."""
    return LibraryChange.objects.filter(revision__gt=revision, revision__lte=_LAST).order_by("revision", "id")


@contextmanager
def recording(cause: str) -> Iterator[None]:
    """Name the cause of every change recorded inside the block, which is one transaction.

    The revision row is locked first, so two blocks run one after the other instead of deadlocking over their tracks.
    """
    with transaction.atomic():
        locked = LibraryRevision.objects.select_for_update().filter(pk=1)
        row = locked.first()
        if row is None:
            LibraryRevision.objects.get_or_create(pk=1)
            row = locked.get()
        outer_cause = row.cause
        LibraryRevision.objects.filter(pk=1).update(cause=cause)
        yield
        LibraryRevision.objects.filter(pk=1).update(cause=outer_cause)


def hold_still() -> None:
    """Keep the library as it is until the open transaction ends, and wait for whoever is changing it.

    Several may hold it still at once. One lock instead of one a track, which would write to every page of the library.
    SQLite has one writer at a time anyway.
    """
    if connection.vendor == "postgresql":
        LibraryRevision.objects.get_or_create(pk=1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT value FROM library_libraryrevision WHERE id = 1 FOR SHARE")


@dataclass(frozen=True, slots=True)
class Tracks:
    """Some tracks, as a condition on a row of the change log, with its values."""

    condition: str
    values: list[int | str]


def changed_between(revision: int, upto: int | None = None) -> Tracks:
    """Return the tracks with a change after `revision`, up to another (None: now)."""
    end, values = (_ENDLESS, [revision]) if upto is None else ("revision <= %s", [revision, upto])
    changed = f"SELECT track_id FROM library_librarychange WHERE revision > %s AND {end}"
    # As an array PostgreSQL reads them first and then what happened to each, whatever it guesses of the revisions.
    among = f"= ANY (ARRAY({changed}))" if connection.vendor == "postgresql" else f"IN ({changed})"
    return Tracks(f"track_id {among}", list(values))


def changed_for(cause: str, revision: int) -> Tracks:
    """Return the tracks changed with a cause after `revision`."""
    changes = "SELECT track_id FROM library_librarychange WHERE revision > %s AND cause = %s"
    return Tracks(f"track_id IN ({changes})", [revision, cause])


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the log whose net changes are asked for: after `revision`, up to another (None: now).

    With `among`, those of some tracks, which must all have changed after `upto` if that is given: the log says then how
    they were. What happened with `ignoring_cause` is left out, and so is a track that is gone for that cause.
    """

    revision: int
    ignoring_cause: str = ""
    upto: int | None = None
    among: Tracks | None = None


def net_changes_since(revision: int, *, ignoring_cause: str = "") -> tuple[str, list[int | str]]:
    """Return a query of (track_id, kind), one row per track that is not as it was at `revision`, and its values."""
    return net_changes(Stretch(revision, ignoring_cause))


def net_changes(stretch: Stretch, *, only_if: str = "TRUE", are_few: bool = False) -> tuple[str, list[int | str]]:
    """Return a query of (track_id, kind), one row per track that a stretch of the log has changed, and its values.

    A track edited and edited back is unchanged; one added and deleted again never was. The cost is one range of the
    log; only a track that may have been edited is looked up: the log itself says which are new or gone, and an import
    adds many. `only_if` is a condition without which nothing is read. Where the changes `are_few` PostgreSQL looks the
    tracks up one by one; it would read the whole library for each stretch.
    """
    mine = " AND cause <> %s" if stretch.ignoring_cause else ""
    first, last = (f"{which}(CASE WHEN TRUE{mine} THEN id END)" for which in ("MIN", "MAX"))
    first_added = f"MIN(CASE WHEN kind = 'added'{mine} THEN id END)"
    last_deleted = f"MAX(CASE WHEN kind = 'deleted'{mine} THEN id END)"
    limits, limit_values = _limits(stretch)
    then, then_values, differs = _as_it_became(stretch)
    changed = "library_librarychange f", "id = CASE WHEN was_there AND is_there AND is_alive THEN first_id END"
    if are_few and connection.vendor == "postgresql":
        first_change, became = _looked_up(*changed), _looked_up(*then)
    else:
        first_change, became = (f"{table} ON {table[-1]}.{which}" for table, which in (changed, then))
    # "+ 0" keeps SQLite from walking through the whole timeline of tracks because that comes grouped already.
    query = f"""
        SELECT net.track_id AS track_id,
               CASE WHEN NOT is_there THEN 'deleted' WHEN was_there THEN 'modified' ELSE 'added' END AS kind
        FROM (
            SELECT track_id + 0 AS track_id, {first} AS first_id,
                   COALESCE({first} <> {first_added}, TRUE) AS was_there,
                   COALESCE({last} <> {last_deleted}, TRUE) AS is_there,
                   COALESCE(MAX(id) <> MAX(CASE WHEN kind = 'deleted' THEN id END), TRUE) AS is_alive
            FROM library_librarychange WHERE {limits} AND {only_if} GROUP BY track_id + 0
        ) net
        LEFT JOIN {first_change}
        LEFT JOIN {became}
        WHERE first_id IS NOT NULL AND ((was_there AND NOT is_there)
            OR (is_there AND is_alive AND (NOT was_there OR {differs})))"""
    causes: list[int | str] = [stretch.ignoring_cause] * 5 if stretch.ignoring_cause else []
    return query, [*causes, *limit_values, *then_values]


def _limits(stretch: Stretch) -> tuple[str, list[int | str]]:
    """Return the condition of the changes that are read, and its values."""
    conditions, values = ["revision > %s", _ENDLESS if stretch.upto is None else "revision <= %s"], [stretch.revision]
    if stretch.upto is not None:
        values.append(stretch.upto)
    if stretch.among is None:
        return " AND ".join(conditions), list(values)
    return " AND ".join((*conditions, stretch.among.condition)), [*values, *stretch.among.values]


def _looked_up(table: str, which: str) -> str:
    """Return the join of one row by its index, which PostgreSQL may not turn into another."""
    name, alias = table.split()
    return f"LATERAL (SELECT * FROM {name} WHERE {name}.{which} OFFSET 0) {alias} ON TRUE"


def _as_it_became(stretch: Stretch) -> tuple[tuple[str, str], list[int | str], str]:
    """Return the table that shows a track at the end of a stretch and which row, its values, and how it differs."""
    edited = "CASE WHEN was_there AND is_there AND is_alive THEN net.track_id END"
    if stretch.upto is None:
        return ("library_track t", f"id = {edited}"), [], differs_from_json(connection.vendor, "t", "f.before")
    next_change = (
        f"SELECT id FROM library_librarychange WHERE track_id = {edited} AND revision > %s ORDER BY revision LIMIT 1"
    )
    return ("library_librarychange n", f"id = ({next_change})"), [stretch.upto], "f.before <> n.before"


def count_changes_since(revision: int, *, ignoring_cause: str = "") -> ChangeCounts:
    """Return the net changes after `revision`, leaving out those recorded with `ignoring_cause`."""
    return count_changes_since_each([(revision, ignoring_cause)])[0]


def count_changes_since_each(questions: Sequence[tuple[int, str]]) -> list[ChangeCounts]:
    """Return the net changes after each (revision, cause to ignore), in order, with one query for up to 100."""
    answers: list[ChangeCounts] = []
    for chunk in batched(questions, QUESTIONS_PER_QUERY):
        answers += count_stretches([Stretch(*question) for question in chunk])[1]
    return answers


def count_stretches(
    stretches: Sequence[Stretch], *, at_most: int = 0, since: int = 0
) -> tuple[int, list[ChangeCounts]]:
    """Return the net changes of each stretch, with the revision that was read: one statement, one snapshot.

    Raises TooMany, having read next to nothing, where the log has more than `at_most` changes after `since`; 0 is no
    limit.
    """
    recent = f"SELECT 1 FROM library_librarychange WHERE revision > %s AND {_ENDLESS} LIMIT {at_most + 1:d}"
    guard = f"WITH recent AS MATERIALIZED (SELECT COUNT(*) AS changes FROM ({recent}) r) " if at_most else ""
    only_if = f"(SELECT changes FROM recent) <= {at_most:d}" if at_most else "TRUE"
    parts = ["SELECT -1 AS place, '' AS kind, value AS many FROM library_libraryrevision WHERE id = 1"]
    parts += ["SELECT -2, '', changes FROM recent"] if at_most else []
    values: list[int | str] = [since] if at_most else []
    for place, stretch in enumerate(stretches):
        query, needed = net_changes(stretch, only_if=only_if, are_few=at_most > 0)
        parts.append(f"SELECT {place:d}, kind, COUNT(*) FROM ({query}) counted GROUP BY kind")
        values += needed
    with connection.cursor() as cursor:
        cursor.execute(guard + " UNION ALL ".join(parts), values)
        rows = cursor.fetchall()
    counted: list[dict[str, int]] = [{} for _ in stretches]
    for place, kind, many in rows:
        if place == _CHANGES and many > at_most:
            raise TooMany
        if place >= 0:
            counted[place][kind] = many
    revision = next((many for place, _kind, many in rows if place == _REVISION), 0)
    return revision, [ChangeCounts(**counts) for counts in counted]


def compact(kept_revisions: Iterable[int], *, older_than: datetime) -> int:
    """Delete old changes nobody needs to count from any of `kept_revisions`; return how many went.

    Counting from a revision needs the first and the last change of each track and cause after it. So within each
    stretch between two kept revisions those two stay and what lies between them goes; what lies before the first kept
    revision goes altogether. Works in short transactions; killed midway, every count is still exact.
    """
    removed = 0
    for needless in _needless(kept_revisions, older_than):
        for batch in batched(needless, COMPACTION_BATCH):
            LibraryChange.objects.filter(pk__in=batch).delete()
        removed += len(needless)
    return removed


def count_needless(kept_revisions: Iterable[int], *, older_than: datetime) -> int:
    """Return how many changes `compact` would delete."""
    return sum(map(len, _needless(kept_revisions, older_than)))


_BETWEEN = """
    SELECT id FROM (
        SELECT id, ROW_NUMBER() OVER (PARTITION BY track_id, cause ORDER BY id) AS from_first,
               ROW_NUMBER() OVER (PARTITION BY track_id, cause ORDER BY id DESC) AS from_last, changed_at
        FROM library_librarychange WHERE revision > %s AND revision <= %s
    ) numbered
    WHERE from_first > 1 AND from_last > 1"""


_BEFORE = "SELECT id FROM library_librarychange WHERE revision <= %s"


def _needless(kept_revisions: Iterable[int], older_than: datetime) -> Iterator[list[int]]:
    """Yield the changes that nobody needs, stretch by stretch."""
    marks = sorted({*kept_revisions, current_revision()})
    moment = connection.ops.adapt_datetimefield_value(older_than)
    for query, place in ((_BEFORE, marks[:1]), *((_BETWEEN, [start, end]) for start, end in pairwise(marks))):
        with connection.cursor() as cursor:
            cursor.execute(f"{query} AND changed_at < %s", [*place, moment])
            needless = [row[0] for row in cursor.fetchall()]
        yield needless
