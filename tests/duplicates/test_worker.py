"""A worker that is asked to stop: what it does with the run at hand, and what it says."""

import signal

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from duplicates import worker
from duplicates.models import Worker
from duplicates.services.workers import is_database_prepared
from duplicates.worker import AnalysisWorker, Supervisor


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often the run at hand was asked to hand back."""
    calls: list[str] = []
    monkeypatch.setattr(worker.process, "ask_to_stop", lambda: calls.append("asked"))
    return calls


def test_a_busy_one_has_its_run_handed_back_and_gives_no_advice_about_keys(
    asked: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    busy = AnalysisWorker("w-1")
    busy.running_task = True

    busy.shutdown(signal.SIGTERM, None)

    assert (asked, busy.running) == (["asked"], False)
    assert caplog.messages == ["Worker w-1 hands its run back and stops"]


def test_an_idle_one_ends_at_once_without_a_word(asked: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with pytest.raises(SystemExit) as ended:
        AnalysisWorker("w-1").shutdown(signal.SIGTERM, None)

    assert ended.value.code == 0
    assert caplog.messages == []


def test_a_second_signal_ends_even_a_busy_one(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnalysisWorker, "reset_signals", lambda self: None)
    busy = AnalysisWorker("w-1")
    busy.running_task = True
    busy.shutdown(signal.SIGTERM, None)

    with pytest.raises(SystemExit) as ended:
        busy.shutdown(signal.SIGTERM, None)

    assert ended.value.code == 1


class TestATickThatBreaksOff:
    """One unexpected error in a tick once ended the supervisor, and its workers with it."""

    @pytest.fixture
    def supervisor(self, monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> Supervisor:
        settings.RECLAIM_TICK_SECONDS = 0
        for job in ("tidy", "wake_for_plans", "wake_for_uploads", "wake_for_exports", "wake_for_deletions"):
            monkeypatch.setattr(worker.workers, job, lambda **_: None)
        monkeypatch.setattr(worker.storage, "keep_sample", lambda **_: True)
        monkeypatch.setattr(worker.automatic, "resolve_new_results", lambda **_: None)
        return Supervisor(0, [], grace_seconds=1, say=lambda line: None)

    def test_is_logged_with_its_traceback_and_the_other_parts_go_on(
        self, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        woken = []
        monkeypatch.setattr(worker.automatic, "resolve_new_results", lambda **_: {}["band"])
        monkeypatch.setattr(worker.workers, "wake_for_plans", lambda **_: woken.append("woken"))

        supervisor._tidy_when_due()

        assert woken == ["woken"]
        assert "KeyError: 'band'" in caplog.text

    def test_of_the_storage_ends_nothing(self, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(**_: object) -> bool:
            raise OSError("No space left on device")

        monkeypatch.setattr(worker.storage, "keep_sample", refuse)

        supervisor._tidy_when_due()

    def test_rests_longer_each_time(self, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
        tries, clock = [], [1000.0]

        def fail(**_: object) -> None:
            tries.append(clock[0])
            raise KeyError("band")

        monkeypatch.setattr(worker.automatic, "resolve_new_results", fail)
        monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])
        for _ in range(15):
            supervisor._tidy_when_due()
            clock[0] += 5

        assert tries == [1000.0, 1010.0, 1030.0, 1070.0]


@pytest.mark.django_db
class TestWithoutTables:
    def test_run_workers_says_what_to_do_instead_of_starting_workers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Worker._meta, "db_table", "not_there")

        with pytest.raises(CommandError, match="The database is not prepared"):
            call_command("run_workers")

    def test_a_database_that_is_down_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse() -> None:
            raise OperationalError("connection refused")

        monkeypatch.setattr(connection.introspection, "table_names", refuse)
        monkeypatch.setattr(connection, "close", lambda: None)

        assert is_database_prepared()
