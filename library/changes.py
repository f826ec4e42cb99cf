"""The library revision: what changed since when, exact to the track.

Triggers write the log (`library.change_triggers`); this module reads it and names causes. Nobody is told of a change:
whoever cares keeps the last revision seen and asks `changes_since`. That way the library needs to know nothing of its
readers, and a reader that was down misses nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import QuerySet

from library.change_triggers import fields_as_json
from library.models import LibraryChange, LibraryRevision


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """Net changes between two moments: each track counts once, and one that came and went not at all."""

    added: int = 0
    modified: int = 0
    deleted: int = 0

    @property
    def total(self) -> int:
        return self.added + self.modified + self.deleted


def current_revision() -> int:
    """Return the revision of the library as this transaction sees it; 0 before the first change."""
    return LibraryRevision.objects.filter(pk=1).values_list("value", flat=True).first() or 0


def changes_since(revision: int) -> QuerySet[LibraryChange]:
    """Return the recorded changes after `revision`, oldest first."""
    return LibraryChange.objects.filter(revision__gt=revision).order_by("revision", "id")


@contextmanager
def recording(cause: str) -> Iterator[None]:
    """Name the cause of every change recorded inside the block, which is one transaction.

    The revision row is locked first, so two blocks run one after the other instead of deadlocking over their tracks.
    """
    with transaction.atomic():
        LibraryRevision.objects.get_or_create(pk=1)
        row = LibraryRevision.objects.select_for_update().get(pk=1)
        outer_cause = row.cause
        LibraryRevision.objects.filter(pk=1).update(cause=cause)
        yield
        LibraryRevision.objects.filter(pk=1).update(cause=outer_cause)


def count_changes_since(revision: int, *, ignoring_cause: str = "") -> ChangeCounts:
    """Return the net changes after `revision`, leaving out those recorded with `ignoring_cause`.

    The cost is one range of the (revision, track) index plus a look-up of each track in it. A track edited and edited
    back is unchanged; one added and deleted again never was.
    """
    now_json = fields_as_json(connection.vendor, "t")
    query = f"""
        WITH touched AS (
            SELECT track_id, MIN(id) AS first_id, MAX(id) AS last_id FROM library_librarychange
            WHERE revision > %s AND (%s = '' OR cause <> %s) GROUP BY track_id
        ), net AS (
            SELECT f.kind <> 'added' AS was_there, l.kind <> 'deleted' AS is_there, f.before AS before,
                   touched.track_id AS track_id
            FROM touched JOIN library_librarychange f ON f.id = touched.first_id
            JOIN library_librarychange l ON l.id = touched.last_id
        )
        SELECT COALESCE(SUM(CASE WHEN is_there AND NOT was_there THEN 1 ELSE 0 END), 0),
               COALESCE(SUM(CASE WHEN is_there AND was_there AND before <> {now_json} THEN 1 ELSE 0 END), 0),
               COALESCE(SUM(CASE WHEN was_there AND NOT is_there THEN 1 ELSE 0 END), 0)
        FROM net LEFT JOIN library_track t ON t.id = net.track_id"""
    with connection.cursor() as cursor:
        cursor.execute(query, [revision, ignoring_cause, ignoring_cause])
        added, modified, deleted = cursor.fetchone()
    return ChangeCounts(added=added, modified=modified, deleted=deleted)
