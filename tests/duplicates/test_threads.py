"""The threads beside a run and a worker go on after any error: without them a healthy run is taken for dead."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from duplicates.models import Worker
from duplicates.services import claims, lifecycle, workers
from duplicates.services.leasing import LeaseKeeper, kept_alive
from duplicates.worker import Heartbeat
from tests.duplicates.queued import queue

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 13, 0, tzinfo=UTC)


def wait_until(is_reached: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < deadline, "not reached"
        time.sleep(0.02)


def failing_once(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that fails in a way nobody foresaw the first time it is called."""
    left = [RuntimeError("out of the blue")]

    def fail_once(*args: Any, **kwargs: Any) -> Any:
        if left:
            raise left.pop()
        return original(*args, **kwargs)

    return fail_once


@pytest.fixture(autouse=True)
def quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PROGRESS_INTERVAL_SECONDS = settings.LEASE_RENEW_SECONDS = 0.05
    monkeypatch.setattr(workers, "HEARTBEAT_SECONDS", 0.05)


def test_a_lease_is_renewed_after_an_error_that_names_its_analysis(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    analysis = queue()
    claimed = claims.claim(analysis.pk, now=NOW)
    before = lifecycle.get_analysis(analysis.pk).lease_until
    monkeypatch.setattr(LeaseKeeper, "_look", failing_once(LeaseKeeper._look))

    with caplog.at_level(logging.ERROR), kept_alive(claimed, lambda: LATER) as lease:
        wait_until(lambda: lifecycle.get_analysis(analysis.pk).lease_until > before)

    (line,) = [record for record in caplog.records if record.name == "reprise.analysis"]
    assert line.exc_info is not None
    assert lease.reason is None


def test_a_cancel_is_still_heard_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = queue()
    claimed = claims.claim(analysis.pk, now=NOW)
    monkeypatch.setattr(LeaseKeeper, "_look", failing_once(LeaseKeeper._look))

    with kept_alive(claimed, lambda: LATER) as lease:
        lifecycle.request_cancel(analysis, actor=None, now=NOW)
        wait_until(lambda: lease.reason is not None)

        assert lease.reason.code == "ANALYSIS_CANCELLED"
        assert lease.is_alive()  # what was found is being kept, under the same lease


def test_a_lost_claim_ends_the_thread_and_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = queue()
    claimed = claims.claim(analysis.pk, now=NOW)
    claims.take_away(lifecycle.get_analysis(analysis.pk), now=LATER)

    with kept_alive(claimed, lambda: LATER) as lease:
        wait_until(lambda: not lease.is_alive())

    assert lease.reason.code == "CLAIM_LOST"


def test_a_worker_shows_that_it_is_alive_after_any_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, "show_alive", failing_once(workers.show_alive))
    heartbeat = Heartbeat("w-1")

    with caplog.at_level(logging.ERROR):
        heartbeat.start()
        try:
            wait_until(lambda: Worker.objects.filter(pk="w-1").exists())
        finally:
            heartbeat.stop()

    assert [record.exc_info is not None for record in caplog.records if record.name == "reprise.workers"] == [True]
    assert not Worker.objects.exists()
