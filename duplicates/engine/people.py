"""Judging who made two tracks: the levels that names and their roles decide.

Works on the pairs that `comparisons` found to differ as a whole; `artists` knows how names relate. What is found is
written into the levels given.
"""

import numpy as np
import numpy.typing as npt

from duplicates.engine.artists import GUESTS, Credit, Kinship, kinship, read_credit, remixer
from duplicates.engine.hashing import Ints
from duplicates.engine.normalise import Records
from duplicates.engine.titles import are_strangers, is_ensemble

Level = npt.NDArray[np.uint8]

UNLIKE = 3  # levels up to here are no agreement
EQUAL, CONTAINS = 7, 8
SOME_NAMES, OTHER_PERFORMERS, PART_OF_A_NAME = 11, 12, 13
SAME_MARKERS, OTHER_NAME, OTHER_MARKERS = 2, 4, 6  # levels of the version
# What the names of two artists say, where the letters of the whole do not agree.
BY_NAMES = {
    Kinship.SAME: EQUAL,
    Kinship.CONTAINED: CONTAINS,
    Kinship.SHARED: SOME_NAMES,
    Kinship.PART_OF_A_NAME: PART_OF_A_NAME,
}


def judge_names(records: Records, left: Ints, right: Ints, level: Level, rows: Ints) -> None:
    """Look at artists that differ as a whole once more, name by name: letters in common are no name in common.

    Two different orchestras are two performances.
    """
    rows = rows[(level[rows] <= UNLIKE) | (level[rows] == CONTAINS)]
    artists, people = records.texts["artist"], records.texts["people"]
    sides = [(people.gather(side), artists.gather(side)) for side in (left[rows], right[rows])]
    for row, mine, one, yours, other in zip(rows.tolist(), *sides[0], *sides[1], strict=True):
        # Two single names that are no part of each other need no second look.
        is_listed = mine or yours or level[row] == CONTAINS
        found = BY_NAMES.get(kinship(_printed(mine, one), _printed(yours, other))) if is_listed else None
        if found is not None and (found != SOME_NAMES or not (is_ensemble(one) and is_ensemble(other))):
            level[row] = found
        elif is_ensemble(one) and is_ensemble(other):
            level[row] = OTHER_PERFORMERS
        elif level[row] > 1 and are_strangers(one, other):
            level[row] = 1


def _printed(people: str, artist: str) -> Credit:
    """Read the credit as printed, without the guests that the title names."""
    return read_credit(people.partition(GUESTS)[0] or artist)


def judge_guests(records: Records, left: Ints, right: Ints, level: Level) -> None:
    """Look at artists whose names do not cover each other once more, with those whom title and version name.

    "Song (feat. B)" by A is the same as "Song" by "A, B", and so is "Song (B Remix)".
    """
    rows = np.flatnonzero(((level >= 1) & (level <= UNLIKE)) | (level >= SOME_NAMES) | (level == CONTAINS))
    people, version, artist = (records.texts[name] for name in ("people", "version", "artist"))
    named = np.zeros(len(rows), np.bool_)
    for side in (left[rows], right[rows]):
        named |= (people.gather(side).str.contains(GUESTS, literal=True) | (version.gather(side) != "")).to_numpy()
    rows = rows[named]
    for row, mine, yours in zip(rows.tolist(), left[rows].tolist(), right[rows].tolist(), strict=True):
        one, other = (read_credit(people[side] or artist[side]) for side in (mine, yours))
        found = BY_NAMES.get(kinship(one, other, f"{version[mine]} {version[yours]}".strip()))
        if found in (EQUAL, CONTAINS):
            level[row] = found


def judge_other_words(records: Records, one: str, other: str, left: int, right: int) -> int:
    """Judge two versions of one kind by who made them: two remixers made two recordings.

    One that only one title names may stand among the artists of the other record.
    """
    mine, yours = remixer(one), remixer(other)
    if mine and yours:
        return OTHER_MARKERS if are_strangers(mine, yours) else OTHER_NAME
    named, silent = (mine, right) if mine else (yours, left)
    said = read_credit(records.texts["people"][silent] or records.texts["artist"][silent])
    return SAME_MARKERS if named and named in said.everybody else OTHER_NAME
