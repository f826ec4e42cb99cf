"""Many groups at once: the same few queries for three and for thirty, and each is judged as if it came alone."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from duplicates.choices import PlanState, Resolution
from duplicates.engine import rejudge
from duplicates.exceptions import DuplicatesError, LastCopy
from duplicates.models import (
    AuditRecord,
    CleanupAction,
    CleanupPlan,
    DuplicateAnalysisGroup,
    DuplicateAnalysisResult,
    DuplicateAnalysisTrack,
    LedgerEntry,
)
from duplicates.services.cases import CopiesLeft, Wanted
from duplicates.services.different import declare_different
from duplicates.services.impact import follow_library
from duplicates.services.keeper_profiles import find_profile
from duplicates.services.planning import confirm_plan, undo_plan
from duplicates.services.removal import remove_duplicates, remove_together
from library.changes import current_revision, recording
from library.models import Track
from tests.duplicates.copies import copy, everything, group_of, places, playlist_of
from tests.duplicates.factories import AnalysisFactory, UserFactory
from tests.duplicates.plans import LATER, carried_out, groups_of_two, planned, undone, worked_on
from tests.duplicates.test_keeper_choices import analysis_with_weights
from tests.duplicates.test_removal import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    return AnalysisFactory.create(library_revision=current_revision())


def songs(analysis: DuplicateAnalysisResult, many: int) -> None:
    """Make groups whose copy is the better keeper, stands in playlists and belongs to another analysis as well."""
    elsewhere = AnalysisFactory.create(library_revision=current_revision())
    gone = []
    for number in range(many):
        kept, other = copy(play_count=number, genre=""), copy(play_count=50, genre="Folk", rating=80)
        group_of(kept, other, analysis=analysis)
        group_of(kept, other, analysis=elsewhere)
        gone.append(kept)
    playlist_of(*gone)
    playlist_of(*reversed(gone))


class TestQueries:
    """A step of a plan, the last to the first."""

    @pytest.mark.parametrize("resolution", ["deleted", "kept_canonical", "manual_review", "not_duplicates"])
    def test_are_as_many_for_thirty_groups_as_for_three(self, resolution: str) -> None:
        assert self.counted(resolution, 3) == self.counted(resolution, 30)

    def test_are_as_many_when_every_group_is_refused(self) -> None:
        def counted(many: int) -> int:
            plan = self.confirmed("deleted", many)
            Track.objects.filter(pk__in=plan.items.values("keeper_track_id")).update(title="Something else")
            return self.during(lambda: worked_on(plan))

        assert counted(3) == counted(30)

    def confirmed(self, resolution: str, many: int) -> CleanupPlan:
        analysis = AnalysisFactory.create(library_revision=current_revision())
        songs(analysis, many)
        plan = planned(analysis, resolution=resolution, profile=find_profile("keep_most_played"))
        assert plan.group_count == many
        plan = confirm_plan(plan, actor=UserFactory.create(), now=LATER)
        follow_library(now=NOW)
        return plan

    def counted(self, resolution: str, many: int) -> tuple[int, int]:
        plan = self.confirmed(resolution, many)
        doing = self.during(lambda: worked_on(plan))
        plan.refresh_from_db()
        assert plan.done_groups == many
        plan = undo_plan(plan, actor=None, now=LATER)
        undoing = self.during(lambda: worked_on(plan))
        plan.refresh_from_db()
        assert (plan.state, plan.undone_groups) == (PlanState.UNDONE, many)
        return doing, undoing

    def during(self, work: Callable[[], object]) -> int:
        with CaptureQueriesContext(connection) as seen:
            work()
        return len(seen)


def test_the_matcher_is_asked_once_for_all_groups_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = analysis_with_weights()
    for _ in range(3):
        group_of(copy(), copy(play_count=50), copy(), analysis=analysis)
    plan = planned(analysis, profile=find_profile("keep_most_played"))
    asked: list[int] = []
    judge = rejudge.judge_pairs

    def counting(columns: Any, one: Any, *rest: Any) -> Any:
        asked.append(len(one))
        return judge(columns, one, *rest)

    monkeypatch.setattr(rejudge, "judge_pairs", counting)
    plan = carried_out(plan)

    assert (plan.done_groups, asked) == (3, [3])


class TestOneRecordEach:
    """What a plan does leaves the same rows as the same removals one by one."""

    def test_ledger_and_trail_are_those_of_single_removals(self) -> None:
        singly, together = self.traces(one_by_one=True), self.traces(one_by_one=False)

        assert singly == together
        assert len(singly[0]) == 4

    def traces(self, *, one_by_one: bool) -> tuple[list[Any], list[Any]]:
        analysis = AnalysisFactory.create(library_revision=current_revision())
        groups = groups_of_two(analysis, 2, size_bytes=5)
        gone = [group.members.get(position=1).track for group in groups]
        playlist_of(gone[0], gone[1], Track.objects.get(pk=groups[1].keeper_track_id))
        newest = [
            model.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
            for model in (AuditRecord, LedgerEntry)
        ]
        if one_by_one:
            for group, track in zip(groups, gone, strict=True):
                remove_duplicates(
                    group=group, keeper_id=group.keeper_track_id, removing=[track.pk], actor=None, now=LATER
                )
        else:
            carried_out(planned(analysis))
        records = AuditRecord.objects.filter(pk__gt=newest[0], action="duplicates.removed").order_by("pk")
        base = min(track.pk for track in Track.objects.filter(pk__in=[group.keeper_track_id for group in groups]))
        lines = LedgerEntry.objects.filter(pk__gt=newest[1]).order_by("pk")
        return (
            [(record.subject_label, record.counts) for record in records]
            + [
                CleanupAction.objects.filter(group__in=groups)
                .values_list("plays_moved", "places_moved")
                .order_by("plays_moved")
                .get(group=group)
                for group in groups
            ],
            [
                (
                    line.kind,
                    line.field,
                    line.position,
                    (line.track_id or base) - base,
                    line.group_id in {g.pk for g in groups},
                )
                for line in lines
            ],
        )


class TestRefusedAlike:
    """A plan and a person are refused by the same guards, in the same words, and the groups beside go on."""

    @pytest.mark.parametrize(
        ("happens", "code"),
        [
            pytest.param("edited", "MEMBER_CHANGED", id="edited"),
            pytest.param("protected", "TRACK_PROTECTED", id="protected"),
            pytest.param("chained", "NO_DIRECT_MATCH", id="through a chain"),
            pytest.param("different", "DECLARED_DIFFERENT", id="declared different"),
            pytest.param("removed", "MEMBER_GONE", id="removed by somebody"),
            pytest.param("last", "LAST_COPY", id="the last copy of another group"),
        ],
    )
    def test_when_a_copy(self, analysis: DuplicateAnalysisResult, happens: str, code: str) -> None:
        kept, gone, third = copy(), copy(), copy()
        group, beside = group_of(kept, gone, third, analysis=analysis), groups_of_two(analysis, 1)[0]
        plan = confirm_plan(planned(analysis), actor=None, now=LATER)
        getattr(self, happens)(group, gone)
        group.refresh_from_db()
        plan.items.filter(group_id=group.pk).update(version=group.version)

        with pytest.raises(DuplicatesError) as refusal:
            remove_duplicates(group=group, keeper_id=kept.pk, removing=[gone.pk, third.pk], actor=None, now=LATER)
        plan = worked_on(plan)

        item = plan.items.get(group_id=group.pk)
        assert (item.code, item.message) == (code, refusal.value.sentence)
        assert refusal.value.code == code
        beside.refresh_from_db()
        assert (plan.done_groups, beside.resolution) == (1, Resolution.DELETED)
        assert not Track.objects.quarantined().filter(pk=third.pk).exists()

    def edited(self, group: DuplicateAnalysisGroup, gone: Track) -> None:
        Track.objects.filter(pk=gone.pk).update(artist="Somebody else")

    def protected(self, group: DuplicateAnalysisGroup, gone: Track) -> None:
        Track.objects.filter(pk=gone.pk).update(is_protected=True)

    def chained(self, group: DuplicateAnalysisGroup, gone: Track) -> None:
        group.members.filter(track=gone).update(matches_keeper=False)

    def different(self, group: DuplicateAnalysisGroup, gone: Track) -> None:
        keeper, other = group.members.order_by("position")[:2]
        declare_different([(keeper, other)], actor=None, now=NOW)

    def removed(self, group: DuplicateAnalysisGroup, gone: Track) -> None:
        anna = UserFactory.create(username="anna")
        remove_duplicates(group=group, keeper_id=group.keeper_track_id, removing=[gone.pk], actor=anna, now=NOW)

    def last(self, group: DuplicateAnalysisGroup, gone: Track) -> None:
        group_of(gone, Track.objects.get(pk=group.members.get(position=2).track_id))


class TestTheLastCopy:
    """Two groups that would together take every copy of a third."""

    @pytest.fixture
    def wanted(self, analysis: DuplicateAnalysisResult) -> tuple[list[Wanted], DuplicateAnalysisGroup]:
        groups = [group_of(copy(), copy(), analysis=analysis) for _ in range(3)]
        removed = [group.members.get(position=1).track for group in groups]
        elsewhere = group_of(*removed[:2])
        return [
            Wanted(group.pk, group.keeper_track_id, str(group), (track.pk,))
            for group, track in zip(groups, removed, strict=True)
        ], elsewhere

    def test_is_kept_by_the_service(self, wanted: tuple[list[Wanted], DuplicateAnalysisGroup]) -> None:
        assert "in the analysis" in self.second_is_refused(*wanted)

    def test_is_kept_where_only_the_count_afterwards_notices(
        self, wanted: tuple[list[Wanted], DuplicateAnalysisGroup], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(CopiesLeft, "take", lambda self, case: None)

        self.second_is_refused(*wanted)

    def test_is_kept_by_the_database_alone(
        self, wanted: tuple[list[Wanted], DuplicateAnalysisGroup], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from duplicates.services import impact  # noqa: PLC0415

        follow = impact.follow_tracks

        def careless(track_ids: Any, **options: Any) -> Any:
            """Follow as if losing were allowed, and forget to say when the group was lost."""
            found = follow(track_ids, **options, may_lose=True)
            DuplicateAnalysisGroup.objects.exclude(lost_at=None).update(lost_at=None)
            return found

        monkeypatch.setattr(CopiesLeft, "take", lambda self, case: None)
        monkeypatch.setattr(impact, "follow_tracks", careless)

        self.second_is_refused(*wanted)

    def second_is_refused(self, wanted: list[Wanted], elsewhere: DuplicateAnalysisGroup) -> str:
        with recording("test"):
            cases = remove_together(wanted, actor=None, now=NOW)

        assert [type(case.refused) for case in cases] == [type(None), LastCopy, type(None)]
        assert CleanupAction.objects.count() == 2
        elsewhere.refresh_from_db()
        assert elsewhere.remaining_count == 1
        return str(cases[1].refused)


def test_groups_that_share_a_track_are_taken_one_after_the_other(analysis: DuplicateAnalysisResult) -> None:
    """B goes to A, and only then can it be seen that it is not there any more to stand in for C."""
    a, b, c = copy(play_count=1), copy(play_count=2), copy(play_count=4)
    first, second = group_of(a, b, analysis=analysis), group_of(b, c, analysis=analysis)
    wanted = [
        Wanted(first.pk, a.pk, str(first), (b.pk,)),
        Wanted(second.pk, b.pk, str(second), (c.pk,)),
    ]

    with recording("test"):
        cases = remove_together(wanted, actor=None, now=NOW)

    assert cases[0].refused is None
    assert cases[1].refused is not None
    assert cases[1].refused.code in ("MEMBER_GONE", "GROUP_RESOLVED")
    a.refresh_from_db()
    assert a.play_count == 3


def test_a_group_whose_members_share_playlists_with_others_keeps_every_place(
    analysis: DuplicateAnalysisResult,
) -> None:
    groups = groups_of_two(analysis, 3)
    kept = [Track.objects.get(pk=group.keeper_track_id) for group in groups]
    gone = [group.members.get(position=1).track for group in groups]
    playlist = playlist_of(gone[0], kept[0], gone[1], gone[2], gone[1])
    before = everything()

    plan = carried_out(planned(analysis))
    assert places(playlist) == {1: kept[0].pk, 2: kept[1].pk, 3: kept[2].pk, 4: kept[1].pk}
    assert not DuplicateAnalysisTrack.objects.filter(track__in=gone, still_exists=True).exists()
    undone(plan)

    assert everything() == before
