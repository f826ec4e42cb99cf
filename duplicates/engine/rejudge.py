"""Judges pairs again by what an earlier run has learnt: for a group that is given another keeper.

The weights are those of the run, the tracks as they are in the columns handed in.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from duplicates.engine import model
from duplicates.engine.evidence import read_tables
from duplicates.engine.levels import COMPARISONS
from duplicates.engine.pipeline import compare_ids, threshold_bits
from duplicates.engine.records import TrackColumns
from duplicates.engine.settings import EngineSettings

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judgements:
    """What was found for each pair: probability, weight in bits, packed evidence, and whether it is a direct match."""

    probability: npt.NDArray[np.float64]
    match_weight: npt.NDArray[np.float64]
    evidence: Ints
    is_match: npt.NDArray[np.bool_]


def require_own_tables(tables: bytes) -> None:
    """Raise ValueError for tables that this version of the engine has not written."""
    if read_tables(tables).comparisons != tuple((c.name, c.levels) for c in COMPARISONS):
        raise ValueError("These score tables were written by another version of the engine.")


def judge_pairs(columns: TrackColumns, one: Ints, other: Ints, settings: EngineSettings, tables: bytes) -> Judgements:
    """Judge pairs of track ids that are in the columns. Raises ValueError for tables of another engine."""
    require_own_tables(tables)
    left, right = np.minimum(one, other), np.maximum(one, other)
    in_order = TrackColumns(columns.frame.sort("track_id"))
    codes = compare_ids(in_order, left, right, settings)
    weight = model.from_bytes(tables).weights(codes)
    return Judgements(model.probability(weight), weight, codes, weight >= threshold_bits(settings.threshold))
