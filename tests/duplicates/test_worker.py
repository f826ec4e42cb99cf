"""A worker that is asked to stop: what it does with the run at hand, and what it says."""

import signal

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from duplicates import worker
from duplicates.models import Worker
from duplicates.services.workers import is_database_prepared
from duplicates.worker import AnalysisWorker


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
