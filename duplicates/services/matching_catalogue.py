"""Finds members in a catalogue by equal keys, whole columns at a time, so that the cost stays near-linear.

Of several entries with one key the one on the same album is taken, then the one of the nearest length, then the one
with the smallest id. Nothing here reads the database.
"""

from collections.abc import Iterable
from functools import partial

import polars as pl

from duplicates.engine.normalise import BLANKS, NO_ARTIST
from duplicates.engine.text import fold, to_words

# Two lengths further apart than this are not taken for one recording.
LENGTH_CONFLICT_MS = 10_000
# The keys in their order of trust, and how far lengths may be apart under each (None: any distance).
KEYS: dict[str, int | None] = {"identity": None, "isrc": None, "names": LENGTH_CONFLICT_MS}


def with_keys(frame: pl.DataFrame, identity: str) -> pl.DataFrame:
    """Add the keys as columns: `identity` in capitals, `names` from normalised title and artist, and `album_key`.

    A title or artist that says nothing gives no key: two blanks are never equal, nor are two "Various Artists".
    """
    title, album, *credits = (_words(frame[column]) for column in ("title", "album", "artist", "album_artist"))
    artist, album_artist = (["" if one in NO_ARTIST else one for one in names] for names in credits)
    artists = [one or other for one, other in zip(artist, album_artist, strict=True)]
    names = [f"{one}\0{two}" if one and two else None for one, two in zip(title, artists, strict=True)]
    return frame.with_columns(
        pl.Series("names", names, dtype=pl.String),
        pl.Series("album_key", album, dtype=pl.String),
        identity=pl.when(pl.col(identity) != "").then(pl.col(identity).str.to_uppercase()),
        isrc=pl.when(pl.col("isrc") != "").then("isrc"),
    )


def _words(texts: pl.Series) -> list[str]:
    """Return the words of each text in their plain form; none where it says nothing."""
    words = to_words(fold(texts.fill_null("").to_list())).decode().split("\n")
    return ["" if text in BLANKS else text for text in words[: len(texts)]]


def equal_by_keys(members: pl.DataFrame, entries: pl.DataFrame, keys: Iterable[str] = KEYS) -> pl.DataFrame:
    """Return `track_id` and `entry` of the members found by a key, the most trusted key first.

    `members` holds `track_id`, `entries` holds `entry` in ascending order; both hold `duration_ms` and the keys.
    """
    found = []
    for key in keys:
        for on in ([key, "album_key"], [key]):
            for step in (partial(_of_nearest_length, tolerance=KEYS[key]), _of_unknown_length):
                found.append(step(members.filter(pl.col(key).is_not_null()), entries, on))
                members = members.join(found[-1], on="track_id", how="anti")
    return pl.concat(found)


def _of_nearest_length(
    members: pl.DataFrame, entries: pl.DataFrame, on: list[str], *, tolerance: int | None
) -> pl.DataFrame:
    """Match where both lengths are known."""
    left = members.filter(pl.col("duration_ms").is_not_null()).sort("duration_ms", "track_id")
    right = entries.filter(pl.col("duration_ms").is_not_null())
    right = right.unique([*on, "duration_ms"], keep="first", maintain_order=True).sort("duration_ms", "entry")
    nearest = left.select("track_id", "duration_ms", *on).join_asof(
        right.select("entry", "duration_ms", *on),
        on="duration_ms",
        by=on,
        strategy="nearest",
        tolerance=tolerance,
        check_sortedness=False,
    )
    return nearest.select("track_id", "entry").drop_nulls()


def _of_unknown_length(members: pl.DataFrame, entries: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """Match where one of the lengths is not known: the first entry with the key."""
    is_unknown = pl.col("duration_ms").is_null()
    pairs = ((members.filter(is_unknown), entries), (members.filter(~is_unknown), entries.filter(is_unknown)))
    return pl.concat(
        left.join(right.unique(on, keep="first", maintain_order=True), on=on).select("track_id", "entry")
        for left, right in pairs
    )
