"""Judging pairs: every field of a pair falls into one level.

Works on whole chunks of pairs. Equal texts are recognised by their hashes; only the others are compared letter by
letter, each distinct couple of names once, and only the doubtful ones word by word. No field of one record is ever
compared with nothing: where one side is missing the level is 0, unless its text is found elsewhere in the other record.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz, process

from duplicates.engine import levels as lv
from duplicates.engine import vocabulary as say
from duplicates.engine.hashing import Hashes, Ints, both
from duplicates.engine.misplaced import without_genres
from duplicates.engine.normalise import NO_ALBUM, WORDS, Records
from duplicates.engine.people import (
    CONTAINS,
    UNLIKE,
    judge_guests,
    judge_names,
    judge_other_words,
)
from duplicates.engine.text import romanised
from duplicates.engine.titles import numbers_a_part, part_numbers
from duplicates.engine.vocabulary import MARKER_BITS

Scores = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Level = npt.NDArray[np.uint8]

TITLE_CUTS = np.array([50, 65, 78, 88, 96, 100], np.float32)
NAME_CUTS = np.array([45, 60, 75, 88, 96, 100], np.float32)
LENGTH_CUTS_MS = np.array([600, 1300, 2000, 5000, 10_000, 20_000], np.int64)
ELSEWHERE, OTHER_SCRIPT = 9, 10
OTHER_PART, TITLE_ELSEWHERE, GENERIC, PART_ON_ONE_SIDE, TITLE_IN_OTHER_SCRIPT = 9, 10, 11, 12, 13
SPELT_ALIKE = 6  # another script is at best a letter apart: two spellings are not one
TO_THE_MILLISECOND = 8
TITLES, NAMES, TOO_LITTLE = 1, 2, 3
DOUBTFUL = 88.0  # below this ratio words are compared as sets, too
SAME_LETTERS = 0.65  # share of the shorter title's letter pairs from which reading its words is worth while
SAME_VERSION_NAME = 80.0
FOUND_INSIDE = 85.0
SPOKEN_MARKERS = MARKER_BITS["explicit"] | MARKER_BITS["clean"]  # compared as explicit, not as version
# Another transfer or cut of one recording; its length tells more than its name.
TRANSFERS = sum(MARKER_BITS[name] for name in ("remaster", "mono"))
CUTS = sum(MARKER_BITS[name] for name in ("edit", "extended"))
QUIET_MARKERS = TRANSFERS | CUTS
ANOTHER_CUT = 7
OTHER_UNIT_MS = 100_000  # a length a thousand times the other's, rounded, was read in the wrong unit: it says nothing
A_MINUTE = 60_000  # ms: in shorter tracks a second more or less means more
# A title in which none of these is found numbers no part.
MAY_NUMBER = "|".join(
    found.pattern for found in (say.NUMBER, say.PART_WORD, say.LONE_ROMAN, say.KANJI_NUMBER, say.SONG_PART)
)


def compare(records: Records, left: Ints, right: Ints) -> lv.Levels:
    """Return the comparison vector of each pair."""
    levels = np.zeros((len(left), len(lv.COMPARISONS)), np.uint8)
    levels[:, lv.TITLE], read_otherwise = _title(records, left, right)
    levels[:, lv.ARTIST] = _name(records, "artist", left, right)
    # What was taken for the artist was the title after all.
    levels[read_otherwise & (records.is_guess[left] | records.is_guess[right]), lv.ARTIST] = 0
    levels[:, lv.ALBUM] = _name(records, "album", left, right)
    _generic_titles(records, levels, left, right)
    _look_elsewhere(records, levels, left, right)
    levels[:, lv.LENGTH] = _length(records.duration_ms[left], records.duration_ms[right])
    levels[:, lv.YEAR] = _year(records.year[left], records.year[right])
    levels[:, lv.NUMBER] = _number(records, left, right)
    levels[:, lv.VERSION] = _version(records, left, right)
    levels[:, lv.EXPLICIT] = _equal(records.explicit[left], records.explicit[right], nothing=-1)
    levels[:, lv.IDENTIFIER] = _identifier(records, left, right)
    levels[:, lv.GROUNDS] = _grounds(records, levels, left, right)
    return levels


def _title(records: Records, left: Ints, right: Ints) -> tuple[Level, Flags]:
    """Compare titles in both of their readings, and tell which pairs only the other reading brought together.

    Numbered parts differ however alike their letters are.
    """
    known = (records.title[left] != 0) & (records.title[right] != 0)
    equal = (records.title[left] == records.title[right]) | (records.full[left] == records.full[right])
    score = np.where(equal, np.float32(100), np.float32(0))
    rows = np.flatnonzero(known & (score < 100))
    score[rows] = _ratio(records.texts["title"], left[rows], right[rows])
    rows = rows[score[rows] < DOUBTFUL]
    rows = rows[(records.other[left[rows]] != 0) | (records.other[right[rows]] != 0)]
    again = _ratio_of_readings(records, left[rows], right[rows])
    read_otherwise = np.zeros(len(left), np.bool_)
    read_otherwise[rows] = (again > score[rows]) & (again >= TITLE_CUTS[2])
    score[rows] = np.maximum(score[rows], again)
    level = (np.searchsorted(TITLE_CUTS, score, side="right") + 1).astype(np.uint8)
    doubtful = np.flatnonzero(known & (score < DOUBTFUL))
    level[doubtful] = np.maximum(level[doubtful], _without_the_others_names(records, left[doubtful], right[doubtful]))
    rows = doubtful[_letters_shared(records, left[doubtful], right[doubtful]) >= SAME_LETTERS]
    sorted_score, contains = _by_words(records.texts["title"], left[rows], right[rows])
    level[rows] = np.maximum(level[rows], np.searchsorted(TITLE_CUTS, sorted_score, side="right") + 1)
    level[rows] = np.where(contains & (level[rows] < 5), CONTAINS, level[rows])
    _spelt_otherwise(records.texts["title"], left, right, level, doubtful, otherwise=TITLE_IN_OTHER_SCRIPT)
    rows = np.flatnonzero(known & (level > 2) & (level < TITLE_ELSEWHERE) & ~equal)
    level[rows] = _part(records.texts["title"], left[rows], right[rows], level[rows])
    level[equal & records.is_generic[left] & records.is_generic[right]] = GENERIC
    return np.where(known, level, 0).astype(np.uint8), read_otherwise


def _name(records: Records, field: str, left: Ints, right: Ints) -> Level:
    """Compare artists or albums; a name missing on one side may stand elsewhere in the other record."""
    texts: pl.Series = records.texts[field]
    key: Hashes = getattr(records, field)
    known = (key[left] != 0) & (key[right] != 0)
    level = np.where(known & (key[left] == key[right]), np.uint8(7), np.uint8(0))
    rows = np.flatnonzero(known & (level == 0))
    once, where = _distinct(key[left[rows]], key[right[rows]])
    couple_left, couple_right = left[rows[once]], right[rows[once]]
    score = _ratio(texts, couple_left, couple_right)
    doubtful = np.flatnonzero(score < DOUBTFUL)
    sorted_score, contains = _by_words(texts, couple_left[doubtful], couple_right[doubtful])
    score[doubtful] = np.maximum(score[doubtful], sorted_score)
    couple = (np.searchsorted(NAME_CUTS, score, side="right") + 1).astype(np.uint8)
    couple[doubtful] = np.where(contains & (couple[doubtful] < 5), CONTAINS, couple[doubtful])
    _spelt_otherwise(texts, couple_left, couple_right, couple, doubtful, otherwise=OTHER_SCRIPT)
    if field == "artist":
        judge_names(records, couple_left, couple_right, couple, doubtful)
    level[rows] = couple[where]
    if field == "artist":
        judge_guests(records, left, right, level)
    rows = np.flatnonzero((key[left] != 0) != (key[right] != 0))
    level[rows] = _elsewhere(records, field, left[rows], right[rows])
    return level


def _generic_titles(records: Records, levels: lv.Levels, left: Ints, right: Ints) -> None:
    """Tell "Chapter 1" of one volume from "Chapter 1" of another: such a title means its album's."""
    rows = np.flatnonzero(levels[:, lv.TITLE] == GENERIC)
    album = levels[rows, lv.ALBUM]
    numbered = _part(records.texts["album"], left[rows], right[rows], album)
    other = (album >= 1) & ((album <= UNLIKE) | (numbered == OTHER_PART))
    levels[rows[other], lv.TITLE] = OTHER_PART


