"""One worker process, and the supervisor that keeps several alive.

A worker takes tasks from the queue of `django_tasks_db`; what this adds is a heartbeat, an end that hands the run back
instead of waiting for it, and an end when its supervisor is gone. The supervisor needs nothing but the database: it
restarts workers that died, gives on what dead workers left behind, and passes a wish to stop on.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from django_tasks_db.management.commands.db_worker import Worker as TaskWorker

from duplicates.services import automatic, process, storage, workers
from duplicates.services.clock import ClockWatch
from duplicates.tasks import enqueue_analysis, enqueue_discard, enqueue_export, enqueue_plan
from library.tasks import enqueue_upload

logger = logging.getLogger("reprise.workers")

POLL_SECONDS = 1.0
TICK_SECONDS = 0.2
# A worker that dies at once is not restarted at once.
RESTART_SECONDS, LONGEST_RESTART_SECONDS = 1.0, 30.0
# A part of a tick that broke off is left alone for a while, twice as long each time.
REST_SECONDS, LONGEST_REST_SECONDS = 10.0, 600.0


def new_worker_id() -> str:
    """Return a name for a worker: host, process and a few random digits."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


class AnalysisWorker(TaskWorker):
    """Runs tasks until it is asked to stop, then hands back the run it is at."""

    def __init__(self, worker_id: str) -> None:
        super().__init__(
            queue_names=["*"],
            interval=POLL_SECONDS,
            batch=False,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=worker_id,
            excluded_queue_names=[],
        )

    def shutdown(self, signum: int, frame: FrameType | None) -> None:
        """Ask the run to hand back at its next report; a second signal ends the process at once.

        The queue's own words for the first signal advise a Ctrl-C, which does not reach a worker.
        """
        if not self.running:
            super().shutdown(signum, frame)
        process.ask_to_stop()
        self.running = False
        if not self.running_task:
            sys.exit(0)
        logger.info("Worker %s hands its run back and stops", self.worker_id)


class Heartbeat(threading.Thread):
    """Shows that this worker is alive, and ends it when the supervisor that started it is gone."""

    def __init__(self, worker_id: str) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._worker_id, self._parent, self._over = worker_id, os.getppid(), threading.Event()

    def run(self) -> None:
        """Renew the heartbeat until told to stop."""
        try:
            while True:
                try:
                    workers.show_alive(self._worker_id, now=timezone.now())
                except DatabaseError:
                    logger.warning("Worker %s could not show that it is alive", self._worker_id)
                    connection.close()
                except Exception:  # without this thread the worker would be taken for dead, and outlive its supervisor
                    logger.exception("Worker %s could not show that it is alive", self._worker_id)
                    connection.close()
                if self._over.wait(workers.HEARTBEAT_SECONDS):
                    return
                if os.getppid() != self._parent:
                    logger.warning("Worker %s ends: its parent process is gone", self._worker_id)
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
        finally:
            connection.close()

    def stop(self) -> None:
        """End the thread and take the worker off the list."""
        self._over.set()
        self.join()
        try:
            workers.sign_off(self._worker_id)
        except DatabaseError:
            logger.warning("Worker %s could not sign off", self._worker_id)


def work() -> None:
    """Be one worker until asked to stop."""
    worker_id = new_worker_id()
    process.become_worker(worker_id)
    worker = AnalysisWorker(worker_id)
    worker.configure_signals()
    heartbeat = Heartbeat(worker_id)
    heartbeat.start()
    try:
        worker.run()
    finally:
        heartbeat.stop()


class TickPart:
    """One part of a supervisor's tick: what breaks off in it stops neither the supervisor nor the other parts."""

    def __init__(self, name: str, do: Callable[[], None]) -> None:
        self._name, self._do = name, do
        self._rest, self._rests_until = 0.0, float("-inf")

    def run(self) -> None:
        """Do it, unless it rests. Raises OperationalError and InterfaceError: the database does not answer."""
        if time.monotonic() < self._rests_until:
            return
        try:
            self._do()
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            self._rest = min(max(REST_SECONDS, self._rest * 2), LONGEST_REST_SECONDS)
            self._rests_until = time.monotonic() + self._rest
            logger.exception("The supervisor could not %s and tries again in %.0f s", self._name, self._rest)
        else:
            self._rest = 0.0


