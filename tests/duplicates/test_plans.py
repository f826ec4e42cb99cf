"""Clean-up plans: the preview is exact, what it says is what is done, and one undo brings all of it back."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_tasks_db.models import DBTaskResult

from duplicates.choices import CleanupState, LaterEdits, PlanItemState, PlanState, Resolution
from duplicates.exceptions import InvalidOptions, NotConfirmed, NothingToUndo, PlanNotReady
from duplicates.models import AuditRecord, CleanupAction, CleanupPlan, DuplicateAnalysisResult, NotDuplicate
from duplicates.services import plan_work
from duplicates.services.different import declare_different
from duplicates.services.impact import follow_library
from duplicates.services.keeper_profiles import find_profile
from duplicates.services.keepers import choose_keeper
from duplicates.services.plan_lease import MOST_ATTEMPTS, waiting_plans
from duplicates.services.planning import cancel_plan, confirm_plan, continue_plan, plan_cleanup, refused_items
from duplicates.services.resolution import mark_groups_resolved, reopen_groups
from duplicates.services.reviewing import split_out
from duplicates.services.selecting import GroupFilter
from duplicates.services.undo import undo_action
from duplicates.services.workers import wake_for_plans
from duplicates.tasks import work_on_plan_task
from library.changes import current_revision
from library.models import PlaylistEntry, Track
from tests.duplicates.copies import copy, everything, group_of, playlist_of
from tests.duplicates.factories import AnalysisFactory, UserFactory
from tests.duplicates.plans import LATER, NOW, carried_out, groups_of_two, planned, undone, worked_on
from tests.duplicates.test_keeper_choices import analysis_with_weights

pytestmark = pytest.mark.django_db


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    return AnalysisFactory.create(library_revision=current_revision())


def codes(plan: CleanupPlan) -> dict[int, str]:
    return dict(plan.items.exclude(code="").values_list("group_id", "code"))


class TestThePreview:
    """What a plan says before anything is done."""

    def test_counts_groups_tracks_plays_places_and_bytes(self, analysis: DuplicateAnalysisResult) -> None:
        kept, first, second = copy(), copy(play_count=3, size_bytes=1_000), copy(play_count=4, size_bytes=None)
        group_of(kept, first, second, analysis=analysis)
        playlist_of(first, kept, first)
        playlist_of(second)

        plan = planned(analysis)

        assert (plan.state, plan.group_count, plan.track_count) == (PlanState.PLANNED, 1, 2)
        assert (plan.play_count, plan.place_count, plan.byte_count, plan.sizeless_count) == (7, 3, 1_000, 1)

    def test_is_what_is_done_then(self, analysis: DuplicateAnalysisResult) -> None:
        groups = groups_of_two(analysis, 3, size_bytes=500)
        playlist_of(*(Track.objects.get(pk=group.members.get(position=1).track_id) for group in groups))
        plan = planned(analysis)

        carried_out(plan)

        done = CleanupAction.objects.filter(batch_id=plan.pk)
        assert sum(one.removed_count for one in done) == plan.track_count == 3
        assert sum(one.plays_moved for one in done) == plan.play_count
        assert sum(one.places_moved for one in done) == plan.place_count == 3
        assert sum(one.bytes_freed or 0 for one in done) == plan.byte_count == 1_500

    def test_changes_nothing(self, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 2)
        before = everything()

        planned(analysis, profile=find_profile("keep_shortest_title"))

        assert everything() == before

    def test_is_of_the_groups_that_are_meant_and_not_decided(self, analysis: DuplicateAnalysisResult) -> None:
        first, second, decided = groups_of_two(analysis, 3)
        other = group_of(copy(title="Other"), copy(title="Other"), analysis=analysis)
        mark_groups_resolved(analysis, [decided.pk], Resolution.KEPT_CANONICAL, actor=None, now=NOW)

        assert planned(analysis).group_count == 3
        assert planned(analysis, search="harbour").group_count == 2
        assert planned(analysis, group_ids=(second.pk, other.pk, decided.pk)).group_count == 2
        assert planned(analysis, size="many").group_count == 0
        assert planned(analysis, band="very_high").group_count == 3
        assert first.pk in planned(analysis, touched="no").items.values_list("group_id", flat=True)

    def test_takes_as_many_queries_for_many_groups_as_for_few(self, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 3)
        few = self._queries(analysis)
        groups_of_two(analysis, 30)

        assert self._queries(analysis) == few

    def _queries(self, analysis: DuplicateAnalysisResult) -> int:
        follow_library(now=NOW)
        profile = find_profile("keep_best_quality")
        plan = plan_cleanup(
            analysis=analysis, wanted=GroupFilter(), resolution="deleted", profile=profile, actor=None, now=NOW
        )
        with CaptureQueriesContext(
            connection,
        ) as seen:
            worked_on(plan)
        return len(seen)

    def test_says_who_made_it_and_with_which_rules(self, analysis: DuplicateAnalysisResult) -> None:
        anna = UserFactory.create(username="anna")

        plan = planned(analysis, profile=find_profile("keep_oldest"), actor=anna)

        assert (plan.user_name, plan.profile_name, plan.profile_version) == ("anna", "keep_oldest", 1)
        assert [rule["rule"] for rule in plan.rules] == ["protected", "added_first", "most_played"]


class TestRefusedGroups:
    """Groups a plan leaves alone, each with its reason; the others go on."""

    def refused_beside_a_good_one(self, analysis: DuplicateAnalysisResult, group: Any) -> str:
        groups_of_two(analysis, 1)
        plan = planned(analysis)
        assert plan.group_count == 1
        assert plan.refused == {codes(plan)[group.pk]: 1}
        assert refused_items(plan, most=10)[0].message
        return codes(plan)[group.pk]

    def test_a_protected_copy(self, analysis: DuplicateAnalysisResult) -> None:
        group = group_of(copy(), copy(is_protected=True), analysis=analysis)

        assert self.refused_beside_a_good_one(analysis, group) == "TRACK_PROTECTED"

    def test_a_match_through_a_chain(self, analysis: DuplicateAnalysisResult) -> None:
        group = group_of(copy(), copy(), copy(), analysis=analysis)
        group.members.filter(position=2).update(matches_keeper=False)

        assert self.refused_beside_a_good_one(analysis, group) == "NO_DIRECT_MATCH"

    def test_a_copy_edited_since(self, analysis: DuplicateAnalysisResult) -> None:
        group = group_of(copy(), edited := copy(), analysis=analysis)
        Track.objects.filter(pk=edited.pk).update(title="Something else")

        assert self.refused_beside_a_good_one(analysis, group) == "MEMBER_CHANGED"

    def test_a_copy_that_is_gone(self, analysis: DuplicateAnalysisResult) -> None:
        group = group_of(copy(), gone := copy(), copy(), analysis=analysis)
        group_of_two = group_of(copy(), gone_too := copy(), analysis=analysis)
        Track.objects.filter(pk__in=[gone.pk, gone_too.pk]).delete()

        plan = planned(analysis)

        # The other copy of the three can go; of two nothing is left to decide, and following the library decided it.
        assert dict(plan.items.values_list("group_id", "state")) == {group.pk: PlanItemState.PENDING}
        group_of_two.refresh_from_db()
        assert group_of_two.resolution == Resolution.DELETED

    def test_a_keeper_that_is_gone(self, analysis: DuplicateAnalysisResult) -> None:
        group = group_of(gone := copy(), copy(), copy(), analysis=analysis)
        Track.objects.filter(pk=gone.pk).delete()

        assert self.refused_beside_a_good_one(analysis, group) == "MEMBER_GONE"

    def test_a_copy_declared_different(self, analysis: DuplicateAnalysisResult) -> None:
        group = group_of(copy(), copy(), analysis=analysis)
        keeper, other = group.members.order_by("position")
        declare_different([(keeper, other)], actor=None, now=NOW)

        assert self.refused_beside_a_good_one(analysis, group) == "DECLARED_DIFFERENT"

    def test_the_last_copy_of_another_analysis(self, analysis: DuplicateAnalysisResult) -> None:
        """Two groups of this analysis would together take both copies of a group of another one."""
        one = group_of(copy(), first := copy(), analysis=analysis)
        two = group_of(copy(), second := copy(), analysis=analysis)
        elsewhere = group_of(first, second)

        plan = carried_out(planned(analysis))

        assert codes(plan) == {two.pk: "LAST_COPY"}
        one.refresh_from_db()
        elsewhere.refresh_from_db()
        assert (one.remaining_count, elsewhere.remaining_count) == (1, 1)

    def test_too_many_members_to_declare_different(
        self, analysis: DuplicateAnalysisResult, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("duplicates.services.different.MOST_MEMBERS", 2)
        group = group_of(copy(), copy(), copy(), analysis=analysis)

        assert codes(planned(analysis, resolution="not_duplicates")) == {group.pk: "INVALID_OPTIONS"}

    @pytest.mark.parametrize(
        ("come_between", "code"),
        [
            pytest.param("decide", "GROUP_RESOLVED", id="decided"),
            pytest.param("choose", "KEEPER_CHANGED", id="another keeper"),
            pytest.param("edit", "MEMBER_CHANGED", id="edited"),
            pytest.param("protect", "TRACK_PROTECTED", id="protected"),
            pytest.param("forget", "GROUP_CHANGED", id="analysis deleted"),
        ],
    )
    def test_what_somebody_did_after_the_preview(
        self, analysis: DuplicateAnalysisResult, come_between: str, code: str
    ) -> None:
        first, second = groups_of_two(analysis, 2)
        second_id = second.pk
        plan = planned(analysis)
        other = second.members.get(position=1).track_id
        match come_between:
            case "decide":
                mark_groups_resolved(analysis, [second.pk], Resolution.KEPT_CANONICAL, actor=None, now=NOW)
            case "choose":
                choose_keeper(group=second, track_id=other, actor=None, now=NOW)
            case "edit":
                Track.objects.filter(pk=other).update(title="Something else")
            case "protect":
                Track.objects.filter(pk=other).update(is_protected=True)
            case "forget":
                second.delete()

        plan = carried_out(plan)

        assert (plan.state, plan.done_groups, plan.refused) == (PlanState.COMPLETED, 1, {code: 1})
        assert codes(plan) == {second_id: code}
        first.refresh_from_db()
        assert first.resolution == Resolution.DELETED


class TestStrategies:
    """Which copy stays, by a profile and the facts of now."""

    def test_a_profile_keeps_another_copy_and_says_why(self, analysis: DuplicateAnalysisResult) -> None:
        group = group_of(lossy := copy(lossless=False), best := copy(lossless=True), analysis=analysis)

        carried_out(planned(analysis, profile=find_profile("keep_best_quality")))

        group.refresh_from_db()
        assert (group.keeper_track_id, group.keeper_rule) == (best.pk, "lossless")
        assert group.keeper_reason == "Kept because it is lossless and the next copy is not"
        assert list(Track.objects.quarantined()) == [lossy]

    def test_the_facts_are_those_of_now(self, analysis: DuplicateAnalysisResult) -> None:
        group_of(copy(play_count=9), played := copy(play_count=1), analysis=analysis)
        Track.objects.filter(pk=played.pk).update(play_count=99)

        plan = planned(analysis, profile=find_profile("keep_most_played"))

        assert plan.items.get().keeper_track_id == played.pk

    def test_the_itunes_version_is_the_member_that_matches_exactly(self, analysis: DuplicateAnalysisResult) -> None:
        group = group_of(copy(play_count=9), bought := copy(), analysis=analysis)
        group.members.filter(track=bought).update(itunes_match="exact")

        plan = planned(analysis, profile=find_profile("keep_itunes_version"))

        assert plan.items.get().keeper_track_id == bought.pk

    def test_a_copy_of_a_complete_album_can_be_preferred(self, analysis: DuplicateAnalysisResult) -> None:
        from duplicates.engine.keeper_rules import Wish  # noqa: PLC0415
        from duplicates.services.keeper_profiles import save_profile  # noqa: PLC0415

        for number in (1, 2, 4):
            copy(title=str(number), album="Whole", track_number=number)
        group_of(copy(album="Best of", track_number=7), whole := copy(album="Whole", track_number=3), analysis=analysis)
        profile = save_profile(name="Albums", wishes=[Wish("complete_album")], actor=None, now=NOW)

        plan = planned(analysis, profile=profile)

        assert plan.items.get().keeper_track_id == whole.pk

    def test_a_protected_copy_is_kept_whatever_the_rules(self, analysis: DuplicateAnalysisResult) -> None:
        group_of(copy(play_count=99), held := copy(is_protected=True), analysis=analysis)

        plan = carried_out(planned(analysis, profile=find_profile("keep_most_played")))

        assert plan.done_groups == 1
        assert Track.objects.active().get() == held

    def test_a_copy_that_matches_only_the_old_keeper_is_not_removed_for_the_new(self) -> None:
        analysis = analysis_with_weights()
        group = group_of(copy(), copy(play_count=50), copy(title="Nine Bridges"), analysis=analysis)

        plan = planned(analysis, profile=find_profile("keep_most_played"))

        assert codes(plan) == {group.pk: "NO_DIRECT_MATCH"}

    def test_what_cannot_be_judged_is_refused_and_pairs_go_on(self, analysis: DuplicateAnalysisResult) -> None:
        """This analysis kept no weights."""
        three = group_of(copy(), copy(play_count=50), copy(), analysis=analysis)
        group_of(copy(), copy(play_count=50), analysis=analysis)

        plan = planned(analysis, profile=find_profile("keep_most_played"))

        assert codes(plan) == {three.pk: "CANNOT_EXPLAIN"}
        assert plan.group_count == 1

    def test_the_plan_keeps_its_rules_whatever_becomes_of_the_profile(self, analysis: DuplicateAnalysisResult) -> None:
        from duplicates.engine.keeper_rules import Wish  # noqa: PLC0415
        from duplicates.services.keeper_profiles import remove_profile, save_profile  # noqa: PLC0415

        group_of(copy(), rated := copy(rating=80), analysis=analysis)
        profile = save_profile(name="Rated", wishes=[Wish("highest_rating")], actor=None, now=NOW)
        plan = plan_cleanup(
            analysis=analysis, wanted=GroupFilter(), resolution="deleted", profile=profile, actor=None, now=NOW
        )
        remove_profile(profile, actor=None, now=NOW)

        assert worked_on(plan).items.get().keeper_track_id == rated.pk


class TestOtherDecisions:
    """Plans that remove nothing."""

    @pytest.mark.parametrize("resolution", ["kept_canonical", "manual_review", "not_duplicates"])
    def test_decide_every_group_and_are_undone_exactly(
        self, analysis: DuplicateAnalysisResult, resolution: str
    ) -> None:
        groups = groups_of_two(analysis, 3)
        if resolution != "manual_review":
            mark_groups_resolved(analysis, [groups[0].pk], Resolution.MANUAL_REVIEW, actor=None, now=NOW)
        before = everything()
        plan = planned(analysis, resolution=resolution, profile=find_profile("keep_shortest_title"))
        assert (plan.group_count, plan.track_count, plan.play_count) == (3, 0, 0)

        plan = carried_out(plan)
        assert set(analysis.groups.values_list("resolution", flat=True)) == {resolution}
        plan = undone(plan)

        assert everything() == before
        assert (plan.state, plan.undone_groups) == (PlanState.UNDONE, 3)
        assert not NotDuplicate.objects.filter(revoked_at=None).exists()

    def test_undone_it_leaves_what_a_person_declared_different_before(self, analysis: DuplicateAnalysisResult) -> None:
        """Undoing once took all three pairs back, the two of the person too, and refused nothing."""
        group = group_of(copy(), copy(), stranger := copy(), analysis=analysis)
        split_out(group=group, track_id=stranger.pk, actor=None, now=NOW)
        declared = set(NotDuplicate.objects.in_force())
        plan = carried_out(planned(analysis, resolution="not_duplicates"))
        assert (len(declared), NotDuplicate.objects.in_force().count()) == (2, 3)

        undone(plan)

        assert set(NotDuplicate.objects.in_force()) == declared

    @pytest.mark.parametrize("resolution", ["not_duplicates", "kept_canonical"])
    def test_undone_it_leaves_what_a_person_reopened_and_decided_the_same_way(
        self, analysis: DuplicateAnalysisResult, resolution: str
    ) -> None:
        """Only the kind of decision was compared once, and the person's own was reopened."""
        theirs, other = groups_of_two(analysis, 2)
        plan = carried_out(planned(analysis, resolution=resolution))
        reopen_groups(analysis, [theirs.pk], actor=None, now=LATER)
        mark_groups_resolved(analysis, [theirs.pk], Resolution(resolution), actor=None, now=LATER + timedelta(days=1))

        plan = undone(plan)

        assert codes(plan) == {theirs.pk: "GROUP_CHANGED"}
        assert dict(analysis.groups.values_list("pk", "resolution")) == {theirs.pk: resolution, other.pk: ""}

    def test_a_keeper_by_rules_is_kept_and_given_back(self, analysis: DuplicateAnalysisResult) -> None:
        group = group_of(copy(), rated := copy(play_count=7), analysis=analysis)
        before = everything()

        plan = carried_out(planned(analysis, resolution="kept_canonical", profile=find_profile("keep_most_played")))
        group.refresh_from_db()
        assert (group.keeper_track_id, group.resolution) == (rated.pk, "kept_canonical")
        undone(plan)

        assert everything() == before


