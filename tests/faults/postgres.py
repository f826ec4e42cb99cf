"""A PostgreSQL server of one's own, to be stopped and started again. Needs the server's programs."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_ACCOUNT = "postgres"  # the server refuses to run as root


class PrivatePostgres:
    """One cluster in a folder, listening on a free port of 127.0.0.1."""

    def __init__(self, folder: Path, programs: Path, *, is_durable: bool = False) -> None:
        self._data, self._programs = folder / "data", programs
        self._options = "" if is_durable else " -c fsync=off"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"postgresql://{_ACCOUNT}@127.0.0.1:{self.port}/postgres"
        if os.geteuid() == 0:
            shutil.chown(folder, _ACCOUNT)
        self._run("initdb", "--auth=trust", "--username", _ACCOUNT, "--no-sync", "-D", str(self._data))

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._options}"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._data / "log"), "-o", options, "start")
        for _ in range(100):
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the private PostgreSQL server does not answer")

    def stop(self) -> None:
        """Stop the server at once, breaking every connection."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "stop", check=False)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [str(self._programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--clear-groups", *command]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        assert not check or done.returncode == 0, f"{program} failed with code {done.returncode}"


@contextmanager
def private_postgres(*, is_durable: bool = False) -> Iterator[PrivatePostgres]:
    """Run a server for the length of the block; skip the test where its programs are absent.

    A durable one waits for the disk at every commit, as in production.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("the programs of a PostgreSQL server are not installed")
    # Not below pytest's own folder: that is closed to the account the server runs as.
    with tempfile.TemporaryDirectory(prefix="reprise-postgres-") as folder:
        server = PrivatePostgres(Path(folder), found[-1].parent, is_durable=is_durable)
        server.start()
        try:
            yield server
        finally:
            server.stop()
