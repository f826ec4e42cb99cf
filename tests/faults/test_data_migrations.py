"""Data that migrations carry over: an older database with a row of each situation, upgraded for real."""

import json
from typing import Any

from tests.faults.support import House

_OLDER = """
import sys
import django
django.setup()
from datetime import datetime, timedelta, timezone
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from duplicates.models.records import identity_key

state = MigrationExecutor(connection).loader.project_state([("duplicates", sys.argv[1])])
get = lambda name: state.apps.get_model("duplicates", name)
NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
LATER = NOW + timedelta(hours=1)

def analysis():
    return get("DuplicateAnalysisResult").objects.create(
        status="completed", created_at=NOW, completed_at=NOW, parameters={})

def group(of, tracks, resolution="", at=None):
    made = get("DuplicateAnalysisGroup").objects.create(
        analysis=of, position=1 + get("DuplicateAnalysisGroup").objects.filter(analysis=of).count(),
        group_key="0" * 32, title="T", member_count=len(tracks), duplicate_count=len(tracks) - 1,
        remaining_count=len(tracks), confidence=0.9, average_similarity=0.9, cohesion=1.0, keeper_track_id=1,
        is_resolved=bool(resolution), resolution=resolution, resolved_at=at)
    for place, name in enumerate(tracks):
        get("DuplicateAnalysisTrack").objects.create(
            group=made, position=place, is_canonical=place == 0, track_id=ord(name), source="s", source_track_id=name,
            title="T",
            similarity=0.9, match_weight=1.0,
            matches_keeper=True, evidence=0)
    return made

def pair(one, other, at, **values):
    left, right = sorted((identity_key("s", one), identity_key("s", other)))
    return get("NotDuplicate").objects.create(
        left_key=left, right_key=right, left_label=one + other, right_label="", created_at=at, **values)
"""

_BEFORE_GROUPS_WERE_NAMED = (
    _OLDER
    + """
one = analysis()
group(one, "abc", "not_duplicates", NOW)
pair("a", "b", NOW - timedelta(days=1))  # by hand, before
pair("a", "c", NOW)
pair("b", "c", NOW, revoked_at=LATER)  # taken back since
group(one, "de", "kept_canonical", NOW)
pair("d", "e", NOW)  # by hand, while the group was decided otherwise
"""
)

_BEFORE_SECOND_GROUPS_WERE_NAMED = (
    _OLDER
    + """
one, two = analysis(), analysis()
first = group(one, "ab", "not_duplicates", NOW)
group(two, "abc", "not_duplicates", LATER)
group(two, "xy", "kept_canonical", LATER)
pair("a", "b", NOW, decided_group_id=first.pk)
pair("a", "c", NOW)  # by hand: names none
pair("x", "y", NOW, decided_group_id=999)  # its group is gone with its analysis
"""
)

_NAMED = """
SELECT d.left_label, g.group_id FROM duplicates_notduplicate d
JOIN duplicates_decidinggroup g ON g.decision_id = d.id ORDER BY d.left_label, g.group_id"""


def migrate(home: House, name: str = "") -> None:
    home.manage("migrate", "-v0", "duplicates", *([name] if name else []))


def rows(home: House, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in home.rows(query)]


def groups(home: House) -> list[int]:
    return [pk for (pk,) in home.rows("SELECT id FROM duplicates_duplicateanalysisgroup ORDER BY id")]


def test_decisions_name_the_group_that_was_decided_at_their_moment(house_to_clean: House) -> None:
    home = house_to_clean
    migrate(home, "0033")
    home.script(_BEFORE_GROUPS_WERE_NAMED, "0033_decision_names_its_group")

    migrate(home, "0034")
    named = rows(home, "SELECT left_label, decided_group_id FROM duplicates_notduplicate ORDER BY left_label")
    decided, _otherwise = groups(home)
    migrate(home)

    assert named == [("ab", None), ("ac", decided), ("bc", None), ("de", None)]
    assert rows(home, _NAMED) == [("ac", decided)]


def test_decisions_name_every_group_that_declares_them(house_to_clean: House) -> None:
    home = house_to_clean
    migrate(home, "0034")
    home.script(_BEFORE_SECOND_GROUPS_WERE_NAMED, "0034_fill_decided_groups")

    migrate(home)

    first, second, _otherwise = groups(home)
    assert rows(home, _NAMED) == [("ab", first), ("ab", second), ("xy", 999)]
    migrate(home, "0034")
    assert rows(home, "SELECT left_label, decided_group_id FROM duplicates_notduplicate ORDER BY left_label") == [
        ("ab", first),
        ("ac", None),
        ("xy", 999),
    ]


def test_the_audit_trail_stays_closed_through_every_upgrade(house_to_clean: House) -> None:
    """Migrations rebuild tables on SQLite, which drops triggers: after each upgrade they have to be there again."""
    home = house_to_clean
    migrate(home, "0033")
    migrate(home)
    home.script(_WRITE_A_RECORD)

    tried = json.loads(home.script(_TRY_TO_CHANGE))

    assert all("append-only" in said for said in tried.values()), tried
    assert len(tried) == 2


_WRITE_A_RECORD = """
import django
django.setup()
from django.utils import timezone
from duplicates.services import audit
audit.record("groups.resolved", actor=None, now=timezone.now())
"""

_TRY_TO_CHANGE = """
import json
import django
django.setup()
from django.db import DatabaseError, connection, transaction

def said(statement):
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        return str(error)
    return "done"

print(json.dumps({one: said(one) for one in (
    "UPDATE duplicates_auditrecord SET user_name = 'x'", "DELETE FROM duplicates_auditrecord")}))
"""
