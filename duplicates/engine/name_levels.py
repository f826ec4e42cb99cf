"""Judging artists and albums: the level that two names fall into, each distinct couple of names once.

A name missing on one side may stand in another column of the other record; so may a title.
"""

import numpy as np
import polars as pl
from rapidfuzz import fuzz

from duplicates.engine import levels as lv
from duplicates.engine.hashing import Hashes, Ints, both
from duplicates.engine.normalise import WORDS
from duplicates.engine.people import EQUAL, UNLIKE, judge_guests, judge_names
from duplicates.engine.prepared import ELSEWHERE as MORE_COLUMNS
from duplicates.engine.prepared import Prepared
from duplicates.engine.sorting import first_places
from duplicates.engine.spellings import Flags, Level, by_words, pairwise, ratio
from duplicates.engine.title_levels import DOUBTFUL, TITLE_ELSEWHERE, at_level, raise_by_script, raised_by_words

NAME_CUTS = np.array([45, 60, 75, 88, 96, 100], np.float32)
ELSEWHERE, OTHER_SCRIPT = 9, 10
FOUND_INSIDE = 85.0
SHORTEST_FOUND = 3  # letters: shorter values are found in anything


def judge_column(prepared: Prepared, field: str, left: Ints, right: Ints) -> Level:
    """Compare artists or albums; a name missing on one side may stand elsewhere in the other record."""
    key: Hashes = getattr(prepared.records, field)
    known = (key[left] != 0) & (key[right] != 0)
    level = np.where(known & (key[left] == key[right]), np.uint8(EQUAL), np.uint8(0))
    rows = np.flatnonzero(known & (level == 0))
    once, where = first_places(both(key[left[rows]], key[right[rows]]))
    level[rows] = _judge_couples(prepared, field, left[rows[once]], right[rows[once]])[where]
    if field == "artist":
        judge_guests(prepared, left, right, level)
    rows = np.flatnonzero((key[left] != 0) != (key[right] != 0))
    level[rows] = _elsewhere(prepared, field, left[rows], right[rows])
    return level


def _judge_couples(prepared: Prepared, field: str, left: Ints, right: Ints) -> Level:
    """Compare names that differ as a whole."""
    texts = prepared.records.texts[field]
    score = ratio(texts, left, right, at_least=float(NAME_CUTS[0]))
    level = at_level(NAME_CUTS, score)
    doubtful = np.flatnonzero(score < DOUBTFUL)
    sides = left[doubtful], right[doubtful]
    starts = prepared.starts[field][sides[0]], prepared.starts[field][sides[1]]
    words = by_words(texts, *sides, starts, np.ones(len(doubtful), np.bool_), at_least=float(NAME_CUTS[0]))
    level[doubtful] = raised_by_words(level[doubtful], NAME_CUTS, words)
    raise_by_script(prepared.spelt[field], left, right, level, doubtful, OTHER_SCRIPT)
    if field == "artist":
        judge_names(prepared, left, right, level, doubtful)
    return level


def _elsewhere(prepared: Prepared, field: str, left: Ints, right: Ints) -> Level:
    """Return ELSEWHERE where the name one side has stands among all the words of the other side, else 0."""
    key: Hashes = getattr(prepared.records, field)
    having = np.where(key[left] != 0, left, right)
    lacking = np.where(key[left] != 0, right, left)
    starts = prepared.starts[field][having]
    others = np.bitwise_or.reduce([begins[lacking] for begins in prepared.starts.values()])
    rows = np.flatnonzero(starts & others)
    names = prepared.records.texts[field].gather(having[rows])
    words = prepared.records.texts.select(pl.concat_str(pl.col(WORDS).gather(lacking[rows]), separator=" ")).to_series()
    found = pairwise(fuzz.partial_ratio, names.to_list(), words.to_list(), at_least=FOUND_INSIDE) > 0
    level = np.zeros(len(left), np.uint8)
    level[rows[found & _long_enough(names)]] = ELSEWHERE
    return level


def _long_enough(values: pl.Series) -> Flags:
    return (values.str.len_chars() >= SHORTEST_FOUND).to_numpy()


