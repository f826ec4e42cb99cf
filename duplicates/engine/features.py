"""The features two copies of a song share even when one is misspelt, cut short or filed in the wrong column.

A feature is a 64-bit hash. Words count wherever they stand, so a value in the wrong column still meets its twin; the
beginnings, ends and sampled letter runs of titles survive typos; album with number and artist with length find a copy
whose title is gone. How much a shared feature says depends only on how rare it is in this library.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from duplicates.engine.normalise import Hashes, Ints, Records, hashes

RUN_LETTERS = 5  # letters in a sampled run
EDGE_LETTERS = 6  # letters taken from the start and the end of a text
LENGTH_STEP_MS = 2000  # lengths in one or the next step of this size may be equal
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SALTS = {
    name: np.uint64(0x1000_0001 * (n + 3)) for n, name in enumerate(("word", "pair", "edge", "run", "both", "whole"))
}


def features(records: Records) -> tuple[Hashes, Ints]:
    """Return all features of all records as (hash, record row), in no particular order."""
    texts = records.texts
    parts = [*_words(texts)]
    for name in ("title_key", "artist_key", "album_key"):
        parts += [*_edges(texts[name]), *_letter_runs(texts[name])]
    parts += _combinations(records)
    kept = [(values[values != 0], rows[values != 0]) for values, rows in parts]
    return np.concatenate([values for values, _ in kept]), np.concatenate([rows for _, rows in kept])


def mix(values: Hashes, salt: str) -> Hashes:
    """Scramble hashes so that equal values of different kinds differ; 0 stays 0."""
    mixed = (values ^ _SALTS[salt]) * _MIX
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MIX
    mixed[values == 0] = 0
    return mixed


def _words(texts: pl.DataFrame) -> list[tuple[Hashes, Ints]]:
    """Return every word and every pair of neighbouring words."""
    found = []
    for name in ("title", "artist", "album", "credits"):
        words = texts.select(row=pl.int_range(pl.len(), dtype=pl.Int64), word=pl.col(name).str.split(" ")).explode(
            "word"
        )
        rows, values = words["row"].to_numpy(), hashes(words["word"].fill_null(""))
        found.append((mix(values, "word"), rows))
        pairs = np.where(rows[1:] == rows[:-1], values[1:] * np.uint64(3) + values[:-1], np.uint64(0))
        found.append((mix(pairs, "pair"), rows[1:]))
    return found


def _edges(keys: pl.Series) -> list[tuple[Hashes, Ints]]:
    """Return the first and last letters of long enough keys."""
    rows = np.flatnonzero((keys.str.len_bytes() >= EDGE_LETTERS + 2).to_numpy())
    chosen = keys.gather(rows)
    return [
        (mix(hashes(edge), "edge"), rows)
        for edge in (chosen.str.slice(0, EDGE_LETTERS), chosen.str.slice(-EDGE_LETTERS))
    ]


def _letter_runs(keys: pl.Series) -> list[tuple[Hashes, Ints]]:
    """Return two sampled runs of letters per key: the ones whose hash is smallest and largest (min-hashes)."""
    rows = np.flatnonzero((keys.str.len_bytes() >= RUN_LETTERS).to_numpy())
    if not len(rows):
        return []
    chosen = keys.gather(rows)
    letters = np.frombuffer("".join(chosen.to_list()).encode(), np.uint8)
    lengths = chosen.str.len_bytes().to_numpy().astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    runs = np.zeros(len(letters), np.uint64)
    for offset in range(RUN_LETTERS):
        runs[: len(letters) - offset] |= letters[offset:].astype(np.uint64) << np.uint64(8 * offset)
    runs = mix(runs + np.uint64(1), "run")
    inside = np.ones(len(letters), np.bool_)  # a run must not cross into the next text
    for offset in range(1, RUN_LETTERS):
        inside[starts[1:] - offset] = False
    inside[len(letters) - RUN_LETTERS + 1 :] = False
    low = np.minimum.reduceat(np.where(inside, runs, ~np.uint64(0)), starts)
    high = np.maximum.reduceat(np.where(inside, runs, np.uint64(0)), starts)
    return [(low, rows), (high, rows)]


def _combinations(records: Records) -> list[tuple[Hashes, Ints]]:
    """Return features made of two fields, for records whose title is cut or lost."""
    rows = np.arange(len(records))
    title, artist, album = (hashes(records.texts[name]) for name in ("title_key", "artist_key", "album_key"))
    number = records.number.astype(np.uint64)
    found = [
        (mix(title, "whole"), rows),
        (mix(_both(title, artist), "both"), rows),
        (mix(_both(album, number), "both"), rows),
    ]
    step = records.duration_ms // LENGTH_STEP_MS
    for shift in (0, 1):  # each length lies in two overlapping steps
        length = np.where(records.duration_ms > 0, step + shift, 0).astype(np.uint64)
        found += [(mix(_both(field, length), "both"), rows) for field in (artist, album)]
    for identifier in (records.isrc, records.recording_id):
        found.append((mix(identifier, "whole"), rows))
    return found


def _both(left: Hashes, right: npt.NDArray[np.uint64]) -> Hashes:
    both = left * np.uint64(31) + right * _MIX + np.uint64(7)
    both[(left == 0) | (right == 0)] = 0
    return both
