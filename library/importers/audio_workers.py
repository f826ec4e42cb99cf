"""Reads many audio files through a few worker processes, so that no file can stop, slow or bloat the walk.

Answers come in the order of the requests. A worker that dies or hangs costs the one file it was at: it is replaced, and
what waited behind that file is asked again.
"""

import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import orjson

from library.importers.records import UnreadableSource

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_WORKERS = 3  # of 256 MB each at the very most
AHEAD = 8  # requests given to a worker before the first is answered; they fit into a pipe's buffer

CPU_SECONDS = 1.0  # for one file; an ordinary one takes a thousandth
WALL_SECONDS = 10.0  # for one file, on the slowest of network drives
# Once files have wasted this much, the others get less: hundreds of hostile files must not cost minutes.
PATIENCE_SECONDS = 3.0
HURRIED_CPU_SECONDS = 0.1
HURRIED_WALL_SECONDS = 3.0  # a new worker may need one to start

type Answer = dict[str, Any]


class AudioWorkers:
    """A few workers and what they were asked. Use it as a context manager."""

    def __init__(self, count: int | None = None) -> None:
        count = count or min(max(os.cpu_count() or 1, 2), MOST_WORKERS)
        self._workers = deque(_Worker() for _ in range(count))
        self._wasted_seconds = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.stop()

    def answers[T](self, requests: Iterable[tuple[T, bytes | None]]) -> Iterator[tuple[T, Answer]]:
        """Yield each request's subject with the answer to its path, in order; without a path the answer is empty."""
        waiting: deque[tuple[T, _Worker | None]] = deque()
        most = AHEAD * len(self._workers)
        for subject, path in requests:
            if len(waiting) >= most:
                yield self._next(waiting)
            worker = None
            if path is not None:
                worker = self._workers[0]
                worker.ask(path, self._cpu_seconds)
                self._workers.rotate(-1)
            waiting.append((subject, worker))
        while waiting:
            yield self._next(waiting)

    def _next[T](self, waiting: "deque[tuple[T, _Worker | None]]") -> tuple[T, Answer]:
        subject, worker = waiting.popleft()
        if worker is None:
            return subject, {}
        started = time.monotonic()
        answer = worker.answer(HURRIED_WALL_SECONDS if self._is_hurried else WALL_SECONDS, self._cpu_seconds)
        if answer.get("skip") == "TOO_SLOW":
            self._wasted_seconds += max(time.monotonic() - started, self._cpu_seconds)
        return subject, answer

    @property
    def _is_hurried(self) -> bool:
        return self._wasted_seconds >= PATIENCE_SECONDS

    @property
    def _cpu_seconds(self) -> float:
        return HURRIED_CPU_SECONDS if self._is_hurried else CPU_SECONDS


class _Worker:
    """One process and the paths it has not answered yet, the one it is at first."""

    def __init__(self) -> None:
        self._paths: deque[bytes] = deque()
        self._rest = b""
        self._start()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def ask(self, path: bytes, cpu_seconds: float) -> None:
        self._paths.append(path)
        self._send(path, cpu_seconds)

    def answer(self, wall_seconds: float, cpu_seconds: float) -> Answer:
        """Return the answer to the oldest path; a worker that gives none is replaced."""
        line = self._read_line(wall_seconds)
        self._paths.popleft()
        if line:
            answer: Answer = orjson.loads(line)
            return answer
        is_alive = self._process.poll() is None
        self.stop()
        self._start()
        for path in self._paths:
            self._send(path, cpu_seconds)
        return {"skip": "TOO_SLOW"} if is_alive else {"skip": "UNREADABLE", "detail": "its reader crashed"}

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _start(self) -> None:
        command = [sys.executable, "-m", "library.importers.audio_tags"]
        self._rest = b""
        try:
            self._process = subprocess.Popen(  # noqa: S603 (our own module)
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        except OSError as error:
            raise UnreadableSource(
                f"No process could be started to read the tags ({error}).", code="AUDIO_FOLDER_UNREADABLE"
            ) from error

    def _send(self, path: bytes, cpu_seconds: float) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died; `answer` will notice
            self._process.stdin.write(b"%d:%s\x00" % (round(cpu_seconds * 1000), path))

    def _read_line(self, wall_seconds: float) -> bytes:
        """Return one line, or nothing when the time is up or the worker is gone."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        end = time.monotonic() + wall_seconds
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            left = end - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return b""
            chunk = os.read(descriptor, 65536)
            if not chunk:
                self._process.wait()
                return b""
            parts.append(chunk)
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return line
