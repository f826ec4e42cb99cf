"""Can this process do its work: does the database answer, is it migrated, is a worker alive, is there room on the disk?

Each answer is a word and a sentence that names neither host nor path: anybody may ask.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from duplicates.models import Worker
from duplicates.services.workers import SILENCE

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question of readiness was answered."""

    name: str
    is_ok: bool
    sentence: str
    is_needed: bool = True  # does not being ready keep requests away?


@dataclass(frozen=True, slots=True)
class Readiness:
    """All answers; ready when everything that is needed is there."""

    answers: tuple[Answer, ...]

    @property
    def is_ready(self) -> bool:
        return all(answer.is_ok or not answer.is_needed for answer in self.answers)


def check_readiness(*, now: datetime) -> Readiness:
    """Ask everything; what cannot be asked, because the database does not answer, counts as no."""
    questions: dict[str, Callable[[], Answer]] = {
        "database": _database,
        "migrations": _migrations,
        "worker": lambda: _worker(now),
    }
    answers = []
    for name, ask in questions.items():
        try:
            answers.append(ask())
        except (DatabaseError, InterfaceError):
            connection.close()
            answers.append(Answer(name, False, "The database does not answer."))
    return Readiness((*answers, _disk()))


def free_bytes() -> int:
    """Return how much room is left where working files go."""
    folder = Path(settings.WORK_DIR)
    while not folder.exists():  # made on first use
        folder = folder.parent
    return shutil.disk_usage(folder).free


def newest_heartbeat() -> datetime | None:
    """Return when a worker last showed itself, if one is there."""
    return Worker.objects.order_by("-seen_at").values_list("seen_at", flat=True).first()


def _database() -> Answer:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Answer("database", True, "It answers.")


def _migrations() -> Answer:
    missing = _known_migrations() - set(MigrationRecorder(connection).applied_migrations())
    said = f"{len(missing)} to apply: manage.py migrate." if missing else "All are applied."
    return Answer("migrations", not missing, said)


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """Return what must have been applied for the code of this process, which does not change while it lives."""
    return frozenset(MigrationLoader(None).graph.nodes)


def _worker(now: datetime) -> Answer:
    seen_at, needed = newest_heartbeat(), bool(settings.READY_NEEDS_WORKER)
    if seen_at is None:
        return Answer("worker", False, "None is running: manage.py run_workers.", needed)
    age = abs((now - seen_at).total_seconds())  # one seen in the future was seen before the clock was set back
    return Answer("worker", age < SILENCE.total_seconds(), f"Last seen {age:.0f} s ago.", needed)


def _disk() -> Answer:
    free, least = free_bytes(), settings.LEAST_FREE_MB * MB
    return Answer("disk", free >= least, f"{free // MB:,} MB free, {settings.LEAST_FREE_MB:,} MB needed.")
