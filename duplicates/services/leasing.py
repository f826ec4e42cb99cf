"""Keeps a claim alive beside a run: a thread with its own connection renews the lease, writes how far the run is, and
looks for a wish to stop.

Long stretches of native code report rarely; without the thread a healthy worker would lose its run in one of them. The
run's own connection would not do for progress: while it reads the library, SQLite refuses it every write once another
process has written, and PostgreSQL would lock the row against a cancel until all is read. What the thread learns it
leaves in `reason`, and the run stops at its next report.
"""

import contextlib
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
from duplicates.services.progress import AnalysisProgress

# How often the thread looks whether somebody asked for an end. A cancel must take effect within two seconds.
LOOK_SECONDS = 0.5


class LeaseKeeper(threading.Thread):
    """Renews one claim until told to stop."""

    def __init__(self, claimed: Claim, now: Callable[[], datetime]) -> None:
        super().__init__(name=f"lease-{claimed.analysis_id}", daemon=True)
        self._claimed, self._now = claimed, now
        self._over = threading.Event()
        self._news: AnalysisProgress | None = None
        self._renewed_at = time.monotonic()
        self.reason: DuplicatesError | None = None
        # Asked when a cancel is seen: may end the run on its row at once, and says whether it has.
        self.end_cancelled: Callable[[], bool] = lambda: False
        self.has_ended = False

    def note(self, progress: AnalysisProgress) -> None:
        """Take progress to be written at the next look."""
        self._news = progress

    def run(self) -> None:
        """Look often, renew in time, and end at the first reason to stop."""
        pause = min(LOOK_SECONDS, settings.PROGRESS_INTERVAL_SECONDS)
        try:
            while self.reason is None and not self._over.wait(pause):
                try:
                    self._look()
                except DatabaseError:
                    connection.close()  # it may be broken; the run itself deals with a database that is in trouble
        except ClaimLost as lost:
            self.reason = lost
        finally:
            connection.close()

    def _look(self) -> None:
        if claims.is_cancel_requested(self._claimed):
            self.has_ended = self.end_cancelled()
            self.reason = AnalysisCancelled()
            return
        news, self._news = self._news, None
        if news is not None:
            claims.renew(self._claimed, now=self._now(), progress=news.as_json(), phase=news.phase)
        elif time.monotonic() - self._renewed_at >= settings.LEASE_RENEW_SECONDS:
            claims.renew(self._claimed, now=self._now())
        else:
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