class TestConfirmation:
    """One word before anything is done."""

    def test_a_large_plan_wants_its_count_typed(self, analysis: DuplicateAnalysisResult, settings: Any) -> None:
        settings.BULK_REMOVAL_LIMIT = 2
        groups_of_two(analysis, 3)
        plan = planned(analysis)

        with pytest.raises(NotConfirmed, match="removes 3 copies"):
            confirm_plan(plan, actor=None, now=LATER)
        with pytest.raises(NotConfirmed, match="removes 3 copies, not 2"):
            confirm_plan(plan, typed_count=2, actor=None, now=LATER)

        assert confirm_plan(plan, typed_count=3, actor=None, now=LATER).state == PlanState.EXECUTING
        assert AuditRecord.objects.filter(action="cleanup_plan.confirmed", was_successful=False).count() == 2

    def test_a_small_one_does_not(self, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 2)

        assert confirm_plan(planned(analysis), actor=None, now=LATER).state == PlanState.EXECUTING

    def test_it_is_given_once(self, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 2)
        plan = carried_out(planned(analysis))

        with pytest.raises(PlanNotReady, match="Done"):
            confirm_plan(plan, actor=None, now=LATER)

    def test_there_is_none_for_nothing(self, analysis: DuplicateAnalysisResult) -> None:
        with pytest.raises(InvalidOptions, match="nothing to do"):
            confirm_plan(planned(analysis), actor=None, now=LATER)

    def test_everything_is_done_in_the_name_of_who_gave_it(self, analysis: DuplicateAnalysisResult) -> None:
        anna, bert = UserFactory.create(username="anna"), UserFactory.create(username="bert")
        groups_of_two(analysis, 1)

        plan = carried_out(planned(analysis, actor=anna), actor=bert)

        assert (plan.user_name, plan.confirmed_name) == ("anna", "bert")
        assert CleanupAction.objects.get().user == bert


