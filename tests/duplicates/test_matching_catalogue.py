"""Catalogue entries found by equal keys, checked against a slow and obvious search."""

import random
from typing import Any

import polars as pl
import pytest

from duplicates.services.matching_catalogue import LENGTH_CONFLICT_MS, equal_by_keys, with_keys

FIELDS: dict[str, pl.DataType] = {
    "identity": pl.String(),
    **{name: pl.String() for name in ("isrc", "title", "artist", "album_artist", "album")},
    "duration_ms": pl.Int64(),
}
Row = dict[str, Any]


def row(title: str = "I Got", artist: str = "Nina Vale", album: str = "Low Water", **fields: object) -> Row:
    values = {"identity": "", "isrc": "", "album_artist": "", "duration_ms": 200_000}
    return {**values, "title": title, "artist": artist, "album": album, **fields}


def frame(rows: list[Row], number: str) -> pl.DataFrame:
    kept = pl.DataFrame(rows, schema=FIELDS).rename({"identity": "named"}).with_row_index(number)
    return with_keys(kept.with_columns(pl.col(number).cast(pl.Int64)), "named")


def found(members: list[Row], entries: list[Row]) -> dict[int, int]:
    return dict(equal_by_keys(frame(members, "track_id"), frame(entries, "entry")).iter_rows())


@pytest.mark.parametrize(
    ("member", "entry"),
    [
        pytest.param(row("Don’t Stop"), row("DON'T  STOP"), id="quotes, case and spaces"),
        pytest.param(row("Café"), row("Cafe\u0301"), id="accents"),
        pytest.param(row("東京"), row("東京"), id="Japanese"),
        pytest.param(row(artist="", album_artist="Nina Vale"), row(), id="album artist where there is no artist"),
        pytest.param(row(artist="群星", album_artist="Nina Vale"), row(), id="album artist where many are named"),
        pytest.param(row(duration_ms=None), row(), id="length not known here"),
        pytest.param(row(), row(duration_ms=None), id="length not known there"),
        pytest.param(row(duration_ms=210_000), row(), id="ten seconds apart"),
        pytest.param(row(identity="ab"), row("X", identity="AB", duration_ms=1), id="persistent id"),
        pytest.param(row(isrc="GBAYE0601498"), row("X", isrc="GBAYE0601498", duration_ms=1), id="ISRC"),
    ],
)
def test_is_found(member: Row, entry: Row) -> None:
    assert found([member], [row("Elsewhere"), entry]) == {0: 1}


@pytest.mark.parametrize(
    ("member", "entry"),
    [
        pytest.param(row(""), row(""), id="blank titles"),
        pytest.param(row(artist="", album_artist=""), row(artist="", album_artist=""), id="blank artists"),
        pytest.param(row(artist="Unknown Artist"), row(artist="unknown artist"), id="artists that say nothing"),
        pytest.param(row(artist="Various Artists"), row(artist="various artists"), id="artists of a compilation"),
        pytest.param(row(duration_ms=210_001), row(), id="a conflict of length"),
        pytest.param(row(), row("I Got (Live)"), id="another version"),
        pytest.param(row(), row(artist="Otto Marsh"), id="another artist"),
    ],
)
def test_is_not_found(member: Row, entry: Row) -> None:
    assert found([member], [entry]) == {}


def test_no_entry_of_a_song_hides_another() -> None:
    entries = [row(album="Hits"), row(album="Low Water"), row(album="Live"), row(duration_ms=230_000)]

    assert found([row(), row(album="LIVE"), row(duration_ms=229_000)], entries) == {0: 1, 1: 2, 2: 3}


def test_the_surest_key_decides() -> None:
    entries = [row(), row("X", isrc="GBAYE0601498"), row("Y", identity="AB")]

    assert found([row(identity="AB", isrc="GBAYE0601498"), row(isrc="GBAYE0601498"), row()], entries) == {
        0: 2,
        1: 1,
        2: 0,
    }


def obvious(member: Row, entries: list[Row]) -> int | None:
    """Return the entry a patient person would pick, comparing the member with every entry."""
    for key in ("identity", "isrc", "names"):
        choices = []
        for place, entry in enumerate(entries):
            keys = [(one["title"], one["artist"]) if key == "names" else one[key] for one in (member, entry)]
            known = member["duration_ms"] is not None and entry["duration_ms"] is not None
            gap = abs(member["duration_ms"] - entry["duration_ms"]) if known else LENGTH_CONFLICT_MS + 1
            if keys[0] != keys[1] or not keys[0] or (key == "names" and known and gap > LENGTH_CONFLICT_MS):
                continue
            choices.append((member["album"] != entry["album"], not known, gap, place))
        if choices:
            return min(choices)[-1]
    return None


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_a_slow_and_obvious_search(seed: int) -> None:
    chance = random.Random(seed)

    def some(count: int, step: int) -> list[Row]:
        # Lengths of the two sides never tie: each lies at another remainder of 7.
        return [
            row(
                chance.choice(["one", "two"]),
                chance.choice(["ann", "ben"]),
                chance.choice(["here", "there"]),
                identity=chance.choice(["", "", "AB", "CD"]),
                isrc=chance.choice(["", "", "GBAYE0601498"]),
                duration_ms=chance.choice([None, *(200_000 + 1_400 * n + step for n in range(40))]),
            )
            for _ in range(count)
        ]

    members, entries = some(40, 3), some(25, 0)
    for one in (*members, *entries):
        one["identity"] = one["identity"] or f"nobody {id(one)}"

    expected = {place: best for place, one in enumerate(members) if (best := obvious(one, entries)) is not None}
    assert found(members, entries) == expected


def test_one_song_a_hundred_thousand_times_on_both_sides_is_no_square() -> None:
    """Every member against every entry would be ten thousand million pairs."""
    members = [row(duration_ms=200_000 + n % 9_000) for n in range(100_000)]

    assert len(found(members, members)) == 100_000
