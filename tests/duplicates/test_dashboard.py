"""What the first page is told: what is left, the trend, what is stored, and the one thing to do next."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from duplicates.choices import AnalysisStatus, Resolution
from duplicates.models import DuplicateAnalysisResult, DuplicatePreferences
from duplicates.services import audit
from duplicates.services.dashboard import Dashboard, count_left, get_dashboard
from duplicates.services.history import get_cleanup_history, get_weeks
from duplicates.services.next_step import Step
from duplicates.services.removal import remove_duplicates
from duplicates.services.storage import KINDS, Stored, glance_at_storage
from duplicates.services.trend import get_trend
from duplicates.services.workers import show_alive
from library.changes import current_revision
from tests.duplicates.factories import VIEWS, AnalysisFactory, GroupFactory, TrackFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def curator() -> User:
    rights = ("run_analysis", "review_groups", "remove_duplicates", "view_all_analyses", "manage_all_analyses")
    return UserFactory(permissions=(*VIEWS, *(f"duplicates.{right}" for right in rights)))


def board_of(user: User) -> Dashboard:
    user = User.objects.get(pk=user.pk)  # without remembered permissions
    return get_dashboard(user, DuplicatePreferences(), now=timezone.now())


def true_result(**fields: Any) -> DuplicateAnalysisResult:
    """Make a result of the library as it is now."""
    analysis = AnalysisFactory(**fields)
    DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(library_revision=current_revision())
    return analysis


def queued(**fields: Any) -> DuplicateAnalysisResult:
    return AnalysisFactory(status=AnalysisStatus.QUEUED, started_at=None, **fields)


class TestNextStep:
    def test_without_a_library_it_is_the_import(self, curator: User) -> None:
        assert board_of(curator).next_step.step == Step.IMPORT

    def test_without_an_analysis_it_is_to_start_one(self, curator: User) -> None:
        TrackFactory()

        assert board_of(curator).next_step.step == Step.START

    def test_a_waiting_analysis_needs_a_worker(self, curator: User) -> None:
        TrackFactory()
        waiting = queued()

        step = board_of(curator).next_step

        assert (step.step, step.analysis) == (Step.START_WORKER, waiting)

    def test_with_a_worker_the_first_analysis_is_watched(self, curator: User) -> None:
        TrackFactory()
        queued()
        show_alive("w1", now=timezone.now())

        assert board_of(curator).next_step.step == Step.WATCH

    def test_a_failed_run_comes_before_what_older_results_say(self, curator: User) -> None:
        GroupFactory(analysis=AnalysisFactory(created_at=timezone.now() - timedelta(hours=2)))
        failed = AnalysisFactory(status=AnalysisStatus.FAILED)

        step = board_of(curator).next_step

        assert (step.step, step.analysis) == (Step.LOOK_AT_FAILURE, failed)

    def test_somebody_elses_failure_is_theirs(self, curator: User) -> None:
        reader = UserFactory(permissions=(*VIEWS, "duplicates.view_all_analyses"))
        group = GroupFactory()
        DuplicateAnalysisResult.objects.update(library_revision=current_revision())
        AnalysisFactory(status=AnalysisStatus.FAILED, user=curator)

        step = board_of(reader).next_step

        assert (step.step, step.analysis) == (Step.REVIEW, group.analysis)

    def test_an_old_result_is_refreshed_first(self, curator: User) -> None:
        GroupFactory()
        old = true_result(started_at=timezone.now() - timedelta(days=2))

        step = board_of(curator).next_step

        assert (step.step, step.analysis) == (Step.REFRESH, old)

    def test_a_result_of_quite_another_library_is_replaced(self, curator: User) -> None:
        true_result(library_track_count=10)
        TrackFactory.create_batch(30)

        assert board_of(curator).next_step.step == Step.START_ANEW

    def test_who_may_not_run_analyses_reviews_an_old_result(self) -> None:
        reviewer = UserFactory(permissions=(*VIEWS, "duplicates.review_groups"))
        GroupFactory(analysis__started_at=timezone.now() - timedelta(days=2))
        DuplicateAnalysisResult.objects.update(library_revision=current_revision())

        assert board_of(reviewer).next_step.step == Step.REVIEW

    def test_while_a_refresh_runs_the_open_groups_are_reviewed(self, curator: User) -> None:
        group = GroupFactory(analysis__started_at=timezone.now() - timedelta(days=2))
        queued()
        show_alive("w1", now=timezone.now())

        step = board_of(curator).next_step

        assert (step.step, step.analysis) == (Step.REVIEW, group.analysis)

    def test_when_all_is_decided_there_is_nothing_to_do(self, curator: User) -> None:
        group = GroupFactory(is_resolved=True, resolution=Resolution.NOT_DUPLICATES)
        DuplicateAnalysisResult.objects.update(library_revision=current_revision())

        step = board_of(curator).next_step

        assert (step.step, step.analysis) == (Step.NOTHING, group.analysis)


class TestWhatIsLeft:
    def test_duplicates_left_are_the_copies_beside_one_in_open_groups(self) -> None:
        analysis = AnalysisFactory()
        GroupFactory(analysis=analysis, member_count=4, remaining_count=3)
        GroupFactory(analysis=analysis, is_resolved=True, resolution=Resolution.NOT_DUPLICATES)
        GroupFactory(analysis=analysis, is_resolved=True, resolution=Resolution.MANUAL_REVIEW)
        GroupFactory(analysis=analysis, remaining_count=0, lost_at=timezone.now())

        left = count_left(analysis)

        assert (left.duplicates, left.groups, left.groups_open, left.set_aside) == (2, 4, 2, 1)


class TestTrend:
    def ran(self, analysis: DuplicateAnalysisResult, found: int, days: int, user: User | None = None) -> None:
        """Leave what a run of this analysis's question left in the audit trail some days ago."""
        at = timezone.now() - timedelta(days=days)
        gone = DuplicateAnalysisResult(analysis_id=uuid.uuid4(), created_at=at)
        audit.record("analysis.queued", actor=user, now=at, subject=gone, after={"parameters": analysis.parameters})
        audit.record("analysis.completed", actor=user, now=at, subject=gone, counts={"duplicates_found": found})

    def test_it_outlives_the_analyses(self, curator: User) -> None:
        analysis = AnalysisFactory()
        self.ran(analysis, 90, days=60)
        self.ran(analysis, 70, days=20)

        trend = get_trend(analysis, curator, now=timezone.now())

        assert [point.duplicates for point in trend] == [90, 70]

    def test_runs_of_another_question_are_left_out(self, curator: User) -> None:
        analysis, other = AnalysisFactory(), AnalysisFactory()
        self.ran(analysis, 90, days=60)
        self.ran(other, 5, days=20)

        assert [point.duplicates for point in get_trend(analysis, curator, now=timezone.now())] == [90]

    def test_another_order_of_the_result_is_no_other_question(self, curator: User) -> None:
        analysis = AnalysisFactory()
        self.ran(analysis, 90, days=60)
        analysis.parameters = {**analysis.parameters, "sort_by": "artist"}

        assert len(get_trend(analysis, curator, now=timezone.now())) == 1

    def test_one_sees_the_runs_of_those_whose_analyses_one_sees(self) -> None:
        reader, analysis = UserFactory(permissions=VIEWS), AnalysisFactory()
        self.ran(analysis, 90, days=60)
        self.ran(analysis, 70, days=20, user=UserFactory())

        assert [point.duplicates for point in get_trend(analysis, reader, now=timezone.now())] == [90]

    def test_on_the_page_it_ends_with_what_is_left_now(self, curator: User) -> None:
        group = GroupFactory(member_count=3)
        self.ran(group.analysis, 90, days=60)

        assert [point.duplicates for point in board_of(curator).trend] == [90, 2]


