"""What was played or rated since: one row a track, written by the database, and no change of the library."""

import threading
import time
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import Max
from django.utils import timezone

from library.change_triggers import MATCHING_FIELDS
from library.changes import current_revision
from library.models import Track, TrackTouch
from library.touches import TOUCHED_FIELDS, current_mark, forget_touches, install, touched_since
from tests.factories import TrackFactory

pytestmark = pytest.mark.django_db(transaction=True)
VALUES: dict[str, Any] = {
    "source": "elsewhere",
    "source_track_id": "renumbered",
    "format": "FLAC",
    "lossless": True,
    "loved": True,
    "is_protected": True,
    "last_played_at": timezone.now(),
    "added_at": timezone.now(),
}


def play(track: Track, times: int = 1) -> None:
    Track.objects.filter(pk=track.pk).update(play_count=times)


def settled_mark() -> int:
    """Take a mark once everything is over that was under way when something was touched last.

    On PostgreSQL that may be anything on the server, such as the tests beside these.
    """
    newest = TrackTouch.objects.aggregate(newest=Max("stamp"))["newest"]
    until = time.monotonic() + 120
    while (mark := current_mark()) <= newest and time.monotonic() < until:
        time.sleep(0.05)
    return mark


class TestWhatTouches:
    @pytest.mark.parametrize("name", TOUCHED_FIELDS)
    def test_every_field_that_a_result_shows_and_the_matcher_does_not_read(self, name: str) -> None:
        track, other = TrackFactory.create_batch(2)
        mark, revision = current_mark(), current_revision()

        Track.objects.filter(pk=track.pk).update(**{name: VALUES.get(name, 7)})

        assert list(touched_since(mark)) == [track.pk]
        assert current_revision() == revision
        assert other.pk not in touched_since(0)

    @pytest.mark.parametrize("fields", [{"title": "Renamed"}, {"location": "/a"}, {"play_count": 0}])
    def test_nothing_else_does(self, fields: dict[str, Any]) -> None:
        TrackFactory()
        Track.objects.update(**fields)

        assert not TrackTouch.objects.exists()

    def test_no_field_is_told_of_twice(self) -> None:
        assert not set(TOUCHED_FIELDS) & set(MATCHING_FIELDS)

    def test_many_at_once(self) -> None:
        tracks = TrackFactory.create_batch(3)
        tracks[1].play_count = tracks[2].play_count = 5
        mark = current_mark()

        Track.objects.bulk_update(tracks, ["play_count"])

        assert set(touched_since(mark)) == {tracks[1].pk, tracks[2].pk}

    def test_a_track_played_a_hundred_times_is_one_row(self) -> None:
        track = TrackFactory()
        for times in range(1, 100):
            play(track, times)

        assert TrackTouch.objects.count() == 1


class TestSince:
    def test_what_was_touched_before_is_left_out(self) -> None:
        before, after = TrackFactory.create_batch(2)
        play(before)
        mark = settled_mark()
        play(after)

        assert list(touched_since(mark)) == [after.pk]

    def test_what_is_touched_again_counts_again(self) -> None:
        track = TrackFactory()
        play(track)
        mark = settled_mark()
        assert not touched_since(mark)

        play(track, 2)

        assert list(touched_since(mark)) == [track.pk]

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
    def test_a_play_that_was_written_before_and_is_seen_only_after_is_not_missed(self) -> None:
        early, late = TrackFactory.create_batch(2)
        written, may_commit = threading.Event(), threading.Event()

        def slow_player() -> None:
            with transaction.atomic():
                play(early)
                written.set()
                may_commit.wait(5)
            connections.close_all()

        player = threading.Thread(target=slow_player)
        player.start()
        written.wait(5)
        play(late)  # waits for nobody
        mark = current_mark()
        unseen = Track.objects.get(pk=early.pk).play_count
        may_commit.set()
        player.join()

        assert unseen == 0
        assert early.pk in touched_since(mark)


class TestForgetting:
    def test_what_a_mark_needs_stays(self) -> None:
        first, second, third = TrackFactory.create_batch(3)
        play(first)
        mark = settled_mark()
        play(second)
        play(third)

        assert forget_touches([mark, settled_mark()]) == 1
        assert set(touched_since(mark)) == {second.pk, third.pk}

    def test_without_a_mark_all_but_the_newest_goes(self) -> None:
        for track in TrackFactory.create_batch(3):
            play(track)
        settled_mark()

        assert forget_touches([]) == 2

    def test_no_stamp_is_given_twice(self) -> None:
        # The newest row goes with a second play, and what was forgotten must not be counted again.
        track, other = TrackFactory.create_batch(2)
        play(track)
        mark = settled_mark()
        forget_touches([])

        play(other)

        assert list(touched_since(mark)) == [other.pk]


def test_installing_again_changes_nothing() -> None:
    track = TrackFactory()
    install("default")
    play(track)

    assert TrackTouch.objects.count() == 1
