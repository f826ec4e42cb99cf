"""The comparisons and the levels each can fall into: the vocabulary of every score.

A comparison vector packs into one integer, four bits per comparison in the order of COMPARISONS. Level 0 always means
that one side has nothing to compare and weighs nothing. Adding a level at the end of a comparison is compatible;
anything else changes ENGINE_VERSION, because stored evidence is read with these tables.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from duplicates.engine.evidence import BITS_PER_LEVEL

LEVEL_MASK = (1 << BITS_PER_LEVEL) - 1

Levels = npt.NDArray[np.uint8]  # pairs x comparisons
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field of a pair and the words for how it compared; `levels[0]` is always the missing one."""

    name: str
    levels: tuple[str, ...]


SIMILARITY = ("unlike", "faintly alike", "partly alike", "alike", "nearly equal", "a letter apart", "equal")
COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        "title",
        (
            *("not known", *SIMILARITY, "one contains the other", "other part numbers"),
            *("found in the other's text", "equal, but a title many songs have", "a part number on one side"),
            "in another script",
        ),
    ),
    Comparison(
        "artist",
        (
            *("not known", *SIMILARITY, "one contains the other", "found in the other's text", "in another script"),
            *("some names in common", "other performers", "part of a longer name"),
        ),
    ),
    Comparison(
        "album",
        ("not known", *SIMILARITY, "one contains the other", "found in the other's text", "in another script"),
    ),
    Comparison(
        "length",
        (
            *("not known", "within 0.6 s", "within 1.3 s", "within 2 s", "within 5 s", "within 10 s", "within 20 s"),
            *("more than 20 s apart", "equal to the millisecond"),
        ),
    ),
    Comparison("year", ("not known", "equal", "one apart", "two or three apart", "further apart")),
    Comparison("track number", ("not known", "equal", "different")),
    Comparison(
        "version",
        (
            *("not known", "no markers", "same markers", "another remaster", "same kind, other name"),
            *("marker on one side", "other markers", "another cut"),
            "another recording by its marker",
        ),
    ),
    Comparison("explicit", ("not known", "equal", "different")),
    Comparison("identifier", ("not known", "equal", "different")),
    Comparison("grounds", ("not known", "titles compared", "names and more compared", "too little to compare")),
)
NAMES: tuple[str, ...] = tuple(comparison.name for comparison in COMPARISONS)
TITLE, ARTIST, ALBUM, LENGTH, YEAR, NUMBER, VERSION, EXPLICIT, IDENTIFIER, GROUNDS = range(len(COMPARISONS))


def pack(levels: Levels) -> Codes:
    """Pack the levels of each pair into one integer."""
    codes = np.zeros(len(levels), np.int64)
    for position in range(levels.shape[1]):
        codes |= levels[:, position].astype(np.int64) << (BITS_PER_LEVEL * position)
    return codes


def unpack(codes: Codes, comparisons: int = len(COMPARISONS)) -> Levels:
    """Unpack integers into the levels of each pair."""
    shifts = np.arange(comparisons, dtype=np.int64) * BITS_PER_LEVEL
    return ((codes[:, None] >> shifts) & LEVEL_MASK).astype(np.uint8)
