"""Counts of many changes, kept for half a minute: who sees that 40,000 tracks were added need not know of one more.

Counting reads every change since, and after a large import each page that tells the age of an analysis would read them
all again. Counts of few changes are always made anew, so whatever somebody does to a track is seen at once.
"""

import time
from collections.abc import Sequence

from library.changes import ChangeCounts, count_changes_since_each

LARGE = 5_000  # net changes
FRESH_SECONDS = 30.0
MOST_KEPT = 1_000

type Question = tuple[int, str]  # revision, cause to ignore


class LargeCounts:
    """What this process counted lately."""

    def __init__(self) -> None:
        self._kept: dict[Question, tuple[float, ChangeCounts]] = {}  # good until

    def since_each(self, questions: Sequence[Question]) -> list[ChangeCounts]:
        """Return the net changes after each (revision, cause to ignore), in order; an equal one is counted once."""
        now = time.monotonic()
        kept = {one: found for one in set(questions) if (found := self._kept.get(one))}  # threads share it
        known = {one: counts for one, (good_until, counts) in kept.items() if now < good_until}
        missing = [one for one in dict.fromkeys(questions) if one not in known]
        # Who asks while this is counted anew is told what was counted last, instead of counting as well.
        self._kept |= {one: (now + FRESH_SECONDS, kept[one][1]) for one in missing if one in kept}
        counted = dict(zip(missing, count_changes_since_each(missing), strict=True))
        self._keep(counted, now + FRESH_SECONDS)
        return [(known | counted)[one] for one in questions]

    def forget(self) -> None:
        """Count everything anew."""
        self._kept = {}

    def _keep(self, counted: dict[Question, ChangeCounts], good_until: float) -> None:
        if len(self._kept) >= MOST_KEPT:
            self.forget()
        for question, counts in counted.items():
            if counts.total >= LARGE:
                self._kept[question] = good_until, counts
            else:
                self._kept.pop(question, None)


large_counts = LargeCounts()
