"""The queue: slots, order, limits, reclaiming, and what dead workers leave behind."""

import uuid
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.exceptions import ClaimLost, RateLimited
from duplicates.models import AuditRecord, DuplicateAnalysisResult, Worker
from duplicates.services import claims, detection, lifecycle, running, workers
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from tests.duplicates.library_of import make_library
from tests.duplicates.queued import NOW, queue, status_of

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=10)


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

        lifecycle.stop_own(claimed, now=NOW)

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


class TestTurns:
    """A command that runs its analysis itself, while another one has waited longer and one slot is free."""

    @pytest.fixture
    def slept(self, settings, monkeypatch) -> list[float]:
        """One slot, a library, and a clock that only counts how long a command would have waited."""
        settings.ANALYSIS_MAX_CONCURRENT = 1
        make_library()
        naps: list[float] = []
        monkeypatch.setattr(detection, "time", SimpleNamespace(sleep=naps.append))
        return naps

    def test_the_slot_is_left_to_a_worker_that_takes_it(self, slept, monkeypatch) -> None:
        """And the command follows until the slot is free again."""
        workers.show_alive("here", now=timezone.now())
        old, young = queue("old"), queue("young", minutes=1)
        looks = iter([None, lambda: claims.claim(old.pk, now=timezone.now()), lambda: finish(old)])

        def nap(seconds: float) -> None:
            slept.append(seconds)
            if look := next(looks):
                look()

        def finish(analysis: DuplicateAnalysisResult) -> None:
            DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(
                status=AnalysisStatus.COMPLETED, **claims.UNCLAIMED
            )

        monkeypatch.setattr(detection, "time", SimpleNamespace(sleep=nap))

        DuplicateDetectionService().run_or_follow(young)

        assert len(slept) == 3
        assert status_of(young) == AnalysisStatus.COMPLETED

    def test_a_slot_that_no_worker_takes_is_taken_in_the_end(self, slept) -> None:
        workers.show_alive("busy elsewhere", now=timezone.now())
        old, young = queue("old"), queue("young", minutes=1)

        DuplicateDetectionService().run_or_follow(young)

        assert len(slept) == detection.LOOKS_OF_OTHERS
        assert (status_of(young), status_of(old)) == (AnalysisStatus.COMPLETED, AnalysisStatus.QUEUED)

    def test_nobody_gives_way_to_a_queue_without_workers(self, slept) -> None:
        queue("old")

        DuplicateDetectionService().run_or_follow(queue("young", minutes=1))

        assert slept == []

    def test_the_first_in_the_queue_gives_way_to_nobody(self, slept) -> None:
        workers.show_alive("here", now=timezone.now())
        queue("young", minutes=1)

        DuplicateDetectionService().run_or_follow(queue("old"))

        assert slept == []


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

    def test_a_limit_of_none_at_all_is_said_in_words(self, ada, settings) -> None:
        settings.ANALYSES_PER_HOUR = 0

        with pytest.raises(RateLimited) as refused:
            self.start(ada, "one")

        assert refused.value.facts["retry_after_seconds"] == 3_600

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


class TestTidying:
    def tidy(self, now=LATER) -> list[uuid.UUID]:
        analyses = []
        workers.tidy(now=now, enqueue_analysis=analyses.append)
        return analyses

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

    def test_a_queued_analysis_without_a_task_wakes_a_worker(self) -> None:
        analysis = queue()

        assert self.tidy() == [analysis.pk]

    def test_a_full_house_wakes_nobody(self) -> None:
        for number in range(3):
            queue(str(number))
        for _ in range(2):
            claims.claim_next(now=LATER)

        assert self.tidy(LATER) == []

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
