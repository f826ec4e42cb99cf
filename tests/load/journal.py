"""What everybody was told and how long they waited; written by many threads, read when all is over."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

DONE, REFUSED, UNKNOWN = "done", "refused", "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: what for, the status (0 where the connection broke), the seconds it took, when it ended."""

    kind: str
    status: int
    seconds: float
    at: float
    address: str


@dataclass(frozen=True, slots=True)
class Told:
    """One decision and what the person was told of it. Unknown: the answer was lost on its way."""

    person: str
    verb: str
    group: int
    outcome: str
    at: float


@dataclass
class Journal:
    """Everything that was seen from outside."""

    answers: list[Answer] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # promises found broken on the way
    windows: list[tuple[float, float]] = field(default_factory=list)  # when the database was away

    def unexcused(self) -> list[Answer]:
        """Return the answers of 500 and above, and the broken connections, while the database was there.

        507 says in words that the disk is full, which somebody was told as of any refusal.
        """
        bad = [one for one in self.answers if (one.status >= 500 and one.status != 507) or one.status == 0]
        return [one for one in bad if not self._is_excused(one)]

    def _is_excused(self, answer: Answer) -> bool:
        began = answer.at - answer.seconds
        return any(began <= end and start <= answer.at for start, end in self.windows)

    def waits(self) -> dict[str, list[float]]:
        """Return the sorted seconds of every kind of request, without those the missing database kept waiting."""
        found: dict[str, list[float]] = defaultdict(list)
        for one in self.answers:
            if not self._is_excused(one):
                found[one.kind].append(one.seconds)
        return {kind: sorted(seconds) for kind, seconds in sorted(found.items())}

    def outcomes(self) -> Counter[tuple[str, str]]:
        return Counter((one.verb, one.outcome) for one in self.told)


def share(ordered: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of the ordered values do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def slope(points: Iterable[tuple[float, float]]) -> float:
    """Return how much the second number grows for each one of the first, by least squares."""
    listed = list(points)
    if len(listed) < 2:
        return 0.0
    mean_x, mean_y = (sum(values) / len(listed) for values in zip(*listed, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in listed)
    return sum((x - mean_x) * (y - mean_y) for x, y in listed) / spread if spread else 0.0


def now() -> float:
    return time.monotonic()
