"""Keeps a claim alive beside a run: a thread with its own connection renews the lease, writes how far the run is, and
looks whether it was cancelled.

Long stretches of native code report rarely; without the thread a healthy worker would lose its run in one of them. The
run's own connection would not do for progress: while it reads the library, SQLite refuses it every write once another
process has written, and PostgreSQL would lock the row against a cancel until all is read. What the thread learns it
leaves in `reason`, and the run stops at its next report.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from duplicates.exceptions import AnalysisCancelled, ClaimLost, DuplicatesError
from duplicates.services import claims
from duplicates.services.claims import Claim
from duplicates.services.log_context import lines_of
from duplicates.services.progress import AnalysisProgress

logger = logging.getLogger("reprise.analysis")

# How often the thread looks whether the run was cancelled, so that its process stops working for nothing.
LOOK_SECONDS = 1.0


class LeaseKeeper(threading.Thread):
    """Renews one claim until told to stop."""

    def __init__(self, claimed: Claim, now: Callable[[], datetime]) -> None:
        super().__init__(name=f"lease-{claimed.analysis_id}", daemon=True)
        self._claimed, self._now = claimed, now
        self._over = threading.Event()
        self._news: AnalysisProgress | None = None  # none comes once `reason` is known: the run reports to an end
        self._renewed_at = time.monotonic()
        self.reason: DuplicatesError | None = None

    def note(self, progress: AnalysisProgress) -> None:
        """Take progress to be written at the next look."""
        self._news = progress

    def run(self) -> None:
        """Look often, renew in time, and end once the claim is lost."""
        pause = min(LOOK_SECONDS, settings.PROGRESS_INTERVAL_SECONDS)
        with lines_of(self._claimed.analysis_id):
            try:
                while not self._over.wait(pause):
                    self._look_whatever_happens()
            finally:
                connection.close()

    def _look_whatever_happens(self) -> None:
        """Look, and go on after any error: a run whose lease nobody renews is taken for dead and begun again."""
        try:
            self._look()
        except AnalysisCancelled as cancelled:
            self.reason, self._claimed = cancelled, self._claimed.as_cancelled()
        except ClaimLost as lost:
            self.reason = self.reason or lost
            self._over.set()
        except DatabaseError:
            connection.close()  # it may be broken; the run itself deals with a database that is in trouble
        except Exception:
            logger.exception("The lease could not be looked after; it is tried again")
            connection.close()
            self._over.wait(settings.LEASE_RENEW_SECONDS)

    def _look(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            claims.renew(self._claimed, now=self._now(), progress=news.as_json(), phase=news.phase)
        elif time.monotonic() - self._renewed_at >= settings.LEASE_RENEW_SECONDS:
            claims.renew(self._claimed, now=self._now())
        else:
            claims.require(self._claimed)
            return
        self._renewed_at = time.monotonic()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._over.set()
        self.join()


@contextlib.contextmanager
def kept_alive(claimed: Claim, now: Callable[[], datetime]) -> Iterator[LeaseKeeper]:
    """Keep the claim alive inside the block.

    Inside an open transaction, as in most tests, the thread could not see the row and is not started.
    """
    keeper = LeaseKeeper(claimed, now)
    if connection.in_atomic_block:
        yield keeper
        return
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()
