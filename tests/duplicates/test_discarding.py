"""A saved analysis is deleted in short transactions: gone for everybody at once, its rows block by block."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from duplicates.exceptions import GroupChanged
from duplicates.models import CleanupAction, DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import discarding, keepers, retention, saved
from duplicates.services.timeline import EventKind, track_timeline
from duplicates.services.workers import wake_for_deletions
from duplicates.tasks import discard_analysis_task
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory, ExportFactory
from tests.duplicates.test_removal import remove

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
GROUPS = 7


class Killed(BaseException):
    """What no handler of errors stops."""


@pytest.fixture(autouse=True)
def in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discarding, "GROUPS_A_TRANSACTION", 2)
    monkeypatch.setattr(discarding, "PAUSE_SECONDS", 0)


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    made = AnalysisFactory.create()
    for _ in range(GROUPS):
        group_of(copy(), copy(), analysis=made)
    return made


@pytest.fixture
def large(analysis: DuplicateAnalysisResult, monkeypatch: pytest.MonkeyPatch) -> DuplicateAnalysisResult:
    """One whose rows are left to a worker."""
    monkeypatch.setattr(discarding, "DELETED_AT_ONCE", 0)
    return analysis


def delete(analysis: DuplicateAnalysisResult, enqueue: Any = lambda pk: None) -> None:
    saved.delete_analysis(analysis, actor=None, now=NOW, enqueue=enqueue)


def rows_left() -> tuple[int, int, int]:
    models = (DuplicateAnalysisResult.everything, DuplicateAnalysisGroup.objects, DuplicateAnalysisTrack.objects)
    return tuple(rows.count() for rows in models)  # type: ignore[return-value]


def killed_before_block(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    delete_block, calls = discarding._delete_block, iter(range(1, number))

    def die(*args: Any) -> None:
        if next(calls, None) is None:
            raise Killed
        delete_block(*args)

    monkeypatch.setattr(discarding, "_delete_block", die)


class TestASmallOne:
    def test_is_gone_with_all_its_rows_and_no_other(self, analysis: DuplicateAnalysisResult) -> None:
        group_of(copy(), copy())

        delete(analysis, enqueue=pytest.fail)

        assert rows_left() == (1, 1, 2)

    def test_goes_in_blocks_by_position(self, analysis: DuplicateAnalysisResult) -> None:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            delete(analysis)

        blocks = [
            one["sql"] for one in asked if one["sql"].startswith('DELETE FROM "duplicates_duplicateanalysisgroup"')
        ]
        assert len(blocks) == 4
        assert all("BETWEEN" in sql for sql in blocks)


class TestALargeOne:
    @pytest.fixture
    def woken(self, large: DuplicateAnalysisResult, django_capture_on_commit_callbacks: Any) -> list[Any]:
        woken: list[Any] = []
        with django_capture_on_commit_callbacks(execute=True):
            delete(large, enqueue=woken.append)
        return woken

    def test_is_gone_for_everybody_and_left_to_a_worker(self, large: DuplicateAnalysisResult, woken: list[Any]) -> None:
        assert woken == [large.pk]
        assert not DuplicateAnalysisResult.objects.exists()
        assert rows_left() == (1, GROUPS, 2 * GROUPS)

        discard_analysis_task.func(analysis_id=str(large.pk))

        assert rows_left() == (0, 0, 0)

    def test_nothing_can_be_decided_about_its_groups(self, large: DuplicateAnalysisResult, woken: list[Any]) -> None:
        group = DuplicateAnalysisGroup.objects.filter(analysis=large).first()

        with pytest.raises(GroupChanged, match="its analysis was deleted"):
            keepers.choose_keeper(group=group, track_id=group.keeper_track_id, actor=None, now=NOW)

    def test_the_history_of_a_track_knows_it_no_more(self, large: DuplicateAnalysisResult, woken: list[Any]) -> None:
        track = DuplicateAnalysisTrack.objects.filter(group__analysis=large).first().track

        assert EventKind.GROUPED not in {event.kind for event in track_timeline(track)}


def test_what_names_it_lets_go_of_it_at_once(large: DuplicateAnalysisResult) -> None:
    kept, gone = copy(), copy()
    remove(group_of(kept, gone, analysis=large), gone)
    successor = AnalysisFactory.create(predecessor=large)
    ExportFactory.create(analysis=large)

    delete(large)

    successor.refresh_from_db()
    assert successor.predecessor_id is None
    assert list(CleanupAction.objects.values_list("analysis", flat=True)) == [None]
    assert not large.exports.exists()


def test_one_that_was_not_deleted_stays(analysis: DuplicateAnalysisResult) -> None:
    discarding.discard(analysis.pk)

    assert rows_left() == (1, GROUPS, 2 * GROUPS)


class TestKilledMidway:
    @pytest.fixture(autouse=True)
    def half_deleted(self, analysis: DuplicateAnalysisResult, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patched:
            killed_before_block(3, patched)
            with pytest.raises(Killed):
                delete(analysis)
        assert rows_left() == (1, GROUPS - 4, 2 * (GROUPS - 4))
        DuplicateAnalysisResult.everything.update(deleting_at=NOW)

    def test_it_is_out_of_sight(self) -> None:
        assert not DuplicateAnalysisResult.objects.exists()

    def test_the_next_clean_up_says_so_and_finishes_it(self) -> None:
        plan = retention.plan_cleanup(now=LATER)
        result = retention.cleanup_old_results(plan, actor=None, now=LATER)

        assert plan.leftovers["half_deleted"].count == result.leftovers["half_deleted"].count == 1
        assert rows_left() == (0, 0, 0)

    def test_a_clean_up_leaves_one_that_somebody_is_at(self) -> None:
        soon = NOW + timedelta(seconds=1)

        assert retention.plan_cleanup(now=soon).leftovers["half_deleted"].count == 0

    def test_the_supervisor_wakes_a_worker_for_it(self, analysis: DuplicateAnalysisResult) -> None:
        woken: list[Any] = []

        wake_for_deletions(now=LATER, enqueue=woken.append)

        assert woken == [analysis.pk]
