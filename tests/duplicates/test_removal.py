"""Removing duplicates: what goes to the keeper, what is refused, and what every saved analysis then says."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from duplicates.choices import LedgerKind, Resolution
from duplicates.exceptions import (
    DuplicatesError,
    GroupResolved,
    InvalidOptions,
    KeeperChanged,
    LastCopy,
    MemberChanged,
    MemberGone,
    NoDirectMatch,
    NotConfirmed,
    TrackProtected,
)
from duplicates.models import AuditRecord, CleanupAction, DuplicateAnalysisGroup, DuplicateAnalysisTrack, LedgerEntry
from duplicates.services.removal import remove_duplicates
from duplicates.services.resolution import mark_groups_resolved
from duplicates.services.undo import undo_action
from library.models import LibraryChange, Track
from tests.duplicates.copies import copy, everything, group_of, places, playlist_of
from tests.duplicates.factories import UserFactory

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
EARLY, LATE = datetime(2011, 3, 4, 5, 6, 7, 123456, UTC), datetime(2024, 1, 2, 3, 4, 5, 678901, UTC)


def remove(group: DuplicateAnalysisGroup, *tracks: Track, actor: User | None = None, **changed: Any) -> CleanupAction:
    values = {"keeper_id": group.keeper_track_id, "removing": [track.pk for track in tracks]} | changed
    return remove_duplicates(group=group, actor=actor, now=NOW, **values)


@pytest.mark.django_db
class TestWhatTheKeeperTakesOver:
    def test_plays_add_up_as_far_as_a_column_counts_and_come_back_exactly(self) -> None:
        """On PostgreSQL a larger sum was refused by the column and answered 500."""
        most = 2**31 - 1
        keeper, gone = copy(play_count=most - 1, skip_count=5), copy(play_count=7, skip_count=most)
        action = remove(group_of(keeper, gone), gone)
        keeper.refresh_from_db()
        assert (keeper.play_count, keeper.skip_count, action.plays_moved) == (most, most, 7)

        undo_action(action=action, actor=None, now=NOW)

        counts = Track.objects.order_by("pk").values_list("play_count", "skip_count")
        assert list(counts) == [(most - 1, 5), (7, most)]

    @pytest.mark.parametrize(
        ("field", "keeper", "duplicate", "becomes"),
        [
            pytest.param("play_count", 36, 14, 50, id="plays add up"),
            pytest.param("skip_count", 2, 3, 5, id="skips add up"),
            pytest.param("rating", 60, 80, 80, id="the better rating"),
            pytest.param("rating", 80, 60, 80, id="its own better rating stays"),
            pytest.param("rating", None, 60, 60, id="a rating where it had none"),
            pytest.param("loved", False, True, True, id="loved"),
            pytest.param("last_played_at", EARLY, LATE, LATE, id="last played latest"),
            pytest.param("added_at", LATE, EARLY, EARLY, id="added earliest"),
            pytest.param("genre", "", "Folk", "Folk", id="a blank tag is filled"),
            pytest.param("genre", "Rock", "Folk", "Rock", id="a tag that is there stays"),
            pytest.param("year", None, 2011, 2011, id="a missing year is filled"),
            pytest.param("isrc", "", "GBAYE0601498", "GBAYE0601498", id="a recording code"),
        ],
    )
    def test_one_value(self, field: str, keeper: Any, duplicate: Any, becomes: Any) -> None:
        kept, gone = copy(**{field: keeper}), copy(**{field: duplicate})

        remove(group_of(kept, gone), gone)

        kept.refresh_from_db()
        assert getattr(kept, field) == becomes

    def test_a_track_number_of_another_album_is_not_taken_over(self) -> None:
        kept, gone = copy(album="Low Water"), copy(album="Best Of", track_number=17, year=2019)

        remove(group_of(kept, gone), gone)

        kept.refresh_from_db()
        assert (kept.track_number, kept.year) == (None, None)

    def test_a_value_kept_as_text_is_not_blank(self) -> None:
        kept, gone = copy(unparsed={"year": "199?"}), copy(year=1994)

        remove(group_of(kept, gone), gone)

        kept.refresh_from_db()
        assert kept.year is None

    def test_playlist_places_go_to_the_keeper_at_the_same_position(self) -> None:
        kept, gone, other = copy(), copy(), copy(title="Other")
        playlist = playlist_of(other, gone, other, gone)

        remove(group_of(kept, gone), gone)

        assert places(playlist) == {0: other.pk, 1: kept.pk, 2: other.pk, 3: kept.pk}

    def test_a_keeper_already_in_the_playlist_is_not_doubled(self) -> None:
        kept, gone, other = copy(), copy(), copy(title="Other")
        playlist = playlist_of(gone, other, kept)

        remove(group_of(kept, gone), gone)

        assert places(playlist) == {1: other.pk, 2: kept.pk}

    def test_two_copies_in_one_playlist_leave_one_place(self) -> None:
        kept, first, second = copy(), copy(), copy()
        playlist = playlist_of(second, first)

        remove(group_of(kept, first, second), first, second)

        assert places(playlist) == {1: kept.pk}

    def test_every_moved_value_is_a_line_of_the_ledger(self) -> None:
        kept, gone = copy(play_count=36, rating=60), copy(play_count=14, rating=80)
        playlist = playlist_of(gone)

        action = remove(group_of(kept, gone), gone)

        lines = {(e.kind, e.field, str(e.before), str(e.after)) for e in action.entries.exclude(kind=LedgerKind.GROUP)}
        assert lines == {
            ("track", "quarantined_at", "None", NOW.isoformat()),
            ("value", "play_count", "36", "50"),
            ("value", "rating", "60", "80"),
            ("place", "", str(gone.pk), str(kept.pk)),
        }
        assert LedgerEntry.objects.get(kind=LedgerKind.PLACE).playlist_id == playlist.pk


@pytest.mark.django_db
class TestWhatRemains:
    def test_groups_are_locked_before_their_members_are_written(self) -> None:
        # As whoever chooses a keeper does; in another order the two would wait for each other.
        kept, gone = copy(), copy()
        group, other = group_of(kept, gone), group_of(copy(), gone)

        with CaptureQueriesContext(connection) as done:
            remove(group, gone)

        groups, members = (
            f'FROM "{model._meta.db_table}"' for model in (DuplicateAnalysisGroup, DuplicateAnalysisTrack)
        )
        statements = [query["sql"] for query in done.captured_queries]
        written = next(i for i, sql in enumerate(statements) if sql.startswith(members.replace("FROM", "UPDATE")))
        lock = statements[written - 1]
        assert groups in lock
        assert f"IN ({group.pk}, {other.pk})" in lock
        assert connection.vendor == "sqlite" or lock.endswith("FOR UPDATE")

    def test_a_removed_copy_waits_in_quarantine_unchanged(self, settings: LazySettings) -> None:
        settings.QUARANTINE_DAYS = 7
        kept, gone = copy(), copy(play_count=14)

        action = remove(group_of(kept, gone), gone)

        gone.refresh_from_db()
        assert (gone.quarantined_at, gone.play_count) == (NOW, 14)
        assert action.expires_at == NOW + timedelta(days=7)

    def test_the_change_carries_the_analysis_as_its_cause(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)

        remove(group, gone)

        change = LibraryChange.objects.get(track_id=gone.pk, kind="deleted")
        assert change.cause == f"analysis:{group.analysis_id}"

    def test_the_group_is_resolved_when_one_copy_is_left(self) -> None:
        kept, gone = copy(), copy()
        group, actor = group_of(kept, gone), UserFactory.create()

        remove(group, gone, actor=actor)

        group.refresh_from_db()
        assert (group.remaining_count, group.is_resolved, group.resolution) == (1, True, Resolution.DELETED)
        assert (group.resolved_at, group.resolved_by) == (NOW, actor)

    def test_a_group_with_more_copies_left_stays_open_for_the_next_removal(self) -> None:
        """The first removal fills the keeper's blank genre, which must not count as an edit before the second."""
        kept, first, second = copy(), copy(genre="Folk"), copy(play_count=3)
        group = group_of(kept, first, second)

        remove(group, first)
        group.refresh_from_db()
        assert (group.remaining_count, group.is_resolved) == (2, False)

        remove(group, second)
        kept.refresh_from_db()
        assert kept.play_count == 3

    def test_every_saved_analysis_says_what_is_gone(self) -> None:
        kept, gone, third = copy(), copy(), copy()
        group, elsewhere = group_of(kept, gone), group_of(third, gone, kept)

        remove(group, gone)

        elsewhere.refresh_from_db()
        member = DuplicateAnalysisTrack.objects.get(group=elsewhere, track=gone)
        assert (member.still_exists, member.deleted_at) == (False, NOW)
        assert (elsewhere.remaining_count, elsewhere.is_resolved) == (2, False)

    def test_one_audit_record_names_what_went(self) -> None:
        kept, gone = copy(), copy(play_count=14, size_bytes=5_000)
        playlist_of(gone)
        actor = UserFactory.create()

        remove(group_of(kept, gone), gone, actor=actor)

        record = AuditRecord.objects.get(action="duplicates.removed")
        assert record.counts == {"groups": 1, "tracks": 1, "plays": 14, "playlist_places": 1, "bytes": 5_000}
        assert record.before == {"removed": [{"track_id": gone.pk, "name": str(gone), "source": "test"}]}
        assert record.user_name == actor.username


