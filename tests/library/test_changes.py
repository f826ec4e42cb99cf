"""The change log: every way a track can change is recorded, by the database itself, and counted net."""

import threading
from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from library.change_triggers import MATCHING_FIELDS, install
from library.changes import ChangeCounts, changes_since, count_changes_since, current_revision, hold_still, recording
from library.models import LibraryChange, LibraryRevision, Playlist, Track
from tests.factories import PlaylistEntryFactory, TrackFactory

pytestmark = pytest.mark.django_db

FULL: dict[str, Any] = {
    **dict.fromkeys(("title", "artist", "album_artist", "album", "genre"), 'Grüße "7"'),
    **dict.fromkeys(("track_number", "disc_number", "year", "duration_ms"), 7),
    "release_date": date(1998, 5, 4),
    "isrc": "USAB12200001",
    "musicbrainz_recording_id": "b9ad642e-b012-41c7-b72a-42cf4911f9ff",
    **dict.fromkeys(("explicit", "compilation"), True),
    "unparsed": {"year": "x"},
}
OTHER: dict[str, Any] = {
    **{name: "Other" for name, value in FULL.items() if isinstance(value, str)},
    **{name: value + 1 for name, value in FULL.items() if type(value) is int},
    "release_date": date(1998, 5, 5),
    **dict.fromkeys(("explicit", "compilation"), False),
    "unparsed": {},
}


def kinds() -> list[str]:
    return list(LibraryChange.objects.order_by("id").values_list("kind", flat=True))


class TestEveryRoadIsRecorded:
    def test_creating_saving_and_deleting(self) -> None:
        track = TrackFactory()
        track.title = "Renamed"
        track.save()
        track.delete()

        assert kinds() == ["added", "modified", "deleted"]

    def test_bulk_operations(self) -> None:
        tracks = Track.objects.bulk_create(TrackFactory.build_batch(3))
        for track in tracks:
            track.album = "Low Water"
        Track.objects.bulk_update(tracks, ["album"])
        Track.objects.all().delete()

        assert kinds() == ["added"] * 3 + ["modified"] * 3 + ["deleted"] * 3

    def test_a_queryset_update(self) -> None:
        TrackFactory.create_batch(2)
        Track.objects.update(artist="Ines Calder")

        assert kinds() == ["added", "added", "modified", "modified"]

    def test_a_statement_typed_by_hand(self) -> None:
        TrackFactory()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE library_track SET title = 'Typed'")

        assert kinds() == ["added", "modified"]

    def test_an_insert_that_becomes_an_update(self) -> None:
        track = TrackFactory()
        twin = TrackFactory.build(source_track_id=track.source_track_id, title="Renamed")
        Track.objects.bulk_create(
            [twin], update_conflicts=True, update_fields=["title"], unique_fields=["source", "source_track_id"]
        )

        assert kinds() == ["added", "modified"]

    def test_quarantine_counts_as_deleted_and_restore_as_added(self) -> None:
        TrackFactory()
        Track.objects.update(quarantined_at=timezone.now())
        Track.objects.update(quarantined_at=None)

        assert kinds() == ["added", "deleted", "added"]

    def test_what_happens_in_quarantine_stays_there(self) -> None:
        track = TrackFactory(quarantined_at=timezone.now())
        Track.objects.update(title="Renamed")
        track.delete()

        assert kinds() == []


class TestWhatIsNoChange:
    @pytest.mark.parametrize(
        "fields",
        [
            {"play_count": 7},
            {"rating": 80},
            {"loved": True},
            {"location": "/a"},
            {"last_played_at": timezone.now()},
            {},
        ],
    )
    def test_playing_or_moving_a_song_is_none(self, fields: dict[str, Any]) -> None:
        track = TrackFactory()
        Track.objects.filter(pk=track.pk).update(**fields or {"title": track.title})

        assert kinds() == ["added"]

    @pytest.mark.parametrize("name", MATCHING_FIELDS)
    def test_every_field_the_matcher_reads_is_one(self, name: str) -> None:
        values: dict[str, Any] = {"release_date": "1998-05-04", "unparsed": {"year": "x"}, "isrc": "USAB12200001"}
        column = Track._meta.get_field(name)
        number = 7 if "Integer" in type(column).__name__ else True if "Boolean" in type(column).__name__ else "text"
        TrackFactory()
        Track.objects.update(**{name: values.get(name, number)})

        assert kinds() == ["added", "modified"]


class TestLog:
    def test_it_keeps_how_the_track_was(self) -> None:
        TrackFactory(title="Café", year=None, explicit=False, unparsed={"year": "x"}, release_date="1998-05-04")
        Track.objects.update(title="Renamed")
        before = LibraryChange.objects.get(kind="modified").before

        assert (before["title"], before["year"], before["explicit"], before["unparsed"], before["release_date"]) == (
            "Café", None, False, {"year": "x"}, "1998-05-04",
        )  # fmt: skip

    def test_revisions_grow(self) -> None:
        first = current_revision()
        TrackFactory()
        second = current_revision()
        TrackFactory()

        assert first < second < current_revision()
        assert changes_since(second).count() == 1

    def test_a_cause_is_named_and_forgotten(self) -> None:
        with recording("analysis:1"):
            TrackFactory()
        TrackFactory()

        assert list(LibraryChange.objects.order_by("id").values_list("cause", flat=True)) == ["analysis:1", ""]

    def test_an_inner_cause_gives_way_to_the_outer_one(self) -> None:
        with recording("outer"):
            with recording("inner"):
                TrackFactory()
            TrackFactory()

        assert list(LibraryChange.objects.order_by("id").values_list("cause", flat=True)) == ["inner", "outer"]

    def test_what_was_rolled_back_left_no_trace(self) -> None:
        TrackFactory()
        before = current_revision(), len(kinds())
        with pytest.raises(IntegrityError), recording("analysis:1"):
            TrackFactory.create_batch(2, source_track_id="twice")

        assert (current_revision(), len(kinds())) == before
        assert LibraryRevision.objects.get().cause == ""