class TestPermissions:
    def test_a_viewer_learns_nothing_of_quarantine_clean_up_or_storage(self) -> None:
        GroupFactory()

        board = board_of(UserFactory(permissions=VIEWS))

        assert (board.quarantine, board.weeks, board.storage) == (None, (), None)

    def test_foreign_runs_and_results_are_not_shown(self) -> None:
        AnalysisFactory(user=UserFactory())
        queued(user=UserFactory())

        board = board_of(UserFactory(permissions=VIEWS))

        assert (board.latest, list(board.runs)) == (None, [])


class TestQuarantine:
    def removed(self, actor: User, days_ago: int) -> None:
        group = GroupFactory()
        kept, gone = group.members.order_by("position").values_list("track_id", flat=True)
        now = timezone.now() - timedelta(days=days_ago)
        remove_duplicates(group=group, keeper_id=kept, removing=[gone], actor=actor, now=now)

    def test_it_counts_what_waits_and_what_soon_goes_for_good(self, curator: User) -> None:
        self.removed(curator, days_ago=1)
        self.removed(curator, days_ago=26)

        quarantine = board_of(curator).quarantine

        assert quarantine is not None
        assert (quarantine.tracks, quarantine.expiring_tracks) == (2, 1)

    def test_it_leaves_out_what_one_may_not_bring_back(self, curator: User) -> None:
        group = GroupFactory(analysis__user=curator)
        kept, gone = group.members.order_by("position").values_list("track_id", flat=True)
        remove_duplicates(group=group, keeper_id=kept, removing=[gone], actor=curator, now=timezone.now())

        quarantine = board_of(UserFactory(permissions=(*VIEWS, "duplicates.remove_duplicates"))).quarantine

        assert quarantine is not None
        assert quarantine.tracks == 0


