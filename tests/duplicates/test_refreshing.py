"""Refreshing: a successor with the same parameters, what it takes over, and what became of the groups."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from duplicates.choices import AnalysisStatus, Preset, Resolution, Trigger
from duplicates.exceptions import AnalysisAlreadyRunning, AnalysisNotFound, InvalidOptions
from duplicates.models import AuditRecord, DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicatePreferences
from duplicates.services import claims, lifecycle, refreshing
from duplicates.services.carrying import carry_over
from duplicates.services.detecting import group_key
from duplicates.services.difference import (
    GroupChange,
    carry_identities_over,
    get_run_difference,
    groups_that_changed,
)
from duplicates.services.options import AnalysisOptions
from duplicates.services.running import run_analysis
from library.changes import current_revision
from library.models import Track
from tests.duplicates.factories import AnalysisFactory, GroupFactory, MemberFactory, TrackFactory, UserFactory

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def refresh(
    analysis: DuplicateAnalysisResult, actor: User | None = None, **overrides: object
) -> DuplicateAnalysisResult:
    return refreshing.refresh_analysis(analysis, actor=actor, now=timezone.now(), overrides=overrides)


def group_of(analysis: DuplicateAnalysisResult, *tracks: Track) -> DuplicateAnalysisGroup:
    key = group_key([track.pk for track in tracks])
    position = analysis.groups.count() + 1
    group = GroupFactory(
        analysis=analysis,
        position=position,
        group_key=key,
        member_count=len(tracks),
        members=None,
        keeper_track_id=tracks[0].pk,
    )
    group.members.all().delete()
    for place, track in enumerate(tracks):
        MemberFactory(group=group, track=track, position=place)
    return group


class TestRefresh:
    def test_the_successor_has_the_same_parameters_and_knows_its_predecessor(self) -> None:
        first = AnalysisFactory()

        successor = refresh(first)

        assert (successor.status, successor.predecessor) == (AnalysisStatus.QUEUED, first)
        assert successor.parameters == first.parameters

    def test_overrides_are_used_and_recorded(self) -> None:
        first = AnalysisFactory()

        successor = refresh(first, preset="song", min_confidence=0.0)

        assert successor.preset == Preset.SONG
        record = AuditRecord.objects.get(action="analysis.refreshed")
        assert record.after == {"successor": str(successor.pk), "overrides": {"preset": "song"}}

    @pytest.mark.parametrize(
        ("overrides", "says"),
        [
            pytest.param({"colour": "red"}, "'colour' is no parameter of an analysis", id="unknown"),
            pytest.param({"preset": "vinyl"}, "'vinyl' is no preset", id="value"),
            pytest.param({"min_confidence": "high"}, "wrong type", id="type"),
        ],
    )
    def test_a_wrong_override_is_named(self, overrides: dict[str, object], says: str) -> None:
        with pytest.raises(InvalidOptions, match=says):
            refresh(AnalysisFactory(), **overrides)

        assert DuplicateAnalysisResult.objects.count() == 1

    def test_a_second_one_is_refused_with_the_id_of_the_first(self) -> None:
        first = AnalysisFactory()
        successor = refresh(first)

        for overrides in ({}, {"preset": "song"}):
            with pytest.raises(AnalysisAlreadyRunning) as refused:
                refresh(first, **overrides)
            assert refused.value.facts == {"analysis_id": str(successor.pk)}

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
    def test_of_two_that_come_at_once_one_is_refused_whatever_they_ask_for(self) -> None:
        first, outcomes = AnalysisFactory(), []
        both_here = threading.Barrier(2)

        def press(preset: str) -> None:
            both_here.wait(5)
            try:
                outcomes.append(refresh(first, preset=preset).status)
            except AnalysisAlreadyRunning:
                outcomes.append("refused")
            connections.close_all()

        people = [threading.Thread(target=press, args=[preset]) for preset in ("song", "exact")]
        for one in people:
            one.start()
        for one in people:
            one.join()

        assert sorted(outcomes) == [AnalysisStatus.QUEUED, "refused"]

    def test_the_old_result_stays_current_until_the_new_one_is_there(self) -> None:
        TrackFactory.create_batch(2)
        first = AnalysisFactory()
        successor = refresh(first)
        newest = DuplicateAnalysisResult.objects.completed().order_by("-created_at")
        assert newest.first() == first

        run_analysis(successor.pk)

        assert newest.first() == successor

    def test_cancelling_it_changes_nothing(self) -> None:
        first = AnalysisFactory()

        lifecycle.request_cancel(refresh(first), actor=None, now=timezone.now())

        assert DuplicateAnalysisResult.objects.completed().get() == first

    def test_failing_changes_nothing_and_it_can_be_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first = AnalysisFactory()
        successor = refresh(first)
        with monkeypatch.context() as broken:
            broken.setattr("duplicates.services.loading.load_library", lambda report: 1 / 0)
            run_analysis(successor.pk)

        successor.refresh_from_db()
        assert successor.status == AnalysisStatus.FAILED
        assert DuplicateAnalysisResult.objects.completed().get() == first
        assert refresh(first).predecessor == first

    def test_a_quick_refresh_takes_the_persons_newest_result(self) -> None:
        person = UserFactory()
        AnalysisFactory(user=person, created_at=NOW - timedelta(days=2))
        newest = AnalysisFactory(user=person)
        AnalysisFactory(user=person, status=AnalysisStatus.FAILED, created_at=timezone.now())
        AnalysisFactory()

        successor = refreshing.quick_refresh(actor=person, now=timezone.now())

        assert (successor.predecessor, successor.user) == (newest, person)

    def test_without_a_result_there_is_nothing_to_refresh(self) -> None:
        with pytest.raises(AnalysisNotFound, match="There is no analysis yet"):
            refreshing.quick_refresh(actor=UserFactory(), now=timezone.now())


class TestDifference:
    def test_every_fate_of_a_group(self) -> None:
        a, b, c, d, e, f, g, h, i, j = TrackFactory.create_batch(10)
        older, newer = AnalysisFactory(), AnalysisFactory()
        group_of(older, a, b)
        group_of(older, c, d)
        group_of(older, e, f, g)
        gone = group_of(older, h, i)
        unchanged, grown, shrunk = group_of(newer, a, b), group_of(newer, c, d, j), group_of(newer, e, f)
        k, m = TrackFactory.create_batch(2)
        new = group_of(newer, k, m)

        difference = get_run_difference(older, newer)

        assert difference.sentence == "1 new, 1 gone, 1 grown, 1 shrunk, 1 unchanged"
        fates = {change: list(groups_that_changed(older, newer, change)) for change in GroupChange}
        assert fates == {
            GroupChange.NEW: [new],
            GroupChange.GONE: [gone],
            GroupChange.GROWN: [grown],
            GroupChange.SHRUNK: [shrunk],
            GroupChange.UNCHANGED: [unchanged],
        }

    def test_a_split_leaves_the_larger_part_and_a_new_group(self) -> None:
        a, b, c, d, e = TrackFactory.create_batch(5)
        older, newer = AnalysisFactory(), AnalysisFactory()
        group_of(older, a, b, c, d, e)
        group_of(newer, d, e)
        group_of(newer, a, b, c)

        difference = get_run_difference(older, newer)

        assert (difference.shrunk, difference.new, difference.gone) == (1, 1, 0)

    def test_a_merger_swallows_one_of_two(self) -> None:
        a, b, c, d, e = TrackFactory.create_batch(5)
        older, newer = AnalysisFactory(), AnalysisFactory()
        group_of(older, a, b)
        group_of(older, c, d, e)
        group_of(newer, a, b, c, d, e)

        difference = get_run_difference(older, newer)

        assert (difference.grown, difference.new, difference.gone) == (1, 0, 1)

    def test_two_empty_results_do_not_differ(self) -> None:
        difference = get_run_difference(AnalysisFactory(), AnalysisFactory())

        assert (difference.is_none, difference.sentence) == (True, "No groups in either")


class TestIdentity:
    def test_it_survives_growing_and_shrinking(self) -> None:
        a, b, c = TrackFactory.create_batch(3)
        runs = AnalysisFactory.create_batch(3)
        groups = [group_of(runs[0], a, b), group_of(runs[1], a, b, c), group_of(runs[2], b, c)]

        carry_identities_over(runs[0], runs[1])
        carry_identities_over(runs[1], runs[2])

        for group in groups:
            group.refresh_from_db()
        assert len({group.identity for group in groups}) == 1
        assert len({group.group_key for group in groups}) == 3

    def test_no_two_groups_of_one_analysis_share_one(self) -> None:
        # {a, b} grew to {a, b, c, d}; then c and d go on in larger company while a and b are left behind.
        a, b, c, d, e = TrackFactory.create_batch(5)
        runs = AnalysisFactory.create_batch(3)
        group_of(runs[0], a, b)
        group_of(runs[1], a, b, c, d, e)
        group_of(runs[2], a, b)
        group_of(runs[2], c, d, e)

        carry_identities_over(runs[0], runs[1])
        carry_identities_over(runs[1], runs[2])

        identities = list(runs[2].groups.values_list("identity", flat=True))
        assert len(set(identities)) == 2
        assert all(len(identity) == 32 for identity in identities)


class TestDecisionsCarryOver:
    def resolved(self, analysis: DuplicateAnalysisResult, *tracks: Track) -> DuplicateAnalysisGroup:
        group = group_of(analysis, *tracks)
        DuplicateAnalysisGroup.objects.filter(pk=group.pk).update(
            is_resolved=True, resolution=Resolution.KEPT_CANONICAL, resolved_at=NOW
        )
        return group

    def carried(self, older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult) -> list[str]:
        DuplicateAnalysisResult.objects.filter(pk=newer.pk).update(status=AnalysisStatus.QUEUED, predecessor=older)
        claimed = claims.claim(newer.pk, now=timezone.now())
        assert claimed is not None
        newer.refresh_from_db()
        carry_over(newer, claimed, now=timezone.now())
        return list(newer.groups.order_by("position").values_list("resolution", flat=True))

    def test_a_group_with_the_same_members_stays_resolved(self) -> None:
        a, b, c, d = TrackFactory.create_batch(4)
        older, newer = AnalysisFactory(), AnalysisFactory()
        self.resolved(older, a, b)
        group_of(older, c, d)
        group_of(newer, c, d)
        group_of(newer, a, b)

        assert self.carried(older, newer) == ["", "kept_canonical"]
        assert newer.groups.get(is_resolved=True).resolved_at == NOW

    def test_a_group_that_gained_a_member_is_open_again(self) -> None:
        a, b, c = TrackFactory.create_batch(3)
        older, newer = AnalysisFactory(), AnalysisFactory()
        self.resolved(older, a, b)
        group_of(newer, a, b, c)

        assert self.carried(older, newer) == [""]

    @pytest.mark.parametrize("field", ["title", "year", "explicit"])
    def test_a_group_whose_member_was_edited_is_open_again(self, field: str) -> None:
        a, b = TrackFactory.create_batch(2)
        older, newer = AnalysisFactory(), AnalysisFactory()
        self.resolved(older, a, b)
        changed = {"title": "Renamed", "year": 1999, "explicit": True}[field]
        group_of(newer, a, b).members.filter(track=b).update(**{field: changed})

        assert self.carried(older, newer) == [""]

    def test_a_real_refresh_carries_them_over(self) -> None:
        TrackFactory.create_batch(2)
        first = lifecycle.queue_analysis(
            AnalysisOptions(), actor=None, trigger=Trigger.COMMAND, now=timezone.now()
        ).analysis
        run_analysis(first.pk)
        first.groups.update(is_resolved=True, resolution=Resolution.MANUAL_REVIEW, resolved_at=NOW)
        TrackFactory(title="Something else")

        successor = refresh(first)
        run_analysis(successor.pk)

        assert successor.groups.get().resolution == Resolution.MANUAL_REVIEW
        assert successor.groups.get().identity == first.groups.get().identity


class TestScheduledRefresh:
    def person(self, *, may_run: bool = True, **preferences: object) -> User:
        person = UserFactory(permissions=["duplicates.run_analysis"] if may_run else [])
        DuplicatePreferences.objects.create(user=person, **preferences)
        return person

    def old(self, person: User | None, **age: float) -> DuplicateAnalysisResult:
        at = timezone.now() - timedelta(**age)
        return AnalysisFactory(user=person, created_at=at, started_at=at, library_revision=current_revision())

    def test_only_what_is_very_stale_or_outdated_of_those_who_asked_is_due(self) -> None:
        very_stale = self.old(self.person(auto_refresh=True), days=8)
        self.old(self.person(auto_refresh=True), days=2)
        self.old(self.person(auto_refresh=False), days=8)
        self.old(self.person(auto_refresh=True, may_run=False), days=8)
        self.old(UserFactory(), days=8)
        self.old(None, days=8)
        assert refreshing.due_for_refresh(now=timezone.now()) == [very_stale]

        outdated = self.old(self.person(auto_refresh=True), minutes=5)
        TrackFactory.create_batch(11)

        assert outdated in refreshing.due_for_refresh(now=timezone.now())

    def test_only_the_newest_result_of_a_person_counts(self) -> None:
        person = self.person(auto_refresh=True)
        self.old(person, days=30)
        self.old(person, minutes=5)

        assert refreshing.due_for_refresh(now=timezone.now()) == []

    def test_the_command_refreshes_them_and_says_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        stale = self.old(self.person(auto_refresh=True), days=8)

        call_command("run_duplicate_analysis", refresh_stale=True, verbosity=0)

        successor = DuplicateAnalysisResult.objects.get(predecessor=stale)
        assert (successor.status, successor.user) == (AnalysisStatus.COMPLETED, stale.user)
        lines = capsys.readouterr().out.splitlines()
        assert lines == ["Refreshed 1 of 1 results that no longer hold.", str(successor.pk)]

    def test_one_that_is_under_way_is_named_and_stops_no_other(self, capsys: pytest.CaptureFixture[str]) -> None:
        first, second = (self.old(self.person(auto_refresh=True), days=8) for _ in range(2))
        refreshing.refresh_analysis(first, actor=first.user, now=timezone.now())

        with pytest.raises(CommandError, match="1 of 2 could not be refreshed"):
            call_command("run_duplicate_analysis", refresh_stale=True, background=True, verbosity=0)

        assert DuplicateAnalysisResult.objects.get(predecessor=second).status == AnalysisStatus.QUEUED
        assert str(first.pk) in capsys.readouterr().err
