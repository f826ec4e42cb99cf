"""The features two copies of a song share even when one is misspelt, cut short or filed in the wrong column.

A feature is a 64-bit hash. Words count wherever they stand, so a value in the wrong column still meets its twin; the
beginnings, ends and sampled letter runs of titles survive typos; album with number and artist with length find a copy
whose title is gone. How much a shared feature says depends only on how rare it is in this library.

What one album's songs share is kept short on purpose: neighbouring words and endings of artists and albums proposed
half as many pairs again and found no further copy.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from duplicates.engine.hashing import Hashes, Ints, Words, both, mix, words_of
from duplicates.engine.normalise import Records
from duplicates.engine.text_columns import joined, romanised_column

RUN_LETTERS = 5  # letters in a sampled run
EDGE_LETTERS = 6  # letters taken from the start and the end of a text
LEAST_LETTERS = EDGE_LETTERS + 2  # of a text whose start and end are taken
LENGTH_STEP_MS = 2000  # lengths in one or the next step of this size may be equal
# Salts: the same letters as a word and as an edge are two features.
WORD, PAIR, EDGE, RUN, WHOLE, COMBINED = range(1, 7)
TEXTS = ("title", "artist", "album", "credits", "unparsed")


class Found(NamedTuple):
    """Features of one kind: 64-bit hashes, 0 for none, and the text of the chunk each belongs to."""

    salt: int
    values: Hashes
    rows: Ints


def features(records: Records, start: int, stop: int) -> tuple[Hashes, Ints]:
    """Return the features of the records from start to stop as (hash, record row), in no particular order."""
    here = records[start:stop]
    blocks = dict(zip(TEXTS, here.texts.select(pl.col(TEXTS).str.join("\n").cast(pl.Binary)).row(0), strict=True))
    found = [*_combinations(here), *_of_titles(blocks), *_of_names(blocks, len(here))]
    if not (blocks["title"].isascii() and blocks["artist"].isascii()):
        found += _romanised(here)
    values = np.concatenate([kind.values for kind in found])
    rows = np.concatenate([kind.rows for kind in found])
    salts = np.repeat(np.array([kind.salt for kind in found], np.uint64), [len(kind.values) for kind in found])
    there = values != 0
    return mix(values[there], salts[there]), rows[there] + start


def _of_titles(blocks: dict[str, bytes]) -> list[Found]:
    """Return every word of the titles, neighbouring words, and letters that survive a typo elsewhere."""
    words = words_of(blocks["title"])
    values, rows = words.words()
    beside = rows[1:] == rows[:-1]
    return [
        Found(WORD, values, rows),
        Found(PAIR, both(values[:-1][beside], values[1:][beside]), rows[1:][beside]),
        *_letters_of_titles(words),
    ]


def _letters_of_titles(words: Words) -> list[Found]:
    """Return the beginning, the end and a sampled run of each title."""
    return [
        Found(EDGE, *words.first(EDGE_LETTERS, LEAST_LETTERS)),
        Found(EDGE, *words.last_letters(EDGE_LETTERS, LEAST_LETTERS)),
        Found(RUN, *words.sampled_run(RUN_LETTERS)),
    ]


def _of_names(blocks: dict[str, bytes], count: int) -> list[Found]:
    """Return every word of the other texts, and the beginnings of artists and albums."""
    words = words_of(b"\n".join(blocks[name] for name in TEXTS[1:]))
    values, texts = words.words()
    first, long = words.first(EDGE_LETTERS, LEAST_LETTERS)
    is_name = long < 2 * count
    return [Found(WORD, values, texts % count), Found(EDGE, first[is_name], long[is_name] % count)]


def _romanised(records: Records) -> list[Found]:
    """Return the features of titles and artists in other scripts as if they were spelt in Latin letters."""
    count = len(records)
    texts = pl.concat([records.texts["title"], records.texts["artist"]])
    rows = np.flatnonzero((texts.str.len_bytes() != texts.str.len_chars()).to_numpy())
    if not len(rows):
        return []
    words, titles = words_of(joined(romanised_column(texts.gather(rows)))), np.searchsorted(rows, count)
    found = [Found(WORD, words.whole(), np.arange(len(rows)))]
    for place, kind in enumerate(_letters_of_titles(words)):
        wanted = (kind.rows < titles) | (place == 0)  # of artists the beginning alone
        found.append(Found(kind.salt, kind.values[wanted], kind.rows[wanted]))
    return [Found(kind.salt, kind.values, rows[kind.rows] % count) for kind in found]


def _combinations(records: Records) -> list[Found]:
    """Return features made of two fields, for records whose title is cut or lost."""
    everyone = np.arange(len(records))
    title, artist, album = records.title, records.artist, records.album
    duration = records.duration_ms
    pairs = [both(title, artist), both(album, records.number.astype(np.uint64))]
    for shift in (0, 1):  # each length lies in two overlapping steps
        length = np.where(duration > 0, duration // LENGTH_STEP_MS + shift, 0).astype(np.uint64)
        pairs += [both(artist, length), both(album, length)]
    single = (title, records.isrc, records.recording_id)
    return [
        *(Found(WHOLE, values, everyone) for values in single),
        *(Found(COMBINED, values, everyone) for values in pairs),
    ]
