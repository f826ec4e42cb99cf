"""Everything that happened to one song, in order, from the records that each verb leaves."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from duplicates.services.different import declare_different, take_back
from duplicates.services.purging import purge_removal
from duplicates.services.timeline import track_timeline
from duplicates.services.undo import undo_action
from library.changes import recording
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import UserFactory
from tests.duplicates.test_decision_memory import declare
from tests.duplicates.test_reimport import COPY, load, songs, track
from tests.duplicates.test_removal import NOW, remove

pytestmark = pytest.mark.django_db


def kinds(song: Track) -> list[str]:
    return [event.kind for event in track_timeline(song)]


def test_a_removed_copy_tells_by_whom_and_for_whom() -> None:
    kept, gone = copy(), copy()
    actor = UserFactory.create()
    action = remove(group_of(kept, gone), gone, actor=actor)

    removed = next(event for event in track_timeline(gone) if event.kind == "removed")

    assert (removed.at, removed.who) == (NOW, actor.username)
    assert f"in favour of track {kept.pk}" in removed.sentence
    undo_action(action=action, actor=None, now=NOW + timedelta(hours=1))
    assert kinds(gone).count("restored") == 1


def test_a_keeper_tells_what_it_took_over_and_gave_back() -> None:
    kept, gone = copy(), copy(play_count=14)
    action = remove(group_of(kept, gone), gone)
    undo_action(action=action, actor=None, now=NOW + timedelta(hours=1))

    said = [event.sentence for event in track_timeline(kept)]

    assert "Took over from 1 removed copies: 14 plays, 0 playlist places" in said
    assert "Gave back what it had taken over" in said


def test_an_import_an_edit_by_hand_and_one_by_import(tmp_path: Path) -> None:
    load(tmp_path, songs())
    Track.objects.filter(pk=track(COPY).pk).update(title="By hand", year=1999)
    load(tmp_path, songs())

    said = [event.sentence for event in reversed(track_timeline(track(COPY)))]

    assert said[0] == "Added by the import of Library.xml"
    assert said[1] == "Title, year edited by hand"
    assert said[2].startswith("Title, year edited by the import of") or said[2].startswith("Title edited by the import")


def test_the_groups_it_was_in_and_the_decisions_about_it() -> None:
    left, right = copy(), copy(title="Low Tide")
    decision = declare(left, right)
    take_back([decision], actor=None, now=NOW + timedelta(hours=1))

    events = track_timeline(left)

    assert [event.kind for event in events].count("grouped") == 1
    assert next(e for e in events if e.kind == "decided").sentence.startswith("Not a duplicate of Low Tide")
    assert next(e for e in events if e.kind == "reopened").sentence.endswith("again: taken back")


def test_it_is_in_order_the_newest_first() -> None:
    kept, gone = copy(), copy()
    remove(group_of(kept, gone), gone)
    declare_different([tuple(group_of(kept, copy()).members.order_by("position"))], actor=None, now=NOW)

    moments = [event.at for event in track_timeline(kept)]

    assert moments == sorted(moments, reverse=True)


def test_a_purge_is_told_too() -> None:
    kept, gone = copy(), copy()
    action = remove(group_of(kept, gone), gone)
    purge_removal(action.pk, actor=None, now=NOW + timedelta(days=31))

    assert "gone" in kinds(gone)


def test_the_number_of_queries_does_not_grow(django_assert_num_queries: Any) -> None:
    song, others = copy(), [copy() for _ in range(4)]
    with recording("import:0a5a1c5e-7c1c-4d0e-9d67-0d5b8fbd2f3a"):
        Track.objects.filter(pk=song.pk).update(year=1980)
    with django_assert_num_queries(5):
        track_timeline(song)
    for other in others:
        group_of(song, other)
        with recording("import:0a5a1c5e-7c1c-4d0e-9d67-0d5b8fbd2f3a"):
            Track.objects.filter(pk=song.pk).update(year=1990 + other.pk % 20)
        declare(song, other)

    with django_assert_num_queries(5):
        track_timeline(song)