class Supervisor:
    """Keeps `count` workers alive. `command` starts one as a direct child of this process."""

    def __init__(self, count: int, command: list[str], *, grace_seconds: float, say: Callable[[str], None]) -> None:
        self._count, self._command, self._grace, self._say = count, command, grace_seconds, say
        self._children: list[subprocess.Popen[bytes]] = []
        self._is_over = False  # a plain name: see services.process
        self._wait = RESTART_SECONDS
        self._start_after = 0.0
        self._tidied_at = float("-inf")
        self._sample_after = float("-inf")
        self._clock = ClockWatch(steady=time.monotonic)
        self._tick = [
            TickPart("give on what dead workers left", self._tidy),
            TickPart("resolve automatically", lambda: automatic.resolve_new_results(now=timezone.now())),
            TickPart("wake workers for plans", self._wake_for_plans),
            TickPart("wake workers for uploads", self._wake_for_uploads),
            TickPart("wake workers for exports", self._wake_for_exports),
            TickPart("wake workers for deletions", self._wake_for_deletions),
            TickPart("look at the storage", self._look_at_storage),
        ]

    def run(self) -> None:
        """Supervise until SIGTERM or SIGINT."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._ask_to_stop)
        try:
            while not self._is_over:
                self._reap()
                self._start_missing()
                self._tidy_when_due()
                time.sleep(TICK_SECONDS)
        finally:
            self._stop_children()

    def _ask_to_stop(self, signum: int, frame: FrameType | None) -> None:
        self._is_over = True

    def _reap(self) -> None:
        for child in [child for child in self._children if child.poll() is not None]:
            self._children.remove(child)
            logger.warning("Worker process %d ended with code %s", child.pid, child.returncode)
            self._start_after = time.monotonic() + self._wait
            self._wait = min(self._wait * 2, LONGEST_RESTART_SECONDS)

    def _start_missing(self) -> None:
        if len(self._children) == self._count:
            if time.monotonic() > self._start_after + LONGEST_RESTART_SECONDS:
                self._wait = RESTART_SECONDS
            return
        if time.monotonic() < self._start_after:
            return
        while len(self._children) < self._count:
            # A session of its own: Ctrl-C on the terminal reaches the supervisor alone, which passes it on once.
            child = subprocess.Popen(self._command, start_new_session=True)  # noqa: S603 (our own command)
            self._children.append(child)
            self._say(f"Worker process {child.pid} started")

    def _tidy_when_due(self) -> None:
        # After the clock was set, or the machine slept, the living must show themselves under the new time first.
        if not self._clock.is_settled(timezone.now(), within=settings.LEASE_SECONDS):
            return
        if time.monotonic() - self._tidied_at < settings.RECLAIM_TICK_SECONDS:
            return
        self._tidied_at = time.monotonic()
        try:
            for part in self._tick:
                part.run()
        except DatabaseError as error:
            logger.warning("The database does not answer: %s", type(error).__name__)
            connection.close()

    def _tidy(self) -> None:
        workers.tidy(now=timezone.now(), enqueue_analysis=enqueue_analysis)

    def _wake_for_plans(self) -> None:
        workers.wake_for_plans(now=timezone.now(), enqueue=enqueue_plan)

    def _wake_for_uploads(self) -> None:
        workers.wake_for_uploads(now=timezone.now(), enqueue=enqueue_upload)

    def _wake_for_exports(self) -> None:
        workers.wake_for_exports(now=timezone.now(), enqueue=enqueue_export)

    def _wake_for_deletions(self) -> None:
        workers.wake_for_deletions(now=timezone.now(), enqueue=enqueue_discard)

    def _look_at_storage(self) -> None:
        """Keep what is stored today for those who want to see it grow; asked for once an hour."""
        if time.monotonic() >= self._sample_after:
            self._sample_after = time.monotonic() + 3600
            storage.keep_sample(now=timezone.now())

    def _stop_children(self) -> None:
        self._say("Stopping: runs are handed back with their checkpoints")
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + self._grace
        for child in self._children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("Worker process %d did not stop in time and is killed", child.pid)
                child.kill()
                child.wait()


def child_command(*options: Any) -> list[str]:
    """Return the command line that starts one worker under this interpreter."""
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_worker", *map(str, options)]
