"""Titles of a whole column taken apart, each exactly as `titles.parse_title` reads it.

Most titles have nothing to take apart, and most of the others fall into three shapes that a column can be searched for:
only a track prefix, `Artist - Title` without an artist, and brackets or dashes that mean nothing to the vocabulary.
Whatever might be more goes through `parse_title`, the only place that decides what a title means.
"""

import re
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz, process

from duplicates.engine import vocabulary as say
from duplicates.engine.hashing import Ints
from duplicates.engine.text_columns import put, rows_matching, words_column
from duplicates.engine.titles import (
    BUILT_IN,
    MAX_PARSED,
    MAY_HOLD_MORE,
    SAME_NAME,
    ParsedTitle,
    Vocabulary,
    parse_title,
)

_TYPES = {"markers": pl.Int32, "is_guess": pl.Boolean}
_CREDIT = r"\b(?:feat|ft|featuring)\b"
HAS_TAIL = rf"\(| - |{_CREDIT}"
SPELT_AS_FILE = r"_|---|^[^ ]*-[^ ]*-[^ ]*-[^ ]*-[^ ]*$"
# Words with which a version, an edition or a credit may begin, besides those of the vocabulary's phrases.
SAYS_IN_LETTERS = r"\b(?:feat|ft|featuring|with|duet|avec|con|mit|live|recorded)\b"
_SIGNS = r"[^0-9A-Za-z\x{80}-\x{10ffff}]*"
LONE_NUMBER = (("#",), True, True)  # the phrase that is a whole tail of one number; titles are full of numbers
IS_LONE_NUMBER = rf"[(-]{_SIGNS}\d+{_SIGNS}(?:$|[()-])"
UNCLEAR_END = r"[ -]$|\)[^(]*\)$"  # which bracket the last one closes takes counting


@lru_cache(maxsize=16)
def _phrases_said(vocabulary: Vocabulary) -> str:
    """Return a pattern that finds every phrase of a vocabulary among words, wherever it is bound to."""
    phrases = {
        " ".join(r"\d+" if word == "#" else re.escape(word) for word in words)
        for table in vocabulary.tails.values()
        for words, first, last, _ in table
        if (words, first, last) != LONE_NUMBER
    }
    return rf"(?:^| )(?:{'|'.join(sorted(phrases))})(?: |$)"


def take_apart(
    title: pl.Series, artist: pl.Series, album: pl.Series, number: Ints, vocabulary: Vocabulary = BUILT_IN
) -> pl.DataFrame:
    """Return a column for each part of `ParsedTitle`. All texts are folded; `number` is 0 where not known."""
    columns = {name: pl.repeat("", len(title), eager=True) for name in ParsedTitle._fields}
    columns |= {
        "core": title,
        "markers": pl.repeat(0, len(title), dtype=pl.Int32, eager=True),
        "is_guess": pl.repeat(value=False, n=len(title), eager=True),
    }
    rows = rows_matching(title, MAY_HOLD_MORE)
    if not len(rows):
        return pl.DataFrame(columns)
    known = pl.DataFrame({"title": title.gather(rows), "artist": artist.gather(rows), "album": album.gather(rows)})
    shaped = _by_shape(known.with_columns(rest=_without_prefix(known["title"], number[rows])), vocabulary)
    rest = np.flatnonzero(shaped["core"].is_null().to_numpy())
    asked = (known[name].gather(rest).to_list() for name in ("title", "artist", "album"))
    parsed = list(
        zip(*map(partial(parse_title, vocabulary=vocabulary), *asked, number[rows[rest]].tolist()), strict=True)
    )
    columns |= {name: put(columns[name], rows, shaped[name]) for name in shaped.columns}
    for name, values in zip(ParsedTitle._fields, parsed, strict=False):
        columns[name] = put(columns[name], rows[rest], pl.Series(values, dtype=_TYPES.get(name, pl.String)))
    return pl.DataFrame(columns)


