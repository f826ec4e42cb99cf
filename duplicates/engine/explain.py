"""Why two records linked, or why they did not, in words a librarian understands.

A score is never a number alone: it can be taken apart into the level each comparison fell into and the bits that level
is worth. `decode_evidence` does so from the one integer stored per member; `explain_pair` judges any pair afresh with
the tables of a stored analysis, so its numbers agree with what that analysis decided.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl

from duplicates.engine import features, model
from duplicates.engine.comparisons import compare
from duplicates.engine.levels import pack, unpack
from duplicates.engine.normalise import Records, normalise
from duplicates.engine.pipeline import thin
from duplicates.engine.records import TrackColumns
from duplicates.engine.settings import EngineSettings


class Outcome(StrEnum):
    """What became of a pair."""

    LINKED = "linked"
    CUT_AS_WEAK = "cut_as_weak"
    BELOW_THRESHOLD = "below_threshold"
    NEVER_A_CANDIDATE = "never_a_candidate"
    NOT_ENOUGH_DATA = "not_enough_data"
    DECLARED_DIFFERENT = "declared_different"


REASONS: dict[Outcome, str] = {
    Outcome.LINKED: "The evidence for the same song outweighs the evidence against it.",
    Outcome.CUT_AS_WEAK: "The two agree well enough alone, but each agrees better with other tracks.",
    Outcome.BELOW_THRESHOLD: "The evidence against outweighs the evidence for the same song.",
    Outcome.NEVER_A_CANDIDATE: "The two share no word, letter run or length by which they could have met.",
    Outcome.NOT_ENOUGH_DATA: "One of the two holds too little to be judged.",
    Outcome.DECLARED_DIFFERENT: "Someone declared these two to be different.",
}
# Which columns a comparison reads, for showing their values side by side.
SHOWN: dict[str, tuple[str, ...]] = {
    "title": ("title",),
    "artist": ("artist", "album_artist"),
    "album": ("album",),
    "length": ("duration_ms",),
    "year": ("year", "release_date"),
    "track number": ("track_number",),
    "version": ("title",),
    "explicit": ("explicit",),
    "identifier": ("isrc", "musicbrainz_recording_id"),
}


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


def base_weight(tables: bytes) -> float:
    """Return the bits a pair starts from, before any comparison."""
    return model.from_bytes(tables).contributions(0)[0]


def decode_evidence(code: int, tables: bytes) -> list[Contribution]:
    """Turn a packed comparison vector back into named levels with their bits."""
    fitted = model.from_bytes(tables)
    _, bits = fitted.contributions(code)
    levels = unpack(np.array([code], np.int64), len(fitted.comparisons))[0].tolist()
    return [
        Contribution(comparison.name, comparison.levels[level], float(worth), level == 0)
        for comparison, level, worth in zip(fitted.comparisons, levels, bits, strict=True)
    ]


def explain_pair(
    columns: TrackColumns,
    left_id: int,
    right_id: int,
    settings: EngineSettings,
    tables: bytes,
    *,
    declared_different: bool = False,
    same_group: bool | None = None,
) -> PairExplanation:
    """Judge one pair afresh and say why it linked or did not.

    `same_group` tells what the analysis did with the pair, when the caller knows. Raises KeyError for an unknown
    track id and ValueError for a track against itself.
    """
    if left_id == right_id:
        raise ValueError("A track is not a pair with itself.")
    frame = columns.frame.filter(pl.col("track_id").is_in([left_id, right_id]))
    for track_id in (left_id, right_id):
        if track_id not in frame["track_id"]:
            raise KeyError(track_id)
    records = normalise(TrackColumns(frame), settings)
    code = int(pack(compare(records, np.array([0]), np.array([1])))[0])
    fitted = model.from_bytes(tables)
    weight = float(fitted.weights(np.array([code]))[0])
    chance = float(model.probability(np.array([weight]))[0])
    outcome = _outcome(records, chance >= settings.threshold, declared_different, same_group)
    rows = {row["track_id"]: row for row in frame.to_dicts()}
    shown = tuple(
        Contribution(
            c.comparison, c.level, c.bits, c.missing, *(_value(rows[i], c.comparison) for i in (left_id, right_id))
        )
        for c in decode_evidence(code, tables)
    )
    return PairExplanation(left_id, right_id, chance, weight, base_weight(tables), shown, outcome, REASONS[outcome])


def _outcome(records: Records, linked: bool, declared_different: bool, same_group: bool | None) -> Outcome:
    """Name what happened to a pair, the strongest reason first."""
    if declared_different:
        return Outcome.DECLARED_DIFFERENT
    if same_group or (linked and same_group is None):
        return Outcome.LINKED
    if thin(records).any():
        return Outcome.NOT_ENOUGH_DATA
    if not _share_a_feature(records):
        return Outcome.NEVER_A_CANDIDATE
    return Outcome.CUT_AS_WEAK if linked else Outcome.BELOW_THRESHOLD


def _share_a_feature(records: Records) -> bool:
    values, rows = features.features(records, 0, len(records))
    return bool(np.intersect1d(values[rows == 0], values[rows == 1]).size)


def _value(row: dict[str, object], comparison: str) -> str:
    """Return the first value a comparison reads, as text; empty when not known."""
    for name in SHOWN.get(comparison, ()):
        if row[name] not in (None, ""):
            return str(row[name])
    return ""
