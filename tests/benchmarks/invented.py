"""Invented libraries of any size, the same for the same size and seed, with the copies in them known.

Songs are made of invented words, some far more common than others. About two songs in ten are held again as a program
or a person would have spelt them: a typo, a track number in front, the artist or the album moved into the title, a
field lost, a length in whole seconds.
"""

import random
import string
from collections.abc import Iterator

import numpy as np
import polars as pl

from duplicates.engine.records import TRACK_SCHEMA, TrackColumns

Row = dict[str, str | int | None]

SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u", "an", "er", "il")]
WORDS = 40_000
HELD_AGAIN = 0.2  # share of the tracks that are copies of others
COMMON = 2.5  # the higher, the more often common words are used


def library(count: int, seed: int = 1) -> tuple[TrackColumns, np.ndarray]:
    """Return a library and, for each track, the number of the song it holds."""
    draw = random.Random(seed)
    words = sorted({"".join(draw.choices(SYLLABLES, k=draw.choice((1, 2, 2, 3)))) for _ in range(WORDS)})
    draw.shuffle(words)
    rows: list[Row] = []
    truth: list[int] = []
    while len(rows) < count:
        song = _song(draw, words)
        rows.append(song)
        truth.append(len(rows))
        while len(rows) < count and draw.random() < HELD_AGAIN:
            rows.append(_held_again(draw, song))
            truth.append(truth[-1])
    order = list(range(count))
    draw.shuffle(order)
    frame = pl.DataFrame([rows[place] for place in order], schema={name: TRACK_SCHEMA[name] for name in rows[0]})
    missing = [pl.lit(None, kind).alias(name) for name, kind in TRACK_SCHEMA.items() if name not in frame.columns]
    full = frame.with_columns(missing).with_columns(track_id=pl.int_range(count, dtype=pl.Int64))
    return TrackColumns(full.select(list(TRACK_SCHEMA))), np.array(truth)[order]


def _song(draw: random.Random, words: list[str]) -> Row:
    return {
        "title": " ".join(_some(draw, words, 1, 5)).title(),
        "artist": " ".join(_some(draw, words, 1, 3)).title(),
        "album": " ".join(_some(draw, words, 1, 4)).title(),
        "duration_ms": draw.randrange(90_000, 420_000),
        "year": draw.randrange(1960, 2026),
        "track_number": draw.randrange(1, 20),
    }


def _some(draw: random.Random, words: list[str], least: int, most: int) -> Iterator[str]:
    return (words[int(len(words) * draw.random() ** COMMON)] for _ in range(draw.randint(least, most)))


def _held_again(draw: random.Random, song: Row) -> Row:
    """Return the song as another program or person would have spelt it."""
    copy = dict(song)
    spelling = draw.randrange(7)
    if spelling == 0:
        copy["title"] = f"{copy['track_number']:03}-{copy['title']}"
    elif spelling == 1:
        copy |= {"title": f"{copy['artist']} - {copy['title']}", "artist": None}
    elif spelling == 2:
        copy |= {"title": f"{copy['title']} - {copy['album']}", "album": None}
    elif spelling == 3:
        copy["title"] = f"{copy['title']} ({copy['album']})"
    elif spelling == 4:
        copy[draw.choice(("artist", "album", "year", "track_number"))] = None
    for field in ("title", "artist", "album"):
        if copy[field] and draw.random() < 0.25:
            copy[field] = _with_typo(draw, str(copy[field]))
    if draw.random() < 0.5:
        copy["duration_ms"] = round(int(copy["duration_ms"] or 0) / 1000) * 1000
    return copy


def _with_typo(draw: random.Random, text: str) -> str:
    """Change, drop or swap one letter."""
    at = draw.randrange(len(text))
    kind = draw.randrange(3)
    if kind == 0:
        return text[:at] + draw.choice(string.ascii_lowercase) + text[at + 1 :]
    return text[:at] + text[at + 1 :] if kind == 1 else text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
