"""Judging titles: the level that two titles fall into, in both of their readings and whatever stands in front of them.

Numbered parts differ however alike their letters are, and a title that thousands of songs have says little.
"""

import numpy as np
import polars as pl
from rapidfuzz import fuzz

from duplicates.engine import levels as lv
from duplicates.engine.bags import Bags, may_reach, may_reach_in_words
from duplicates.engine.hashing import Ints
from duplicates.engine.misplaced import without_genres
from duplicates.engine.normalise import Records
from duplicates.engine.people import CONTAINS, UNLIKE
from duplicates.engine.prepared import Prepared
from duplicates.engine.spellings import Flags, Level, Scores, Spellings, by_words, keys, pairwise, ratio
from duplicates.engine.titles import (
    MAY_COUNT,
    may_count,
    number_other_parts,
    numbers_a_part,
    part_numbers,
)

TITLE_CUTS = np.array([50, 65, 78, 88, 96, 100], np.float32)
FAINTLY, ALIKE = 50.0, 78.0  # the first of these cuts, and the one above which levels are no longer UNLIKE
OTHER_PART, TITLE_ELSEWHERE, GENERIC, PART_ON_ONE_SIDE, TITLE_IN_OTHER_SCRIPT = 9, 10, 11, 12, 13
SPELT_ALIKE = 6  # another script is at best a letter apart: two spellings are not one
DOUBTFUL = 88.0  # below this ratio words are compared as sets, too
SAME_LETTERS = 0.65  # share of the shorter title's letter pairs from which reading its words is worth while


def judge_titles(prepared: Prepared, left: Ints, right: Ints) -> tuple[Level, Flags]:
    """Compare titles in both of their readings, and tell which pairs only the other reading brought together."""
    records, titles = prepared.records, prepared.records.texts["title"]
    known = (records.title[left] != 0) & (records.title[right] != 0)
    equal = (records.title[left] == records.title[right]) | (records.full[left] == records.full[right])
    score = np.where(equal, np.float32(100), np.float32(0))
    differ = np.flatnonzero(known & ~equal)
    bags = prepared.titles
    rows = differ[may_reach(FAINTLY, bags[left[differ]], bags[right[differ]])]
    score[rows] = ratio(titles, left[rows], right[rows], at_least=FAINTLY)
    read_otherwise = _read_otherwise(prepared, left, right, score, differ)
    level = at_level(TITLE_CUTS, score)
    doubtful = differ[score[differ] < DOUBTFUL]
    level[doubtful] = np.maximum(level[doubtful], _without_the_others_names(prepared, left[doubtful], right[doubtful]))
    rows = doubtful[_letters_shared(records, left[doubtful], right[doubtful]) >= SAME_LETTERS]
    starts = prepared.starts["title"][left[rows]], prepared.starts["title"][right[rows]]
    may = may_reach_in_words(FAINTLY, bags[left[rows]], bags[right[rows]])
    words = by_words(titles, left[rows], right[rows], starts, may, at_least=FAINTLY)
    level[rows] = raised_by_words(level[rows], TITLE_CUTS, words)
    in_latin = prepared.titles_in_latin
    raise_by_script(prepared.spelt["title"], left, right, level, doubtful, TITLE_IN_OTHER_SCRIPT, in_latin)
    rows = differ[(level[differ] > 2) & (level[differ] < TITLE_ELSEWHERE)]
    level[rows] = part_level(titles, left[rows], right[rows], level[rows])
    level[equal & records.is_generic[left] & records.is_generic[right]] = GENERIC
    return np.where(known, level, 0).astype(np.uint8), read_otherwise


def at_level(cuts: Scores, score: Scores) -> Level:
    """Return the level of each score: 1 below the first cut, one more from each cut on."""
    return (np.searchsorted(cuts, score, side="right") + 1).astype(np.uint8)


def raised_by_words(level: Level, cuts: Scores, words: tuple[Scores, Flags]) -> Level:
    """Return levels raised to what the words say, in any order, or as a part of the other's; see `by_words`."""
    in_order, contains = words
    raised = np.maximum(level, at_level(cuts, in_order))
    return np.where(contains & (raised < 5), np.uint8(CONTAINS), raised)


def raise_by_script(
    spelt: Spellings, left: Ints, right: Ints, level: Level, rows: Ints, otherwise: int, bags: Bags | None = None
) -> None:
    """Compare texts of which only one is in Latin letters by how the other is spelt in those; raise their levels.

    What is still unlike may be a translation or a spelling no table knows: that is a level of its own. With the bags of
    the Latin spellings only those pairs are read that may be alike.
    """
    rows = rows[level[rows] <= UNLIKE]
    rows = rows[spelt.is_latin[left[rows]] != spelt.is_latin[right[rows]]]
    level[rows] = otherwise
    if bags is not None:
        rows = rows[may_reach(ALIKE, bags[left[rows]], bags[right[rows]])]
    score = pairwise(fuzz.ratio, spelt.in_latin(left[rows]), spelt.in_latin(right[rows]), at_least=ALIKE)
    level[rows] = np.where(score > 0, np.minimum(at_level(TITLE_CUTS, score), SPELT_ALIKE), otherwise)


