"""Which tracks were played, rated or otherwise written since a result was found, though the library has not changed.

A result shows such fields and keepers are chosen by them, so whoever takes a result over has to look at these tracks
again. Triggers keep one row a track, at the cost of one look-up a write. A stamp says when that was, as far as a
database can tell: SQLite has one writer at a time, so a number that grows will do. On PostgreSQL it is the number of
the transaction, because a play that was written first may become visible last; no play waits for another one.
"""

import hashlib
from collections.abc import Iterable
from itertools import batched

from django.db import connection, connections
from django.db.models import Max, QuerySet

from library.models import TrackTouch

# What a result shows or a keeper is chosen by and the matcher does not read (see `change_triggers.MATCHING_FIELDS`).
TOUCHED_FIELDS = (
    "source",
    "source_track_id",
    "format",
    "bit_rate_kbps",
    "size_bytes",
    "lossless",
    "play_count",
    "skip_count",
    "last_played_at",
    "rating",
    "loved",
    "added_at",
    "is_protected",
)
COMPACTION_BATCH = 5_000  # rows deleted in one transaction
_NEXT = "SELECT COALESCE(MAX(stamp), 0) + 1 FROM library_tracktouch"
_OLDEST_AT_WORK = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


def current_mark() -> int:
    """Return a mark for `touched_since`: whoever reads the library from now on sees all that is stamped below it."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST_AT_WORK if connection.vendor == "postgresql" else _NEXT)
        mark: int = cursor.fetchone()[0]
    return mark


def touched_since(mark: int) -> "QuerySet[TrackTouch, int]":
    """Return the ids of the tracks that were touched since a mark was taken, and maybe a few of shortly before."""
    return TrackTouch.objects.filter(stamp__gte=mark).values_list("track_id", flat=True)


def needless_touches(kept_marks: Iterable[int]) -> "QuerySet[TrackTouch]":
    """Return the touches that none of the marks needs."""
    # The newest one stays, whatever it says: SQLite counts on from it.
    newest = TrackTouch.objects.aggregate(newest=Max("stamp"))["newest"]
    return TrackTouch.objects.filter(stamp__lt=min([*kept_marks, current_mark()])).exclude(stamp=newest)


def forget_touches(kept_marks: Iterable[int]) -> int:
    """Delete the touches that none of the marks needs; return how many went."""
    needless = needless_touches(kept_marks)
    # Asked again by each batch: one of them may have been played since.
    batches = batched(list(needless.values_list("pk", flat=True)), COMPACTION_BATCH)
    return sum(needless.filter(pk__in=batch).delete()[0] for batch in batches)


def install(using: str) -> None:
    """Create the trigger if it is missing or differs from the one described here."""
    if "library_tracktouch" in connections[using].introspection.table_names():
        {"postgresql": _install_postgresql}.get(connections[using].vendor, _install_sqlite)(using)


def _install_sqlite(using: str) -> None:
    differs = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in TOUCHED_FIELDS)
    statement = (
        f"CREATE TRIGGER library_track_touched AFTER UPDATE OF {', '.join(TOUCHED_FIELDS)} ON library_track "
        f"WHEN {differs} BEGIN "
        f"INSERT INTO library_tracktouch (track_id, stamp) VALUES (NEW.id, ({_NEXT})) "
        "ON CONFLICT (track_id) DO UPDATE SET stamp = excluded.stamp; END"
    )
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = 'library_track_touched'")
        if cursor.fetchone() != (statement,):
            cursor.execute("DROP TRIGGER IF EXISTS library_track_touched")
            cursor.execute(statement)


def _install_postgresql(using: str) -> None:
    before, after = (", ".join(f"{row}.{name}" for name in TOUCHED_FIELDS) for row in "on")
    statements = (
        f"""
CREATE OR REPLACE FUNCTION library_note_touches() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO library_tracktouch (track_id, stamp)
    SELECT n.id, pg_current_xact_id()::text::bigint FROM old_rows o JOIN new_rows n ON n.id = o.id
    WHERE ({before}) IS DISTINCT FROM ({after}) ORDER BY n.id
    ON CONFLICT (track_id) DO UPDATE SET stamp = excluded.stamp WHERE library_tracktouch.stamp <> excluded.stamp;
    RETURN NULL;
END $body$""",
        "CREATE OR REPLACE TRIGGER library_track_touched AFTER UPDATE ON library_track "
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION library_note_touches()",
    )
    version = hashlib.sha256("".join(statements).encode()).hexdigest()
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE t.tgrelid = 'library_track'::regclass AND p.proname = 'library_note_touches' "
            "AND obj_description(p.oid, 'pg_proc') = %s",
            [version],
        )
        if cursor.fetchone() == (1,):
            return
        for statement in statements:
            cursor.execute(statement)
        cursor.execute(f"COMMENT ON FUNCTION library_note_touches() IS '{version}'")