def _look_elsewhere(records: Records, levels: lv.Levels, left: Ints, right: Ints) -> None:
    """Look for titles, artists and albums that disagree in the other columns of the other record; mark those found.

    Values filed in the wrong column are only worth looking for when something else speaks for the pair, and only in
    columns that do not agree already: the title track of an album is not found in the album's name.
    """
    title, artist, album = levels[:, lv.TITLE], levels[:, lv.ARTIST], levels[:, lv.ALBUM]
    speaks = {lv.TITLE: title >= 5, lv.ARTIST: artist >= 5, lv.ALBUM: album >= 6}
    rows = np.flatnonzero((title <= UNLIKE) & (speaks[lv.ARTIST] | (artist == 0) | speaks[lv.ALBUM]))
    title[rows[_both_found(records, "title", levels[rows], left[rows], right[rows])]] = TITLE_ELSEWHERE
    rows = np.flatnonzero((artist >= 1) & (artist <= UNLIKE) & (speaks[lv.TITLE] | speaks[lv.ALBUM]))
    artist[rows[_both_found(records, "artist", levels[rows], left[rows], right[rows])]] = ELSEWHERE
    rows = np.flatnonzero((album >= 1) & (album <= UNLIKE) & (title == TITLE_ELSEWHERE))
    album[rows[_both_found(records, "album", levels[rows], left[rows], right[rows])]] = ELSEWHERE