def judge_generic_titles(records: Records, levels: lv.Levels, left: Ints, right: Ints) -> None:
    """Tell "Chapter 1" of one volume from "Chapter 1" of another: such a title means its album's."""
    rows = np.flatnonzero(levels[:, lv.TITLE] == GENERIC)
    album = levels[rows, lv.ALBUM]
    numbered = part_level(records.texts["album"], left[rows], right[rows], album)
    other = (album >= 1) & ((album <= UNLIKE) | (numbered == OTHER_PART))
    levels[rows[other], lv.TITLE] = OTHER_PART


def part_level(titles: pl.Series, left: Ints, right: Ints, level: Level) -> Level:
    """Return the levels of alike titles, changed where they number different parts or only one says which it is."""
    changed = level.copy()
    one_side, other_side = titles.gather(left), titles.gather(right)
    rows = np.flatnonzero((one_side.str.contains(MAY_COUNT) | other_side.str.contains(MAY_COUNT)).to_numpy())
    sides = one_side.gather(rows).to_list(), other_side.gather(rows).to_list()
    for place, one, other in zip(rows.tolist(), *sides, strict=True):
        if not may_count({*one.split(" ")} ^ {*other.split(" ")}):
            continue
        if number_other_parts(one, other):
            changed[place] = OTHER_PART
        elif numbers_a_part(one) != numbers_a_part(other) and not (part_numbers(one) and part_numbers(other)):
            changed[place] = PART_ON_ONE_SIDE
    return changed


def _read_otherwise(prepared: Prepared, left: Ints, right: Ints, score: Scores, differ: Ints) -> Flags:
    """Raise the scores of titles that agree better in another reading; tell which agree in that one only."""
    other = prepared.records.other
    rows = differ[score[differ] < DOUBTFUL]
    rows = rows[(other[left[rows]] != 0) | (other[right[rows]] != 0)]
    again = _ratio_of_readings(prepared, left[rows], right[rows])
    read_otherwise = np.zeros(len(left), np.bool_)
    read_otherwise[rows] = (again > score[rows]) & (again >= ALIKE)
    score[rows] = np.maximum(score[rows], again)
    return read_otherwise


def _ratio_of_readings(prepared: Prepared, left: Ints, right: Ints) -> Scores:
    """Return the best ratio that uses the other reading of at least one title."""
    texts = prepared.records.texts
    has_other = prepared.records.other[left] != 0, prepared.records.other[right] != 0
    bags = {"title": prepared.titles, "other": prepared.readings}
    best = np.zeros(len(left), np.float32)
    for one, two in (("other", "other"), ("other", "title"), ("title", "other")):
        rows = np.flatnonzero((has_other[0] | (one == "title")) & (has_other[1] | (two == "title")))
        rows = rows[may_reach(FAINTLY, bags[one][left[rows]], bags[two][right[rows]])]
        sides = keys(texts[one], left[rows]), keys(texts[two], right[rows])
        best[rows] = np.maximum(best[rows], pairwise(fuzz.ratio, *sides, at_least=FAINTLY))
    return best


def _without_the_others_names(prepared: Prepared, left: Ints, right: Ints) -> Level:
    """Compare titles once more where a record without artist or album may hold them in its title.

    What the other record knows as artist and album is taken out of such a title, genre words behind it, too. Titles of
    which no two words begin alike are not looked at.
    """
    level = np.zeros(len(left), np.uint8)
    rows = np.flatnonzero(prepared.lacks_name[left] | prepared.lacks_name[right])
    rows = rows[prepared.may_share_words("title", left[rows], right[rows])]
    if len(rows):
        one = _stripped_titles(prepared.records, left[rows], right[rows])
        other = _stripped_titles(prepared.records, right[rows], left[rows])
        level[rows] = at_level(TITLE_CUTS, pairwise(fuzz.ratio, one, other, at_least=FAINTLY))
    return level


def _stripped_titles(records: Records, mine: Ints, theirs: Ints) -> list[str]:
    """Return titles of `mine` without the names of `theirs` that `mine` lacks."""
    titles = records.texts["title"].gather(mine).to_list()
    lacking = [(getattr(records, name)[mine] == 0).tolist() for name in ("artist", "album")]
    names = [records.texts[name].gather(theirs).to_list() for name in ("artist", "album")]
    return [
        _stripped(title, lacks_artist, lacks_album, artist, album)
        for title, lacks_artist, lacks_album, artist, album in zip(titles, *lacking, *names, strict=True)
    ]


def _stripped(title: str, lacks_artist: bool, lacks_album: bool, artist: str, album: str) -> str:
    """Return the letters of one title without the names and genres that slid into it."""
    for lacks, name in ((lacks_artist, artist), (lacks_album, album)):
        at = title.find(f" {name}") if lacks and name else -1
        if at > 0:
            title = title[:at] + title[at + len(name) + 1 :]
    return (without_genres(title) if lacks_artist or lacks_album else title).replace(" ", "")


def _letters_shared(records: Records, left: Ints, right: Ints) -> Scores:
    """Return the share of the shorter title's letter pairs that both titles have."""
    one, other = records.letters[left], records.letters[right]
    shorter = np.minimum(np.bitwise_count(one), np.bitwise_count(other)).astype(np.float32)
    return (np.bitwise_count(one & other) / np.maximum(shorter, 1)).astype(np.float32)
