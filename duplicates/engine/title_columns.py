"""Titles of a whole column taken apart, each exactly as `titles.parse_title` reads it.

Most titles have nothing to take apart, and most of the others fall into shapes that a column can be searched for: only
a track prefix, two parts with one dash between them, one bracket at the end, and brackets or dashes that mean nothing
to the vocabulary. Whatever might be more goes through `parse_title`, which defines what a title means: a test holds
every shape against it.
"""

import re
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz, process

from duplicates.engine import vocabulary as say
from duplicates.engine.hashing import Ints
from duplicates.engine.text_columns import TEXT, put, rows_matching, same, words_column
from duplicates.engine.titles import (
    BUILT_IN,
    CREDITS,
    MAX_PARSED,
    MAY_HOLD_MORE,
    SAME_NAME,
    ParsedTitle,
    Vocabulary,
    classify_for,
    name_of_version,
    named_by,
    parse_title,
)

_TYPES: dict[str, pl.DataType] = {"markers": pl.Int32(), "is_guess": pl.Boolean()}
_NOTHING = ParsedTitle("")._asdict()
_CREDIT = r"\b(?:feat|ft|featuring)\b"
HAS_TAIL = rf"\(| - |{_CREDIT}"
SPELT_AS_FILE = r"_|---|^[^ ]*-[^ ]*-[^ ]*-[^ ]*-[^ ]*$"
# Words with which a version, an edition or a credit may begin, besides those of the vocabulary's phrases.
SAYS_IN_LETTERS = r"\b(?:feat|ft|featuring|with|duet|avec|con|mit|live|recorded)\b"
_SIGNS = r"[^0-9A-Za-z\x{80}-\x{10ffff}]*"
LONE_NUMBER = (("#",), True, True)  # the phrase that is a whole tail of one number; titles are full of numbers
IS_LONE_NUMBER = rf"[(-]{_SIGNS}\d+{_SIGNS}(?:$|[()-])"
_MAY_CREDIT = rf"^\s*(?:{'|'.join(CREDITS)})"
# What a tail may be, see `titles.classify_for`.
_KINDS = ("other", "album", "guess", "credit", "version", "neutral")
_OTHER, _ALBUM, _GUESS = range(3)
UNCLEAR_END = r"[ -]$|\)[^(]*\)$"  # which bracket the last one closes takes counting


@lru_cache(maxsize=16)
def _phrases_said(vocabulary: Vocabulary) -> str:
    """Return a pattern that finds every phrase of a vocabulary among words, wherever it is bound to."""
    phrases = {
        " ".join(r"\d+" if word == "#" else re.escape(word) for word in words)
        for words, first, last, _ in say.phrases_of(vocabulary.tails)
        if (words, first, last) != LONE_NUMBER
    }
    return rf"(?:^| )(?:{'|'.join(sorted(phrases))})(?: |$)"


def take_apart(
    title: pl.Series, artist: pl.Series, album: pl.Series, number: Ints, vocabulary: Vocabulary = BUILT_IN
) -> pl.DataFrame:
    """Return a column for each part of `ParsedTitle`. All texts are folded; `number` is 0 where not known."""
    columns = {name: same(value, len(title), _TYPES.get(name, TEXT)) for name, value in _NOTHING.items()}
    columns["core"] = title
    rows = rows_matching(title, MAY_HOLD_MORE)
    if not len(rows):
        return pl.DataFrame(columns)
    known = pl.DataFrame({"row": rows, "title": title[rows], "artist": artist[rows], "album": album[rows]})
    known = known.with_columns(rest=_without_prefix(known["title"], number[rows]))
    read = _by_shape(known, vocabulary)
    rest = known.join(read, on="row", how="anti", maintain_order="left")
    read = pl.concat([read, _one_by_one(rest, number, vocabulary)])
    for name in _NOTHING:
        columns[name] = put(columns[name], read["row"].to_numpy(), read[name])
    return pl.DataFrame(columns)


def _one_by_one(known: pl.DataFrame, number: Ints, vocabulary: Vocabulary) -> pl.DataFrame:
    """Read titles of any shape."""
    asked = (known[name].to_list() for name in ("title", "artist", "album"))
    parsed = map(partial(parse_title, vocabulary=vocabulary), *asked, number[known["row"].to_numpy()].tolist())
    parts = zip(_NOTHING, zip(*parsed, strict=True), strict=False)
    columns = {name: pl.Series(values, dtype=_TYPES.get(name, TEXT)) for name, values in parts}
    return _parts(known.select("row"), **columns)


def _parts(rows: pl.DataFrame, **columns: pl.Expr | pl.Series) -> pl.DataFrame:
    """Return a column for each part; those not given hold nothing."""
    nothing = {name: pl.lit(value, dtype=_TYPES.get(name, TEXT)) for name, value in _NOTHING.items()}
    return rows.select("row", **(nothing | columns))


