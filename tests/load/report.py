"""What a soak came to: the tables it prints, and which promises are broken."""

import os
from collections import Counter
from dataclasses import dataclass

from tests.load.journal import Journal, share, slope

NOT_PAGES = ("log-in",)  # hashing a password is slow on purpose
MOST_GROWTH = 0.1  # of the memory of a process, in the second half
LEAST_GROWTH_MB = 15
JUDGED_FROM_SECONDS = 300  # before that, processes are still warming up
LINES = 15
LEAST_JUDGED = 100  # requests: of fewer, 95 of 100 are all but the worst one or two; such kinds are judged together
SELDOM = "pages seldom asked for"


@dataclass(frozen=True)
class Outcome:
    """Everything that was seen from outside and found in the database."""

    seconds: float
    most_ms: float
    journal: Journal
    memory: list[tuple[float, str, float, int]]
    events: list[str]
    problems: list[str]
    logs: dict[str, str]

    def broken(self) -> list[str]:
        """Return every promise that was not kept."""
        unexcused = Counter((one.status, one.kind) for one in self.journal.unexcused())
        failed = [f"{count} times {status or 'no answer'} for {kind}" for (status, kind), count in unexcused.items()]
        slow = [f"{kind}: 95 of 100 take {p95:.0f} ms" for kind, p95 in self._slow()]
        grown = [f"{role} processes grow by {mb:.0f} MB in the second half" for role, mb in self._grown()]
        return [*self.problems, *failed, *slow, *grown]

    def _slow(self) -> list[tuple[str, float]]:
        return [(kind, p95) for kind, waits in self.judged() if (p95 := share(waits, 95) * 1000) >= self.most_ms]

    def judged(self) -> list[tuple[str, list[float]]]:
        """Return how long was waited for each kind of page that was asked for often, and for all others together."""
        pages = {kind: list(waits) for kind, waits in self.journal.waits().items() if is_page(kind)}
        often = [(kind, waits) for kind, waits in pages.items() if len(waits) >= LEAST_JUDGED]
        seldom = sorted(wait for waits in pages.values() if len(waits) < LEAST_JUDGED for wait in waits)
        return [*often, (SELDOM, seldom)] if seldom else often

    def _grown(self) -> list[tuple[str, float]]:
        if self.seconds < JUDGED_FROM_SECONDS:
            return []
        found = ((role, *self.growth(role)) for role in ("web", "worker"))
        return [(role, grown) for role, mean, grown in found if grown > max(LEAST_GROWTH_MB, MOST_GROWTH * mean)]

    def growth(self, role: str) -> tuple[float, float]:
        """Return the mean MB of a process in the second half, and how much it grew there by its slope."""
        points = [(at, mb) for at, one, mb, _ in self.memory if one == role]
        half = points[len(points) // 2 :]
        if not half:
            return 0.0, 0.0
        return sum(mb for _, mb in half) / len(half), slope(half) * (half[-1][0] - half[0][0])


def is_page(kind: str) -> bool:
    return kind not in NOT_PAGES and not kind.endswith("(API)")


def say(line: str) -> None:
    print(line, flush=True)


def show(outcome: Outcome, *, load_before: float) -> None:
    """Print what was seen."""
    journal = outcome.journal
    say(f"\n{'':24} requests     p50     p95     p99     max  ms")
    together = [(kind, waits) for kind, waits in outcome.judged() if kind == SELDOM]
    for kind, waits in [*journal.waits().items(), *together]:
        figures = [share(waits, percent) * 1000 for percent in (50, 95, 99, 100)]
        say(f"{kind:24} {len(waits):8} " + " ".join(f"{one:7.0f}" for one in figures))
    say("\ndecisions: " + ", ".join(f"{n} {verb} {told}" for (verb, told), n in sorted(journal.outcomes().items())))
    statuses = Counter(one.status for one in journal.answers)
    say("answers: " + ", ".join(f"{n} of {status or 'none'}" for status, n in sorted(statuses.items())))
    for role in ("web", "worker"):
        sizes = [mb for _, one, mb, _ in outcome.memory if one == role] or [0.0]
        mean, grown = outcome.growth(role)
        say(f"{role}: a process holds {mean:.0f} MB ({max(sizes):.0f} at most), {grown:+.0f} MB in the second half")
    for event in outcome.events:
        say(event)
    say(f"load average {load_before:.1f} before, {os.getloadavg()[0]:.1f} at the end")
    broken = outcome.broken()
    for promise in broken[:LINES]:
        say(f"BROKEN  {promise}")
    say(f"{len(broken)} promises broken" if broken else "every promise kept")
    if any(one.status == 500 for one in journal.unexcused()) or outcome.problems:
        say("\n".join(line for line in outcome.logs["web"].splitlines() if "Error" in line)[-6000:])