class TestUndo:
    """One undo for the whole plan."""

    def test_brings_everything_back_exactly(self, analysis: DuplicateAnalysisResult) -> None:
        groups = groups_of_two(analysis, 3, size_bytes=10)
        group_of(copy(), copy(play_count=80, rating=60), analysis=analysis)
        playlist_of(*(Track.objects.get(pk=group.members.get(position=1).track_id) for group in groups))
        before = everything()

        plan = undone(carried_out(planned(analysis, profile=find_profile("keep_most_played"))))

        assert everything() == before
        assert (plan.state, plan.undone_groups) == (PlanState.UNDONE, 4)

    def test_of_a_single_removal_gives_the_old_keeper_back_too(self, analysis: DuplicateAnalysisResult) -> None:
        group_of(copy(), copy(play_count=80), analysis=analysis)
        before = everything()
        carried_out(planned(analysis, profile=find_profile("keep_most_played")))

        undo_action(action=CleanupAction.objects.get(), actor=None, now=LATER)

        assert everything() == before

    def test_leaves_later_edits_and_asks(self, analysis: DuplicateAnalysisResult) -> None:
        edited, _other = groups_of_two(analysis, 2)
        plan = carried_out(planned(analysis))
        Track.objects.filter(pk=edited.keeper_track_id).update(play_count=40)

        plan = undone(plan)
        assert (plan.undone_groups, codes(plan)) == (1, {edited.pk: "UNDO_CONFLICT"})
        plan = undone(plan, later_edits=LaterEdits.KEEP)

        assert (plan.undone_groups, codes(plan)) == (2, {})
        assert not Track.objects.quarantined().exists()

    def test_says_what_was_undone_by_hand_before(self, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 2)
        plan = carried_out(planned(analysis))
        undo_action(action=CleanupAction.objects.order_by("pk").first(), actor=None, now=LATER)  # type: ignore[arg-type]

        plan = undone(plan)

        assert sorted(codes(plan).values()) == ["NOTHING_TO_UNDO"]
        assert not CleanupAction.objects.filter(state=CleanupState.DONE).exists()

    def test_is_refused_where_nothing_was_done(self, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 1)

        with pytest.raises(NothingToUndo):
            undone(cancel_plan(planned(analysis), actor=None, now=LATER))

    def test_works_when_the_analysis_is_gone(self, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 2)
        tracks = list(Track.objects.order_by("pk").values())
        plan = carried_out(planned(analysis))
        analysis.delete()

        undone(plan)

        assert list(Track.objects.order_by("pk").values()) == tracks


