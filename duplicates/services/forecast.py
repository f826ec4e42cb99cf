"""Predicts how far a run is and how long it still takes, from what it has done so far.

The reference below says how long each stage takes in relation to the others, measured at three sizes; earlier runs may
have shown that the relations are others here. A run supplies the rest: its own pace, whatever the machine, and the
units of a stage (pairs, groups) as soon as they are known. Reads no clock; whoever measures hands the seconds in.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

# Tracks → seconds of each stage, in the order they happen; two threads, between a quiet SQLite and PostgreSQL.
REFERENCE: dict[int, dict[str, float]] = {
    10_000: {
        "load": 0.10, "normalise": 0.38, "candidates": 0.19, "scoring": 0.11, "clustering": 0.05, "keeper": 0.02,
        "cross_reference": 0.01, "saving": 0.19,
    },
    100_000: {
        "load": 0.70, "normalise": 1.50, "candidates": 1.15, "scoring": 0.85, "clustering": 0.45, "keeper": 0.10,
        "cross_reference": 0.04, "saving": 2.4,
    },
    1_000_000: {
        "load": 5.0, "normalise": 10.3, "candidates": 9.4, "scoring": 5.9, "clustering": 3.7, "keeper": 1.2,
        "cross_reference": 0.4, "saving": 21.0,
    },
}  # fmt: skip
# How many times as long as that a refresh takes which matches a few tracks anew and copies nearly all groups.
REFRESH = {
    "load": 0.002, "normalise": 0.007, "candidates": 0.0085, "scoring": 0.019, "clustering": 0.15, "keeper": 0.08,
    "cross_reference": 0.01, "saving": 0.29,
}  # fmt: skip
# What the stages that do not count tracks held in the reference, per track: pairs and groups.
UNITS_PER_TRACK = {"scoring": 0.90, "keeper": 0.152, "saving": 0.152}
# Which stages are as long as one of these says: few pairs make few groups.
ALSO_SAYS = {"scoring": ("scoring", "keeper", "saving"), "keeper": ("keeper", "saving"), "saving": ("saving",)}
# Looking members up in an iTunes catalogue, per track of the library and per entry of the catalogue.
CATALOG_SECONDS = 0.000_030
# How much of a whole run the reference counts for, against what the run itself has shown.
TRUST_IN_REFERENCE = 0.03


def expected_seconds(tracks: int, catalog_entries: int = 0) -> dict[str, float]:
    """Return the seconds of each stage on the machine of the reference."""
    sizes = list(REFERENCE)
    size = min(max(tracks, sizes[0]), sizes[-1])
    low, high = next((low, high) for low, high in pairwise(sizes) if size <= high)
    place = math.log(size / low) / math.log(high / low)
    per_track = {
        stage: (1 - place) * REFERENCE[low][stage] / low + place * REFERENCE[high][stage] / high
        for stage in REFERENCE[low]
    }
    expected = {stage: seconds * max(tracks, 1) for stage, seconds in per_track.items()}
    if catalog_entries:
        expected["cross_reference"] += CATALOG_SECONDS * (tracks + catalog_entries)
    return expected


class Forecast:
    """Follows one run through its stages. `paces` says how many times as long as in the reference one takes here.

    In a refresh that matches a few tracks anew the pairs say nothing of the groups that are saved.
    """

    def __init__(
        self,
        tracks: int,
        catalog_entries: int = 0,
        paces: Mapping[str, float] | None = None,
        *,
        is_refresh: bool = False,
    ) -> None:
        self._tracks, self._is_refresh = max(tracks, 1), is_refresh
        reference = expected_seconds(tracks, catalog_entries)
        self._here = {stage: seconds * (paces or {}).get(stage, 1.0) for stage, seconds in reference.items()}
        self._expected = dict(self._here)
        self._stage = ""
        self._spent = self._earned = 0.0  # seconds of the finished stages, and what the reference gives for them

    def begin(self, stage: str, units: int) -> None:
        """Enter a stage; those that count something else than tracks now show how much there is to do."""
        self._stage = stage
        if stage not in UNITS_PER_TRACK or (self._is_refresh and stage != "saving"):
            return
        ratio = units / (UNITS_PER_TRACK[stage] * self._tracks)
        for name in ALSO_SAYS[stage]:
            self._expected[name] = ratio * self._here[name]

    def finish(self, seconds: float) -> None:
        """Leave the stage; only for one that was worked through, not one taken from a checkpoint."""
        self._spent += seconds
        self._earned += self._expected[self._stage]

    def percentage(self, share: float) -> float:
        """Return how far the run is when `share` of the current stage is done."""
        names = list(self._expected)
        before = sum(self._expected[name] for name in names[: names.index(self._stage)])
        whole = sum(self._expected.values())
        return 100 * (before + share * self._expected[self._stage]) / whole

    def seconds_left(self, share: float, spent: float) -> float | None:
        """Return how long the run still takes when `spent` seconds have finished `share` of the current stage.

        None before anything has been done.
        """
        expected = self._expected[self._stage]
        earned = self._earned + share * expected
        if not earned:
            return None
        grace = TRUST_IN_REFERENCE * sum(self._expected.values())
        pace = (self._spent + spent + grace) / (earned + grace)
        # The further a stage is, the more its own speed says about the rest of it.
        whole_stage = (1 - share) * expected * pace + spent if share else expected * pace
        names = list(self._expected)
        later = sum(self._expected[name] for name in names[names.index(self._stage) + 1 :])
        return (1 - share) * whole_stage + later * pace
