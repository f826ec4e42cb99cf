"""Giving a group another keeper: every member judged against it, taken back exactly, and refused when stale."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from duplicates.choices import Resolution
from duplicates.exceptions import (
    CannotExplain,
    GroupChanged,
    GroupResolved,
    InvalidOptions,
    KeeperChanged,
    MemberGone,
    NoDirectMatch,
    NothingToUndo,
)
from duplicates.models import AuditRecord, DuplicateAnalysisGroup, KeeperChoice
from duplicates.services.keepers import choose_keeper, take_back_choice, undo_choices
from duplicates.services.removal import remove_duplicates
from duplicates.services.resolution import mark_groups_resolved
from library.models import Track
from tests.duplicates.copies import analysis_with_weights, copy, everything, group_of
from tests.duplicates.factories import UserFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def anna() -> User:
    return UserFactory.create(username="anna")


def group_of_three(*, third: str = "Harbour Lights") -> tuple[DuplicateAnalysisGroup, list[Track]]:
    tracks = [copy(), copy(), copy(title=third)]
    return group_of(*tracks, analysis=analysis_with_weights()), tracks


def choose(group: DuplicateAnalysisGroup, track: Track, actor: User | None = None, **more: str) -> KeeperChoice:
    return choose_keeper(group=group, track_id=track.pk, actor=actor, now=NOW, **more)


class TestAChosenKeeper:
    """What a choice changes."""

    def test_comes_first_and_says_who_chose_it(self, anna: User) -> None:
        group, tracks = group_of_three()

        choose(group, tracks[1], anna)

        group.refresh_from_db()
        keeper = group.members.get(is_canonical=True)
        assert (group.keeper_track_id, keeper.track_id, keeper.position) == (tracks[1].pk, tracks[1].pk, 0)
        assert (group.keeper_rule, group.keeper_reason) == ("chosen", "Chosen by anna")
        assert (group.keeper_chosen_by, group.keeper_chosen_at) == (anna, NOW)

    def test_of_two_takes_the_evidence_of_the_pair_along(self) -> None:
        group = group_of(first := copy(), second := copy())
        group.members.filter(track=second).update(similarity=0.91, match_weight=3.3, evidence=77)

        choose(group, second)

        other = group.members.get(track=first)
        assert (other.position, other.similarity, other.match_weight, other.evidence) == (1, 0.91, 3.3, 77)

    def test_has_every_other_member_judged_against_it(self) -> None:
        """The third is a direct match of the first keeper only; by the second it is another song."""
        group, tracks = group_of_three(third="Nine Bridges")

        choose(group, tracks[1])

        verdicts = dict(group.members.values_list("track_id", "matches_keeper"))
        assert verdicts == {tracks[0].pk: True, tracks[1].pk: True, tracks[2].pk: False}

    def test_gives_the_group_its_confidence_and_its_name(self) -> None:
        group, tracks = group_of_three(third="Nine Bridges")

        choose(group, tracks[2])

        group.refresh_from_db()
        assert group.title == "Nine Bridges"
        assert group.confidence == min(group.members.values_list("similarity", flat=True)) < 0.5

    def test_is_what_a_removal_heeds(self) -> None:
        group, tracks = group_of_three(third="Nine Bridges")
        choose(group, tracks[1])

        with pytest.raises(NoDirectMatch):
            remove_duplicates(group=group, keeper_id=tracks[1].pk, removing=[tracks[2].pk], actor=None, now=NOW)

    def test_is_written_down(self, anna: User) -> None:
        group, tracks = group_of_three()

        choose(group, tracks[1], anna)

        record = AuditRecord.objects.get(action="keeper.chosen")
        assert (record.before["keeper_track_id"], record.after["keeper_track_id"]) == (tracks[0].pk, tracks[1].pk)
        assert record.user_name == "anna"


class TestTakingBack:
    """A choice that is undone leaves nothing behind."""

    def test_brings_everything_back_exactly(self, anna: User) -> None:
        group, tracks = group_of_three(third="Nine Bridges")
        before = everything()
        choose(group, tracks[1], anna)

        take_back_choice(group=group, actor=anna, now=NOW)

        assert everything() == before

    def test_goes_one_choice_back(self, anna: User) -> None:
        group, tracks = group_of_three()
        choose(group, tracks[1], anna)
        before = everything()
        choose(group, tracks[2], UserFactory.create())

        take_back_choice(group=group, actor=anna, now=NOW)

        assert everything() == before

    def test_of_the_lower_of_two_leaves_the_upper_in_force(self) -> None:
        group, tracks = group_of_three()
        before = everything()
        lower = choose(group, tracks[1])
        choose(group, tracks[2])
        after_both = everything()

        undo_choices([lower.pk], now=NOW)
        assert everything() == after_both
        take_back_choice(group=group, actor=None, now=NOW)

        assert everything() == before

    def test_is_refused_where_nobody_chose(self) -> None:
        group = group_of(copy(), copy())

        with pytest.raises(NothingToUndo, match="Nobody has chosen"):
            take_back_choice(group=group, actor=None, now=NOW)

    def test_does_without_the_name_of_somebody_who_has_left(self) -> None:
        group, tracks = group_of_three()
        left = UserFactory.create()
        choose(group, tracks[1], left)
        choose(group, tracks[2])
        left.delete()

        take_back_choice(group=group, actor=None, now=NOW)

        group.refresh_from_db()
        assert (group.keeper_track_id, group.keeper_chosen_by) == (tracks[1].pk, None)


class TestRefusals:
    """Nothing is changed, and the person is told why."""

    def test_somebody_else_chose_meanwhile(self, anna: User) -> None:
        group, tracks = group_of_three()
        seen = group.version
        choose(group, tracks[1], anna)

        with pytest.raises(KeeperChanged, match="anna has changed the keeper"):
            choose(group, tracks[2], seen_version=seen)

        assert AuditRecord.objects.filter(action="keeper.chosen", was_successful=False).count() == 1

    def test_somebody_else_decided_meanwhile(self, anna: User) -> None:
        group, tracks = group_of_three()
        seen = group.version
        mark_groups_resolved(group.analysis, [group.pk], Resolution.KEPT_CANONICAL, actor=anna, now=NOW)

        with pytest.raises(GroupResolved, match="anna has decided"):
            choose(group, tracks[2], seen_version=seen)

    def test_a_copy_left_meanwhile(self) -> None:
        group, tracks = group_of_three()
        seen = group.version
        remove_duplicates(group=group, keeper_id=tracks[0].pk, removing=[tracks[2].pk], actor=None, now=NOW)

        with pytest.raises(GroupChanged):
            choose(group, tracks[1], seen_version=seen)

    def test_what_was_seen_is_still_true(self) -> None:
        group, tracks = group_of_three()

        choose(group, tracks[1], seen_version=group.version)

        assert group.keeper_choices.count() == 1

    def test_a_stranger(self) -> None:
        group, _ = group_of_three()

        with pytest.raises(InvalidOptions, match="is no member of"):
            choose(group, copy())

    def test_a_copy_that_is_gone(self, anna: User) -> None:
        group, tracks = group_of_three()
        remove_duplicates(group=group, keeper_id=tracks[0].pk, removing=[tracks[2].pk], actor=anna, now=NOW)

        with pytest.raises(MemberGone, match="removed by anna"):
            choose(group, tracks[2])

    def test_three_copies_without_weights_to_judge_by(self) -> None:
        group = group_of(copy(), second := copy(), copy())

        with pytest.raises(CannotExplain):
            choose(group, second)


def test_a_version_is_equal_for_the_same_row_and_differs_once_decided() -> None:
    group = group_of(copy(), second := copy())
    seen = group.version

    assert DuplicateAnalysisGroup.objects.get(pk=group.pk).version == seen
    choose_keeper(group=group, track_id=second.pk, actor=None, now=NOW + timedelta(microseconds=1))
    assert DuplicateAnalysisGroup.objects.get(pk=group.pk).version != seen