class TestStops:
    """A plan that is stopped midway is true at every moment."""

    @pytest.fixture
    def plan(self, analysis: DuplicateAnalysisResult, monkeypatch: pytest.MonkeyPatch) -> CleanupPlan:
        """A confirmed plan of five groups, two of which fit into a transaction."""
        monkeypatch.setattr(plan_work, "TRACKS_A_TRANSACTION", 2)
        groups_of_two(analysis, 5)
        return confirm_plan(planned(analysis), actor=None, now=LATER)

    def die_after(self, plan: CleanupPlan, transactions: int) -> None:
        """Work on a plan and fall over, with the lease in hand, as a killed process does."""
        left = [transactions]

        def report(seen: CleanupPlan) -> None:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            plan_work.work_on_plan(plan.pk, now=lambda: LATER, report=report)

    def test_killed_it_goes_on_where_it_stood(self, plan: CleanupPlan) -> None:
        self.die_after(plan, 2)
        plan.refresh_from_db()
        assert (plan.state, plan.done_groups, Track.objects.quarantined().count()) == (PlanState.EXECUTING, 4, 4)
        assert plan_work.work_on_plan(plan.pk, now=lambda: LATER) is None  # the lease is not over yet

        later = LATER.replace(hour=13)
        assert waiting_plans(now=later) == [plan.pk]
        done = plan_work.work_on_plan(plan.pk, now=lambda: later)

        assert done is not None
        assert (done.state, done.done_groups, done.done_tracks) == (PlanState.COMPLETED, 5, 5)
        assert CleanupAction.objects.count() == 5

    def test_killed_too_often_it_fails_and_can_be_continued(self, plan: CleanupPlan) -> None:
        CleanupPlan.objects.update(attempt=MOST_ATTEMPTS)

        assert plan_work.work_on_plan(plan.pk, now=lambda: LATER) is None
        plan.refresh_from_db()
        assert (plan.state, plan.failed_state) == (PlanState.FAILED, PlanState.EXECUTING)

        assert worked_on(continue_plan(plan, actor=None, now=LATER)).state == PlanState.COMPLETED

    def test_killed_while_it_is_worked_out_it_begins_anew(
        self, analysis: DuplicateAnalysisResult, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(plan_work, "GROUPS_A_PART", 2)
        groups_of_two(analysis, 5)
        plan = plan_cleanup(analysis=analysis, wanted=GroupFilter(), resolution="deleted", actor=None, now=NOW)
        self.die_after(plan, 2)

        done = plan_work.work_on_plan(plan.pk, now=lambda: LATER.replace(hour=13))

        assert done is not None
        assert (done.state, done.group_count, done.planned_groups) == (PlanState.PLANNED, 5, 5)

    def test_cancelled_it_leaves_the_rest_and_can_be_undone(self, plan: CleanupPlan) -> None:
        before = everything()
        self.die_after(plan, 1)

        cancelled = cancel_plan(plan, actor=None, now=LATER)
        assert plan_work.work_on_plan(plan.pk, now=lambda: LATER.replace(hour=13)) is None
        assert Track.objects.quarantined().count() == 2
        undone(cancelled)

        assert everything() == before

    def test_who_lost_the_lease_writes_nothing_more(self, plan: CleanupPlan) -> None:
        def report(seen: CleanupPlan) -> None:
            if seen.done_groups == 2:
                cancel_plan(seen, actor=None, now=LATER)

        done = plan_work.work_on_plan(plan.pk, now=lambda: LATER, report=report)

        assert done is not None
        assert (done.state, done.done_groups, CleanupAction.objects.count()) == (PlanState.CANCELLED, 2, 2)

    def test_asked_to_stop_it_hands_the_rest_back_at_once(
        self, plan: CleanupPlan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = iter([False, True])
        monkeypatch.setattr("duplicates.services.process.is_asked_to_stop", lambda: next(asked))

        done = plan_work.work_on_plan(plan.pk, now=lambda: LATER)

        assert done is not None
        assert (done.state, done.done_groups, done.lease_until) == (PlanState.EXECUTING, 2, None)
        assert waiting_plans(now=LATER) == [plan.pk]

    def test_a_failing_database_is_written_down(self, plan: CleanupPlan, monkeypatch: pytest.MonkeyPatch) -> None:
        from django.db import OperationalError  # noqa: PLC0415

        def broken(*args: object, **options: object) -> None:
            raise OperationalError('connection to server at "secret.example.org" failed')

        monkeypatch.setattr(plan_work, "do_items", broken)
        with pytest.raises(OperationalError):
            plan_work.work_on_plan(plan.pk, now=lambda: LATER)

        plan.refresh_from_db()
        assert (plan.state, plan.error_message) == (
            PlanState.FAILED,
            "It broke off (OperationalError). The log says why.",
        )

    def test_places_are_never_lost_between_transactions(self, plan: CleanupPlan) -> None:
        gone = [item.removing[0] for item in plan.items.order_by("pk")]
        playlist = playlist_of(*Track.objects.filter(pk__in=gone))

        self.die_after(plan, 2)

        assert PlaylistEntry.objects.filter(playlist=playlist).count() == 5


class TestWorkers:
    """Plans on the queue."""

    def test_a_task_works_a_plan_out(self, analysis: DuplicateAnalysisResult) -> None:
        groups_of_two(analysis, 1)
        plan = plan_cleanup(analysis=analysis, wanted=GroupFilter(), resolution="deleted", actor=None, now=NOW)

        assert work_on_plan_task.call(plan_id=str(plan.pk)) == PlanState.PLANNED

    def test_a_plan_nobody_is_at_is_given_to_a_worker_once(self, analysis: DuplicateAnalysisResult) -> None:
        plan = plan_cleanup(analysis=analysis, wanted=GroupFilter(), resolution="deleted", actor=None, now=NOW)
        woken: list[uuid.UUID] = []

        wake_for_plans(now=NOW, enqueue=woken.append)
        assert woken == [plan.pk]
        DBTaskResult.objects.create(
            task_path="duplicates.tasks.work_on_plan_task",
            args_kwargs={"args": [], "kwargs": {"plan_id": str(plan.pk)}},
            backend_name="default",
        )
        wake_for_plans(now=NOW, enqueue=woken.append)

        assert woken == [plan.pk]
