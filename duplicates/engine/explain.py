"""Why two records linked, or why they did not, in words a librarian understands.

`explain_pair` judges any pair afresh with the tables of a stored analysis, so its numbers agree with what that analysis
decided; `evidence` reads the same from the one integer stored per member.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl

from duplicates.engine import features, shipped
from duplicates.engine.candidates import propose
from duplicates.engine.comparisons import SPOKEN_MARKERS, compare_once
from duplicates.engine.copies import originals
from duplicates.engine.evidence import (
    AGAINST,
    Contribution,
    base_weight,
    contradiction,
    decode_evidence,
    probability,
)
from duplicates.engine.hashing import Ints
from duplicates.engine.levels import COMPARISONS, GROUNDS
from duplicates.engine.normalise import Records, normalise
from duplicates.engine.pipeline import NO_PAIRS, rows_of_pairs, thin
from duplicates.engine.records import TrackColumns
from duplicates.engine.rejudge import require_own_tables
from duplicates.engine.settings import EngineSettings
from duplicates.engine.vocabulary import MARKER_BITS


class Outcome(StrEnum):
    """What became of a pair."""

    LINKED = "linked"
    LINKED_THROUGH_OTHERS = "linked_through_others"
    CUT_AS_WEAK = "cut_as_weak"
    CUT_OR_NEVER_COMPARED = "cut_or_never_compared"
    BELOW_THRESHOLD = "below_threshold"
    FORBIDDEN = "forbidden"
    NEVER_A_CANDIDATE = "never_a_candidate"
    NOT_ENOUGH_DATA = "not_enough_data"
    DECLARED_DIFFERENT = "declared_different"


REASONS: dict[Outcome, str] = {
    Outcome.LINKED: "The evidence for the same song outweighs the evidence against it: {chance} where {threshold} is "
    "needed.",
    Outcome.LINKED_THROUGH_OTHERS: "The two share a group through other members only; by themselves they reach "
    "{chance} where {threshold} is needed.",
    Outcome.CUT_AS_WEAK: "The two agree well enough alone ({chance}), but each agrees better with other tracks, and "
    "on average those two sets do not agree.",
    Outcome.CUT_OR_NEVER_COMPARED: "The two agree well enough alone ({chance}) and still share no group: either each "
    "agrees better with other tracks, or the two were never compared because too many tracks share what these two have "
    "in common.",
    Outcome.BELOW_THRESHOLD: "The evidence for the same song is too weak: {chance} where {threshold} is needed.",
    Outcome.FORBIDDEN: "Under the preset “{preset}” these two are kept apart whatever else agrees: {rules}.",
    Outcome.NEVER_A_CANDIDATE: "The two were never compared: they share no word, letter run or length rare enough to "
    "bring them together, or other tracks share more with each of them.",
    Outcome.NOT_ENOUGH_DATA: "There is too little to judge them by.",
    Outcome.DECLARED_DIFFERENT: "Someone declared these two to be different; that decision outweighs all evidence.",
}
LINKS = frozenset((Outcome.LINKED, Outcome.LINKED_THROUGH_OTHERS))
# Which columns a comparison reads, for showing their values side by side.
SHOWN: dict[str, tuple[str, ...]] = {
    "title": ("title",),
    "artist": ("artist", "album_artist"),
    "album": ("album",),
    "length": ("duration_ms",),
    "year": ("year", "release_date"),
    "track number": ("track_number",),
    "explicit": ("explicit",),
}
IDENTIFIERS = {"isrc": "ISRC", "musicbrainz_recording_id": "MusicBrainz"}


@dataclass(frozen=True, slots=True)
class Known:
    """What a caller knows about a pair beside its tags. None: no analysis has decided about it."""

    declared_different: bool = False
    same_group: bool | None = None
    both_ungrouped: bool = False  # neither is in any group of the analysis
    were_candidates: bool | None = None  # were the two ever compared? None: nobody looked


UNDECIDED = Known()


@dataclass(frozen=True, slots=True)
class PairExplanation:
    """A pair taken apart. `base_weight` plus all contributions is `match_weight`; `probability` follows from it."""

    left_id: int
    right_id: int
    probability: float
    threshold: float
    match_weight: float
    base_weight: float
    contributions: tuple[Contribution, ...]
    outcome: Outcome
    reason: str
    remark: str = ""  # an identifier that agrees where the music does not

    @property
    def is_linked(self) -> bool:
        return self.outcome in LINKS


def explain_pair(
    columns: TrackColumns,
    left_id: int,
    right_id: int,
    settings: EngineSettings,
    tables: bytes,
    *,
    known: Known = UNDECIDED,
) -> PairExplanation:
    """Judge one pair afresh and say why it linked or did not.

    Raises KeyError for an unknown track id, ValueError for a track against itself or tables of another engine.
    """
    if left_id == right_id:
        raise ValueError("A track is not a pair with itself.")
    require_own_tables(tables)
    frame = columns.frame.filter(pl.col("track_id").is_in([left_id, right_id]))
    rows = {row["track_id"]: row for row in frame.to_dicts()}
    for track_id in (left_id, right_id):
        if track_id not in rows:
            raise KeyError(track_id)
    records = normalise(TrackColumns(frame), settings)
    code = int(compare_once(records, np.array([0]), np.array([1]))[0])
    parts = decode_evidence(code, tables)
    start = base_weight(tables)
    weight = start + sum(part.bits for part in parts)
    chance = probability(weight)
    rules = [part for part in parts if _is_forbidden(part, settings)]
    is_ruled_out = bool(rules) and not _differ_anyway(parts, rules)
    links = chance >= settings.threshold and not thin(records).any()
    outcome = _outcome(records, parts, links, is_ruled_out, known)
    sides = [(rows[track_id], records.track_id.tolist().index(track_id)) for track_id in (left_id, right_id)]
    shown = tuple(_with_values(part, sides, records) for part in parts)
    reason = REASONS[outcome].format(
        chance=in_percent(chance),
        threshold=in_percent(settings.threshold),
        preset=settings.preset.value,
        rules=", ".join(f"{part.comparison} {part.level}" for part in rules),
    )
    return PairExplanation(
        left_id, right_id, chance, settings.threshold, weight, start, shown, outcome, reason, contradiction(parts)
    )


def in_percent(share: float) -> str:
    """Return a share of 1 as people read it; nothing but certainty reads as 0 or 100 %."""
    if 0.0005 <= share < 0.9995 or share in (0.0, 1.0):
        return f"{share:.1%}".replace(".0%", "%").replace("%", " %")
    return "under 0.1 %" if share < 0.5 else "over 99.9 %"


def _is_forbidden(part: Contribution, settings: EngineSettings) -> bool:
    return part.level in shipped.forbidden_levels(settings).get(part.comparison, ())


def _differ_anyway(parts: list[Contribution], rules: list[Contribution]) -> bool:
    """Tell whether two tracks are no versions of one song, so that no rule is needed to keep them apart."""
    return any(part.bits <= AGAINST for part in parts if part.comparison in ("title", "artist") and part not in rules)


def _outcome(records: Records, parts: list[Contribution], links: bool, forbidden: bool, known: Known) -> Outcome:
    """Name what happened to a pair, the strongest reason first."""
    if known.declared_different:
        return Outcome.DECLARED_DIFFERENT
    if known.same_group or (links and known.same_group is None):
        return Outcome.LINKED if links else Outcome.LINKED_THROUGH_OTHERS
    if thin(records).any() or parts[GROUNDS].level == COMPARISONS[GROUNDS].levels[-1]:
        return Outcome.NOT_ENOUGH_DATA
    if forbidden and not links:
        return Outcome.FORBIDDEN
    return _why_apart(records, links, known)


def _why_apart(records: Records, links: bool, known: Known) -> Outcome:
    """Name what kept two tracks apart that nothing forbids to be together."""
    # Two linked candidates that belong to nobody else would have been merged.
    if not _share_a_feature(records) or (links and (known.both_ungrouped or known.were_candidates is False)):
        return Outcome.NEVER_A_CANDIDATE
    if not links:
        return Outcome.BELOW_THRESHOLD
    return Outcome.CUT_AS_WEAK if known.were_candidates else Outcome.CUT_OR_NEVER_COMPARED


def were_candidates(
    columns: TrackColumns, left_id: int, right_id: int, settings: EngineSettings, *, not_duplicates: Ints = NO_PAIRS
) -> bool:
    """Tell whether the candidate stage proposes a pair of this library, by running that stage over all of it.

    `not_duplicates` are pairs of track ids that people declared different, as in `find_clusters`: a track in one of
    them takes part for itself and not as a copy of another. Raises KeyError for a track id that is not in the columns.
    """
    records = normalise(columns, settings)
    rows = np.searchsorted(records.track_id, [left_id, right_id])
    for row, track_id in zip(rows.tolist(), (left_id, right_id), strict=True):
        if row == len(records) or records.track_id[row] != track_id:
            raise KeyError(track_id)
    original = originals(records, np.unique(rows_of_pairs(records.track_id, not_duplicates)))
    low, high = sorted(original[rows].tolist())
    pairs = propose(records, original, lambda done: None, settings)
    return low == high or bool(((pairs.left == low) & (pairs.right == high)).any())


def _share_a_feature(records: Records) -> bool:
    values, rows = features.features(records, 0, len(records))
    return bool(np.intersect1d(values[rows == 0], values[rows == 1]).size)


def _with_values(part: Contribution, sides: list[tuple[dict[str, Any], int]], records: Records) -> Contribution:
    """Add what the two sides hold where a comparison looks."""
    if part.comparison == "version":
        left, right = (_markers(int(records.markers[row])) for _, row in sides)
    elif part.comparison == "identifier":
        left, right = _identifiers([row for row, _ in sides])
    else:
        left, right = (_value(row, part.comparison) for row, _ in sides)
    return replace(part, left_value=left, right_value=right)


def _markers(bits: int) -> str:
    said = bits & ~SPOKEN_MARKERS
    return ", ".join(name.replace("_", " ") for name, bit in MARKER_BITS.items() if said & bit)


def _identifiers(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """Return the identifiers of both sides, the kind that decided: an equal one, else one that both have."""
    kinds = list(IDENTIFIERS)
    kinds.sort(key=lambda kind: (rows[0][kind] != rows[1][kind] or not rows[0][kind], not all(r[kind] for r in rows)))
    kind = next((kind for kind in kinds if any(row[kind] for row in rows)), kinds[0])
    left, right = (f"{IDENTIFIERS[kind]} {row[kind]}" if row[kind] else "" for row in rows)
    return left, right


def _value(row: dict[str, Any], comparison: str) -> str:
    """Return the first value a comparison reads, as people write it; empty when not known."""
    for name in SHOWN.get(comparison, ()):
        value = row[name]
        if value in (None, ""):
            continue
        if name == "duration_ms":
            minutes, milliseconds = divmod(value, 60_000)
            return f"{minutes}:{milliseconds / 1000:06.3f}"
        if name == "explicit":
            return "explicit" if value else "clean"
        return str(value)
    return ""