class TestStorage:
    def test_it_tells_the_rows_and_bytes_of_each_kind(self, work_dir: Path) -> None:
        (work_dir / "exports").mkdir(parents=True)
        (work_dir / "exports" / "one.csv").write_bytes(b"x" * 1_500)

        seen = glance_at_storage(tracks=12)

        assert seen.by_kind["exports"] == Stored(1, 1_500)
        assert list(seen.by_kind) == list(KINDS)
        assert seen.database_bytes > 0

    def test_it_counts_a_long_table_no_further_than_needed(
        self, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        if "sqlite" not in settings.DATABASES["default"]["ENGINE"]:
            pytest.skip("PostgreSQL estimates")
        monkeypatch.setattr("duplicates.services.storage.COUNTED_UP_TO", 3)
        TrackFactory.create_batch(5)

        counted = glance_at_storage(tracks=None).by_kind["library"]

        assert (counted.rows, counted.is_at_least) == (3, True)


def test_weeks_are_those_of_the_history() -> None:
    now = timezone.now()
    audit.record("groups.resolved", actor=None, now=now - timedelta(days=8), counts={"groups": 4})

    weeks = get_weeks(now=now, days=30)

    assert [week.cleanup.groups for week in weeks] == [0, 0, 0, 4, 0]
    assert weeks == get_cleanup_history(now=now, days=30).weeks


def test_the_dashboard_costs_the_same_queries_however_much_there_is(curator: User) -> None:
    now = timezone.now()
    GroupFactory(analysis__user=curator)
    few = queries_of(lambda: get_dashboard(curator, DuplicatePreferences(), now=now), warm=True)

    analysis = AnalysisFactory(user=curator)
    GroupFactory.create_batch(12, analysis=analysis)
    for number in range(8):
        audit.record("groups.resolved", actor=None, now=now - timedelta(days=number), counts={"groups": 1})
        queued()
    many = queries_of(lambda: get_dashboard(curator, DuplicatePreferences(), now=now))

    assert few == many
    assert many <= 17


def queries_of(work: Callable[[], Any], *, warm: bool = False) -> int:
    """Count the queries of some work; `warm` does it once before, as permissions are remembered."""
    if warm:
        work()
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)
