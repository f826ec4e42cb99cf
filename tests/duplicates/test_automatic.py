"""Automatic resolution: only where the measured precision beats the bar, by the plans of people, and never further."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from duplicates.admin.plan_page import filter_in_words
from duplicates.choices import Answer, AutomaticOutcome, PlanState, Resolution
from duplicates.engine.keeper_rules import Wish
from duplicates.exceptions import AnalysisNotReady, BarNotMet, InvalidOptions
from duplicates.models import (
    AuditRecord,
    AutomaticResolution,
    AutomaticRun,
    CleanupPlan,
    DuplicateAnalysisResult,
    PrecisionSample,
)
from duplicates.services import permissions, planning
from duplicates.services.automatic import resolve_new_results
from duplicates.services.automatic_switch import switch_off, switch_on
from duplicates.services.keeper_profiles import save_profile
from duplicates.services.options import AnalysisOptions
from duplicates.services.planning import cancel_plan, confirm_plan
from duplicates.services.precision import MOST_MEMBERS
from duplicates.services.selecting import GroupFilter
from library.models import Track
from tests.duplicates.copies import copy, everything, group_of
from tests.duplicates.factories import VIEWS, UserFactory
from tests.duplicates.plans import NOW, undone, worked_on
from tests.duplicates.samples import answered, drawn, groups_in, plain_analysis

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
AFTERWARDS = NOW + timedelta(hours=2)


@pytest.fixture(autouse=True)
def low_bar(settings: LazySettings) -> None:
    """Twelve groups without a false match end at 24.2 %, with one at 35.4 %."""
    settings.PRECISION_BAR_PERCENT = 25
    settings.PRECISION_LEAST_GROUPS = 10


@pytest.fixture
def anna() -> User:
    return UserFactory.create(
        username="anna",
        permissions=(
            *VIEWS,
            "duplicates.view_precisionsample",
            permissions.REVIEW,
            permissions.REMOVE,
            permissions.AUTOMATE,
        ),
    )


@pytest.fixture
def measured(anna: User) -> PrecisionSample:
    """A band of which twelve groups were judged, all the same."""
    analysis = plain_analysis(completed_at=NOW)
    groups_in(analysis, "very_high", 12)
    sample: PrecisionSample = drawn(analysis)
    answered(sample, [Answer.SAME] * 12, actor=anna)
    return sample


def switched_on(anna: User, **values: Any) -> AutomaticResolution:
    wish = {"preset": "recording", "band": "very_high", "resolution": Resolution.DELETED}
    return switch_on(**{**wish, **values}, actor=anna, now=NOW)


def new_result(many: int = 2, **values: Any) -> DuplicateAnalysisResult:
    """Return an analysis that completed after the switch was turned."""
    analysis = plain_analysis(completed_at=LATER, **values)
    groups_in(analysis, "very_high", many)
    groups_in(analysis, "high", 1)
    return analysis


def the_plan(analysis: DuplicateAnalysisResult) -> CleanupPlan:
    return CleanupPlan.objects.get(analysis=analysis)


def run_to_the_end(analysis: DuplicateAnalysisResult) -> CleanupPlan:
    """Do what a supervisor and a worker do, until nothing is left."""
    resolve_new_results(now=AFTERWARDS)
    worked_on(the_plan(analysis))
    resolve_new_results(now=AFTERWARDS)
    plan = the_plan(analysis)
    return worked_on(plan) if plan.state == PlanState.EXECUTING else plan


def refusing(monkeypatch: pytest.MonkeyPatch, verb: str, error: Exception) -> list[str]:
    """Let a verb of plans raise; return the list that grows with each try."""
    tries: list[str] = []

    def refuse(*_args: Any, **_named: Any) -> None:
        tries.append(verb)
        raise error

    monkeypatch.setattr(planning, verb, refuse)
    return tries


class TestTheSwitch:
    def test_is_off_unless_somebody_turns_it(self, measured: PrecisionSample) -> None:
        new_result()

        resolve_new_results(now=AFTERWARDS)

        assert not CleanupPlan.objects.exists()

    def test_can_be_turned_on_where_the_bar_is_beaten(self, measured: PrecisionSample, anna: User) -> None:
        switch = switched_on(anna)

        assert (switch.is_on, switch.user_name) == (True, "anna")
        record = AuditRecord.objects.get(action="automatic_resolution.switched_on")
        assert (record.after or {})["judged"] == 12

    def test_cannot_be_turned_on_for_another_band(self, measured: PrecisionSample, anna: User) -> None:
        with pytest.raises(BarNotMet, match="0 groups are judged"):
            switched_on(anna, band="high")
        with pytest.raises(BarNotMet):
            switched_on(anna, preset="song")

    def test_cannot_be_turned_on_above_the_bar(
        self, measured: PrecisionSample, anna: User, settings: LazySettings
    ) -> None:
        settings.PRECISION_BAR_PERCENT = 24

        with pytest.raises(BarNotMet, match=r"Up to 24\.25 %"):
            switched_on(anna)

    def test_cannot_be_turned_on_with_too_few(
        self, measured: PrecisionSample, anna: User, settings: LazySettings
    ) -> None:
        settings.PRECISION_LEAST_GROUPS = 13

        with pytest.raises(BarNotMet, match="12 groups are judged; it takes 13"):
            switched_on(anna)

    def test_cannot_be_turned_on_while_drawn_groups_wait(self, anna: User) -> None:
        """Else who dislikes what is left to judge could stop early."""
        analysis = plain_analysis()
        groups_in(analysis, "very_high", 13)
        answered(drawn(analysis), [Answer.SAME] * 12, actor=anna)

        with pytest.raises(BarNotMet, match="1 drawn group is"):
            switched_on(anna)

    @pytest.mark.parametrize("wish", [{"preset": "x"}, {"band": "x"}, {"resolution": "not_duplicates"}], ids=str)
    def test_accepts_what_there_is(self, measured: PrecisionSample, anna: User, wish: dict[str, str]) -> None:
        with pytest.raises(InvalidOptions):
            switched_on(anna, **wish)

    def test_says_who_turned_it_off(self, measured: PrecisionSample, anna: User) -> None:
        switch = switched_on(anna)

        assert switch_off(switch, actor=anna, now=LATER)
        assert not switch_off(switch, actor=anna, now=LATER)

        assert AuditRecord.objects.get(action="automatic_resolution.switched_off").user_name == "anna"


class TestItsUse:
    def test_removes_the_duplicates_of_the_band_and_of_no_other(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        analysis = new_result()

        plan = run_to_the_end(analysis)

        assert (plan.state, plan.done_groups) == (PlanState.COMPLETED, 2)
        decided = analysis.groups.filter(resolution=Resolution.DELETED)
        assert {group.band for group in decided} == {"very_high"}
        assert AutomaticRun.objects.get(plan=plan).outcome == AutomaticOutcome.CARRIED_OUT

    def test_is_audited_as_who_switched_it_on(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)

        plan = run_to_the_end(new_result())

        names = AuditRecord.objects.filter(subject_id=str(plan.pk)).values_list("action", "user_name")
        assert set(names) == {
            ("cleanup_plan.made", "anna"),
            ("automatic_resolution.used", "anna"),
            ("cleanup_plan.confirmed", "anna"),
            ("cleanup_plan.completed", "anna"),
        }
        assert AuditRecord.objects.filter(action="duplicates.removed", user_name="anna").count() == 2

    def test_is_undone_like_any_plan(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        analysis = new_result()
        before = everything()

        undone(run_to_the_end(analysis))

        assert everything() == before

    def test_can_only_keep_the_keepers(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna, resolution=Resolution.KEPT_CANONICAL)
        analysis = new_result()

        run_to_the_end(analysis)

        assert analysis.groups.filter(resolution=Resolution.KEPT_CANONICAL).count() == 2
        assert not Track.objects.quarantined().exists()

    def test_touches_no_protected_track(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        analysis = new_result()
        protected = group_of(copy(), copy(is_protected=True), analysis=analysis)

        plan = run_to_the_end(analysis)

        assert plan.refused == {"TRACK_PROTECTED": 1}
        protected.refresh_from_db()
        assert not protected.is_resolved

    def test_leaves_what_people_set_aside_or_decided(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        analysis = new_result(many=3)
        aside, kept, _open = analysis.groups.filter(confidence__gt=0.95).order_by("pk")
        analysis.groups.filter(pk=aside.pk).update(is_resolved=True, resolution="manual_review")
        analysis.groups.filter(pk=kept.pk).update(is_resolved=True, resolution="kept_canonical")

        plan = run_to_the_end(analysis)

        assert plan.done_groups == 1

    def test_leaves_groups_larger_than_any_that_was_judged(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        analysis = new_result()
        (large,) = groups_in(analysis, "very_high", 1, members=MOST_MEMBERS + 1)

        plan = run_to_the_end(analysis)

        assert plan.done_groups == 2
        large.refresh_from_db()
        assert not large.is_resolved
        assert filter_in_words(GroupFilter.from_json(plan.filters)).endswith("members at most: 12")

    def test_looks_at_each_result_once(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        analysis = new_result()
        run_to_the_end(analysis)

        resolve_new_results(now=AFTERWARDS)

        assert CleanupPlan.objects.count() == AutomaticRun.objects.count() == 1

    def test_leaves_results_from_before_the_switch(self, measured: PrecisionSample, anna: User) -> None:
        groups_in(plain_analysis(completed_at=NOW - timedelta(hours=1)), "very_high", 1)
        switched_on(anna)

        resolve_new_results(now=AFTERWARDS)

        assert not AutomaticRun.objects.exists()

    def test_leaves_results_with_options_of_their_own(self, measured: PrecisionSample, anna: User) -> None:
        """What was measured says nothing of a run that ignores titles."""
        switched_on(anna)
        new_result(parameters=AnalysisOptions(ignored_fields=("title",)).as_parameters())

        resolve_new_results(now=AFTERWARDS)

        run = AutomaticRun.objects.get()
        assert (run.outcome, run.plan) == (AutomaticOutcome.SKIPPED, None)
        assert run.message

    def test_leaves_results_its_person_does_not_see(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        new_result(user=UserFactory.create())

        resolve_new_results(now=AFTERWARDS)

        assert AutomaticRun.objects.get().message == "anna does not see this analysis."
        assert AutomaticResolution.objects.get().is_on

    def test_with_nothing_undecided_makes_no_plan(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        new_result(many=0)

        resolve_new_results(now=AFTERWARDS)

        assert AutomaticRun.objects.get().outcome == AutomaticOutcome.NOTHING
        assert not CleanupPlan.objects.exists()

    def test_with_everything_refused_ends(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        analysis = new_result(many=0)
        group_of(copy(), copy(is_protected=True), analysis=analysis)

        plan = run_to_the_end(analysis)

        assert plan.state == PlanState.CANCELLED
        assert AutomaticRun.objects.get().outcome == AutomaticOutcome.NOTHING

    def test_above_the_bulk_limit_waits_for_a_person(
        self, measured: PrecisionSample, anna: User, settings: LazySettings
    ) -> None:
        settings.BULK_REMOVAL_LIMIT = 1
        switched_on(anna)
        analysis = new_result()

        plan = run_to_the_end(analysis)
        resolve_new_results(now=AFTERWARDS)

        assert plan.state == the_plan(analysis).state == PlanState.PLANNED
        assert AutomaticRun.objects.get().outcome == AutomaticOutcome.WAITING
        assert not Track.objects.quarantined().exists()
        assert worked_on(confirm_plan(plan, typed_count=2, actor=anna, now=AFTERWARDS)).done_groups == 2

    def test_a_person_may_cancel_its_plan(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        analysis = new_result()
        resolve_new_results(now=AFTERWARDS)
        cancel_plan(the_plan(analysis), actor=anna, now=AFTERWARDS)

        resolve_new_results(now=AFTERWARDS)

        assert AutomaticRun.objects.get().outcome == AutomaticOutcome.STOPPED

    def test_costs_two_queries_while_it_is_off(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            resolve_new_results(now=AFTERWARDS)

        assert len(queries) == 2


class TestWhatFails:
    """A run whose plan had failed, or that was refused, was once tried and written again on every tick, for ever."""

    def test_a_failed_plan_ends_its_run_and_says_why(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        analysis = new_result()
        resolve_new_results(now=AFTERWARDS)
        CleanupPlan.objects.update(state=PlanState.FAILED, failed_state=PlanState.PLANNING, error_message="Broke off.")

        resolve_new_results(now=AFTERWARDS)

        run = AutomaticRun.objects.get(analysis=analysis)
        assert (run.outcome, run.message) == (AutomaticOutcome.STOPPED, "Broke off.")
        with CaptureQueriesContext(connection) as later:
            resolve_new_results(now=AFTERWARDS)
        assert not [one for one in later if not one["sql"].startswith("SELECT")]

    @pytest.mark.parametrize("error", [AnalysisNotReady(), KeyError("wishes")], ids=["refused", "unexpected"])
    def test_a_plan_that_cannot_be_made_is_tried_once(
        self, measured: PrecisionSample, anna: User, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        tries = refusing(monkeypatch, "plan_cleanup", error)
        switched_on(anna)
        analysis = new_result()

        for _ in range(3):
            resolve_new_results(now=AFTERWARDS)

        run = AutomaticRun.objects.get(analysis=analysis)
        assert (len(tries), run.outcome, bool(run.message)) == (1, AutomaticOutcome.SKIPPED, True)

    @pytest.mark.parametrize("error", [InvalidOptions("No."), KeyError("wishes")], ids=["refused", "unexpected"])
    def test_a_plan_that_cannot_be_confirmed_waits_for_a_person(
        self, measured: PrecisionSample, anna: User, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        tries = refusing(monkeypatch, "confirm_plan", error)
        switched_on(anna)
        analysis = new_result()
        resolve_new_results(now=AFTERWARDS)
        worked_on(the_plan(analysis))

        for _ in range(3):
            resolve_new_results(now=AFTERWARDS)

        run = AutomaticRun.objects.get(analysis=analysis)
        assert (len(tries), run.outcome, the_plan(analysis).state) == (1, AutomaticOutcome.WAITING, PlanState.PLANNED)


class TestSwitchingItselfOff:
    def is_off_because(self, reason: str) -> bool:
        switch = AutomaticResolution.objects.get()
        record = AuditRecord.objects.get(action="automatic_resolution.switched_off")
        return not switch.is_on and reason in switch.off_reason and record.message == switch.off_reason

    def test_with_a_judgement_that_breaks_the_bar(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        analysis = plain_analysis()
        groups_in(analysis, "very_high", 1)

        answered(drawn(analysis), [Answer.DIFFERENT], actor=anna)

        assert self.is_off_because("may be false matches")

    def test_when_administrators_raise_the_bar(
        self, measured: PrecisionSample, anna: User, settings: LazySettings
    ) -> None:
        switched_on(anna)
        new_result()
        settings.PRECISION_BAR_PERCENT = 5

        resolve_new_results(now=AFTERWARDS)

        assert self.is_off_because("the bar is 5 %")
        assert not CleanupPlan.objects.exists()

    def test_when_the_samples_are_too_old(self, measured: PrecisionSample, anna: User) -> None:
        switched_on(anna)
        new_result()

        resolve_new_results(now=NOW + timedelta(days=200))

        assert self.is_off_because("0 groups are judged")

    @pytest.mark.parametrize("loss", ["automate", "remove", "inactive", "deleted"])
    def test_when_its_person_lost_the_permission(self, measured: PrecisionSample, anna: User, loss: str) -> None:
        switched_on(anna)
        new_result()
        match loss:
            case "automate":
                anna.user_permissions.remove(anna.user_permissions.get(codename="automate_resolution"))
            case "remove":
                anna.user_permissions.remove(anna.user_permissions.get(codename="remove_duplicates"))
            case "inactive":
                User.objects.filter(pk=anna.pk).update(is_active=False)
            case "deleted":
                User.objects.filter(pk=anna.pk).delete()

        resolve_new_results(now=AFTERWARDS)

        assert self.is_off_because("anna may not do this any more")
        assert not CleanupPlan.objects.exists()

    def test_when_its_keeper_profile_was_changed(self, measured: PrecisionSample, anna: User) -> None:
        profile = save_profile(name="Mine", wishes=[Wish("lossless")], actor=anna, now=NOW)
        switched_on(anna, profile=profile)
        new_result()
        save_profile(name="Mine", wishes=[Wish("largest_file")], profile=profile, actor=anna, now=LATER)

        resolve_new_results(now=AFTERWARDS)

        assert self.is_off_because("“Mine”")

    def test_between_the_preview_and_the_work(
        self, measured: PrecisionSample, anna: User, settings: LazySettings
    ) -> None:
        switched_on(anna)
        analysis = new_result()
        resolve_new_results(now=AFTERWARDS)
        worked_on(the_plan(analysis))
        settings.PRECISION_BAR_PERCENT = 5

        resolve_new_results(now=AFTERWARDS)

        assert self.is_off_because("the bar is 5 %")
        assert the_plan(analysis).state == PlanState.CANCELLED
        assert not Track.objects.quarantined().exists()

    def test_by_hand_stops_a_plan_under_way(self, measured: PrecisionSample, anna: User) -> None:
        switch = switched_on(anna)
        analysis = new_result()
        resolve_new_results(now=AFTERWARDS)
        worked_on(the_plan(analysis))
        switch_off(switch, actor=anna, now=AFTERWARDS)

        resolve_new_results(now=AFTERWARDS)

        assert the_plan(analysis).state == PlanState.CANCELLED
