"""From track columns to records the matcher can compare.

Every text column is folded, blanks become missing, titles and credits are taken apart. Records come out ordered by
track id, so nothing later can depend on the order of the file. What a record lacks is empty text, 0 or -1; two empty
values are never equal to anyone downstream.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from duplicates.engine import vocabulary as say
from duplicates.engine.records import TrackColumns
from duplicates.engine.settings import EngineSettings
from duplicates.engine.text import fold, to_words, without_spaces
from duplicates.engine.titles import ParsedTitle, parse_title, part_numbers

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]

_HASH_SEED = 20_26


@dataclass(frozen=True, slots=True)
class Records:
    """The normalised library, one entry per record, ordered by track id."""

    track_id: Ints
    texts: pl.DataFrame  # title, whole, artist, credits, album, version, numbers as words; *_key without spaces
    markers: Small  # bit set of vocabulary.MARKERS
    duration_ms: Ints  # 0: not known
    year: Small  # of the century, -1: not known
    number: Small  # 0: not known
    explicit: npt.NDArray[np.int8]  # -1: not known
    isrc: Hashes  # 0: not known
    recording_id: Hashes

    def __len__(self) -> int:
        return len(self.track_id)


def normalise(columns: TrackColumns, settings: EngineSettings) -> Records:
    """Return the records of a library; ignored fields are blank."""
    frame = _without_ignored(columns.frame.sort("track_id"), settings)
    folded = {name: _without_blanks(fold(frame[name])) for name in ("title", "artist", "album_artist", "album")}
    artist = pl.select(
        pl.when(folded["artist"] == "").then(folded["album_artist"]).otherwise(folded["artist"])
    ).to_series()
    album = (
        folded["album"].str.replace(say.EDITION.pattern + r"\s*$", "").str.replace(say.EDITION.pattern + r"\s*$", "")
    )
    album = pl.select(pl.when(album == "").then(folded["album"]).otherwise(album)).to_series()
    number = frame["track_number"].fill_null(0).to_numpy()
    year_in_album = folded["album"].str.extract(r"\(\s*((?:19|20)\d\d)\s*\)\s*$").cast(pl.Int32, strict=False)
    parsed = _parse_titles(folded["title"], to_words(artist), to_words(album), number)
    texts, markers = _assemble(parsed, artist, album)
    years = frame["year"].fill_null(frame["release_date"].dt.year()).fill_null(year_in_album)
    return Records(
        track_id=frame["track_id"].to_numpy(),
        texts=texts,
        markers=markers,
        duration_ms=frame["duration_ms"].fill_null(0).clip(0, 2**40).to_numpy(),
        year=(years % 100).fill_null(-1).cast(pl.Int32).to_numpy(),
        number=number,
        explicit=frame["explicit"].cast(pl.Int8).fill_null(-1).to_numpy(),
        isrc=hashes(frame["isrc"].fill_null("").str.to_uppercase().str.replace_all("[^A-Z0-9]", "")),
        recording_id=hashes(frame["musicbrainz_recording_id"].fill_null("").str.to_lowercase()),
    )


def hashes(texts: pl.Series) -> Hashes:
    """Return 64-bit hashes of texts, 0 for the empty one: equal texts, equal hashes."""
    values = texts.hash(_HASH_SEED).to_numpy().copy()
    values[values == 0] = 1
    values[(texts == "").to_numpy()] = 0
    return values


def _without_ignored(frame: pl.DataFrame, settings: EngineSettings) -> pl.DataFrame:
    """Blank the columns this run must not look at."""
    renamed = {"duration": "duration_ms"}
    names = [renamed.get(name, name) for name in sorted(settings.ignored_fields)]
    return frame.with_columns(pl.lit(None).cast(frame.schema[name]).alias(name) for name in names)


def _without_blanks(folded: pl.Series) -> pl.Series:
    """Empty the values that only say that nothing is known."""
    short = folded.str.len_chars() <= 20
    if not short.any():
        return folded
    bare = folded.str.replace_all(r"[^\w]+", " ").str.strip_chars()
    blank = bare.is_in(sorted(say.BLANKS)) & short
    return pl.select(pl.when(blank).then(pl.lit("")).otherwise(folded)).to_series()


_NEEDS_PARSING = r"[()]| - |-\(|^\s*(?:\d{1,3}|0[0-9a-z]{1,3}|[a-d]\d{1,2})\s*[-.)]|^0\d\d$|\bfeat|\bft\b"
_HAS_NUMBERS = r"\d|\b(?:[ivx]{2,5}|part|pt|act|no|vol|volume)\b"


def _parse_titles(
    title: pl.Series, artist: pl.Series, album: pl.Series, number: Small
) -> dict[str, list[Any]]:
    """Take apart the titles that have anything to take apart; the others are their own core."""
    rows = title.str.contains(_NEEDS_PARSING).arg_true()
    columns: dict[str, list[Any]] = {
        name: [""] * len(title) if name != "markers" else [0] * len(title) for name in ParsedTitle._fields
    }
    columns["core"] = title.to_list()
    picked = zip(
        rows.to_list(),
        title.gather(rows).to_list(),
        artist.gather(rows).to_list(),
        album.gather(rows).to_list(),
        number[rows.to_numpy()].tolist(),
        strict=True,
    )
    outputs = [columns[name] for name in ParsedTitle._fields]
    for row, one_title, one_artist, one_album, one_number in picked:
        for output, value in zip(outputs, parse_title(one_title, one_artist, one_album, one_number), strict=True):
            output[row] = value
    return columns


def _assemble(
    parsed: dict[str, list[Any]], artist: pl.Series, album: pl.Series
) -> tuple[pl.DataFrame, Small]:
    """Turn the parts into word columns and keys, filling artist and album in where the title held them."""
    series = {name: pl.Series(name, values, dtype=pl.String) for name, values in parsed.items() if name != "markers"}
    artist = pl.select(pl.when(artist == "").then(series["artist"]).otherwise(artist)).to_series()
    album = pl.select(pl.when(album == "").then(series["album"]).otherwise(album)).to_series()
    words = {
        "title": to_words(series["core"]),
        "whole": to_words(series["whole"]),
        "artist": to_words(artist),
        "credits": to_words(series["credits"]),
        "album": to_words(album),
        "version": series["version"],
    }
    keys = {f"{name}_key": without_spaces(words[name]) for name in ("title", "whole", "artist", "album")}
    texts = pl.DataFrame({**words, **keys}).with_columns(numbers=_numbers(words["title"]))
    return texts, np.asarray(parsed["markers"], np.int32)


def _numbers(titles: pl.Series) -> pl.Series:
    """Return the part numbers of every title as text."""
    rows = titles.str.contains(_HAS_NUMBERS).arg_true()
    found = [part_numbers(words) for words in titles.gather(rows).to_list()]
    numbers = pl.Series("numbers", [""], dtype=pl.String).new_from_index(0, len(titles))
    return numbers.scatter(rows, found) if len(rows) else numbers
