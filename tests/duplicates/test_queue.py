"""The queue: slots, order, reclaiming, resuming, and what dead workers leave behind."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django_tasks_db.models import DBTaskResult

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.engine import memory
from duplicates.exceptions import AnalysisAlreadyRunning, AnalysisCancelled, ClaimLost, NotResumable, RateLimited
from duplicates.models import AuditRecord, DuplicateAnalysisExport, DuplicateAnalysisResult, Worker
from duplicates.services import claims, itunes, lifecycle, process, running, saving, work_folder, workers
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from tests.duplicates.library_of import SONG_COUNT, make_library

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)


def queue(search: str = "", *, minutes: int = 0) -> DuplicateAnalysisResult:
    wanted = AnalysisOptions(search=search)
    moment = NOW + timedelta(minutes=minutes)
    return lifecycle.queue_analysis(wanted, actor=None, trigger=Trigger.COMMAND, now=moment, force=True).analysis


def status_of(analysis: DuplicateAnalysisResult) -> str:
    return DuplicateAnalysisResult.objects.values_list("status", flat=True).get(pk=analysis.pk)


class TestSlots:
    def test_no_more_run_at_once_than_the_setting_allows(self, settings) -> None:
        waiting = [queue(str(number)) for number in range(3)]

        claimed = [claims.claim(analysis.pk, now=NOW) for analysis in waiting]

        assert [claim is not None for claim in claimed] == [True, True, False]
        assert status_of(waiting[2]) == AnalysisStatus.QUEUED

    def test_a_finished_run_frees_its_slot(self) -> None:
        first, second, third = (queue(str(number)) for number in range(3))
        claimed = claims.claim(first.pk, now=NOW)
        claims.claim(second.pk, now=NOW)

        lifecycle.finish_cancelled(claimed, actor=None, now=NOW)

        assert claims.claim(third.pk, now=NOW) is not None

    def test_a_slot_taken_since_we_looked_is_passed_over(self, monkeypatch) -> None:
        first, second = queue("1"), queue("2")
        claims.claim(first.pk, now=NOW)
        monkeypatch.setattr(claims, "_free_slots", lambda: [1, 2])

        assert claims.claim(second.pk, now=NOW) is not None
        assert DuplicateAnalysisResult.objects.get(pk=second.pk).slot == 2

    def test_the_one_that_has_waited_longest_is_next(self) -> None:
        young, old = queue("young", minutes=5), queue("old", minutes=1)

        taken = [claims.claim_next(now=LATER).analysis_id for _ in range(2)]

        assert taken == [old.pk, young.pk]
        assert claims.claim_next(now=LATER) is None

    def test_a_wake_up_call_runs_everything_that_waits(self) -> None:
        make_library()
        waiting = [queue(), queue("moon"), queue("copper")]

        assert running.run_waiting() == 3
        assert {status_of(analysis) for analysis in waiting} == {AnalysisStatus.COMPLETED}


class TestLimits:
    @pytest.fixture
    def ada(self, django_user_model, settings):
        settings.ANALYSES_PER_HOUR = 2
        return django_user_model.objects.create_user("ada")

    def start(self, ada, search: str, now: datetime = NOW) -> None:
        lifecycle.queue_analysis(AnalysisOptions(search=search), actor=ada, trigger=Trigger.ADMIN, now=now)

    def test_a_person_may_start_so_many_within_an_hour(self, ada) -> None:
        self.start(ada, "1")
        self.start(ada, "2")

        with pytest.raises(RateLimited, match="2 analyses within the last hour"):
            self.start(ada, "3", NOW + timedelta(minutes=59))
        self.start(ada, "3", NOW + timedelta(minutes=61))

    def test_an_answer_with_an_equal_one_costs_nothing(self, ada) -> None:
        for _ in range(5):
            self.start(ada, "same")

    def test_the_system_has_no_limit(self, settings) -> None:
        settings.ANALYSES_PER_HOUR = 1
        for number in range(3):
            self.start(None, str(number))


class TestReclaiming:
    @pytest.fixture
    def enqueued(self) -> list[uuid.UUID]:
        return []

    def reclaim(self, enqueued, now, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            return lifecycle.reclaim(now=now, enqueue=enqueued.append)

    def test_a_run_whose_lease_expired_goes_back_to_the_queue(
        self, enqueued, settings, django_capture_on_commit_callbacks
    ) -> None:
        analysis = queue()
        claims.claim(analysis.pk, now=NOW, worker="w1")

        given_on = self.reclaim(
            enqueued, NOW + timedelta(seconds=settings.LEASE_SECONDS + 1), django_capture_on_commit_callbacks
        )

        assert given_on == [analysis]
        assert status_of(analysis) == AnalysisStatus.QUEUED
        assert enqueued == [analysis.pk]
        assert AuditRecord.objects.get(action="analysis.reclaimed").message == "w1"

    def test_a_run_that_renews_its_lease_is_left_alone(self, enqueued, django_capture_on_commit_callbacks) -> None:
        analysis = queue()
        claimed = claims.claim(analysis.pk, now=NOW)
        claims.renew(claimed, now=LATER)

        assert self.reclaim(enqueued, LATER, django_capture_on_commit_callbacks) == []
        assert status_of(analysis) == AnalysisStatus.RUNNING

    def test_the_old_owner_can_change_nothing_any_more(self, enqueued, django_capture_on_commit_callbacks) -> None:
        analysis = queue()
        frozen = claims.claim(analysis.pk, now=NOW)
        self.reclaim(enqueued, LATER, django_capture_on_commit_callbacks)
        claims.claim(analysis.pk, now=LATER)

        with pytest.raises(ClaimLost):
            claims.renew(frozen, now=LATER)

    def test_a_run_that_kills_its_workers_fails_in_the_end(self, enqueued, django_capture_on_commit_callbacks) -> None:
        analysis = queue()
        for attempt in range(claims.MOST_ATTEMPTS):
            moment = NOW + timedelta(hours=attempt)
            assert claims.claim(analysis.pk, now=moment) is not None
            self.reclaim(enqueued, moment + timedelta(minutes=30), django_capture_on_commit_callbacks)

        analysis.refresh_from_db()
        assert (analysis.status, analysis.error_code) == (AnalysisStatus.FAILED, "WORKER_LOST")
        assert len(enqueued) == claims.MOST_ATTEMPTS - 1

    def test_handing_back_is_no_failed_attempt(self) -> None:
        analysis = queue()
        for _ in range(claims.MOST_ATTEMPTS + 2):
            claims.hand_back(claims.claim(analysis.pk, now=NOW))

        analysis.refresh_from_db()
        assert (analysis.status, analysis.attempt) == (AnalysisStatus.QUEUED, 0)


class TestHandingBack:
    def test_a_run_asked_to_stop_goes_back_with_its_checkpoints(self, monkeypatch) -> None:
        make_library()
        analysis = queue()
        original = saving.save_groups

        def stop_before_saving(*args, **kwargs):
            process.ask_to_stop()
            return original(*args, **kwargs)

        monkeypatch.setattr(saving, "save_groups", stop_before_saving)
        running.run_analysis(analysis.pk)
        process.become_worker("")

        assert status_of(analysis) == AnalysisStatus.QUEUED
        assert list(work_folder.analyses_with_checkpoints()) == [analysis.pk]

        monkeypatch.setattr(saving, "save_groups", original)
        assert running.run_analysis(analysis.pk).analysis.groups_found == SONG_COUNT
        assert list(work_folder.analyses_with_checkpoints()) == []


class TestResuming:
    def failed(self) -> DuplicateAnalysisResult:
        analysis = queue()
        lifecycle.end_by_hand(analysis, AnalysisStatus.FAILED, actor=None, now=NOW, message="…")
        return lifecycle.get_analysis(analysis.pk)

    def test_a_failed_analysis_runs_again_as_the_same_row(self) -> None:
        make_library()
        analysis = self.failed()

        lifecycle.resume(analysis, actor=None, now=NOW)
        ran = running.run_analysis(analysis.pk)

        assert (ran.analysis.status, ran.analysis.error_code) == (AnalysisStatus.COMPLETED, "")

    def test_a_finished_one_cannot_be_resumed(self) -> None:
        analysis = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis

        with pytest.raises(NotResumable, match="is completed"):
            lifecycle.resume(analysis, actor=None, now=NOW)

    def test_it_is_refused_while_an_equal_one_runs(self) -> None:
        analysis = self.failed()
        queue()

        with pytest.raises(AnalysisAlreadyRunning):
            lifecycle.resume(analysis, actor=None, now=NOW)

    def test_stages_with_a_matching_checkpoint_are_skipped(self, monkeypatch, caplog) -> None:
        make_library()
        undisturbed = running.run_analysis(queue().pk).analysis
        analysis = queue()
        original = saving.save_groups
        monkeypatch.setattr(saving, "save_groups", lambda *args, **kwargs: 1 / 0)
        running.run_analysis(analysis.pk)
        monkeypatch.setattr(saving, "save_groups", original)
        lifecycle.resume(lifecycle.get_analysis(analysis.pk), actor=None, now=NOW)

        with caplog.at_level("INFO", "reprise.analysis"):
            resumed = running.run_analysis(analysis.pk).analysis

        assert "Stage found taken from its checkpoint" in caplog.text
        assert not any("Phase: Loading" in message for message in caplog.messages)
        assert snapshot(resumed) == snapshot(undisturbed)

    def test_a_save_goes_on_where_it_was_killed(self, monkeypatch) -> None:
        make_library(copies=3)
        undisturbed = running.run_analysis(queue().pk).analysis
        analysis = queue()
        monkeypatch.setattr(saving, "GROUPS_PER_BATCH", 2)
        original, written = saving._write, []

        def die_in_the_second_batch(*args):
            if written:
                raise MemoryError
            written.append(args)
            return original(*args)

        monkeypatch.setattr(saving, "_write", die_in_the_second_batch)
        running.run_analysis(analysis.pk)
        assert analysis.groups.count() == 2
        monkeypatch.setattr(saving, "_write", original)
        lifecycle.resume(lifecycle.get_analysis(analysis.pk), actor=None, now=NOW)

        resumed = running.run_analysis(analysis.pk).analysis

        assert snapshot(resumed) == snapshot(undisturbed)


class TestMemory:
    def test_a_library_above_the_ceiling_is_refused_before_it_is_read(self, settings, monkeypatch) -> None:
        make_library()
        settings.ANALYSIS_MEMORY_MB = 256
        monkeypatch.setattr(memory, "RECORD_BYTES", 100 * memory.MEGABYTE)
        monkeypatch.setattr("duplicates.services.loading.load_library", None)

        failed = running.run_analysis(queue().pk).analysis

        assert (failed.status, failed.error_code) == (AnalysisStatus.FAILED, "MEMORY_LIMIT")
        assert "10 tracks needs 1,162 MB of memory and may use 256" in failed.error_message

    def test_a_small_ceiling_gives_the_same_groups_in_smaller_chunks(self, settings, monkeypatch) -> None:
        make_library(copies=3)
        ample = running.run_analysis(queue().pk).analysis
        settings.ANALYSIS_MEMORY_MB = 256
        monkeypatch.setattr(memory, "PROCESS_BYTES", 240 * memory.MEGABYTE)

        tight = running.run_analysis(queue(minutes=1).pk).analysis

        assert snapshot(tight) == snapshot(ample)


def snapshot(analysis: DuplicateAnalysisResult) -> list[tuple[object, ...]]:
    """Everything a reader sees of the groups."""
    return [
        (group.position, group.group_key, group.confidence, group.keeper_track_id, *members)
        for group in analysis.groups.order_by("position")
        for members in [list(group.members.order_by("position").values_list("track_id", "similarity", "evidence"))]
    ]


class TestPartialResults:
    def cancel_while_saving(self, monkeypatch, analysis) -> DuplicateAnalysisResult:
        monkeypatch.setattr(saving, "GROUPS_PER_BATCH", 2)
        original = saving._write

        def write_and_cancel(*args):
            saved = original(*args)
            lifecycle.request_cancel(analysis, actor=None, now=NOW)
            return saved

        monkeypatch.setattr(saving, "_write", write_and_cancel)
        monkeypatch.setattr(running, "PARTIAL_SECONDS", 0.0)
        return running.run_analysis(analysis.pk).analysis

    def test_what_was_found_before_a_cancel_is_kept_and_marked(self, monkeypatch, settings) -> None:
        settings.PROGRESS_INTERVAL_SECONDS = 0
        make_library()

        cancelled = self.cancel_while_saving(monkeypatch, queue())

        assert (cancelled.status, cancelled.is_partial, cancelled.groups_found) == ("cancelled", True, 2)
        assert cancelled.has_groups
        assert cancelled.groups.count() == 2

    def test_nothing_is_kept_when_that_was_not_wanted(self, monkeypatch, settings) -> None:
        settings.PROGRESS_INTERVAL_SECONDS = 0
        make_library()
        analysis = queue()
        DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(keep_partial=False)

        cancelled = self.cancel_while_saving(monkeypatch, analysis)

        assert (cancelled.is_partial, cancelled.groups_found) == (False, 0)

    def test_a_run_stopped_after_clustering_shows_its_first_groups(self, monkeypatch) -> None:
        make_library()
        analysis = queue()
        monkeypatch.setattr("duplicates.services.itunes.cross_reference", stop_once(analysis))

        cancelled = running.run_analysis(analysis.pk).analysis

        assert (cancelled.is_partial, cancelled.groups_found) == (True, SONG_COUNT)


def stop_once(analysis: DuplicateAnalysisResult):
    """Return a cross-reference that is cancelled the first time it is asked."""
    original, asked = itunes.cross_reference, []

    def cross_reference(*args, **kwargs):
        if not asked:
            asked.append(1)
            raise AnalysisCancelled
        return original(*args, **kwargs)

    return cross_reference


class TestTidying:
    def tidy(self, now=LATER) -> tuple[list[uuid.UUID], list[uuid.UUID]]:
        analyses, exports = [], []
        workers.tidy(now=now, enqueue_analysis=analyses.append, enqueue_export=exports.append)
        return analyses, exports

    def task(self, *, worker: str, **kwargs: str) -> DBTaskResult:
        task = DBTaskResult.objects.create(
            task_path="duplicates.tasks.write_export_task",
            args_kwargs={"args": [], "kwargs": kwargs},
            backend_name="default",
            run_after=NOW,
            status="RUNNING",
            worker_ids=[worker],
        )
        DBTaskResult.objects.filter(pk=task.pk).update(started_at=NOW)
        return task

    def test_the_task_of_a_dead_worker_is_settled(self) -> None:
        task = self.task(worker="gone", analysis_id=str(uuid.uuid4()))

        self.tidy()

        task.refresh_from_db()
        assert task.status == "FAILED"

    def test_the_task_of_a_living_worker_is_left_alone(self) -> None:
        workers.show_alive("here", now=LATER)
        task = self.task(worker="here", analysis_id=str(uuid.uuid4()))

        self.tidy()

        task.refresh_from_db()
        assert task.status == "RUNNING"

    def test_a_half_written_export_is_written_again(self) -> None:
        analysis = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis
        export = DuplicateAnalysisExport.objects.create(
            analysis=analysis, format="csv", status="running", created_at=NOW
        )
        self.task(worker="gone", export_id=str(export.pk))

        _, exports = self.tidy()

        assert exports == [export.pk]

    def test_a_queued_analysis_without_a_task_wakes_a_worker(self) -> None:
        analysis = queue()

        assert self.tidy()[0] == [analysis.pk]

    def test_a_full_house_wakes_nobody(self) -> None:
        for number in range(3):
            queue(str(number))
        for _ in range(2):
            claims.claim_next(now=LATER)

        assert self.tidy(LATER)[0] == []

    def test_silent_workers_are_forgotten(self) -> None:
        workers.show_alive("silent", now=NOW)
        workers.show_alive("here", now=LATER)

        self.tidy()

        assert list(Worker.objects.values_list("pk", flat=True)) == ["here"]
        assert workers.are_there_workers(now=LATER)


@pytest.mark.parametrize("wrong", [["--processes", "0"], ["--processes", "999"], ["--grace", "-1"]])
def test_the_supervisor_refuses_impossible_numbers(wrong) -> None:
    with pytest.raises(CommandError, match=wrong[0]):
        call_command("run_workers", *wrong)
