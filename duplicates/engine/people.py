"""Judging who made two tracks: the levels that names and their roles decide.

Works on the pairs that `comparisons` found to differ as a whole; `artists` knows how names relate. What is found is
written into the levels given.
"""

import itertools

import numpy as np
import numpy.typing as npt

from duplicates.engine.artists import GUESTS, Credit, Kinship, kinship, read_credit, remixer, unmet
from duplicates.engine.hashing import Ints
from duplicates.engine.normalise import Records
from duplicates.engine.prepared import Prepared
from duplicates.engine.titles import are_strangers
from duplicates.engine.vocabulary import ENSEMBLE

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


def judge_names(prepared: Prepared, left: Ints, right: Ints, level: Level, rows: Ints) -> None:
    """Look at artists that differ as a whole once more, name by name: letters in common are no name in common.

    Two different orchestras are two performances.
    """
    rows = rows[(level[rows] <= UNLIKE) | (level[rows] == CONTAINS)]
    artists, people = prepared.records.texts["artist"], prepared.records.texts["people"]
    ones, others, mine, yours = (
        texts.gather(side[rows]) for texts, side in itertools.product((artists, people), (left, right))
    )
    ensembles = (ones.str.contains(ENSEMBLE.pattern) & others.str.contains(ENSEMBLE.pattern)).to_numpy()
    # Two single names that are no part of each other need no second look, nor do names of which no word begins alike.
    listed = ((mine != "") | (yours != "")).to_numpy() & prepared.may_share_words("artist", left[rows], right[rows])
    listed |= level[rows] == CONTAINS
    asked = np.flatnonzero(listed | ensembles | (level[rows] > 1))
    sides = zip(*(texts.gather(asked).to_list() for texts in (ones, others, mine, yours)), strict=True)
    flags = zip(rows[asked].tolist(), listed[asked].tolist(), ensembles[asked].tolist(), strict=True)
    for (row, is_listed, are_ensembles), (one, other, mine_printed, yours_printed) in zip(flags, sides, strict=True):
        kin = kinship(_printed(mine_printed, one), _printed(yours_printed, other)) if is_listed else None
        found = BY_NAMES.get(kin) if kin else None
        if found is not None and (found != SOME_NAMES or not are_ensembles):
            level[row] = found
        elif are_ensembles:
            level[row] = OTHER_PERFORMERS
        elif level[row] > 1 and are_strangers(one, other):
            level[row] = 1


def _printed(people: str, artist: str) -> Credit:
    """Read the credit as printed, without the guests that the title names."""
    return read_credit(people.partition(GUESTS)[0] or artist)


def judge_guests(prepared: Prepared, left: Ints, right: Ints, level: Level) -> None:
    """Look once more, with those whom title and version name, at artists whose names do not cover each other.

    "Song (feat. B)" by A is the same as "Song" by "A, B", and so is "Song (B Remix)"; it is not "Song (feat. C)" by A.
    """
    rows = np.flatnonzero(((level >= 1) & (level <= UNLIKE)) | (level >= SOME_NAMES) | (level == CONTAINS))
    rows = rows[prepared.names_guests[left[rows]] | prepared.names_guests[right[rows]]]
    agreeing = np.flatnonzero(level == EQUAL)
    agreeing = agreeing[prepared.title_credits[left[agreeing]] & prepared.title_credits[right[agreeing]]]
    rows = np.concatenate([rows, agreeing])
    texts = prepared.records.texts.select("people", "artist", "version")
    sides = (texts[side[rows]].rows() for side in (left, right))
    for row, mine, yours in zip(rows.tolist(), *sides, strict=True):
        if level[row] <= UNLIKE and not _may_have_met(mine, yours):
            continue
        one, other = (read_credit(people or artist) for people, artist, _ in (mine, yours))
        version = f"{mine[2]} {yours[2]}".strip()
        if level[row] in (EQUAL, CONTAINS) and _have_other_guests(one, other, version):
            level[row] = SOME_NAMES
        elif level[row] != EQUAL and (found := BY_NAMES.get(kinship(one, other, version))) in (EQUAL, CONTAINS):
            level[row] = found


def _have_other_guests(one: Credit, other: Credit, version: str) -> bool:
    """Tell whether both credits name guests, and each one that is no spelling of any the other names."""
    if not one.featured or not other.featured:
        return False
    mine, yours = (" ".join(sorted(names)) for names in unmet(one, other, version))
    # Another script may spell the same name.
    return bool(mine and yours) and mine.isascii() == yours.isascii() and are_strangers(mine, yours)


def _may_have_met(mine: tuple[str, str, str], yours: tuple[str, str, str]) -> bool:
    """Tell whether one of two unlike artists may be named by the other side, given people, artist and version each.

    Where neither is more than one name, only a version can name the other.
    """
    if mine[0] or yours[0]:
        return True
    names = (artist.rpartition(" ")[2] for artist in (mine[1], yours[1]))
    versions = f"{mine[2]} {yours[2]}"
    return any(name in versions for name in names)


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
