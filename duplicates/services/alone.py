"""Work that only one process may do at a time: a lease on a row, kept alive by a thread beside the work.

A holder that is killed loses it when the lease runs out, half a minute later; then the next one may.
"""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from duplicates.models import Lease


class Busy(Exception):
    """Another process is at this work."""


@contextlib.contextmanager
def alone(name: str, *, now: Callable[[], datetime] = timezone.now) -> Iterator[None]:
    """Hold the one lease of this name within the block. Raises Busy while another process holds it."""
    token = _take(name, now())
    keeper = _Keeper(name, token, now)
    # Inside an open transaction, as in most tests, the thread could not see the row.
    if not connection.in_atomic_block:
        keeper.start()
    try:
        yield
    finally:
        keeper.stop()
        Lease.objects.filter(pk=name, token=token).delete()


def _take(name: str, now: datetime) -> uuid.UUID:
    token, until = uuid.uuid4(), _end(now)
    # One that ends later than any lease does was taken before the clock was set back.
    is_over = Q(until__lt=now) | Q(until__gt=now + timedelta(seconds=2 * settings.LEASE_SECONDS))
    if Lease.objects.filter(is_over, pk=name).update(token=token, until=until):
        return token
    try:
        with transaction.atomic():
            Lease.objects.create(name=name, token=token, until=until)
    except IntegrityError:
        raise Busy from None
    return token


def _end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.LEASE_SECONDS)


class _Keeper(threading.Thread):
    """Renews one lease until told to stop."""

    def __init__(self, name: str, token: uuid.UUID, now: Callable[[], datetime]) -> None:
        super().__init__(name=f"lease-{name}", daemon=True)
        self._row = Lease.objects.filter(pk=name, token=token)
        self._now, self._over = now, threading.Event()

    def run(self) -> None:
        try:
            while not self._over.wait(settings.LEASE_RENEW_SECONDS):
                try:
                    self._row.update(until=_end(self._now()))
                except DatabaseError:
                    connection.close()  # it may be broken; the next look takes a new one
        finally:
            connection.close()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._over.set()
        if self.is_alive():
            self.join()
