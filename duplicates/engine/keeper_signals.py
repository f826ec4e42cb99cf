"""The values that keeper rules compare, one column a signal: most are read as they are, some are worked out here.

A value that is not known is null. What is worked out needs only the columns of `PROFILE_SCHEMA`, so a run, which loads
fewer, pays for none of it.
"""

from collections.abc import Callable
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import polars as pl

from duplicates.engine.keeper_rules import RULES, Wish

Floats = npt.NDArray[np.float64]

_LOSSLESS = r"flac|alac|lossless|wav|aiff|monkey|\bape\b|\btta\b|dsd|dsf"
_OPUS = r"opus"
# MPEG-4 audio is AAC; plain MPEG audio is MP3.
_MODERN = r"aac|m4a|mp4|mpeg-?4|vorbis|ogg"
_OLDER = r"mp3|mpeg|mp2|wma|windows media|musepack|ac-?3|realaudio"
# From these rates on (kbit/s) listeners no longer tell a modern codec from the original; below them it is rated with
# the older ones, so that a thin AAC never beats a full MP3.
_CLEAR_OPUS, _CLEAR_MODERN = 128, 192
LOSES_NOTHING, MODERN, OLDER = 3, 2, 1

TAGS = (
    "title",
    "artist",
    "album",
    "album_artist",
    "genre",
    "track_number",
    "year",
    "isrc",
    "musicbrainz_recording_id",
    "duration_ms",
)
# What does not belong into a title: brackets, dash tails, underscores, a leading number, a file's ending.
_CLUTTER = (
    r"[\(\[\{]",
    r"\s[-–—~]\s",
    r"_",
    r"^\s*\d{1,3}\s*[._-]\s*\S",
    r"(?i)\.(?:mp3|m4a|flac|ogg|wav|wma|aiff?)\s*$",
)


def signal_of(wish: Wish, frame: pl.DataFrame) -> Floats:
    """Return the value of each row of `frame` under a rule; not known is NaN."""
    signal = RULES[wish.rule].signal
    worked_out = _WORKED_OUT.get(signal)
    column = frame[signal] if worked_out is None else worked_out(frame, wish)
    values: Floats = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return values


def _title_length(frame: pl.DataFrame, wish: Wish) -> pl.Series:
    """Return the letters of a title; a blank one is not a short one."""
    lengths = frame["title"].fill_null("").str.len_chars()
    return lengths.set(lengths == 0, None)


def _title_clutter(frame: pl.DataFrame, wish: Wish) -> pl.Series:
    """Return how many additions a title holds; one written in capitals only counts as one more."""
    title = frame["title"].fill_null("")
    clutter = sum(
        (title.str.count_matches(pattern).cast(pl.Int64) for pattern in _CLUTTER), pl.Series([0] * len(title))
    )
    shouted = (title.str.to_uppercase() == title) & (title.str.to_lowercase() != title) & (title.str.len_chars() > 4)
    return (clutter + shouted.cast(pl.Int64)).set(title.str.strip_chars() == "", None)


def _codec_family(frame: pl.DataFrame, wish: Wish) -> pl.Series:
    """Return how well a format keeps sound at its rate: 3 loses nothing, 2 modern and ample, 1 the rest."""
    kind, rate = pl.col("format").fill_null("").str.to_lowercase(), pl.col("bit_rate_kbps").fill_null(0)
    says_lossless = kind.str.contains(_LOSSLESS) & pl.col("lossless").fill_null(value=True)
    ample = (kind.str.contains(_OPUS) & (rate >= _CLEAR_OPUS)) | (kind.str.contains(_MODERN) & (rate >= _CLEAR_MODERN))
    family = (
        pl.when(pl.col("lossless").fill_null(value=False) | says_lossless)
        .then(LOSES_NOTHING)
        .when(ample)
        .then(MODERN)
        .when(kind.str.contains(f"{_OPUS}|{_MODERN}|{_OLDER}"))
        .then(OLDER)
    )
    return frame.select(family=family)["family"]


def _tags_filled(frame: pl.DataFrame, wish: Wish) -> pl.Series:
    filled = [
        (pl.col(name) != "") if frame.schema[name] == pl.String() else pl.col(name).is_not_null() for name in TAGS
    ]
    return frame.select(many=pl.sum_horizontal(one.fill_null(value=False).cast(pl.Int64) for one in filled))["many"]


def _preferred_source(frame: pl.DataFrame, wish: Wish) -> pl.Series:
    rank = {source: len(wish.prefer) - place for place, source in enumerate(wish.prefer)}
    return pl.Series([rank.get(source, 0) for source in frame["source"].to_list()], dtype=pl.Int64)


def _preferred_folder(frame: pl.DataFrame, wish: Wish) -> pl.Series:
    wanted = [folder.rstrip("/\\") for folder in wish.prefer]
    return pl.Series([_rank(path_of(text or ""), wanted) for text in frame["location"].to_list()], dtype=pl.Int64)


def _rank(path: str, folders: list[str]) -> int:
    places = (place for place, one in enumerate(folders) if path == one or path.startswith((f"{one}/", f"{one}\\")))
    return len(folders) - next(places, len(folders))


def path_of(location: str) -> str:
    """Return the path a location names; iTunes writes file://localhost/Music/Caf%C3%A9.mp3."""
    if not location.startswith("file://"):
        return location
    return unquote(location.removeprefix("file://").removeprefix("localhost"))


_WORKED_OUT: dict[str, Callable[[pl.DataFrame, Wish], pl.Series]] = {
    "title_length": _title_length,
    "title_clutter": _title_clutter,
    "codec_family": _codec_family,
    "tags_filled": _tags_filled,
    "preferred_source": _preferred_source,
    "preferred_folder": _preferred_folder,
}