def _both_found(records: Records, field: str, levels: lv.Levels, left: Ints, right: Ints) -> Flags:
    """Tell where the values of both sides, as far as known, stand in columns of the other side that do not agree."""
    key: Hashes = getattr(records, field)
    found: Flags = (key[left] != 0) | (key[right] != 0)
    for having, lacking in ((left, right), (right, left)):
        rows = np.flatnonzero(found & (key[having] != 0))
        values = records.texts[field].gather(having[rows]).to_list()
        texts = _unmatched_words(records, field, levels[rows], lacking[rows])
        found[rows] = [len(value) > 2 and text != "" for value, text in zip(values, texts, strict=True)]
        kept = np.flatnonzero(found[rows])
        values, texts = [values[place] for place in kept], [texts[place] for place in kept]
        found[rows[kept]] = _pairwise(fuzz.partial_ratio, values, texts, at_least=FOUND_INSIDE) > 0
    return found


def _unmatched_words(records: Records, field: str, levels: lv.Levels, rows: Ints) -> list[str]:
    """Return the words of records without this field and without the columns that agree with the other side."""
    texts = records.texts
    parts = [texts[name].gather(rows) for name in ("other", "credits", "unparsed")]
    for name, position in (("title", lv.TITLE), ("artist", lv.ARTIST), ("album", lv.ALBUM)):
        if name != field:
            differs = pl.Series((levels[:, position] <= UNLIKE) | (levels[:, position] == ELSEWHERE))
            parts.append(pl.select(pl.when(differs).then(texts[name].gather(rows)).otherwise(pl.lit(""))).to_series())
    joined = pl.select(pl.concat_str(parts, separator=" ").str.strip_chars(" ")).to_series()
    return joined.to_list()


