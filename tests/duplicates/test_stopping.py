"""A run that is stopped or starved in any of its stages leaves earlier results as they were, and no trace."""

import errno
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django_tasks_db.models import DBTaskResult

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.exceptions import AnalysisCancelled
from duplicates.models import AuditRecord, DuplicateAnalysisResult
from duplicates.services import checkpoints, lifecycle, retention, running, work_folder
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from duplicates.services.persistence import DuplicatePersistenceService
from duplicates.services.progress import STAGES, RunReporter
from tests.duplicates.library_of import SONG_COUNT, make_library

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WITH_GROUPS = ("keeper", "cross_reference", "saving")  # from here on there is something to keep


@pytest.fixture
def earlier() -> DuplicateAnalysisResult:
    make_library()
    return DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis


@pytest.fixture
def at_stage(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Callable[[str, Callable[[], None]], None]:
    """Have something happen when a run enters a stage, and every report write."""
    settings.PROGRESS_INTERVAL_SECONDS = 0
    begin = RunReporter.begin

    def install(stage: str, act: Callable[[], None]) -> None:
        def act_and_begin(self: RunReporter, name: str, total: int) -> None:
            if str(name) == stage:
                act()
            begin(self, name, total)

        monkeypatch.setattr(RunReporter, "begin", act_and_begin)

    return install


def queue() -> DuplicateAnalysisResult:
    return lifecycle.queue_analysis(
        AnalysisOptions(), actor=None, trigger=Trigger.COMMAND, now=NOW, force=True
    ).analysis


def nothing_is_left(work_dir: Path, earlier: DuplicateAnalysisResult) -> bool:
    """Is there nothing in the work folder but what a refresh of the earlier analysis may start from?"""
    call_command("cleanup_analyses", "--checkpoint-hours", "0")
    kept = work_folder.index_folder(earlier.pk)
    return not [path for path in work_dir.rglob("*") if path.is_file() and kept not in path.parents]


@pytest.mark.parametrize("stage", STAGES)
class TestInAnyStage:
    def test_a_cancel_ends_the_run_and_harms_nothing(
        self, stage: str, earlier: DuplicateAnalysisResult, at_stage: Any, work_dir: Path
    ) -> None:
        analysis = queue()
        at_stage(stage, lambda: lifecycle.request_cancel(analysis, actor=None, now=NOW))

        ended = running.run_analysis(analysis.pk).analysis

        assert (ended.status, ended.error_code) == (AnalysisStatus.CANCELLED, "ANALYSIS_CANCELLED")
        assert ended.is_partial is (stage in WITH_GROUPS)
        assert DuplicatePersistenceService().load_analysis_result(earlier.pk).groups.count() == SONG_COUNT
        assert nothing_is_left(work_dir, earlier)

    def test_a_timeout_ends_it_and_says_what_would_do(
        self, stage: str, earlier: DuplicateAnalysisResult, at_stage: Any, work_dir: Path, monkeypatch: Any
    ) -> None:
        at_stage(stage, lambda: monkeypatch.setattr(running, "time_limit", lambda tracks, wanted: -1.0))

        ended = running.run_analysis(queue().pk).analysis

        assert (ended.status, ended.error_code) == (AnalysisStatus.FAILED, "ANALYSIS_TIMEOUT")
        assert "should do: give --timeout" in ended.error_message
        assert ended.error_details["stage"] == stage
        assert ended.is_partial is (stage in WITH_GROUPS)
        assert DuplicatePersistenceService().load_analysis_result(earlier.pk).groups.count() == SONG_COUNT
        assert nothing_is_left(work_dir, earlier)

    def test_a_retry_after_it_completes(
        self, stage: str, earlier: DuplicateAnalysisResult, at_stage: Any, monkeypatch: Any
    ) -> None:
        with monkeypatch.context() as patched:
            at_stage(stage, lambda: patched.setattr(running, "time_limit", lambda tracks, wanted: -1.0))
            late = running.run_analysis(queue().pk).analysis
        monkeypatch.undo()

        lifecycle.resume(late, actor=None, now=NOW, time_limit_seconds=600)
        retried = running.run_analysis(late.pk).analysis

        assert (retried.status, retried.error_code, retried.is_partial) == ("completed", "", False)
        assert retried.groups.count() == SONG_COUNT


class TestCleaningUp:
    def test_settled_calls_in_the_queue_go_and_waiting_ones_stay(self) -> None:
        for status in ("SUCCESSFUL", "FAILED", "READY", "RUNNING"):
            DBTaskResult.objects.create(
                task_path="duplicates.tasks.run_analysis_task",
                args_kwargs={"args": [], "kwargs": {}},
                backend_name="default",
                run_after=NOW,
                status=status,
                finished_at=NOW if status in ("SUCCESSFUL", "FAILED") else None,
            )

        call_command("cleanup_analyses", "--checkpoint-hours", "1")

        assert set(DBTaskResult.objects.values_list("status", flat=True)) == {"READY", "RUNNING"}

    def test_a_run_resumed_since_the_plan_keeps_what_it_needs(self) -> None:
        analysis = queue()
        lifecycle.end_by_hand(analysis, AnalysisStatus.FAILED, actor=None, now=NOW)
        checkpoints.StageCheckpoints(analysis.pk, "x").save("scoring", {})
        plan = retention.plan_cleanup(now=NOW, checkpoint_hours=0)
        lifecycle.resume(lifecycle.get_analysis(analysis.pk), actor=None, now=NOW)

        retention.cleanup_old_results(plan, actor=None, now=NOW)

        assert plan.leftovers["checkpoints"].count == 1
        assert work_folder.checkpoint_file(analysis.pk, "scoring").exists()


@contextmanager
def largest_file(limit: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, as a full disk would not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestNoRoomForCheckpoints:
    def notes_of(self, analysis: DuplicateAnalysisResult) -> list[str]:
        return [str(note) for note in analysis.figures["notes"]]

    def test_a_folder_without_room_costs_the_checkpoints_and_is_said(self, work_dir: Path, monkeypatch: Any) -> None:
        """The limit is put around each write alone: the test's database may be a file too."""
        original = checkpoints._write

        def write(*args: Any, **options: Any) -> None:
            with largest_file(100):
                original(*args, **options)

        monkeypatch.setattr(checkpoints, "_write", write)
        make_library()

        analysis = running.run_analysis(queue().pk).analysis

        assert (analysis.status, analysis.groups_found) == ("completed", SONG_COUNT)
        assert self.notes_of(analysis)[0].startswith("The run goes on without a checkpoint of stage normalise")
        assert os.strerror(errno.EFBIG) in self.notes_of(analysis)[0]
        assert not [path for path in work_dir.rglob("*") if path.is_file()]

    def test_a_folder_that_is_a_file_costs_them_too(self, work_dir: Path) -> None:
        work_dir.write_text("not a folder")
        make_library()

        analysis = running.run_analysis(queue().pk).analysis

        assert analysis.status == "completed"
        assert len(self.notes_of(analysis)) == 5  # four stages, and what a refresh would start from


@pytest.mark.django_db(transaction=True)
def test_a_cancel_takes_effect_while_the_matcher_is_deep_in_a_stage(monkeypatch: Any, caplog: Any) -> None:
    """Under load a stage of a million tracks reports every ten seconds; the page must not wait for it."""
    make_library()
    analysis = queue()
    seen: list[str] = []

    def deep(*args: Any, progress: RunReporter, **kwargs: Any) -> None:
        lifecycle.request_cancel(analysis, actor=None, now=NOW)
        seen.append(lifecycle.get_analysis(analysis.pk).status)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(0.1)
            progress.repeat()

    monkeypatch.setattr("duplicates.services.detecting.find_clusters", deep)
    ended = running.run_analysis(analysis.pk).analysis

    assert seen == [AnalysisStatus.CANCELLED]
    assert (ended.status, ended.error_code, ended.is_partial) == ("cancelled", "ANALYSIS_CANCELLED", False)
    assert ended.cpu_seconds > 0
    assert ended.lease_token is None
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [str(AnalysisCancelled())]
    assert AuditRecord.objects.filter(action="analysis.cancelled").count() == 1