class TestCounts:
    def test_each_track_counts_once(self) -> None:
        kept, gone = TrackFactory.create_batch(2)
        start = current_revision()
        for title in ("One", "Two"):
            Track.objects.filter(pk=kept.pk).update(title=title)
        TrackFactory()
        gone.delete()

        assert count_changes_since(start) == ChangeCounts(added=1, modified=1, deleted=1)

    def test_what_came_and_went_is_no_change(self) -> None:
        start = current_revision()
        TrackFactory().delete()

        assert count_changes_since(start).total == 0

    def test_an_edit_undone_is_no_change(self) -> None:
        track = TrackFactory()
        start = current_revision()
        Track.objects.update(title="Renamed")
        Track.objects.update(title=track.title)

        assert count_changes_since(start).total == 0

    @pytest.mark.parametrize("name", MATCHING_FIELDS)
    def test_any_field_counts_until_it_is_what_it_was(self, name: str) -> None:
        """PostgreSQL compares each field with JSON, in which a date or an empty value looks different."""
        empty, full = TrackFactory(), TrackFactory(**FULL)
        columns = [field.attname for field in Track._meta.concrete_fields if field.attname == name]
        start = current_revision()
        for track in (empty, full):
            track.refresh_from_db(fields=columns)
        Track.objects.filter(pk=empty.pk).update(**{name: FULL[name]})
        Track.objects.filter(pk=full.pk).update(**{name: OTHER[name]})
        changed = count_changes_since(start)

        for track in (empty, full):
            Track.objects.filter(pk=track.pk).update(**{name: getattr(track, name)})

        assert (changed, count_changes_since(start)) == (ChangeCounts(modified=2), ChangeCounts())

    def test_a_track_removed_and_restored_is_no_change(self) -> None:
        TrackFactory()
        start = current_revision()
        Track.objects.update(quarantined_at=timezone.now())
        Track.objects.update(quarantined_at=None)

        assert count_changes_since(start).total == 0

    def test_a_track_changed_while_removed_is_modified(self) -> None:
        TrackFactory()
        start = current_revision()
        Track.objects.update(quarantined_at=timezone.now())
        Track.objects.update(title="Renamed", quarantined_at=None)

        assert count_changes_since(start) == ChangeCounts(modified=1)

    def test_a_cause_can_be_left_out(self) -> None:
        start = current_revision()
        with recording("analysis:1"):
            TrackFactory()
        TrackFactory()

        assert count_changes_since(start, ignoring_cause="analysis:1") == ChangeCounts(added=1)

    def test_counting_is_one_query(self) -> None:
        TrackFactory.create_batch(20)
        with CaptureQueriesContext(connection) as queries:
            count_changes_since(0)

        assert len(queries) == 1


class TestTriggers:
    def test_installing_again_changes_nothing(self) -> None:
        install("default")
        TrackFactory()

        assert kinds() == ["added"]

    def test_a_bulk_statement_is_one_revision_on_postgresql(self) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("SQLite's triggers run once a row")
        before = current_revision()
        Track.objects.bulk_create(TrackFactory.build_batch(50))

        assert current_revision() == before + 1

    def test_a_cascade_does_not_hide_a_deletion(self) -> None:
        entry = PlaylistEntryFactory()
        Playlist.objects.all().delete()
        Track.objects.filter(pk=entry.track_id).delete()

        assert kinds() == ["added", "deleted"]


@pytest.mark.django_db(transaction=True)
def test_the_order_of_revisions_is_the_order_of_commits() -> None:
    """Nothing with a lower revision may appear after a reader has noted a higher one."""
    started, may_finish = threading.Event(), threading.Event()
    LibraryRevision.objects.get_or_create(pk=1)

    def slow_writer() -> None:
        with transaction.atomic():
            TrackFactory(title="Slow")
            started.set()
            may_finish.wait(5)
        connections.close_all()

    writer = threading.Thread(target=slow_writer)
    quick = threading.Thread(target=lambda: (TrackFactory(title="Quick"), connections.close_all()))
    writer.start()
    started.wait(5)
    quick.start()
    quick.join(0.3)
    was_waiting = quick.is_alive()
    may_finish.set()
    writer.join()
    quick.join()

    by_revision = LibraryChange.objects.order_by("revision").values_list("track_id", flat=True)
    titles = dict(Track.objects.values_list("pk", "title"))
    assert was_waiting
    assert [titles[pk] for pk in by_revision] == ["Slow", "Quick"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_a_library_that_is_held_still_lets_readers_of_it_in_and_no_change() -> None:
    track = TrackFactory(title="Here")
    refused: list[bool] = []

    def visit() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            hold_still()
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '200ms'")
                Track.objects.filter(pk=track.pk).update(title="Gone")
        except OperationalError:
            refused.append(True)
        connections.close_all()

    with transaction.atomic():
        hold_still()
        visitor = threading.Thread(target=visit)
        visitor.start()
        visitor.join()

    assert refused == [True]
