"""What this process is: which worker, and whether it was asked to stop. A run looks at every report.

State of the process and not of the database, set once by the worker command and its signal handler.
"""

# Plain names and not an Event: a signal handler that interrupts a thread inside Event.wait would block on its lock.
_is_asked_to_stop = False
_worker_id = ""


def ask_to_stop() -> None:
    """Ask the run of this process to hand itself back at its next report. Safe in a signal handler."""
    global _is_asked_to_stop  # noqa: PLW0603 (the state of this process)
    _is_asked_to_stop = True


def is_asked_to_stop() -> bool:
    """Was this process asked to stop?"""
    return _is_asked_to_stop


def become_worker(worker_id: str) -> None:
    """Name this process; its runs carry the name."""
    global _worker_id, _is_asked_to_stop
    _worker_id, _is_asked_to_stop = worker_id, False


def worker_id() -> str:
    """Return the name of this worker; empty in a process that is none."""
    return _worker_id
