"""What this process is: which worker, and whether it was asked to stop. A run looks at every report.

State of the process and not of the database, set once by the worker command and its signal handler.
"""

import threading

_asked_to_stop = threading.Event()
_worker_id = ""


def ask_to_stop() -> None:
    """Ask the run of this process to hand itself back at its next report. Safe in a signal handler."""
    _asked_to_stop.set()


def is_asked_to_stop() -> bool:
    """Was this process asked to stop?"""
    return _asked_to_stop.is_set()


def become_worker(worker_id: str) -> None:
    """Name this process; its runs carry the name."""
    global _worker_id  # noqa: PLW0603 (one name a process, set at its start)
    _worker_id = worker_id
    _asked_to_stop.clear()


def worker_id() -> str:
    """Return the name of this worker; empty in a process that is none."""
    return _worker_id
