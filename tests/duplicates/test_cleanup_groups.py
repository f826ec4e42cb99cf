"""`manage.py cleanup_groups`: a preview that can be confirmed by its count, undone, and gone on with."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from duplicates.choices import PlanState
from duplicates.models import CleanupPlan, DuplicateAnalysisResult
from duplicates.services import process
from library.changes import current_revision
from library.models import Track
from tests.duplicates.copies import copy, everything, group_of
from tests.duplicates.factories import AnalysisFactory, UserFactory
from tests.duplicates.plans import groups_of_two, planned

pytestmark = pytest.mark.django_db


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    analysis = AnalysisFactory.create(library_revision=current_revision())
    groups_of_two(analysis, 3)
    group_of(copy(title="Copper Wire"), copy(title="Copper Wire", is_protected=True), analysis=analysis)
    return analysis


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("cleanup_groups", *arguments, stdout=out)
    return out.getvalue()


def test_a_preview_changes_nothing_and_says_how_to_go_on(analysis: DuplicateAnalysisResult) -> None:
    before = everything()

    said = run("--resolution", "deleted")

    plan = CleanupPlan.objects.get()
    assert everything() == before
    assert "3 of 4 groups, 3 copies, 6 plays, 0 playlist places, 0.0 MB and 3 of unknown size." in said
    assert f"--plan {plan.pk} --confirm 3" in said


def test_refused_groups_are_named_with_their_reasons(analysis: DuplicateAnalysisResult) -> None:
    said = run("--filter", "search=copper")

    assert "Refused: 1 groups, TRACK_PROTECTED" in said
    assert "Protected from removal: Copper Wire by The Quiet Tide" in said


def test_its_count_confirms_it_and_one_word_undoes_it(analysis: DuplicateAnalysisResult) -> None:
    before = everything()
    plan_id = run().splitlines()[-1]

    said = run("--plan", plan_id, "--confirm", "3")
    assert "Done: 3 groups, 3 copies." in said
    assert Track.objects.quarantined().count() == 3
    run("--plan", plan_id, "--undo")

    assert everything() == before


def test_preview_and_confirmation_may_be_one_step(analysis: DuplicateAnalysisResult) -> None:
    anna = UserFactory.create(username="anna")

    run("--confirm", "3", "--user", "anna")

    assert CleanupPlan.objects.get().confirmed_by == anna


def test_a_wrong_count_changes_nothing(analysis: DuplicateAnalysisResult) -> None:
    with pytest.raises(CommandError, match="This removes 3 copies, not 30"):
        run("--confirm", "30")

    assert not Track.objects.quarantined().exists()


def test_a_plan_can_be_cancelled(analysis: DuplicateAnalysisResult) -> None:
    run("--plan", str(planned(analysis).pk), "--cancel")

    assert CleanupPlan.objects.get().state == PlanState.CANCELLED


def test_an_interrupt_leaves_it_to_be_gone_on_with(
    analysis: DuplicateAnalysisResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(analysis)
    monkeypatch.setattr(process, "is_asked_to_stop", lambda: True)
    with pytest.raises(CommandError, match="Stopped midway") as stopped:
        run("--plan", str(plan.pk), "--confirm", "3")
    assert stopped.value.returncode == 130
    monkeypatch.undo()

    assert "Done: 3 groups" in run("--plan", str(plan.pk))


def test_the_plan_can_be_read_by_programs(analysis: DuplicateAnalysisResult) -> None:
    said = json.loads(run("--output", "json"))

    assert (said["state"], said["group_count"], said["refused"]) == ("planned", 3, {"TRACK_PROTECTED": 1})
    assert said["refused_groups"][0]["code"] == "TRACK_PROTECTED"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--filter", "loud"], "'loud' is no filter"),
        (["--filter", "size=huge"], "'huge' is no size. Choose from pair, few, many"),
        (["--strategy", "keep_loudest"], "no keeper profile. Choose from .*keep_oldest"),
        (["--resolution", "burnt"], "'burnt' is no decision"),
        (["--user", "nobody"], "no user 'nobody'"),
        (["--plan", "12"], "no clean-up plan 12"),
        (["--undo"], "--plan ID"),
    ],
)
def test_what_cannot_be_read_is_answered_with_a_way_out(
    analysis: DuplicateAnalysisResult, arguments: list[str], why: str
) -> None:
    with pytest.raises(CommandError, match=why):
        run(*arguments)
