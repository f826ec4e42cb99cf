"""Saved analyses stay true when tracks go by any road, and purging ends what undo could bring back."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from duplicates.choices import CleanupState, Resolution
from duplicates.exceptions import LastCopy
from duplicates.models import AuditRecord, CleanupAction, DuplicateAnalysisGroup, DuplicateAnalysisTrack, LibraryMark
from duplicates.services import impact, retention
from duplicates.services.impact import follow_library
from duplicates.services.purging import expired_removals, purge_removal
from duplicates.services.resolution import mark_groups_resolved, reopen_groups
from duplicates.services.undo import undo_action
from library.changes import current_revision
from library.models import LibraryChange, Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import UserFactory
from tests.duplicates.test_removal import NOW, remove

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
EXPIRED = NOW + timedelta(days=31)


def state_of(group: DuplicateAnalysisGroup) -> tuple[int, str]:
    group.refresh_from_db()
    return group.remaining_count, group.resolution


def set_aside(group: DuplicateAnalysisGroup) -> None:
    before = NOW - timedelta(days=1)
    mark_groups_resolved(group.analysis, [group.pk], Resolution.MANUAL_REVIEW, actor=None, now=before)


def away_and_back(track: Track) -> None:
    """Let a track leave the library by another road than clean-up, and return."""
    for number, moment in enumerate((LATER, None)):
        Track.objects.filter(pk=track.pk).update(quarantined_at=moment)
        follow_library(now=LATER + timedelta(minutes=number))


class TestFollowingTheLibrary:
    def test_a_deleted_track_is_marked_in_every_analysis(self) -> None:
        kept, gone, third = copy(), copy(), copy()
        one, other = group_of(kept, gone), group_of(third, kept, gone)
        gone_id = gone.pk
        Track.objects.filter(pk=gone_id).delete()

        assert follow_library(now=NOW) == 1

        members = DuplicateAnalysisTrack.objects.filter(track_id=gone_id)
        assert {(member.still_exists, member.deleted_at) for member in members} == {(False, NOW)}
        assert (state_of(one), state_of(other)) == ((1, Resolution.DELETED), (2, ""))

    def test_a_few_changes_that_touch_no_group_are_read_without_a_lock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(impact, "READ_AGAIN", 10)
        kept, gone = copy(), copy()
        group_of(kept, gone)
        follow_library(now=NOW)
        copy()

        with CaptureQueriesContext(connection) as asked:
            assert follow_library(now=NOW) == 0

        assert all(query["sql"].startswith("SELECT") and "FOR UPDATE" not in query["sql"] for query in asked)
        Track.objects.filter(pk=gone.pk).delete()
        assert follow_library(now=NOW) == 1

    def test_many_changes_of_one_moment_are_read_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """They are few revisions and many rows: pages would read them again and again."""
        monkeypatch.setattr(impact, "READ_AGAIN", 10)
        follow_library(now=NOW)
        Track.objects.bulk_create(Track(source="home", source_track_id=f"new {number}") for number in range(11))

        follow_library(now=NOW)

        assert LibraryMark.objects.get().revision == current_revision()

    def test_a_track_that_comes_back_counts_again(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        Track.objects.filter(pk=gone.pk).update(quarantined_at=NOW)
        follow_library(now=NOW)
        Track.objects.filter(pk=gone.pk).update(quarantined_at=None)

        follow_library(now=NOW)

        assert state_of(group) == (2, "")

    def test_a_group_set_aside_is_so_again_when_its_track_comes_back(self) -> None:
        group = group_of(copy(), gone := copy())
        set_aside(group)
        away_and_back(gone)

        assert state_of(group) == (2, Resolution.MANUAL_REVIEW)
        assert group.resolved_at == NOW - timedelta(days=1)

    def test_what_an_undone_removal_says_of_a_decision_is_not_what_it_was(self) -> None:
        """Set aside, removed and undone, opened again: an import that lost the copy once made it set aside anew."""
        group = group_of(copy(), gone := copy())
        set_aside(group)
        undo_action(action=remove(group, gone), actor=None, now=NOW)
        reopen_groups(group.analysis, [group.pk], actor=None, now=NOW)
        away_and_back(gone)

        assert state_of(group) == (2, "")

    def test_a_group_that_lost_every_copy_says_when(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        Track.objects.all().delete()

        follow_library(now=NOW)

        assert state_of(group) == (0, "")
        assert group.lost_at == NOW

    def test_nothing_is_read_twice(self) -> None:
        copy()
        follow_library(now=NOW)

        assert follow_library(now=NOW) == 0
        assert not AuditRecord.objects.exists()

    def test_a_removal_counts_what_an_import_pruned_meanwhile(self) -> None:
        """The other analysis has a group of b and c; c was pruned, so b is the last copy there."""
        a, b, c = copy(), copy(), copy()
        group = group_of(a, b)
        group_of(b, c)
        Track.objects.filter(pk=c.pk).delete()

        with pytest.raises(LastCopy):
            remove(group, b)

    def test_clean_up_follows_before_it_compacts_the_log(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        Track.objects.filter(pk=gone.pk).delete()
        LibraryChange.objects.update(changed_at=NOW - timedelta(days=400))
        group.analysis.library_revision = current_revision()
        group.analysis.save()

        retention.cleanup_old_results(retention.plan_cleanup(now=NOW), actor=None, now=NOW)

        assert state_of(group) == (1, Resolution.DELETED)

    def test_the_page_of_a_group_shows_it(self, client: Client) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        Track.objects.filter(pk=gone.pk).delete()
        client.force_login(UserFactory.create(is_superuser=True))

        client.get(reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group.pk]))

        assert state_of(group) == (1, Resolution.DELETED)


class TestPurging:
    def removed(self) -> tuple[Track, Track, CleanupAction]:
        kept, gone = copy(play_count=36), copy(play_count=14)
        return kept, gone, remove(group_of(kept, gone), gone)

    def test_waits_until_the_time_is_over(self) -> None:
        _, gone, _ = self.removed()

        assert expired_removals(now=NOW + timedelta(days=29)) == []
        assert Track.objects.filter(pk=gone.pk).exists()

    def test_deletes_the_copy_and_leaves_the_keeper_what_it_gave(self) -> None:
        kept, gone, action = self.removed()

        purge_removal(action.pk, actor=None, now=EXPIRED)

        kept.refresh_from_db()
        action.refresh_from_db()
        assert not Track.objects.filter(pk=gone.pk).exists()
        assert (kept.play_count, action.state, action.ended_at) == (50, CleanupState.PURGED, EXPIRED)
        assert expired_removals(now=EXPIRED) == []

    def test_leaves_what_was_undone_after_the_plan_was_made(self) -> None:
        _, gone, action = self.removed()
        planned = expired_removals(now=EXPIRED)
        undo_action(action=action, actor=None, now=EXPIRED)

        for action_id in planned:
            purge_removal(action_id, actor=None, now=EXPIRED)

        assert Track.objects.active().filter(pk=gone.pk).exists()

    def test_holds_a_copy_whose_keeper_is_gone(self) -> None:
        kept, gone, action = self.removed()
        Track.objects.filter(pk=kept.pk).delete()

        purged = purge_removal(action.pk, actor=None, now=EXPIRED)

        assert (purged.deleted, purged.held) == (0, 1)
        assert Track.objects.quarantined().filter(pk=gone.pk).exists()

    def test_the_command_purges_and_says_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        _, gone, action = self.removed()
        CleanupAction.objects.update(expires_at=NOW - timedelta(days=4000))

        call_command("cleanup_analyses", "--dry-run")
        assert "Would purge the tracks of 1 removals" in capsys.readouterr().out
        assert Track.objects.filter(pk=gone.pk).exists()

        call_command("cleanup_analyses")
        assert "Purged 1 removed tracks." in capsys.readouterr().out
        assert AuditRecord.objects.get(action="removal.purged").subject_id == str(action.pk)