@pytest.mark.django_db
class TestRefusals:
    def test_more_than_may_go_without_a_plan(self, settings: LazySettings) -> None:
        settings.BULK_REMOVAL_LIMIT = 1
        kept, first, second = copy(), copy(), copy()
        group = group_of(kept, first, second)

        with pytest.raises(NotConfirmed, match="2 copies"):
            remove(group, first, second)

        assert not CleanupAction.objects.exists()
        assert remove(group, first).removed_count == 1

    def refuses(self, error: type[DuplicatesError], group: DuplicateAnalysisGroup, *tracks: Track, **how: Any) -> str:
        before = everything()
        with pytest.raises(error) as caught:
            remove(group, *tracks, **how)
        assert everything() == before
        return str(caught.value)

    def test_the_keeper_is_the_last_copy(self) -> None:
        kept, gone = copy(), copy()

        self.refuses(LastCopy, group_of(kept, gone), gone, kept)

    def test_the_last_copy_of_a_group_of_another_analysis(self) -> None:
        first, second, third = copy(), copy(), copy()
        group, bridge = group_of(first, second), group_of(third, second)
        other = group_of(first, third)
        remove(bridge, second)

        self.refuses(LastCopy, other, third)
        group.refresh_from_db()
        assert group.remaining_count == 1

    def test_an_edited_member(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        Track.objects.filter(pk=gone.pk).update(title="Something Else", play_count=7)

        assert "(title)" in self.refuses(MemberChanged, group, gone)

    def test_an_edit_the_snapshot_does_not_hold(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        Track.objects.filter(pk=kept.pk).update(musicbrainz_recording_id="b1a9c0e9-d987-4042-ae91-78d6a3267d69")

        assert "musicbrainz" in self.refuses(MemberChanged, group, gone)

    def test_playing_a_song_is_no_edit(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        Track.objects.update(play_count=9)

        assert remove(group, gone).plays_moved == 9

    def test_a_protected_copy(self) -> None:
        kept, gone = copy(), copy(is_protected=True)

        self.refuses(TrackProtected, group_of(kept, gone), gone)

    def test_a_copy_that_matches_only_through_a_chain(self) -> None:
        kept, near, far = copy(), copy(), copy()
        group = group_of(kept, near, far)
        DuplicateAnalysisTrack.objects.filter(track=far).update(matches_keeper=False)

        self.refuses(NoDirectMatch, group, near, far)

    def test_a_copy_that_somebody_else_removed(self) -> None:
        kept, gone, third = copy(), copy(), copy()
        group = group_of(kept, gone, third)
        remove(group, gone, actor=UserFactory.create(username="anna"))

        assert "removed by anna" in self.refuses(MemberGone, group, gone)

    def test_a_group_somebody_else_decided(self) -> None:
        kept, gone = copy(), copy()
        group, anna = group_of(kept, gone), UserFactory.create(username="anna")
        mark_groups_resolved(group.analysis, [group.pk], "not_duplicates", actor=anna, now=NOW)

        assert "anna has decided" in self.refuses(GroupResolved, group, gone)

    def test_a_keeper_that_is_not_the_groups(self) -> None:
        kept, gone = copy(), copy()

        self.refuses(KeeperChanged, group_of(kept, gone), kept, keeper_id=gone.pk)

    def test_a_stranger(self) -> None:
        self.refuses(InvalidOptions, group_of(copy(), copy()), copy())

    def test_is_written_to_the_audit_trail(self) -> None:
        kept, gone = copy(), copy(is_protected=True)

        self.refuses(TrackProtected, group_of(kept, gone), gone)

        record = AuditRecord.objects.get(action="duplicates.removed")
        assert (record.was_successful, record.after) == (False, {"code": "TRACK_PROTECTED"})


@pytest.mark.django_db
def test_the_database_itself_keeps_the_last_copy() -> None:
    group = group_of(copy(), copy())

    with pytest.raises(IntegrityError), transaction.atomic():
        DuplicateAnalysisGroup.objects.filter(pk=group.pk).update(remaining_count=0)


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_one_wins_and_the_other_is_told() -> None:
    kept, gone = copy(play_count=36), copy(play_count=14)
    group = group_of(kept, gone)
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def act() -> None:
        start.wait()
        try:
            remove(group, gone)
            outcomes.append("done")
        except DuplicatesError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    people = [threading.Thread(target=act) for _ in range(2)]
    for person in people:
        person.start()
    for person in people:
        person.join()

    kept.refresh_from_db()
    assert (sorted(outcomes), kept.play_count) == (["GROUP_RESOLVED", "done"], 50)