def _distinct(left: Hashes, right: Hashes) -> tuple[Ints, Ints]:
    """Return the first place of each distinct couple of hashes, and for each place its couple."""
    _, once, where = np.unique(both(left, right), return_index=True, return_inverse=True)
    return once, where


def _ratio(texts: pl.Series, left: Ints, right: Ints) -> Scores:
    """Return how alike the letters are, spaces aside, from 0 to 100."""
    return _pairwise(fuzz.ratio, _keys(texts, left), _keys(texts, right), at_least=NAME_CUTS[0])


def _ratio_of_readings(records: Records, left: Ints, right: Ints) -> Scores:
    """Return the best ratio that uses the other reading of at least one title."""
    plain, other = records.texts["title"], records.texts["other"]
    plain_left, plain_right = _keys(plain, left), _keys(plain, right)
    whole_left = [one or two for one, two in zip(_keys(other, left), plain_left, strict=True)]
    whole_right = [one or two for one, two in zip(_keys(other, right), plain_right, strict=True)]
    best = _pairwise(fuzz.ratio, whole_left, whole_right)
    best = np.maximum(best, _pairwise(fuzz.ratio, whole_left, plain_right))
    return np.maximum(best, _pairwise(fuzz.ratio, plain_left, whole_right))


def _by_words(texts: pl.Series, left: Ints, right: Ints) -> tuple[Scores, Flags]:
    """Return the ratio of the sorted words, and whether the words of one side are all among the other's."""
    one, other = texts.gather(left).to_list(), texts.gather(right).to_list()
    in_order = _pairwise(fuzz.token_sort_ratio, one, other, at_least=NAME_CUTS[0])
    return in_order, _pairwise(fuzz.token_set_ratio, one, other, at_least=100.0) > 0


def _without_the_others_names(records: Records, left: Ints, right: Ints) -> Level:
    """Compare titles once more where a record without artist or album may hold them in its title.

    What the other record knows as artist and album is taken out of such a title, genre words behind it, too.
    """
    level = np.zeros(len(left), np.uint8)
    bare = (records.artist == 0) | (records.album == 0)
    rows = np.flatnonzero(bare[left] | bare[right])
    if not len(rows):
        return level
    one = _stripped_titles(records, left[rows], right[rows])
    other = _stripped_titles(records, right[rows], left[rows])
    score = _pairwise(fuzz.ratio, one, other)
    level[rows] = np.searchsorted(TITLE_CUTS, score, side="right") + 1
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


def _spelt_otherwise(texts: pl.Series, left: Ints, right: Ints, level: Level, rows: Ints, *, otherwise: int) -> None:
    """Compare texts of which only one is in Latin letters by how the other is spelt in those; raise their levels.

    What is still unlike may be a translation or a spelling no table knows: that is a level of its own.
    """
    rows = rows[level[rows] <= UNLIKE]
    mixed = rows[_is_latin(texts.gather(left[rows])) != _is_latin(texts.gather(right[rows]))]
    if not len(mixed):
        return
    spelt = [[romanised(words) for words in texts.gather(side[mixed])] for side in (left, right)]
    found = np.searchsorted(TITLE_CUTS, _pairwise(fuzz.ratio, *spelt), side="right") + 1
    level[mixed] = np.where(found > UNLIKE, np.minimum(found, SPELT_ALIKE), otherwise)


def _is_latin(words: pl.Series) -> Flags:
    """Tell which words are in plain letters only."""
    return (words.str.len_bytes() == words.str.len_chars()).to_numpy()


