"""Decisions: what a person says about a group, that it lasts, and that it can be taken back."""

from datetime import timedelta

import pytest

from duplicates.exceptions import InvalidOptions
from duplicates.models import AuditRecord, DuplicateAnalysisGroup, NotDuplicate
from duplicates.services import different, reviewing
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from duplicates.services.resolution import mark_groups_resolved, reopen_groups
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import UserFactory
from tests.duplicates.test_removal import NOW, remove

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def resolve(group: DuplicateAnalysisGroup, resolution: str) -> int:
    return mark_groups_resolved(group.analysis, [group.pk], resolution, actor=None, now=NOW)


def reopen(group: DuplicateAnalysisGroup) -> int:
    return reopen_groups(group.analysis, [group.pk], actor=None, now=LATER)


def groups_found() -> int:
    return sum(1 for _ in DuplicateDetectionService().find_duplicates(AnalysisOptions()).iter_groups())


class TestNotDuplicates:
    def test_every_two_members_are_declared_different(self) -> None:
        resolve(group_of(copy(), copy(), copy()), "not_duplicates")

        assert NotDuplicate.objects.filter(revoked_at=None).count() == 3

    def test_the_next_run_keeps_them_apart(self) -> None:
        group = group_of(copy(), copy())
        assert groups_found() == 1

        resolve(group, "not_duplicates")

        assert groups_found() == 0

    def test_the_decision_survives_re_tagging_and_a_new_row(self) -> None:
        first, second = copy(), copy()
        resolve(group_of(first, second), "not_duplicates")
        Track.objects.filter(pk=first.pk).update(genre="Folk", location="/elsewhere.mp3")
        key = second.source_track_id
        second.delete()
        copy(source_track_id=key)

        assert groups_found() == 0

    def test_a_pair_is_decided_once(self) -> None:
        first, second = copy(), copy()
        resolve(group_of(first, second), "not_duplicates")
        resolve(group_of(second, first), "not_duplicates")

        assert NotDuplicate.objects.count() == 1

    def test_other_resolutions_declare_nothing(self) -> None:
        resolve(group_of(copy(), copy()), "kept_canonical")

        assert not NotDuplicate.objects.exists()

    def test_a_giant_group_is_refused_as_a_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(different, "MOST_MEMBERS", 2)
        group = group_of(copy(), copy(), copy())

        with pytest.raises(InvalidOptions, match="at most 2"):
            resolve(group, "not_duplicates")

        group.refresh_from_db()
        assert not group.is_resolved

    def test_a_single_pair_can_be_taken_back(self) -> None:
        resolve(group_of(copy(), copy(), copy()), "not_duplicates")
        actor = UserFactory.create()

        assert different.take_back(NotDuplicate.objects.order_by("pk")[:1], actor=actor, now=LATER) == 1
        assert different.take_back(NotDuplicate.objects.order_by("pk")[:1], actor=actor, now=LATER) == 0

        record = AuditRecord.objects.filter(action="pairs.taken_back").order_by("pk").first()
        assert record is not None
        assert (record.user_name, record.counts) == (actor.username, {"pairs": 1})