def look_elsewhere(prepared: Prepared, levels: lv.Levels, left: Ints, right: Ints) -> None:
    """Look for titles, artists and albums that disagree in the other columns of the other record; mark those found.

    Values filed in the wrong column are only worth looking for when something else speaks for the pair, and only in
    columns that do not agree already: the title track of an album is not found in the album's name.
    """
    title, artist, album = levels[:, lv.TITLE], levels[:, lv.ARTIST], levels[:, lv.ALBUM]
    speaks = {lv.TITLE: title >= 5, lv.ARTIST: artist >= 5, lv.ALBUM: album >= 6}
    shifted = _shifted(prepared, levels, left, right)
    rows = np.flatnonzero((title <= UNLIKE) & (speaks[lv.ARTIST] | (artist == 0) | speaks[lv.ALBUM]))
    title[_both_found(prepared, "title", levels, left, right, rows)] = TITLE_ELSEWHERE
    rows = np.flatnonzero((artist >= 1) & (artist <= UNLIKE) & (speaks[lv.TITLE] | speaks[lv.ALBUM]))
    artist[_both_found(prepared, "artist", levels, left, right, rows)] = ELSEWHERE
    rows = np.flatnonzero((album >= 1) & (album <= UNLIKE) & (title == TITLE_ELSEWHERE))
    album[_both_found(prepared, "album", levels, left, right, rows)] = ELSEWHERE
    title[shifted], artist[shifted] = TITLE_ELSEWHERE, ELSEWHERE


def _shifted(prepared: Prepared, levels: lv.Levels, left: Ints, right: Ints) -> Ints:
    """Return the rows that agree in no column and in which one side's title and artist stand a column further on.

    Nothing but the values themselves speaks for such a pair, so both have to be equal letter by letter.
    """
    records = prepared.records
    artist = levels[:, lv.ARTIST]
    agree = np.maximum(levels[:, lv.TITLE], levels[:, lv.ALBUM]) > UNLIKE
    rows = np.flatnonzero((artist >= 1) & (artist <= UNLIKE) & ~agree)
    is_shifted = np.zeros(len(rows), np.bool_)
    for here, there in ((left[rows], right[rows]), (right[rows], left[rows])):
        moved = (records.title[here] == records.artist[there]) & (records.artist[here] == records.album[there])
        is_shifted |= moved
    return rows[is_shifted]


def _both_found(prepared: Prepared, field: str, levels: lv.Levels, left: Ints, right: Ints, rows: Ints) -> Ints:
    """Return the rows whose values on both sides, as far as known, stand in columns that do not agree."""
    key: Hashes = getattr(prepared.records, field)
    rows = rows[(key[left[rows]] != 0) | (key[right[rows]] != 0)]
    for having, lacking in ((left, right), (right, left)):
        is_asked = key[having[rows]] != 0
        asked = rows[is_asked]
        asked = asked[_may_stand_elsewhere(prepared, field, levels[asked], having[asked], lacking[asked])]
        if not len(asked):
            rows = rows[~is_asked]
            continue
        values = prepared.records.texts[field].gather(having[asked])
        words = _unmatched_words(prepared, field, levels[asked], lacking[asked])
        found = pairwise(fuzz.partial_ratio, values.to_list(), words.to_list(), at_least=FOUND_INSIDE) > 0
        asked = asked[found & _long_enough(values) & (words != "").to_numpy()]
        rows = np.union1d(rows[~is_asked], asked)
    return rows


def _may_stand_elsewhere(prepared: Prepared, field: str, levels: lv.Levels, having: Ints, lacking: Ints) -> Flags:
    """Tell where a word begins like one of the value's among the words of `_unmatched_words`."""
    begins = prepared.starts["more"][lacking]
    for name, position in _OTHER_COLUMNS[field]:
        begins |= np.where(_disagrees(levels, position), prepared.starts[name][lacking], 0)
    may: Flags = (begins & prepared.starts[field][having]) != 0
    return may


_COLUMNS = (("title", lv.TITLE), ("artist", lv.ARTIST), ("album", lv.ALBUM))
_OTHER_COLUMNS = {field: [column for column in _COLUMNS if column[0] != field] for field, _ in _COLUMNS}


def _disagrees(levels: lv.Levels, position: int) -> Flags:
    """Tell where a column agrees too little to be called the same, so that it may hold another column's value."""
    level, elsewhere = levels[:, position], TITLE_ELSEWHERE if position == lv.TITLE else ELSEWHERE
    disagrees: Flags = (level <= UNLIKE) | (level == elsewhere)
    return disagrees


def _unmatched_words(prepared: Prepared, field: str, levels: lv.Levels, rows: Ints) -> pl.Series:
    """Return the words of records without this field and without the columns that agree with the other side."""
    more = pl.Series(prepared.has_more[rows])
    wanted = dict.fromkeys(MORE_COLUMNS, more)
    wanted |= {name: pl.Series(_disagrees(levels, position)) for name, position in _OTHER_COLUMNS[field]}
    parts = [pl.when(which).then(pl.col(name).gather(rows)).otherwise(pl.lit("")) for name, which in wanted.items()]
    words = prepared.records.texts.select(pl.concat_str(parts, separator=" ").str.strip_chars(" "))
    return words.to_series()