def _part(titles: pl.Series, left: Ints, right: Ints, level: Level) -> Level:
    """Return the levels of alike titles, changed where they number different parts or only one says which it is."""
    changed = level.copy()
    numbered = titles.gather(left).str.contains(MAY_NUMBER) | titles.gather(right).str.contains(MAY_NUMBER)
    places = np.flatnonzero(numbered.to_numpy())
    for place, one, other in zip(places, titles.gather(left[places]), titles.gather(right[places]), strict=True):
        mine, yours = set(part_numbers(one).split()), set(part_numbers(other).split())
        if not (mine <= yours or yours <= mine):
            changed[place] = OTHER_PART
        elif (not mine or not yours) and numbers_a_part(one) != numbers_a_part(other):
            changed[place] = PART_ON_ONE_SIDE
    return changed


def _elsewhere(records: Records, field: str, left: Ints, right: Ints) -> Level:
    """Return ELSEWHERE where the name one side has stands among all the words of the other side, else 0."""
    if not len(left):
        return np.empty(0, np.uint8)
    key: Hashes = getattr(records, field)
    having = np.where(key[left] != 0, left, right)
    lacking = np.where(key[left] != 0, right, left)
    name = records.texts[field].gather(having).to_list()
    score = _pairwise(fuzz.partial_ratio, name, _all_words(records, lacking))
    long_enough = np.array([len(one) > 2 for one in name])
    return np.where((score >= FOUND_INSIDE) & long_enough, ELSEWHERE, 0).astype(np.uint8)


def _all_words(records: Records, rows: Ints) -> list[str]:
    """Return all the words of records, whatever column they stand in."""
    return records.texts.select(pl.concat_str(pl.col(WORDS).gather(rows), separator=" ")).to_series().to_list()


def _keys(texts: pl.Series, rows: Ints) -> list[str]:
    return texts.gather(rows).str.replace_all(" ", "", literal=True).to_list()


def _pairwise(scorer: Any, one: list[str], other: list[str], *, at_least: float = 0.0) -> Scores:
    """Score texts couple by couple, from 0 to 100; what falls below `at_least` is 0 and cheap."""
    if not one:
        return np.empty(0, np.float32)
    return process.cpdist(one, other, scorer=scorer, dtype=np.float32, score_cutoff=at_least)


def _length(left: Ints, right: Ints) -> Level:
    shorter = np.clip(np.minimum(left, right), A_MINUTE // 4, A_MINUTE)
    apart = np.searchsorted(LENGTH_CUTS_MS, np.abs(left - right) * A_MINUTE // shorter, side="left") + 1
    apart = np.where((left == right) & (left % 1000 != 0), TO_THE_MILLISECOND, apart)
    other_unit = np.abs(np.maximum(left, right) - 1000 * np.minimum(left, right)) <= OTHER_UNIT_MS
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
    markers = records.markers & ~SPOKEN_MARKERS
    loud_left, loud_right = markers[left] & ~QUIET_MARKERS, markers[right] & ~QUIET_MARKERS
    level = np.where(loud_left == loud_right, 2, np.where((loud_left == 0) | (loud_right == 0), 5, 6))
    quiet = np.where((markers[left] ^ markers[right]) & CUTS, ANOTHER_CUT, 3)
    level = np.where((loud_left == 0) & (loud_right == 0), np.where(markers[left] == markers[right], 1, quiet), level)
    level = np.where((records.full[left] == records.full[right]) & (records.full[left] != 0) & (level > 2), 2, level)
    rows = np.flatnonzero((level == 2) & (records.full[left] != records.full[right]))
    rows = rows[records.version[left[rows]] != records.version[right[rows]]]
    words = records.texts["version"]
    one, other = words.gather(left[rows]).to_list(), words.gather(right[rows]).to_list()
    differ = np.flatnonzero(_pairwise(fuzz.token_sort_ratio, one, other) < SAME_VERSION_NAME)
    sides = left[rows].tolist(), right[rows].tolist()
    for place in differ.tolist():
        level[rows[place]] = judge_other_words(records, one[place], other[place], sides[0][place], sides[1][place])
    return level.astype(np.uint8)


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
