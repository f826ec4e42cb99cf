"""Passing database trouble is waited out; lasting trouble is not."""

import psycopg
import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, ProgrammingError

from duplicates.services import retrying


def postgres(state: type[psycopg.Error]) -> OperationalError:
    error = OperationalError("…")
    error.__cause__ = state("…")
    return error


PASSING = [
    pytest.param(OperationalError("database is locked"), id="SQLite locked"),
    pytest.param(postgres(psycopg.errors.SerializationFailure), id="serialization"),
    pytest.param(postgres(psycopg.errors.DeadlockDetected), id="deadlock"),
    pytest.param(postgres(psycopg.errors.LockNotAvailable), id="lock timeout"),
    pytest.param(postgres(psycopg.errors.AdminShutdown), id="server stopped"),
    pytest.param(postgres(psycopg.errors.CannotConnectNow), id="server starting"),
    pytest.param(OperationalError("the connection is closed"), id="connection lost"),
    pytest.param(InterfaceError("connection already closed"), id="interface"),
]
LASTING = [
    pytest.param(OperationalError("no such table: x"), id="no table"),
    pytest.param(OperationalError("database or disk is full"), id="disk full"),
    pytest.param(postgres(psycopg.errors.DiskFull), id="PostgreSQL disk full"),
    pytest.param(IntegrityError("UNIQUE constraint failed"), id="constraint"),
    pytest.param(ProgrammingError("syntax error"), id="syntax"),
]


class Trouble:
    """Fails with the given error so many times, then answers."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "done"


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The pauses made; the connection of the test stays open."""
    monkeypatch.setattr(retrying.connection, "close", lambda: None)
    return []


@pytest.mark.parametrize("error", PASSING)
def test_passing_trouble_is_waited_out(error, waits) -> None:
    unit = Trouble(error, times=3)

    assert retrying.retrying(unit, sleep=waits.append) == "done"
    assert unit.calls == 4


@pytest.mark.parametrize("error", LASTING)
def test_lasting_trouble_fails_at_once(error, waits) -> None:
    unit = Trouble(error, times=1)

    with pytest.raises(type(error)):
        retrying.retrying(unit, sleep=waits.append)
    assert (unit.calls, waits) == (1, [])


def test_the_pause_doubles_with_jitter(waits) -> None:
    retrying.retrying(Trouble(OperationalError("database is locked"), times=3), sleep=waits.append)

    assert [0.375 <= waits[0] <= 0.625, 0.75 <= waits[1] <= 1.25, 1.5 <= waits[2] <= 2.5] == [True] * 3


def test_it_gives_up_after_the_last_try(waits) -> None:
    unit = Trouble(OperationalError("database is locked"), times=99)

    with pytest.raises(OperationalError):
        retrying.retrying(unit, sleep=waits.append)
    assert unit.calls == 4


@pytest.mark.django_db
def test_nothing_is_repeated_inside_a_transaction(waits) -> None:
    unit = Trouble(OperationalError("database is locked"), times=1)

    with pytest.raises(OperationalError):
        retrying.retrying(unit, sleep=waits.append)
    assert unit.calls == 1
