"""The remaining time that a real run tells, against the time it really took."""

import json
import time
from typing import Any

import pytest

from tests.faults.support import House

SLACK_SECONDS = 2.0  # the row is written once a second and read by another process


@pytest.mark.slow
def test_the_estimate_of_a_real_run_is_right_within_a_factor_of_two(home: House, undisturbed) -> None:
    analysis_id = home.queue()
    home.supervisor()
    seen: list[tuple[float, dict[str, Any]]] = []

    def look() -> str:
        status, progress = home.progress(analysis_id)
        if progress:
            seen.append((time.monotonic(), progress))
        return status

    home.wait_until(look, lambda status: status == "completed", seconds=600)
    begun, ended = seen[0][0], time.monotonic()
    later = [(ended - at, row) for at, row in seen if at - begun > (ended - begun) / 10]
    told = [(left, row["estimated_seconds_remaining"]) for left, row in later if row["estimated_seconds_remaining"]]
    wrong = [pair for pair in told if not pair[0] / 2 - SLACK_SECONDS <= pair[1] <= pair[0] * 2 + SLACK_SECONDS]
    percents = [row["percentage"] for _, row in seen]

    print(f"a run of {ended - begun:.0f} s told {json.dumps([(round(left), estimate) for left, estimate in told])}")
    assert told
    assert wrong == []
    assert percents == sorted(percents)
