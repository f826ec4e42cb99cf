"""Writes groups and members by the thousand, past the ORM: prepared statements on SQLite, COPY on PostgreSQL.

The database copies each member's snapshot from the track itself, so the text of a million tracks never passes through
Python. Call inside a transaction. A test keeps the columns below equal to those of the models.
"""

import uuid
from collections.abc import Iterable, Sequence
from itertools import batched
from typing import Any

from django.db import connection

from duplicates.models.groups import TrackSnapshot
from library.copying import copy_rows

Row = tuple[Any, ...]

_GROUPS = "duplicates_duplicateanalysisgroup"
_MEMBERS = "duplicates_duplicateanalysistrack"
IDS_PER_QUERY = 5_000

# Columns that a saver fills, and those that are null until a person decides.
GROUP_COLUMNS = (
    "analysis_id",
    "position",
    "group_key",
    "identity",
    "title",
    "artist",
    "member_count",
    "duplicate_count",
    "total_plays",
    "confidence",
    "average_similarity",
    "cohesion",
    "keeper_track_id",
    "keeper_rule",
    "keeper_reason",
    "itunes_match",
    "itunes_match_count",
    "remaining_count",
    "is_resolved",
    "resolution",
)
NULL_AT_FIRST = {"resolved_at", "resolved_by_id", "lost_at", "deleted_at", "keeper_chosen_at", "keeper_chosen_by_id"}
# Column of a member → its type on PostgreSQL.
MEMBER_COLUMNS = {
    "group_id": "bigint",
    "track_id": "bigint",
    "position": "integer",
    "is_canonical": "boolean",
    "similarity": "float8",
    "match_weight": "float8",
    "evidence": "bigint",
    "matches_keeper": "boolean",
    "itunes_match": "text",
    "itunes_confidence": "float8",
    "itunes_persistent_id": "text",
    "itunes_differences": "jsonb",
    "still_exists": "boolean",
}
SNAPSHOT_COLUMNS = tuple(field.attname for field in TrackSnapshot._meta.local_fields)


def vouch_for_rows() -> None:
    """Answer for what this transaction writes: its analysis is claimed, its groups are written before their members.

    PostgreSQL then looks for neither, row by row (migration 0045).
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL reprise.rows_are_vouched_for = 'on'")


def present_tracks(track_ids: Sequence[int]) -> set[int]:
    """Return which of the tracks are in the library now."""
    present: set[int] = set()
    with connection.cursor() as cursor:
        for part in batched(track_ids, IDS_PER_QUERY):
            ids = ", ".join(map(str, part))
            cursor.execute(f"SELECT id FROM library_track WHERE quarantined_at IS NULL AND id IN ({ids})")
            present.update(row[0] for row in cursor.fetchall())
    return present


def insert_groups(rows: Sequence[Row]) -> list[int]:
    """Insert groups, values in the order of GROUP_COLUMNS; return their ids in the same order."""
    ids = reserve_ids(len(rows))
    columns = ("id", *GROUP_COLUMNS)
    numbered = ((group_id, *row) for group_id, row in zip(ids, rows, strict=True))
    if connection.vendor == "postgresql":
        copy_rows(_GROUPS, columns, numbered)
        return ids
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {_GROUPS} ({', '.join(columns)}) VALUES ({marks})",
            [(group_id, analysis_id.hex, *rest) for group_id, analysis_id, *rest in numbered],
        )
    return ids


def insert_members(rows: Iterable[Row]) -> int:
    """Insert members, values in the order of MEMBER_COLUMNS, each with the snapshot of its track; return how many."""
    listed = list(rows)
    if not listed:
        return 0
    columns = ", ".join((*MEMBER_COLUMNS, *SNAPSHOT_COLUMNS))
    snapshot = ", ".join(f"t.{name}" for name in SNAPSHOT_COLUMNS)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            arrays = ", ".join(f"%s::{kind}[]" for kind in MEMBER_COLUMNS.values())
            names = ", ".join(MEMBER_COLUMNS)
            # LATERAL with a LIMIT: one look-up a member, never a pass through the whole library for each batch.
            cursor.execute(
                f"INSERT INTO {_MEMBERS} ({columns}) SELECT {', '.join(f'm.{name}' for name in MEMBER_COLUMNS)}, "
                f"{snapshot} FROM unnest({arrays}) AS m({names}) "
                "CROSS JOIN LATERAL (SELECT * FROM library_track WHERE id = m.track_id LIMIT 1) t",
                [list(column) for column in zip(*listed, strict=True)],
            )
        else:
            marks = ", ".join(["%s"] * len(MEMBER_COLUMNS))
            cursor.executemany(
                f"INSERT INTO {_MEMBERS} ({columns}) SELECT {marks}, {snapshot} FROM library_track t WHERE t.id = %s",
                [(*row, row[1]) for row in listed],
            )
    return len(listed)


def reserve_ids(count: int) -> list[int]:
    """Return ids that no other writer will use."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Its name is looked up once: looking it up for each id cost more than the ids.
            sequence = f"(SELECT pg_get_serial_sequence('{_GROUPS}', 'id')::regclass AS name OFFSET 0) sequence"
            cursor.execute(f"SELECT nextval(name) FROM {sequence}, generate_series(1, %s)", [count])
            return [row[0] for row in cursor.fetchall()]
        # The transaction holds SQLite's only write lock; AUTOINCREMENT never gives a number out twice.
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [_GROUPS])
        last = cursor.fetchone()
    first = last[0] + 1 if last else 1
    return list(range(first, first + count))


def key_value(key: uuid.UUID) -> str:
    """Return a key the way its column holds it."""
    return key.hex if connection.vendor == "sqlite" else str(key)
