"""A working day in minutes: `python -m tests.load.soak --database postgres --minutes 10 --reviewers 50`.

Reviewers read and decide over HTTP, a curator starts analyses, exports and imports; meanwhile a worker is killed, the
database is restarted and the disk runs full. Everything stays on this machine: a private database, ports of 127.0.0.1,
a temporary folder. It ends by itself, prints what it saw, and exits with 1 where a promise is broken.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.faults.support import ROOT
from tests.load import conservation, report
from tests.load.journal import Journal, now
from tests.load.people import Shift, export, review, send_import, start_analysis
from tests.load.person import Person
from tests.load.site import Site, plays_of, site, write_csv

ANALYSES, EXPORTS, IMPORTS = 5, 5, 2
SETTLING_SECONDS = 15  # after the database is back, until connections that broke have been seen
LOOK_SECONDS = 5


@dataclass(frozen=True)
class Plan:
    """What is run, and for how long."""

    database: str
    seconds: float
    reviewers: int
    tracks: int
    imported: int
    pause: tuple[float, float] = (3.0, 10.0)
    most_ms: float = 500.0
    port: int = 0


def soak(plan: Plan, folder: Path) -> report.Outcome:
    """Run the whole day and say what came of it."""
    with site(plan.database, folder, plan.port) as built:
        report.say(f"{plan.tracks:,} tracks are imported and analysed …")
        analysis = built.prepare(plan.tracks, plan.reviewers)
        before = conservation.read_library(built.home)
        groups = len({row[0] for row in built.home.groups(analysis)})
        built.start()
        journal = Journal()
        shift = Shift(analysis, groups, plan.tracks, now() + plan.seconds, plan.pause)
        day = Day(plan, built, analysis, shift, journal)
        report.say(f"{plan.reviewers} reviewers are at work for {plan.seconds:.0f} s on {plan.database} …")
        day.run()
        problems = [*journal.broken, *day.problems(before)]
        logs = {name: built.log(name) for name in ("web", "workers")}
        return report.Outcome(plan.seconds, plan.most_ms, journal, built.memory, day.events, problems, logs)


class Day:
    """Everybody at work at once, and what happens to the machine meanwhile."""

    def __init__(self, plan: Plan, built: Site, analysis: str, shift: Shift, journal: Journal) -> None:
        self.plan, self.site, self.analysis, self.shift, self.journal = plan, built, analysis, shift, journal
        self.events: list[str] = []
        self.started: list[str] = []
        self.imported: dict[str, tuple[int, int]] = {}  # source → tracks, plays
        self.exported = 0
        self.began = now()
        self.curator = Person("curator0", built.address, journal, 900)
        self.clerk = Person("curator1", built.address, journal, 901)

    def run(self) -> None:
        """Let everybody begin within a tenth of the time, and wait for the last."""
        threads = [
            threading.Thread(target=self._guarded, args=(partial(self._reviewer, at),))
            for at in range(self.plan.reviewers)
        ]
        jobs = (self._analyse, self._export, self._import, self._faults)
        threads += [threading.Thread(target=self._guarded, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        while alive := [thread for thread in threads if thread.is_alive()]:
            self.site.look_at_memory()
            alive[-1].join(LOOK_SECONDS)
        self._settle()

    def problems(self, before: conservation.Library) -> list[str]:
        """Return every promise about data that is broken, from what the database holds now."""
        home, after = self.site.home, conservation.read_library(self.site.home)
        found = [
            *conservation.library_problems(before, after),
            *conservation.decision_problems(self.journal, conservation.read_decisions(home)),
            *conservation.group_problems(self.journal, home),
            *conservation.declared_problems(home),
            *conservation.result_problems(home),
            *conservation.unfinished(home),
        ]
        for source, told in self.imported.items():
            if (kept := after.of_source.get(source)) != told:
                found.append(f"{source} has (tracks, plays) {kept}, not {told}")
        counted = {"analyses": (len(self.started), ANALYSES), "exports": (self.exported, EXPORTS)}
        counted["imports"] = (len(self.imported), IMPORTS)
        found += [f"{name}: {done} of {asked} came through" for name, (done, asked) in counted.items() if done < asked]
        return found

    # --- Who is at work -----------------------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.journal.broken.append(f"the load itself failed: {error!r}")

    def _reviewer(self, number: int) -> None:
        self._wait_until(0.1 * number / self.plan.reviewers)
        review(Person(f"reviewer{number}", self.site.address, self.journal, number), self.shift)

    def _analyse(self) -> None:
        self.curator.log_in()
        for number in range(ANALYSES):
            self._wait_until(0.1 + 0.08 * number)
            start_analysis(self.curator, number, self.started)

    def _export(self) -> None:
        person = Person("curator0", self.site.address, self.journal, 902)
        person.log_in()
        for number in range(EXPORTS):
            self._wait_until(0.15 + 0.1 * number)
            self.exported += export(person, self.analysis, number)

    def _import(self) -> None:
        self.clerk.log_in()
        for number in range(IMPORTS):
            self._wait_until(0.2 + 0.25 * number)
            name = f"soak-import-{number}"
            file = write_csv(self.site.folder / f"{name}.csv", self.plan.imported, seed=10 + number)
            if send_import(self.clerk, name, file.read_bytes()):
                self.imported[name] = self.plan.imported, sum(map(plays_of, range(self.plan.imported)))

    # --- What happens meanwhile ---------------------------------------------------------------------------------------

    def _faults(self) -> None:
        self._wait_until(0.26)
        has_run = self.site.kill_a_worker(patience=0.05 * self.plan.seconds)
        self._note(f"killed a worker with kill -9, {'amid an analysis' if has_run else 'idle'}")
        if self.site.server is None:
            self._note("no restart of the database: SQLite is a file")
        else:
            self._wait_until(0.5)
            self._restart()
        self._wait_until(0.68)
        if self.site.disk is None:
            self._note("no full disk: none may be mounted here")
        else:
            self._fill_the_disk(self.site.disk)

    def _restart(self) -> None:
        began = now()
        self.site.restart_database(3)
        ended = now()
        self.journal.windows.append((began, ended + SETTLING_SECONDS))
        self._note(f"database stopped and started, away for {ended - began:.1f} s")

    def _fill_the_disk(self, disk: Path) -> None:
        """Fill the disk of the work folder, try what needs it, and free it again. Nothing may answer with 5xx."""
        person = Person("curator1", self.site.address, self.journal, 903)
        person.log_in()
        content = (self.site.folder / "library.csv").read_bytes()
        with full_disk(disk):
            came = [
                export(person, self.analysis, 1, may_fail=True),
                send_import(person, "soak-full", content, may_fail=True),
            ]
        self._note(f"disk full; export and import {['refused', 'done'][came[0]]}, {['refused', 'done'][came[1]]}")
        if any(came):
            self.journal.broken.append("the disk was full, and something was written to it")
        if not export(person, self.analysis, 0):
            self.journal.broken.append("no export after the disk was freed")

    # --- Helpers ------------------------------------------------------------------------------------------------------

    def _wait_until(self, part: float) -> None:
        """Wait until so large a part of the time has passed."""
        time.sleep(max(0.0, self.began + part * self.plan.seconds - now()))

    def _note(self, what: str) -> None:
        self.events.append(f"{now() - self.began:5.0f} s  {what}")
        report.say(self.events[-1])

    def _settle(self) -> None:
        """Give what still runs two minutes to end."""
        deadline = now() + 120
        while list(conservation.unfinished(self.site.home)) and now() < deadline:
            time.sleep(1)


@contextmanager
def full_disk(disk: Path) -> Iterator[None]:
    """Keep a disk full, though workers meanwhile give back what they had: checkpoints of runs that end."""
    full, is_over = disk / "full", threading.Event()

    def fill() -> None:
        with full.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(b"\0" * 65_536)
                except OSError:
                    if is_over.wait(0.01):
                        return

    filling = threading.Thread(target=fill)
    filling.start()
    time.sleep(1)
    try:
        yield
    finally:
        is_over.set()
        filling.join()
        full.unlink()


def read_arguments() -> Plan:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("postgres", "sqlite"), default="postgres")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--reviewers", type=int, default=50)
    parser.add_argument("--tracks", type=int, default=20_000)
    parser.add_argument("--imported", type=int, default=20_000, help="tracks of each import")
    parser.add_argument("--most-ms", type=float, default=500, help="what 95 of 100 pages must stay below")
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 takes a free one")
    given = parser.parse_args()
    return Plan(
        given.database, given.minutes * 60, given.reviewers, given.tracks, given.imported,
        most_ms=given.most_ms, port=given.port,
    )  # fmt: skip


def _end(*_: object) -> None:
    """End as Ctrl-C does, so that servers are stopped and the small disk is taken away."""
    sys.exit(143)


def main() -> int:
    plan = read_arguments()
    signal.signal(signal.SIGTERM, _end)
    # Where bytecode is forbidden, as in containers, every process would compile Django anew.
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        os.environ["PYTHONPYCACHEPREFIX"] = str(ROOT / ".pytest_cache" / "bytecode")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="reprise-soak-") as folder:
        try:
            outcome = soak(plan, Path(folder))
        except pytest.skip.Exception as missing:
            report.say(f"Cannot be run here: {missing}.")
            return 2
    report.show(outcome, load_before=load)
    return 1 if outcome.broken() else 0


if __name__ == "__main__":
    sys.exit(main())
