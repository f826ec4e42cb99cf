"""People who decide about one group, or confirm one plan, at the same moment: one wins, the others are told."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from duplicates.exceptions import DuplicatesError
from duplicates.models import AuditRecord, CleanupAction, DuplicateAnalysisGroup, NotDuplicate
from duplicates.services import planning, reviewing
from duplicates.services.plan_work import work_on_plan
from duplicates.services.removal import remove_duplicates
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory, UserFactory
from tests.duplicates.plans import groups_of_two, planned
from tests.duplicates.test_many_users import PEOPLE, all_at_once

pytestmark = pytest.mark.django_db(transaction=True)


def decide(group: DuplicateAnalysisGroup, resolution: str) -> Callable[[Any], Any]:
    return lambda person: reviewing.decide(
        group=group, resolution=resolution, actor=person, now=timezone.now(), seen_version=group.version
    )


def remove(group: DuplicateAnalysisGroup, track_id: int) -> Callable[[Any], Any]:
    return lambda person: remove_duplicates(
        group=group,
        keeper_id=group.keeper_track_id,
        removing=[track_id],
        actor=person,
        now=timezone.now(),
        seen_version=group.version,
    )


def test_of_twenty_people_who_decide_about_one_group_one_wins_and_the_others_are_told() -> None:
    group = group_of(*(copy(play_count=count) for count in (5, 3, 2)))
    people = [UserFactory.create(username=f"person{number}") for number in range(PEOPLE)]
    copies = list(group.members.order_by("position").values_list("track_id", flat=True))[1:]
    wishes = [
        remove(group, copies[0]),
        remove(group, copies[1]),
        decide(group, "not_duplicates"),
        decide(group, "kept_canonical"),
    ]

    raised = all_at_once(lambda number: wishes[number % 4](people[number]))

    assert all(isinstance(error, DuplicatesError) for error in raised), raised
    assert len(raised) == PEOPLE - 1
    group.refresh_from_db()
    won = AuditRecord.objects.exclude(action="pairs.declared_different").get(was_successful=True)
    assert AuditRecord.objects.filter(was_successful=False).count() == PEOPLE - 1
    # Those who came too late read who was before them, where a decision says who made it.
    if group.is_resolved:
        assert all(won.user_name in str(error) for error in raised)
    removed = CleanupAction.objects.count()
    assert Track.objects.active().count() == group.remaining_count == 3 - removed
    assert (removed, group.resolution, NotDuplicate.objects.count()) in [
        (1, "", 0),
        (0, "not_duplicates", 3),
        (0, "kept_canonical", 0),
    ]
    assert Track.objects.active().aggregate(plays=Sum("play_count"))["plays"] == 10


def test_two_groups_of_one_copy_each_never_lose_both() -> None:
    """Each removal alone is allowed; both together would take the last copy of the other group."""
    one, other = copy(), copy()
    groups = [group_of(one, other), group_of(other, one)]

    raised = all_at_once(lambda number: remove(groups[number % 2], (other, one)[number % 2].pk)(None))

    assert all(isinstance(error, DuplicatesError) for error in raised), raised
    assert Track.objects.active().count() == 1
    assert CleanupAction.objects.count() == 1
    assert set(DuplicateAnalysisGroup.objects.values_list("remaining_count", flat=True)) == {1}


def test_a_plan_that_twenty_people_confirm_and_work_on_is_carried_out_once() -> None:
    analysis = AnalysisFactory.create()
    groups_of_two(analysis, 6)
    plan = planned(analysis)

    def confirm_and_work(number: int) -> None:
        try:
            planning.confirm_plan(plan, typed_count=plan.track_count, actor=None, now=timezone.now())
        finally:
            work_on_plan(plan.pk, now=timezone.now)

    raised = all_at_once(confirm_and_work)

    assert all(isinstance(error, DuplicatesError) for error in raised), raised
    assert len(raised) == PEOPLE - 1
    plan.refresh_from_db()
    assert (plan.state, plan.done_groups, plan.done_tracks) == ("completed", 6, 6)
    assert CleanupAction.objects.count() == 6
