"""Undo: exact, in any order, and asking where somebody edited something since."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from duplicates.choices import CleanupState, LaterEdits, Resolution
from duplicates.exceptions import NothingToUndo, UndoConflict
from duplicates.models import AuditRecord, CleanupAction, DuplicateAnalysisGroup
from duplicates.services.removal import remove_duplicates
from duplicates.services.resolution import mark_groups_resolved
from duplicates.services.undo import undo_action, undo_batch, undo_day
from library import quarantine
from library.merged import Merge, MergedPlace, MergedValue
from library.models import PlaylistEntry, Track
from tests.duplicates.copies import copy, everything, group_of, places, playlist_of
from tests.duplicates.factories import UserFactory
from tests.duplicates.test_removal import NOW, remove

LATER = NOW + timedelta(hours=1)


def undo(action: CleanupAction, later_edits: LaterEdits = LaterEdits.ASK) -> CleanupAction:
    return undo_action(action=action, actor=None, now=LATER, later_edits=later_edits)


def remove_and_forget(kept: Track, gone: Track) -> CleanupAction:
    """Remove a copy, then the analysis: as long as it is saved, the keeper is the last copy of its group."""
    group = group_of(kept, gone)
    action = remove(group, gone)
    group.analysis.delete()
    return CleanupAction.objects.get(pk=action.pk)


def nothing_is_lent() -> bool:
    return not (Merge.objects.exists() or MergedValue.objects.exists() or MergedPlace.objects.exists())


@pytest.mark.django_db
class TestOneAction:
    def test_gives_back_rows_values_places_and_groups_exactly(self) -> None:
        kept = copy(play_count=36, genre="", added_at=datetime(2012, 1, 1, 1, 1, 1, 987654, UTC))
        gone = copy(play_count=14, genre="Folk", rating=80, loved=True, added_at=datetime(2010, 1, 1, tzinfo=UTC))
        other = copy(title="Other")
        group = group_of(kept, gone)
        group_of(other, kept, gone)
        playlist_of(gone, other, gone)
        playlist_of(kept, gone, other)
        before = everything()

        undo(remove(group, gone))

        assert everything() == before
        assert nothing_is_lent()

    def test_costs_the_same_queries_however_long_a_playlist_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every place was read twice: of a playlist that holds a large library, thousands of queries."""
        monkeypatch.setattr("library.shown_places.IDS_A_QUERY", 5)

        def queries(many: int) -> int:
            kept, gone = copy(), copy()
            playlist_of(gone, *(copy() for _ in range(many)))
            group = group_of(kept, gone)
            with CaptureQueriesContext(connection) as asked:
                undo(remove(group, gone))
            return len(asked)

        queries(0)
        assert queries(0) == queries(40)

    def test_gives_back_the_decision_a_group_had(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        elsewhere = group_of(kept, gone)
        anna = UserFactory.create()
        mark_groups_resolved(elsewhere.analysis, [elsewhere.pk], "manual_review", actor=anna, now=NOW)
        before = everything()

        action = remove(group, gone)
        elsewhere.refresh_from_db()
        assert elsewhere.resolution == Resolution.DELETED
        undo(action)

        assert everything() == before

    def test_works_after_the_analysis_is_cleaned_up(self) -> None:
        kept, gone = copy(play_count=1), copy(play_count=2)
        group = group_of(kept, gone)
        action = remove(group, gone)
        group.analysis.delete()

        undo(CleanupAction.objects.get(pk=action.pk))

        assert list(Track.objects.active().order_by("pk").values_list("play_count", flat=True)) == [1, 2]

    def test_works_after_the_keeper_is_deleted(self) -> None:
        kept, gone = copy(play_count=1), copy(play_count=2)
        playlist = playlist_of(gone)
        action = remove(group_of(kept, gone), gone)
        kept.delete()
        DuplicateAnalysisGroup.objects.all().delete()

        undo(CleanupAction.objects.get(pk=action.pk))

        assert places(playlist) == {0: gone.pk}

    def test_happens_once(self) -> None:
        kept, gone = copy(play_count=1), copy(play_count=2)
        action = remove(group_of(kept, gone), gone)
        undo(action)

        with pytest.raises(NothingToUndo):
            undo(action)

        kept.refresh_from_db()
        assert kept.play_count == 1

    def test_says_so_when_the_tracks_are_purged(self) -> None:
        kept, gone = copy(), copy()
        action = remove(group_of(kept, gone), gone)
        quarantine.purge([gone.pk])

        with pytest.raises(NothingToUndo, match=f"{gone.pk} is not in quarantine"):
            undo(action)

    def test_is_written_to_the_audit_trail(self) -> None:
        kept, gone = copy(), copy()
        action = remove(group_of(kept, gone), gone)

        undo(action)

        record = AuditRecord.objects.get(action="removal.undone")
        assert (record.subject_id, record.counts["tracks"], record.was_successful) == (str(action.pk), 1, True)


@pytest.mark.django_db
class TestOutOfOrder:
    """Undoing A leaves what only B would have made, and undoing both what there was before either."""

    def test_two_copies_of_one_keeper(self) -> None:
        kept, first, second = (
            copy(play_count=1, rating=20),
            copy(play_count=2, rating=80),
            copy(play_count=4, rating=80),
        )
        group = group_of(kept, first, second)
        playlist = playlist_of(first, second)
        before = everything()
        one, two = remove(group, first), remove(group, second)

        undo(one)
        kept.refresh_from_db()
        group.refresh_from_db()
        assert (kept.play_count, kept.rating, places(playlist)) == (5, 80, {0: first.pk, 1: kept.pk})
        assert (group.remaining_count, group.is_resolved) == (2, False)

        undo(two)
        assert everything() == before

    def test_a_keeper_that_was_itself_removed(self) -> None:
        """A went to B and B to C: A must come back from C, which alone holds its plays and places."""
        a, b, c = copy(play_count=1, genre="Folk"), copy(play_count=2), copy(play_count=4)
        playlist = playlist_of(a, c, b)
        before = everything()
        first = remove_and_forget(b, a)
        second = remove(group_of(c, b), b)
        c.refresh_from_db()
        assert (c.play_count, c.genre, places(playlist)) == (7, "Folk", {1: c.pk})

        undo(first)
        c.refresh_from_db()
        assert (c.play_count, c.genre, places(playlist)) == (6, "", {0: a.pk, 1: c.pk})

        undo(second)
        found = everything()
        assert (found["tracks"], found["places"]) == (before["tracks"], before["places"])

    def test_a_purge_between_changes_nothing_the_keeper_shows(self) -> None:
        a, b, c = copy(play_count=1, genre="Pop"), copy(play_count=2, genre="Folk"), copy(play_count=4, genre="")
        first = remove_and_forget(b, a)
        remove(group_of(c, b), b)
        quarantine.purge([b.pk])
        c.refresh_from_db()
        assert (c.play_count, c.genre) == (7, "Folk")

        undo(first)

        c.refresh_from_db()
        assert c.play_count == 6


@pytest.mark.django_db
class TestLaterEdits:
    def removed(self) -> tuple[Track, Track, CleanupAction]:
        kept, gone = copy(play_count=36, genre=""), copy(play_count=14, genre="Folk")
        action = remove(group_of(kept, gone), gone)
        Track.objects.filter(pk=kept.pk).update(genre="Shanty", play_count=52)
        return kept, gone, action

    def test_are_named_field_by_field_before_anything_happens(self) -> None:
        _, gone, action = self.removed()

        with pytest.raises(UndoConflict) as caught:
            undo(action)

        named = {(one.field, one.written, one.current) for one in caught.value.facts["conflicts"]}
        assert named == {("genre", "Folk", "Shanty"), ("play_count", 50, 52)}
        assert Track.objects.quarantined().filter(pk=gone.pk).exists()

    def test_stay_when_asked_to_and_a_counter_keeps_what_was_added(self) -> None:
        kept, _, action = self.removed()

        undo(action, LaterEdits.KEEP)

        kept.refresh_from_db()
        assert (kept.genre, kept.play_count) == ("Shanty", 38)

    def test_give_way_when_asked_to(self) -> None:
        kept, _, action = self.removed()

        undo(action, LaterEdits.RESTORE)

        kept.refresh_from_db()
        assert (kept.genre, kept.play_count) == ("", 36)

    def test_of_a_playlist_place(self) -> None:
        kept, gone, other = copy(), copy(), copy(title="Other")
        playlist = playlist_of(gone)
        action = remove(group_of(kept, gone), gone)
        PlaylistEntry.objects.filter(playlist=playlist).update(track=other)

        with pytest.raises(UndoConflict, match="place 0 of playlist"):
            undo(action)
        undo(action, LaterEdits.RESTORE)

        assert places(playlist) == {0: gone.pk}

    def test_of_another_removals_place_stay_even_when_this_one_restores(self) -> None:
        """Undoing once put the keeper back into every edited place of the playlist, which nobody was asked about."""
        first_kept, first_gone, kept, gone, other = copy(), copy(), copy(), copy(), copy(title="Other")
        playlist = playlist_of(first_gone, gone)
        remove(group_of(first_kept, first_gone), first_gone)
        action = remove(group_of(kept, gone), gone)
        PlaylistEntry.objects.filter(playlist=playlist, position=0).update(track=other)
        assert not quarantine.conflicts([gone.pk])

        undo(action, LaterEdits.RESTORE)

        assert places(playlist) == {0: other.pk, 1: gone.pk}

    def test_of_another_field_are_none(self) -> None:
        kept, gone = copy(genre=""), copy(genre="Folk")
        action = remove(group_of(kept, gone), gone)
        Track.objects.filter(pk=kept.pk).update(album="High Water")

        undo(action)

        kept.refresh_from_db()
        assert (kept.genre, kept.album) == ("", "High Water")


@pytest.mark.django_db
class TestManyActions:
    def test_a_batch_comes_back_as_a_whole(self) -> None:
        batch, before = uuid4(), None
        groups = [group_of(copy(play_count=n), copy(play_count=n)) for n in range(3)]
        before = everything()
        for group in groups:
            remove(group, group.members.get(position=1).track, batch_id=batch)

        outcome = undo_batch(batch_id=batch, actor=None, now=LATER)

        assert (len(outcome.actions), outcome.refused) == (3, [])
        assert everything() == before

    def test_a_conflict_keeps_only_its_own_action_from_being_undone(self) -> None:
        batch = uuid4()
        groups = [group_of(copy(genre=""), copy(genre="Folk")) for _ in range(2)]
        for group in groups:
            remove(group, group.members.get(position=1).track, batch_id=batch)
        Track.objects.filter(pk=groups[0].keeper_track_id).update(genre="Shanty")

        outcome = undo_batch(batch_id=batch, actor=None, now=LATER)

        assert len(outcome.actions) == 1
        assert [type(error) for _, error in outcome.refused] == [UndoConflict]

    def test_one_persons_day(self) -> None:
        anna, bert = UserFactory.create(), UserFactory.create()
        today = timezone.localdate(NOW)
        groups = [group_of(copy(), copy()) for _ in range(3)]
        for group, actor, now in zip(groups, (anna, anna, bert), (NOW, NOW - timedelta(days=1), NOW), strict=True):
            gone = group.members.get(position=1).track_id
            remove_duplicates(group=group, keeper_id=group.keeper_track_id, removing=[gone], actor=actor, now=now)

        outcome = undo_day(user=anna, day=date(today.year, today.month, today.day), actor=bert, now=LATER)

        assert [action.group_id for action in outcome.actions] == [groups[0].pk]
        assert CleanupAction.objects.filter(state=CleanupState.DONE).count() == 2

    @pytest.mark.parametrize("day", [date.min, date.max])
    def test_a_day_at_the_ends_of_time_undoes_nothing(self, day: date) -> None:
        anna = UserFactory()
        with timezone.override("Asia/Tokyo"):
            assert undo_day(user=anna, day=day, actor=anna, now=LATER).actions == []
