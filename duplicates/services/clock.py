"""Notices that a machine's time of day was set, or that it slept.

How long something takes is counted on the steady clock everywhere; leases and signs of life are times of day, because
other machines read them. Right after the time of day was set, whatever is alive looks dead to others (the clock went
forward) or the dead look alive (it went back), until everybody has written once under the new time.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

# Less than this is a correction: every lease and sign of life lasts longer.
SMALLEST_JUMP = timedelta(seconds=5)


class ClockWatch:
    """Compares the time of day with the steady clock. Ask it often: what it has not seen it cannot know."""

    def __init__(self, *, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._last: tuple[datetime, float] | None = None
        self._set_at = float("-inf")

    def is_settled(self, now: datetime, *, within: float) -> bool:
        """Has the time of day gone on evenly for `within` seconds?"""
        steady = self._steady()
        if self._last is not None:
            passed = timedelta(seconds=steady - self._last[1])
            if abs(now - self._last[0] - passed) > SMALLEST_JUMP:
                self._set_at = steady
        self._last = (now, steady)
        return steady - self._set_at >= within
