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
from duplicates.engine.people import OTHER_MARKERS, SAME_MARKERS, judge_other_words
from duplicates.engine.prepared import Prepared, prepare_rows
from duplicates.engine.spellings import Flags, Level, pairwise
from duplicates.engine.title_levels import judge_generic_titles, judge_titles
from duplicates.engine.titles import SAME_NAME
from duplicates.engine.vocabulary import LIVE_ALBUM, MARKER_BITS

LENGTH_CUTS_MS = np.array([600, 1300, 2000, 5000, 10_000, 20_000], np.int64)
TO_THE_MILLISECOND = 8
TITLES, NAMES, TOO_LITTLE = 1, 2, 3
SAME_VERSION_NAME = 80.0
SAME_WITH_VERSION = 90.0  # of 100: a title with its version behind it is the other's title, give or take a typo
SPOKEN_MARKERS = MARKER_BITS["explicit"] | MARKER_BITS["clean"]  # compared as explicit, not as version
# Another transfer or cut of one recording; its length tells more than its name.
TRANSFERS = sum(MARKER_BITS[name] for name in ("remaster", "mono"))
CUTS = sum(MARKER_BITS[name] for name in ("edit", "extended"))
QUIET_MARKERS = TRANSFERS | CUTS
# Anybody hears at once that these are not the song as it was published.
HEARD_MARKERS = sum(MARKER_BITS[name] for name in ("instrumental", "karaoke", "acoustic", "demo", "a_cappella"))
LOUD_MARKERS = sum(MARKER_BITS.values()) & ~SPOKEN_MARKERS & ~QUIET_MARKERS
NO_MARKERS, ON_ONE_SIDE, ANOTHER_CUT, ANOTHER_RECORDING = 1, 5, 7, 8
OTHER_NUMBER = 2
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
    levels[:, lv.VERSION] = _version(records, left, right, levels[:, lv.NUMBER] == OTHER_NUMBER)
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


def _version(records: Records, left: Ints, right: Ints, other_number: Flags) -> Level:
    """Compare version markers; remasters, mono or stereo and cuts are quieter differences than live or remix.

    A marker on one side may be something else that slid into the title. It is none where the tracks have other numbers,
    nor where it says that other things are heard.
    """
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
    _explain_versions(records, level, left, right, np.flatnonzero(level == ON_ONE_SIDE))
    rows = np.flatnonzero((level == ON_ONE_SIDE) | (level == OTHER_MARKERS))
    is_heard = ((records.markers[left[rows]] ^ records.markers[right[rows]]) & HEARD_MARKERS) != 0
    is_heard[is_heard] = ~_album_slid_in(records, left[rows[is_heard]], right[rows[is_heard]])
    level[rows[is_heard | other_number[rows]]] = ANOTHER_RECORDING
    is_untold = (records.full == 0) & (records.markers == 0)  # without a title nobody knows which version it is
    return np.where(is_untold[left] | is_untold[right], np.uint8(0), level)


def _marked(one: npt.NDArray[np.int32], other: npt.NDArray[np.int32]) -> Level:
    """Return the level of version markers of which at least one side has any."""
    loud_one, loud_other = one & ~QUIET_MARKERS, other & ~QUIET_MARKERS
    loud = np.where(
        loud_one == loud_other, SAME_MARKERS, np.where((loud_one == 0) | (loud_other == 0), ON_ONE_SIDE, OTHER_MARKERS)
    )
    quiet = np.where(one == other, 1, np.where((one ^ other) & CUTS, ANOTHER_CUT, 3))
    return np.where((loud_one == 0) & (loud_other == 0), quiet, loud).astype(np.uint8)


def _explain_versions(records: Records, level: Level, left: Ints, right: Ints, rows: Ints) -> None:
    """Lower the level of markers on one side that the other side has, too, but not as a marker.

    "Wild Dogs - Live at Northern Lights" without an album is "Wild Dogs" on that album; on a live album a track is live
    whether its title says so or not; and "Pause (altenrate version)" is "Pause (alternate version)".
    """
    is_left = (records.markers[left[rows]] & LOUD_MARKERS) != 0
    marked, plain = np.where(is_left, left[rows], right[rows]), np.where(is_left, right[rows], left[rows])
    texts, has_album = records.texts, records.album > NO_ALBUM
    words, album = texts["version"].gather(marked), texts["album"].gather(plain)
    is_album = pairwise(fuzz.ratio, words.to_list(), album.to_list(), at_least=SAME_NAME) > 0
    is_album &= has_album[plain] & ~has_album[marked]
    is_live = (records.markers[marked] & LOUD_MARKERS) == MARKER_BITS["live"]
    is_live &= has_album[plain] & (records.album[marked] == records.album[plain])
    is_live &= album.str.contains(LIVE_ALBUM).to_numpy()
    title = texts["title"].gather(marked)
    whole, bare = ((title + " " + words).to_list(), title.to_list())
    others = texts["title"].gather(plain).to_list()
    with_it = pairwise(fuzz.ratio, whole, others, at_least=SAME_WITH_VERSION)
    is_misspelt = (with_it > 0) & (with_it > pairwise(fuzz.ratio, bare, others))
    is_misspelt |= pairwise(fuzz.ratio, words.to_list(), others, at_least=SAME_WITH_VERSION) > 0
    level[rows[is_album]] = NO_MARKERS
    level[rows[is_live | is_misspelt]] = SAME_MARKERS


def _album_slid_in(records: Records, left: Ints, right: Ints) -> Flags:
    """Tell where the version of a track without an album holds the other's: "Trip (full mix) - Acoustic Moods"."""
    slid = np.zeros(len(left), np.bool_)
    words, albums = records.texts["version"], records.texts["album"]
    for one, other in ((left, right), (right, left)):
        lacks = (records.album[one] <= NO_ALBUM) & (records.album[other] > NO_ALBUM)
        names = zip(albums.gather(other).to_list(), words.gather(one).to_list(), strict=True)
        slid |= lacks & np.array([album in said for album, said in names], np.bool_)
    return slid


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
