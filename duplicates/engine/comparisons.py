"""Judging pairs: every field of a pair falls into one level.

Works on whole chunks of pairs. Equal texts are recognised by their hashes; only the others are compared letter by
letter, each distinct couple of names once, and only the doubtful ones word by word. No field of one record is ever
compared with nothing: where one side is missing the level is 0, unless its text is found elsewhere in the other record.
"""

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz

from duplicates.engine import levels as lv
from duplicates.engine.hashing import Ints
from duplicates.engine.name_levels import judge_column, look_elsewhere
from duplicates.engine.normalise import NO_ALBUM, Records
from duplicates.engine.people import SAME_MARKERS, judge_other_words
from duplicates.engine.prepared import Prepared, prepare_rows
from duplicates.engine.spellings import Level, pairwise
from duplicates.engine.title_levels import judge_generic_titles, judge_titles
from duplicates.engine.vocabulary import MARKER_BITS

LENGTH_CUTS_MS = np.array([600, 1300, 2000, 5000, 10_000, 20_000], np.int64)
TO_THE_MILLISECOND = 8
TITLES, NAMES, TOO_LITTLE = 1, 2, 3
SAME_VERSION_NAME = 80.0
SPOKEN_MARKERS = MARKER_BITS["explicit"] | MARKER_BITS["clean"]  # compared as explicit, not as version
# Another transfer or cut of one recording; its length tells more than its name.
TRANSFERS = sum(MARKER_BITS[name] for name in ("remaster", "mono"))
CUTS = sum(MARKER_BITS[name] for name in ("edit", "extended"))
QUIET_MARKERS = TRANSFERS | CUTS
ANOTHER_CUT = 7
OTHER_UNIT_MS = 100_000  # a length a thousand times the other's, rounded, was read in the wrong unit: it says nothing
A_MINUTE = 60_000  # ms: in shorter tracks a second more or less means more


def compare_once(records: Records, left: Ints, right: Ints) -> lv.Codes:
    """Return the packed comparison vector of each of some pairs, reading no record that is in none of them."""
    return lv.pack(compare(*prepare_rows(records, left, right))) if len(left) else np.empty(0, np.int64)


def compare(prepared: Prepared, left: Ints, right: Ints) -> lv.Levels:
    """Return the comparison vector of each pair."""
    records = prepared.records
    levels = np.zeros((len(left), len(lv.COMPARISONS)), np.uint8, order="F")
    levels[:, lv.TITLE], read_otherwise = judge_titles(prepared, left, right)
    levels[:, lv.ARTIST] = judge_column(prepared, "artist", left, right)
    # What was taken for the artist was the title after all.
    levels[read_otherwise & (records.is_guess[left] | records.is_guess[right]), lv.ARTIST] = 0
    levels[:, lv.ALBUM] = judge_column(prepared, "album", left, right)
    judge_generic_titles(records, levels, left, right)
    look_elsewhere(prepared, levels, left, right)
    levels[:, lv.LENGTH] = _length(records.duration_ms[left], records.duration_ms[right])
    levels[:, lv.YEAR] = _year(records.year[left], records.year[right])
    levels[:, lv.NUMBER] = _number(records, left, right)
    levels[:, lv.VERSION] = _version(records, left, right)
    levels[:, lv.EXPLICIT] = _equal(records.explicit[left], records.explicit[right], nothing=-1)
    if prepared.has_identifiers:
        levels[:, lv.IDENTIFIER] = _identifier(records, left, right)
    levels[:, lv.GROUNDS] = _grounds(records, levels, left, right)
    return levels


