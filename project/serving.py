"""Runs the web server and one worker side by side until somebody stops them.

Both are children with a session of their own: a Ctrl-C in the terminal reaches only this process, which then ends
them in order. When one of them ends by itself the other is ended too; when this process is killed, both end by
themselves (`project/lifeline.py`).
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

HOST = "127.0.0.1"
LIFELINE = Path(__file__).parent / "lifeline.py"
START_SECONDS = 30.0  # a slow disk may need this long to import everything for the first time
GRACE_SECONDS = 10.0  # what a worker may take to put its run aside
TICK_SECONDS = 0.2


class ServingFailed(Exception):
    """Serving did not start or broke off. The message says why and what to do."""


def port_number(text: str) -> int:
    """Read a port from the command line."""
    port = int(text)
    if not 1 <= port < 65_535:
        raise ValueError(text)
    return port


def require_free_port(port: int) -> None:
    """Raise ServingFailed when something listens on the port already."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # or a server just stopped would count
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServingFailed(
                f"Port {port} of {HOST} is taken. Choose another: uv run manage.py demo --serve --port {port + 1}"
            ) from error


def serve(manage: Path, port: int, *, when_ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, then return. Raises ServingFailed when a part stops by itself."""
    commands = {
        "web server": [str(manage), "runserver", "--noreload", f"{HOST}:{port}"],
        "worker": [str(manage), "run_workers"],
    }
    with _stop_asked() as is_stopping, contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(_child(command)) for name, command in commands.items()}
        _wait_for_answer(port, children, is_stopping)
        if not is_stopping():
            when_ready(f"http://{HOST}:{port}/admin/")
        while not is_stopping():
            _require_all_alive(children)
            time.sleep(TICK_SECONDS)


@contextlib.contextmanager
def _stop_asked() -> Iterator[Callable[[], bool]]:
    """Turn the signals that mean "stop" into a question that can be asked, and put the old ones back afterwards."""
    asked: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    before = {getattr(signal, name): None for name in names if hasattr(signal, name)}
    previous = {number: signal.signal(number, remember) for number in before}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _child(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a child; end it politely when the block is left, and by force when it does not go."""
    # Its greeting would name another way to stop it; what it logs goes to standard error and is shown.
    process = subprocess.Popen(  # noqa: S603 (our own commands)
        [sys.executable, str(LIFELINE), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdin.close()


def _wait_for_answer(port: int, children: dict[str, subprocess.Popen[bytes]], is_stopping: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_stopping():
        _require_all_alive(children)
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(TICK_SECONDS)
        if time.monotonic() > deadline:
            raise ServingFailed(f"The web server did not answer within {START_SECONDS:.0f} seconds.")


def _require_all_alive(children: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in children.items():
        if process.poll() is not None:
            raise ServingFailed(f"The {name} stopped by itself with exit code {process.returncode}.")
