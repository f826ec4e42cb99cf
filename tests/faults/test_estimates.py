"""The remaining time that a real run tells, against the time it really took.

Nobody can tell what else the machine will be doing. Where that changed during the run, its own share of the processors
says how long the rest would have taken at the pace up to then.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.support import House

SLACK_SECONDS = 2.0  # the row is written once a second and read by another process


@dataclass(frozen=True)
class Look:
    """What the run told at a moment, and the processor time its worker had had by then."""

    at: float
    cpu: float
    told: float | None
    percentage: float


def cpu_seconds(process_id: int) -> float:
    """Return the processor time that a process and its threads have had."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_right(look: Look, first: Look, end: Look) -> bool:
    """Is what was told within a factor of two of what was left, as it went or at the pace up to then?"""
    left = [end.at - look.at]
    if look.cpu > first.cpu:
        left.append((end.cpu - look.cpu) * (look.at - first.at) / (look.cpu - first.cpu))
    assert look.told is not None
    return any(one / 2 - SLACK_SECONDS <= look.told <= one * 2 + SLACK_SECONDS for one in left)


def watch(home: House, analysis_id: str, process_id: int) -> list[Look]:
    """Look five times a second until the run has ended."""
    looks: list[Look] = []

    def look() -> str:
        status, progress = home.progress(analysis_id)
        if progress:
            told, percentage = progress["estimated_seconds_remaining"], progress["percentage"]
            looks.append(Look(time.monotonic(), cpu_seconds(process_id), told, percentage))
        return status

    home.wait_until(look, lambda status: status == "completed", seconds=600)
    return [*looks, Look(time.monotonic(), cpu_seconds(process_id), None, 100.0)]


@pytest.mark.slow
def test_the_estimate_of_a_real_run_is_right_within_a_factor_of_two(home: House, undisturbed: list[object]) -> None:
    home.supervisor()
    (worker,) = home.wait_until(home.workers, lambda seen: len(seen) == 1)
    first, *looks, end = watch(home, home.queue(), worker)

    later = [one for one in looks if one.told and one.at - first.at > (end.at - first.at) / 10]
    wrong = [one for one in later if not is_right(one, first, end)]
    percents = [one.percentage for one in looks]

    told = json.dumps([(round(end.at - one.at), one.told) for one in later])
    print(f"a run of {end.at - first.at:.0f} s, {end.cpu - first.cpu:.0f} s of them on a processor, told {told}")
    assert later
    assert wrong == []
    assert percents == sorted(percents)