class TestReopening:
    def test_leaves_the_group_as_if_nothing_was_decided(self) -> None:
        group = group_of(copy(), copy())
        resolve(group, "kept_canonical")

        assert (reopen(group), reopen(group)) == (1, 0)

        group.refresh_from_db()
        assert (group.is_resolved, group.resolution, group.resolved_at, group.resolved_by) == (False, "", None, None)

    def test_takes_the_pairs_of_the_group_back_and_no_others(self) -> None:
        first, second, third = copy(), copy(), copy()
        group = group_of(first, second)
        resolve(group, "not_duplicates")
        resolve(group_of(second, third), "not_duplicates")

        reopen(group)

        assert NotDuplicate.objects.filter(revoked_at=None).count() == 1
        assert NotDuplicate.objects.filter(revoked_at=LATER).count() == 1

    def test_leaves_the_pairs_that_a_person_declared_before(self) -> None:
        """Reopening once took back every pair in force within the group, whoever had declared it."""
        group = group_of(copy(), copy(), stranger := copy())
        reviewing.split_out(group=group, track_id=stranger.pk, actor=None, now=NOW)
        declared = set(NotDuplicate.objects.in_force())
        resolve(group, "not_duplicates")

        reopen(group)

        assert len(declared) == 2
        assert set(NotDuplicate.objects.in_force()) == declared

    def test_takes_back_the_last_split_that_decided_the_group_and_not_the_first(self) -> None:
        group = group_of(copy(), second := copy(), third := copy())
        reviewing.split_out(group=group, track_id=third.pk, actor=None, now=NOW)
        declared = set(NotDuplicate.objects.in_force())
        reviewing.split_out(group=group, track_id=second.pk, actor=None, now=NOW)

        reopen(group)

        assert NotDuplicate.objects.count() == 3
        assert set(NotDuplicate.objects.in_force()) == declared

    def test_leaves_the_pairs_that_another_group_declares_too(self) -> None:
        """The pair belonged to the group that was decided first: reopening that one took it back for both."""
        first, second = copy(), copy()
        groups = [group_of(first, second), group_of(second, first, copy())]
        for group in groups:
            resolve(group, "not_duplicates")

        reopen(groups[0])
        assert NotDuplicate.objects.in_force().count() == 3
        reopen(groups[1])

        assert not NotDuplicate.objects.in_force().exists()

    def test_of_both_groups_at_once_takes_their_common_pair_back(self) -> None:
        first, second = copy(), copy()
        groups = [group_of(first, second)]
        groups.append(group_of(second, first, analysis=groups[0].analysis))
        ids = [group.pk for group in groups]
        mark_groups_resolved(groups[0].analysis, ids, "not_duplicates", actor=None, now=NOW)

        reopen_groups(groups[0].analysis, ids, actor=None, now=LATER)

        assert not NotDuplicate.objects.in_force().exists()

    def test_in_another_order_or_after_deciding_anew_takes_back_the_same(self) -> None:
        first, second = copy(), copy()
        groups = [group_of(first, second), group_of(second, first)]
        for group in groups:
            resolve(group, "not_duplicates")

        reopen(groups[1])
        resolve(groups[1], "not_duplicates")
        reopen(groups[0])

        assert NotDuplicate.objects.in_force().count() == 1
        assert groups_found() == 0

    def test_leaves_the_pairs_of_a_group_whose_analysis_is_gone(self) -> None:
        first, second = copy(), copy()
        groups = [group_of(first, second), group_of(second, first)]
        for group in groups:
            resolve(group, "not_duplicates")
        groups[1].analysis.delete()

        reopen(groups[0])

        assert NotDuplicate.objects.in_force().count() == 1

    def test_leaves_what_a_person_declared_of_a_pair_that_a_group_declared_before(self) -> None:
        first, second = copy(), copy()
        group = group_of(first, second)
        resolve(group, "not_duplicates")
        reviewing.split_out(group=group_of(second, first, copy()), track_id=first.pk, actor=None, now=NOW)

        reopen(group)

        assert NotDuplicate.objects.in_force().count() == 2

    def test_knows_the_group_of_a_pair_whose_file_was_moved_onto_another_decision(self) -> None:
        """Two decisions become one: it stands as long as either group says so."""
        first, second, third = copy(), copy(title="Other"), copy(title="Other", album="Elsewhere")
        groups = [group_of(first, second), group_of(first, third)]
        for group in groups:
            resolve(group, "not_duplicates")
        ending, staying = NotDuplicate.objects.order_by("pk")

        different.join(ending, staying)
        NotDuplicate.objects.filter(pk=ending.pk).update(revoked_at=NOW)
        reopen(groups[1])
        assert NotDuplicate.objects.in_force().count() == 1
        reopen(groups[0])

        assert not NotDuplicate.objects.in_force().exists()

    def test_lets_copies_be_removed_again(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        resolve(group, "kept_canonical")
        reopen(group)

        assert remove(group, gone).removed_count == 1

    def test_is_refused_where_the_copies_are_removed(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        remove(group, gone)

        with pytest.raises(InvalidOptions, match="Undo the removal"):
            reopen(group)

    def test_is_in_the_audit_trail_with_what_was_decided(self) -> None:
        group = group_of(copy(), copy())
        resolve(group, "manual_review")

        reopen(group)

        record = AuditRecord.objects.get(action="groups.reopened")
        assert record.before is not None
        assert record.before["groups"][0]["resolution"] == "manual_review"