def _without_prefix(title: pl.Series, number: Ints) -> pl.Series:
    """Return stripped titles without a track prefix that is zero-padded or repeats the track number."""
    pattern, bare = say.TRACK_PREFIX.pattern, pl.col("title").str.strip_chars()
    prefix = bare.str.extract(pattern, 1)
    padded = prefix.str.starts_with("0") & (prefix.str.len_bytes() >= 2)
    repeats = (pl.col("number") > 0) & (prefix.str.to_integer(strict=False) == pl.col("number"))
    goes = (padded | repeats).fill_null(value=False) & bare.str.contains(r"^.?[0-9]")
    return pl.select(title=title, number=pl.Series(number)).select(
        pl.when(goes).then(bare.str.replace(pattern, "")).otherwise(bare)
    )["title"]


def _by_shape(known: pl.DataFrame, vocabulary: Vocabulary) -> pl.DataFrame:
    """Return core, artist, other and is_guess of titles in a known shape; a null core for the others."""
    rest, head = pl.col("rest"), pl.col("rest").str.splitn(" - ", 2).struct.field("field_0")
    behind = pl.col("rest").str.splitn(" - ", 2).struct.field("field_1")
    clear = ~pl.col("title").str.strip_chars().str.contains(SPELT_AS_FILE) & (
        pl.col("title").str.len_chars() <= MAX_PARSED
    )
    bare = ~rest.str.contains(HAS_TAIL)
    names_artist = (
        (pl.col("artist") == "")
        & ~rest.str.contains(rf"\(|{_CREDIT}")
        & (head != "")
        & (behind.str.strip_chars() != "")
        & ~behind.str.contains(" - ", literal=True)
    ).fill_null(value=False)
    stays = clear & ~bare & ~names_artist & pl.Series(_means_nothing(known, vocabulary))
    return known.select(
        core=pl.when(clear & names_artist).then(behind).when((clear & bare) | stays).then(rest).str.strip_chars(),
        artist=pl.when(names_artist).then(head).otherwise(pl.lit("")),
        other=pl.when(names_artist)
        .then(pl.when(pl.col("album") != "").then(rest).otherwise(head))
        .otherwise(pl.lit("")),
        is_guess=names_artist & (pl.col("album") == ""),
    )


def _means_nothing(known: pl.DataFrame, vocabulary: Vocabulary) -> npt.NDArray[np.bool_]:
    """Tell in which titles of known artists and albums no bracket and no dash can mean anything.

    The vocabulary says nothing about any of their words, and neither what stands before the first dash, behind the last
    one, nor in the last bracket is like the artist or the album.
    """
    rest = known["rest"]
    quiet = (
        (known["artist"] != "")
        & (known["album"] != "")
        & ~rest.str.contains(rf"{SAYS_IN_LETTERS}|{IS_LONE_NUMBER}|{UNCLEAR_END}")
    )
    quiet &= ~rest.str.strip_chars(" ()-.").is_in(say.NO_TITLE)
    rows = np.flatnonzero(quiet.to_numpy())
    rows = rows[~words_column(rest.gather(rows)).str.contains(_phrases_said(vocabulary)).to_numpy()]
    rest, artist, album = (known[name].gather(rows) for name in ("rest", "artist", "album"))
    bracket = rest.str.extract(r"\(([^()]*)\)$", 1).fill_null("").str.strip_chars()
    parts = {
        "head": (rest.str.extract(r"^(.*?) - ", 1).fill_null(""), artist),
        "tail": (rest.str.extract(r"^.* - (.*)$", 1).fill_null("").str.strip_chars(), album),
        "bracket": (bracket, album),
    }
    alike = np.zeros(len(rows), np.bool_)
    for one, other in parts.values():
        asked = np.flatnonzero(~alike & (one != "").to_numpy())
        couples = one.gather(asked).to_list(), other.gather(asked).to_list()
        alike[asked] = process.cpdist(*couples, scorer=fuzz.ratio, score_cutoff=SAME_NAME, dtype=np.float32) > 0
    first = pl.col("bracket").str.splitn(" ", 2).struct.field("field_0").fill_null("")
    repeats = pl.col("artist").str.contains(first, literal=True) & (pl.col("bracket") != "")
    alike |= pl.DataFrame({"artist": artist, "bracket": bracket}).select(repeats).to_series().to_numpy()
    nothing = np.zeros(len(known), np.bool_)
    nothing[rows] = ~alike
    return nothing