def _without_prefix(title: pl.Series, number: Ints) -> pl.Series:
    """Return stripped titles without a track prefix that is zero-padded or repeats the track number."""
    bare = title.str.strip_chars()
    rows = rows_matching(bare, r"^.?[0-9]")
    return put(bare, rows, _without_numbers(bare[rows], number[rows]))


def _without_numbers(title: pl.Series, number: Ints) -> pl.Series:
    """Return titles that may begin with a track prefix without it."""
    pattern, bare = say.TRACK_PREFIX.pattern, pl.col("title")
    prefix = bare.str.extract(pattern, 1)
    padded = prefix.str.starts_with("0") & (prefix.str.len_bytes() >= 2)
    repeats = (pl.col("number") > 0) & (prefix.str.to_integer(strict=False) == pl.col("number"))
    goes = (padded | repeats).fill_null(value=False)
    return pl.select(title=title, number=pl.Series(number)).select(
        pl.when(goes).then(bare.str.replace(pattern, "")).otherwise(bare)
    )["title"]


def _by_shape(known: pl.DataFrame, vocabulary: Vocabulary) -> pl.DataFrame:
    """Return the parts of titles in a known shape."""
    bare_title, rest = pl.col("title").str.strip_chars(), pl.col("rest")
    clear = known.filter(~bare_title.str.contains(SPELT_AS_FILE), pl.col("title").str.len_chars() <= MAX_PARSED)
    tailed = clear["rest"].str.contains(HAS_TAIL)
    shaped = [_parts(clear.filter(~tailed), core=rest.str.strip_chars())]
    clear = clear.filter(tailed).with_columns(
        head=rest.str.splitn(" - ", 2).struct.field("field_0"), behind=rest.str.splitn(" - ", 2).struct.field("field_1")
    )
    one_dash = clear.select(
        ((pl.col("head") != "") & (pl.col("behind").str.strip_chars() != "")).fill_null(value=False)
        & ~rest.str.contains(rf"[()]|{_CREDIT}|[ -]$")
        & ~pl.col("behind").str.contains(r" - |^-").fill_null(value=True)
    ).to_series()
    shaped += [_read_dash(clear.filter(one_dash), vocabulary), _read_bracket(clear.filter(~one_dash), vocabulary)]
    return pl.concat(shaped)


def _read_dash(known: pl.DataFrame, vocabulary: Vocabulary) -> pl.DataFrame:
    """Read titles of two parts with one dash between them: `Artist - Title`, `Title - Album`, `Title - Live`.

    Left out are those in which the dash may open a version: "Live in Rome, Italy - 1962".
    """
    heads, artists = (known[name].to_list() for name in ("head", "artist"))
    is_artist = _alike(heads, artists)
    known = known.with_columns(nobody=pl.col("artist") == "")
    asked = ~(is_artist | known["nobody"].to_numpy())
    known = _with_tails(known, known["behind"].str.strip_chars(), asked, vocabulary, guess_album=True)
    known = known.with_columns(kind=pl.when(pl.Series(asked)).then("kind").otherwise(pl.lit("artist")))
    rest, head, kind = pl.col("rest"), pl.col("head"), pl.col("kind")
    unsure = (kind == "other") & rest.str.contains("live|recorded")
    return _parts(
        known.filter(~unsure),
        core=pl.when(kind == "artist")
        .then("behind")
        .when(kind == "other")
        .then(rest)
        .otherwise(head)
        .str.strip_chars(),
        artist=pl.when("nobody").then(head).otherwise(pl.lit("")),
        album=pl.when(kind == "guess").then(pl.col("behind").str.strip_chars()).otherwise(pl.lit("")),
        other=pl.when(pl.col("nobody") & (pl.col("album") == ""))
        .then(head)
        .when(kind.is_in(["artist", "guess"]))
        .then(rest)
        .otherwise(pl.lit("")),
        is_guess=pl.col("nobody") & (pl.col("album") == ""),
        markers=pl.col("markers"),
        version=pl.col("version"),
        credits=pl.col("credits"),
    )


def _with_tails(
    known: pl.DataFrame, tails: pl.Series, asked: npt.NDArray[np.bool_], vocabulary: Vocabulary, *, guess_album: bool
) -> pl.DataFrame:
    """Add what the tails asked for say, each as `classify_for` classifies it; all others say nothing.

    With `guess_album` a tail that means nothing is the album of a record without one.
    """
    albums = known["album"]
    kind, markers = np.full(len(known), _OTHER, np.int8), np.zeros(len(known), np.int32)
    version, credits = {}, {}
    same_as_album = ((tails == albums) & (albums != "")).to_numpy()
    kind[asked & same_as_album] = _ALBUM
    rows = np.flatnonzero(asked & ~same_as_album)
    quiet = _says_nothing(tails[rows], vocabulary)
    kind[rows[quiet]] = _of_quiet_tails(tails[rows[quiet]], albums[rows[quiet]], guess_album=guess_album)
    rows = rows[~quiet]
    for row, tail, album in zip(rows.tolist(), tails[rows].to_list(), albums[rows].to_list(), strict=True):
        name, bits = classify_for(tail, album, vocabulary, may_be_album=guess_album and not album)
        kind[row], markers[row] = _KINDS.index(name), bits
        if name == "version":
            version[row] = name_of_version(tail, bits)
        elif name == "credit":
            credits[row] = named_by(tail).strip(",")
    return known.with_columns(
        kind=pl.Series(_KINDS).gather(kind),
        markers=pl.Series(markers),
        version=_here_and_there(version, len(known)),
        credits=_here_and_there(credits, len(known)),
    )