def _length(left: Ints, right: Ints) -> Level:
    shorter = np.clip(np.minimum(left, right), A_MINUTE // 4, A_MINUTE)
    apart = np.searchsorted(LENGTH_CUTS_MS, np.abs(left - right) * A_MINUTE // shorter, side="left") + 1
    apart = np.where((left == right) & (left % 1000 != 0), TO_THE_MILLISECOND, apart)
    other_unit = np.abs(np.maximum(left, right) - 1000 * np.minimum(left, right)) <= OTHER_UNIT_MS
    other_unit &= left != right
    return np.where((left > 0) & (right > 0) & ~other_unit, apart, 0).astype(np.uint8)


def _year(left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]) -> Level:
    apart = np.abs(left - right)
    apart = np.minimum(apart, 100 - apart)
    level = np.searchsorted(np.array([0, 1, 3]), apart, side="left") + 1
    return np.where((left >= 0) & (right >= 0), level, 0).astype(np.uint8)


def _number(records: Records, left: Ints, right: Ints) -> Level:
    """Compare track numbers; the same number on another disc is another number."""
    level = _equal(records.number[left], records.number[right], nothing=0)
    other_disc = _equal(records.disc[left], records.disc[right], nothing=0) == 2
    return np.where((level == 1) & other_disc, 2, level).astype(np.uint8)


def _equal(left: npt.NDArray[np.signedinteger], right: npt.NDArray[np.signedinteger], *, nothing: int) -> Level:
    known = (left != nothing) & (right != nothing)
    return np.where(known, np.where(left == right, 1, 2), 0).astype(np.uint8)


def _version(records: Records, left: Ints, right: Ints) -> Level:
    """Compare version markers; remasters, mono or stereo and cuts are quieter differences than live or remix."""
    one, other = records.markers[left] & ~SPOKEN_MARKERS, records.markers[right] & ~SPOKEN_MARKERS
    level = np.ones(len(left), np.uint8)
    rows = np.flatnonzero((one != 0) | (other != 0))
    level[rows] = _marked(one[rows], other[rows])
    rows = rows[level[rows] > 1]
    same_words = (records.full[left[rows]] == records.full[right[rows]]) & (records.full[left[rows]] != 0)
    level[rows[same_words]] = SAME_MARKERS
    rows = rows[~same_words & (level[rows] == SAME_MARKERS)]
    rows = rows[records.version[left[rows]] != records.version[right[rows]]]
    words = records.texts["version"]
    mine, yours = words.gather(left[rows]).to_list(), words.gather(right[rows]).to_list()
    differ = np.flatnonzero(pairwise(fuzz.token_sort_ratio, mine, yours) < SAME_VERSION_NAME)
    sides = left[rows].tolist(), right[rows].tolist()
    for place in differ.tolist():
        level[rows[place]] = judge_other_words(records, mine[place], yours[place], sides[0][place], sides[1][place])
    return level


def _marked(one: npt.NDArray[np.int32], other: npt.NDArray[np.int32]) -> Level:
    """Return the level of version markers of which at least one side has any."""
    loud_one, loud_other = one & ~QUIET_MARKERS, other & ~QUIET_MARKERS
    loud = np.where(loud_one == loud_other, SAME_MARKERS, np.where((loud_one == 0) | (loud_other == 0), 5, 6))
    quiet = np.where(one == other, 1, np.where((one ^ other) & CUTS, ANOTHER_CUT, 3))
    return np.where((loud_one == 0) & (loud_other == 0), quiet, loud).astype(np.uint8)


def _grounds(records: Records, levels: lv.Levels, left: Ints, right: Ints) -> Level:
    """Tell what a pair can be judged by: titles and more, a name with a length or number, or too little."""
    known = levels != 0
    numbers = known[:, lv.LENGTH] | known[:, lv.NUMBER]
    albums = known[:, lv.ALBUM] & (records.album[left] != NO_ALBUM) & (records.album[right] != NO_ALBUM)
    names = known[:, lv.ARTIST] | albums
    titles = known[:, lv.TITLE] & (names | numbers)
    level = np.where(titles | known[:, lv.IDENTIFIER], TITLES, np.where(names & numbers, NAMES, TOO_LITTLE))
    return level.astype(np.uint8)


def _identifier(records: Records, left: Ints, right: Ints) -> Level:
    """Compare ISRC and recording id: one equal pair is enough, a different one counts when nothing is equal."""
    level = np.zeros(len(left), np.uint8)
    for values in (records.isrc, records.recording_id):
        known = (values[left] != 0) & (values[right] != 0)
        same = known & (values[left] == values[right])
        level = np.where(same | (level == 1), 1, np.where(known, 2, level)).astype(np.uint8)
    return level
