"""Reads stored evidence: one integer per member and the tables of its analysis become words and bits.

Needs nothing but the standard library, so a web process can show why two tracks are in one group without loading the
matcher. `model` computes the same weights for millions of pairs at once; a test keeps the two from disagreeing.
"""

import base64
import json
import math
from array import array
from dataclasses import dataclass
from functools import lru_cache

BITS_PER_LEVEL = 4
LEVELS = 1 << BITS_PER_LEVEL
TABLES_FORMAT = 1
# What a listener would notice. An equal identifier does not settle a pair that differs here.
MUSIC = frozenset(("title", "artist", "length", "version"))
# How a comparison is called where its own name says little; it is worth a line only when it weighs something.
CALLED = {"grounds": "data at hand"}
NOTHING_SAID = 0.05  # bits
AGAINST = -1.0  # bits; less than this is a doubt, not a difference


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
class ScoreTables:
    """What a run believed, as logarithms: per class its share, and per comparison the chance of each level."""

    comparisons: tuple[tuple[str, tuple[str, ...]], ...]
    log_shares: tuple[float, ...]  # class 0 is the matches
    log_chances: tuple[tuple[tuple[float, ...], ...], ...]  # class, comparison, level

    def weight_of(self, logs: list[float]) -> float:
        """Return the bits for a match, given log2 of share times chances of each class."""
        return logs[0] - _log2_sum(logs[1:])


@lru_cache(maxsize=8)
def read_tables(tables: bytes) -> ScoreTables:
    """Read what `Model.to_bytes` wrote. Raises ValueError for anything else."""
    try:
        stored = json.loads(tables)
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or stored.get("format") != TABLES_FORMAT:
        raise ValueError("These score tables were not written by this engine.")
    comparisons = tuple((name, tuple(levels)) for name, levels in stored["comparisons"])
    shares, chances = _logarithms(stored["shares"]), _logarithms(stored["chances"])
    width = len(comparisons) * LEVELS
    per_class = (chances[start : start + width] for start in range(0, len(shares) * width, width))
    return ScoreTables(
        comparisons,
        shares,
        tuple(tuple(row[start : start + LEVELS] for start in range(0, width, LEVELS)) for row in per_class),
    )


def base_weight(tables: bytes) -> float:
    """Return the bits a pair starts from, before any comparison."""
    read = read_tables(tables)
    return read.weight_of(list(read.log_shares))


def decode_evidence(code: int, tables: bytes) -> list[Contribution]:
    """Turn a packed comparison vector back into named levels with their bits.

    Comparisons are taken one after the other, so each adds what it says given the ones before it; together with
    `base_weight` they are the match weight. Raises ValueError for a vector or tables of another engine.
    """
    read = read_tables(tables)
    logs = list(read.log_shares)
    before, found = read.weight_of(logs), []
    for position, (name, levels) in enumerate(read.comparisons):
        level = code >> (BITS_PER_LEVEL * position) & (LEVELS - 1)
        if level >= len(levels):
            raise ValueError(f"Comparison {name!r} knows no level {level}.")
        logs = [log + chances[position][level] for log, chances in zip(logs, read.log_chances, strict=True)]
        after = read.weight_of(logs)
        found.append(Contribution(name, levels[level], after - before, level == 0))
        before = after
    return found


def probability(weight: float) -> float:
    """Return the match probability of a weight in bits."""
    return 1.0 / (1.0 + math.exp2(-max(-1000.0, min(1000.0, weight))))


def called(comparison: str) -> str:
    """Return what people call a comparison."""
    return CALLED.get(comparison, comparison)


def is_worth_a_line(part: Contribution) -> bool:
    """Tell whether people should see what a comparison said."""
    return part.comparison not in CALLED or abs(part.bits) >= NOTHING_SAID


def contradiction(contributions: list[Contribution]) -> str:
    """Say so when an identifier agrees but the music differs; empty when there is no such contradiction."""
    agrees = any(part.comparison == "identifier" and part.level == "equal" for part in contributions)
    differing = [part for part in contributions if part.comparison in MUSIC and part.bits <= AGAINST]
    if not agrees or not differing:
        return ""
    named = ", ".join(f"{part.comparison} {part.level}" for part in differing)
    return (
        f"The identifier is equal, but the music differs ({named}). An identifier is strong evidence, not proof: "
        "some files carry the one of another recording."
    )


def _logarithms(encoded: str) -> tuple[float, ...]:
    values = array("d")
    values.frombytes(base64.b64decode(encoded))
    return tuple(math.log2(value) if value > 0 else -math.inf for value in values)


def _log2_sum(logs: list[float]) -> float:
    top = max(logs)
    return top + math.log2(sum(math.exp2(log - top) for log in logs))