def _says_nothing(tails: pl.Series, vocabulary: Vocabulary) -> npt.NDArray[np.bool_]:
    """Tell which tails no phrase of the vocabulary and no credit stands in, without asking `classify` for each."""
    words = words_column(tails)
    says = words.str.contains(_phrases_said(vocabulary)) | words.str.contains(r"^\d+$")
    nothing: npt.NDArray[np.bool_] = (~says & ~tails.str.contains(_MAY_CREDIT)).to_numpy()
    return nothing


def _of_quiet_tails(tails: pl.Series, albums: pl.Series, *, guess_album: bool) -> npt.NDArray[np.int8]:
    """Return the kinds of tails that the vocabulary knows nothing about: the album, a guess at it, or nothing."""
    has_album = (albums != "").to_numpy()
    kind = np.where(has_album | (not guess_album), _OTHER, _GUESS).astype(np.int8)
    rows = np.flatnonzero(has_album)
    kind[rows[_alike(tails[rows].to_list(), albums[rows].to_list())]] = _ALBUM
    return kind


def _alike(one: list[str], other: list[str]) -> npt.NDArray[np.bool_]:
    """Tell which texts are the same name, couple by couple. No couple is empty on both sides."""
    if not one:
        return np.zeros(0, np.bool_)
    alike: npt.NDArray[np.bool_] = (
        process.cpdist(one, other, scorer=fuzz.ratio, score_cutoff=SAME_NAME, dtype=np.float32) > 0
    )
    return alike


def _here_and_there(values: dict[int, str], count: int) -> pl.Series:
    """Return a column that is empty but for some rows."""
    rows = np.fromiter(values, np.int64, len(values))
    return put(same("", count), rows, pl.Series(list(values.values()), dtype=pl.String))


def _read_bracket(known: pl.DataFrame, vocabulary: Vocabulary) -> pl.DataFrame:
    """Read titles whose last bracket is understood while nothing before it means anything, or in which nothing does."""
    text = known["rest"].str.strip_chars_end(" -")
    before = text.str.extract(r"^(.*)\([^()]*\)$", 1).str.strip_chars_end()
    tail = text.str.extract(r"\(([^()]*)\)$", 1)
    ends = (before != "").fill_null(value=False) & ~before.str.ends_with("-").fill_null(value=True)
    ends &= ~tail.str.contains(" - ", literal=True).fill_null(value=True)
    tails = tail.fill_null("").str.strip_chars()
    known = _with_tails(known, tails, ends.to_numpy(), vocabulary, guess_album=False)
    known = known.with_columns(rest=pl.when(pl.col("kind") == "other").then("rest").otherwise(before))
    # Of a bracket that was taken off, what stands before it must be a plain title or mean nothing, too.
    settled = ((known["kind"] != "other") & ~known["rest"].str.contains(HAS_TAIL)).to_numpy().copy()
    unsure = np.flatnonzero(~settled)
    settled[unsure] = _means_nothing(known[unsure], vocabulary)
    parts = {name: pl.col(name) for name in ("markers", "version", "credits")}
    return _parts(known.filter(pl.Series(settled)), core=pl.col("rest").str.strip_chars(), **parts)


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
    rows = rows[~words_column(rest[rows]).str.contains(_phrases_said(vocabulary)).to_numpy()]
    rest, artist, album = (known[name][rows] for name in ("rest", "artist", "album"))
    bracket = rest.str.extract(r"\(([^()]*)\)$", 1).fill_null("").str.strip_chars()
    parts = {
        "head": (rest.str.extract(r"^(.*?) - ", 1).fill_null(""), artist),
        "tail": (rest.str.extract(r"^.* - (.*)$", 1).fill_null("").str.strip_chars(), album),
        "bracket": (bracket, album),
    }
    alike = np.zeros(len(rows), np.bool_)
    for one, other in parts.values():
        asked = np.flatnonzero(~alike & (one != "").to_numpy())
        alike[asked] = _alike(one[asked].to_list(), other[asked].to_list())
    first = pl.col("bracket").str.splitn(" ", 2).struct.field("field_0").fill_null("")
    repeats = pl.col("artist").str.contains(first, literal=True) & (pl.col("bracket") != "")
    alike |= pl.DataFrame({"artist": artist, "bracket": bracket}).select(repeats).to_series().to_numpy()
    nothing = np.zeros(len(known), np.bool_)
    nothing[rows] = ~alike
    return nothing
