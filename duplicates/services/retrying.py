"""Repeats a unit of database work after passing trouble: a long lock, a lost connection, a serialization failure.

Lasting trouble (a missing table, a broken constraint, a full disk) fails at once. Each unit must be safe to repeat: a
transaction that may have been committed before the connection broke has to notice that itself.
"""

import logging
import random
import time
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger("reprise.database")

# PostgreSQL: serialization failure, deadlock, lock not available, and the server going down or coming up.
_PASSING_STATES = {"40001", "40P01", "55P03", "57P01", "57P02", "57P03"}
_PASSING_WORDS = (
    "database is locked",
    "database table is locked",
    "connection",
    "server closed",
    "resolve host",  # a container that is away takes its name along
    "translate host name",
)


def is_passing(error: BaseException) -> bool:
    """Is this trouble that may be over in a moment?"""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    if state is not None:
        return state in _PASSING_STATES or state.startswith("08")
    return any(word in str(error).lower() for word in _PASSING_WORDS)


def _what(error: BaseException) -> str:
    """Return the kind of trouble in a word or two; the database's own message may name hosts and files."""
    return str(error) if str(error) == "database is locked" else type(error.__cause__ or error).__name__


def retrying[T](unit: Callable[[], T], *, sleep: Callable[[float], None] = time.sleep) -> T:
    """Return what `unit` returns, repeating it after passing trouble as often as the settings say.

    Inside an open transaction nothing is repeated: the trouble has already ended it.
    """
    wait: float = settings.DATABASE_RETRY_SECONDS
    for tries_left in range(settings.DATABASE_RETRIES, -1, -1):
        try:
            return unit()
        except (OperationalError, InterfaceError) as error:
            if not tries_left or connection.in_atomic_block or not is_passing(error):
                raise
            pause = wait * random.uniform(0.75, 1.25)  # noqa: S311 (spreads workers, hides nothing)
            logger.warning("Database trouble, trying again in %.1f s: %s", pause, _what(error))
            connection.close()
            sleep(pause)
            wait *= 2
    raise AssertionError("unreachable")
