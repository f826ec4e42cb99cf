"""The features two copies of a song share even when one is misspelt, cut short or filed in the wrong column.

A feature is a 64-bit hash. Words count wherever they stand, so a value in the wrong column still meets its twin; the
beginnings, ends and sampled letter runs of titles survive typos; album with number and artist with length find a copy
whose title is gone. How much a shared feature says depends only on how rare it is in this library.
"""

import numpy as np
import polars as pl

from duplicates.engine.hashing import Hashes, Ints, Letters, both, letters, mix
from duplicates.engine.normalise import Records
from duplicates.engine.text import without_spaces
from duplicates.engine.text_columns import joined, romanised_column, rows_matching

RUN_LETTERS = 5  # letters in a sampled run
EDGE_LETTERS = 6  # letters taken from the start and the end of a text
LENGTH_STEP_MS = 2000  # lengths in one or the next step of this size may be equal
WORD, PAIR, EDGE, RUN, WHOLE, COMBINED = range(
    1, 7
)  # salts: the same letters as a word and as an edge are two features

_NAMES = frozenset(("title", "artist", "album"))
Found = list[tuple[Hashes, Ints]]


def features(records: Records, start: int, stop: int) -> tuple[Hashes, Ints]:
    """Return the features of the records from start to stop as (hash, record row), in no particular order."""
    found = _combinations(records, start, stop)
    for name in ("title", "artist", "album", "credits", "unparsed"):
        texts = records.texts[name].slice(start, stop - start)
        words = joined(texts)
        found += _words(letters(words), with_pairs=name in _NAMES)
        if name not in _NAMES:
            continue
        if not words.isascii():
            found += _romanised(texts, is_title=name == "title")
        key = letters(without_spaces(words))
        found += _edges(key)
        if name == "title":
            found += [(run, np.arange(stop - start)) for run in (mix(each, RUN) for each in key.runs(RUN_LETTERS))]
    values = np.concatenate([values for values, _ in found])
    rows = np.concatenate([rows for _, rows in found])
    there = values != 0
    return values[there], rows[there] + start


def _romanised(words: pl.Series, *, is_title: bool) -> Found:
    """Return the features of texts in other scripts as they would be if they were spelt in Latin letters."""
    rows = rows_matching(words, r"[^\x00-\x7f]")
    key = letters(joined(romanised_column(words.gather(rows))))
    everyone = np.arange(len(rows))
    found = [(mix(key.whole(), WORD), everyone), *_edges(key)]
    if is_title:
        found += [(mix(each, RUN), everyone) for each in key.runs(RUN_LETTERS)]
    return [(values, rows[at]) for values, at in found]


def _words(text: Letters, *, with_pairs: bool) -> Found:
    """Return every word and every pair of neighbouring words."""
    words, rows = text.words()
    if not with_pairs:
        return [(mix(words, WORD), rows)]
    neighbours = rows[1:] == rows[:-1]
    return [
        (mix(words, WORD), rows),
        (mix(both(words[:-1][neighbours], words[1:][neighbours]), PAIR), rows[1:][neighbours]),
    ]


def _edges(key: Letters) -> Found:
    """Return the first and last letters of long enough texts."""
    rows = np.flatnonzero(key.end - key.start >= EDGE_LETTERS + 2)
    start, end = key.start[rows], key.end[rows]
    return [
        (mix(key.span(start, start + EDGE_LETTERS), EDGE), rows),
        (mix(key.span(end - EDGE_LETTERS, end), EDGE), rows),
    ]


def _combinations(records: Records, start: int, stop: int) -> Found:
    """Return features made of two fields, for records whose title is cut or lost."""
    here, rows = slice(start, stop), np.arange(stop - start)
    title, artist, album = records.title[here], records.artist[here], records.album[here]
    number = records.number[here].astype(np.uint64)
    pairs = [both(title, artist), both(album, number)]
    duration = records.duration_ms[here]
    for shift in (0, 1):  # each length lies in two overlapping steps
        length = np.where(duration > 0, duration // LENGTH_STEP_MS + shift, 0).astype(np.uint64)
        pairs += [both(artist, length), both(album, length)]
    single = [mix(values, WHOLE) for values in (title, records.isrc[here], records.recording_id[here])]
    return [(values, rows) for values in (*single, *(mix(pair, COMBINED) for pair in pairs))]
