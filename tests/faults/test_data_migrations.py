"""Data that migrations carry over: an older database with a row of each situation, upgraded for real.

One database walks the whole way, for each step takes seconds; the tests look at what was seen at each place.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.faults.databases import new_database
from tests.faults.support import House, house

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
first = group(one, "mn", "not_duplicates", NOW)
group(two, "mno", "not_duplicates", LATER)
group(two, "xy", "kept_canonical", LATER)
pair("m", "n", NOW, decided_group_id=first.pk)
pair("m", "o", NOW)  # by hand: names none
pair("x", "y", NOW, decided_group_id=999)  # its group is gone with its analysis
"""
)

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

_FIRST_NAMED = "SELECT left_label, decided_group_id FROM duplicates_notduplicate ORDER BY left_label"
_NAMED = """
SELECT d.left_label, g.group_id FROM duplicates_notduplicate d
JOIN duplicates_decidinggroup g ON g.decision_id = d.id ORDER BY d.left_label, g.group_id"""


@dataclass
class Seen:
    """What stood in the database on its way: the groups by key, and which of them each decision names."""

    groups: list[int]
    with_a_first_group: dict[str, int | None]
    newest: list[tuple[str, int]]
    tried: dict[str, str]
    gone_back: dict[str, int | None]


@pytest.fixture(scope="module")
def seen(tables: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Take a database back, write into it as its version did, and upgrade it step by step; then go back once more."""
    folder = tmp_path_factory.mktemp("older")
    with new_database(folder, like=tables) as url, house(url, folder) as home:
        migrate(home, "0033")
        home.script(_BEFORE_GROUPS_WERE_NAMED, "0033_decision_names_its_group")
        migrate(home, "0034")
        first_named = rows(home, _FIRST_NAMED)
        home.script(_BEFORE_SECOND_GROUPS_WERE_NAMED, "0034_fill_decided_groups")
        migrate(home)
        groups = [pk for (pk,) in home.rows("SELECT id FROM duplicates_duplicateanalysisgroup ORDER BY id")]
        newest = rows(home, _NAMED)
        home.script(_WRITE_A_RECORD)
        tried = json.loads(home.script(_TRY_TO_CHANGE))
        migrate(home, "0034")
        yield Seen(groups, dict(first_named), newest, tried, dict(rows(home, _FIRST_NAMED)))


def migrate(home: House, name: str = "") -> None:
    home.manage("migrate", "-v0", "duplicates", *([name] if name else []))


def rows(home: House, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in home.rows(query)]


def test_decisions_name_the_group_that_was_decided_at_their_moment(seen: Seen) -> None:
    decided, *_ = seen.groups

    assert seen.with_a_first_group == {"ab": None, "ac": decided, "bc": None, "de": None}
    assert [(label, group) for label, group in seen.newest if label < "m"] == [("ac", decided)]


def test_decisions_name_every_group_that_declares_them(seen: Seen) -> None:
    _decided, _otherwise, first, second, _kept = seen.groups

    assert [(label, group) for label, group in seen.newest if label >= "m"] == [
        ("mn", first),
        ("mn", second),
        ("xy", 999),
    ]
    assert {label: group for label, group in seen.gone_back.items() if label >= "m"} == {
        "mn": first,
        "mo": None,
        "xy": 999,
    }


def test_the_audit_trail_stays_closed_through_every_upgrade(seen: Seen) -> None:
    """Migrations rebuild tables on SQLite, which drops triggers: after each upgrade they have to be there again."""
    assert all("append-only" in said for said in seen.tried.values()), seen.tried
    assert len(seen.tried) == 2
