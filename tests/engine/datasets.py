"""The labelled files as track columns, read the way the importer reads them."""

import csv
import datetime as dt
import gzip
import os
import re
from pathlib import Path

import polars as pl

from duplicates.engine.records import TRACK_SCHEMA, TrackColumns

DATA = Path(os.environ.get("REPRISE_EVAL_DATA", "../shared/data")) / "eval"
MONTHS = {
    name: n for n, name in enumerate(("janfebmaraprmayjunjulaugsepoctnovdec"[n : n + 3] for n in range(0, 36, 3)), 1)
}


def rows_of(name: str) -> list[dict[str, str]]:
    """Read one labelled file."""
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def milliseconds(text: str) -> int | None:
    """Read a length in any of the spellings people use."""
    text = re.sub(r"[\s-]", "", text.lower())
    if found := re.fullmatch(r"(?:(\d+):)?(\d+):(\d\d)", text):
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((hours * 60 + minutes) * 60 + seconds) * 1000 or None
    if found := re.fullmatch(r"(\d+)m(\d+)s(?:ec)?", text):
        return (int(found[1]) * 60 + int(found[2])) * 1000 or None
    if re.fullmatch(r"\d+\.\d+", text):
        value = float(text)
        return round(value * 60_000) if value < 100 else round(value * 1000)
    if re.fullmatch(r"\d+", text):
        value = int(text)
        return (value if value >= 10_000 else value * 1000) or None
    return None


def year_of(text: str) -> int | None:
    """Read a year; two digits stand for a year of this or the last century."""
    text = text.strip().lstrip("'").replace(" ", "")
    if re.fullmatch(r"\d{4}", text):
        return int(text)
    if re.fullmatch(r"\d{1,2}", text):
        value = int(text)
        return value + (2000 if value < 30 else 1900)
    return None


def date_of(text: str) -> tuple[dt.date | None, int | None]:
    """Read a release date: a full date, or the year alone."""
    text = text.strip()
    if found := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text):
        return dt.date(*map(int, found.groups())), int(found[1])
    if found := re.fullmatch(r"(\d{1,2})-(\w{3})-(\d\d)", text):
        year = int(found[3]) + (2000 if int(found[3]) < 30 else 1900)
        return dt.date(year, MONTHS[found[2].lower()], int(found[1])), year
    if found := re.fullmatch(r"(\w+) (\d{1,2}) ?, (\d{4})", text):
        return dt.date(int(found[3]), MONTHS[found[1][:3].lower()], int(found[2])), int(found[3])
    if found := re.match(r"(\d{4})", text):
        return None, int(found[1])
    return None, None


def to_columns(records: list[dict[str, object]]) -> TrackColumns:
    """Build track columns from rows that name some of the fields."""
    full = [{name: record.get(name) for name in TRACK_SCHEMA} for record in records]
    return TrackColumns(pl.DataFrame(full, schema=TRACK_SCHEMA))


def _unparsed(**values: tuple[str, object]) -> str:
    return "\n".join(text for text, value in values.values() if text and value is None)


def musicbrainz(*, number: bool = True) -> TrackColumns:
    """Return the MusicBrainz half, with or without its track numbers."""
    records: list[dict[str, object]] = []
    for row in rows_of("musicbrainz_20k.csv.gz"):
        track_number = int(row["number"]) if number and row["number"].isdigit() else None
        length, year = milliseconds(row["length"]), year_of(row["year"])
        left = {"length": (row["length"], length), "year": (row["year"], year)}
        if number:
            left["number"] = (row["number"], track_number)
        records.append(
            {"track_id": int(row["TID"]), "title": row["title"], "artist": row["artist"], "album": row["album"],
             "track_number": track_number, "duration_ms": length, "year": year, "unparsed": _unparsed(**left)}
        )  # fmt: skip
    return to_columns(records)


def isrc_library() -> TrackColumns:
    """Return the tracks of real exports, without their ISRC."""
    records: list[dict[str, object]] = []
    for row in rows_of("isrc_library.csv.gz"):
        date, year = date_of(row["release_date"])
        records.append(
            {"track_id": int(row["id"][1:]), "title": row["title"], "artist": row["artist"], "album": row["album"],
             "duration_ms": int(row["duration_ms"]) if row["duration_ms"] else None, "year": year, "release_date": date,
             "explicit": {"1": True, "0": False}.get(row["explicit"])}
        )  # fmt: skip
    return to_columns(records)


def itunes_amazon(*, dirty: bool = False) -> TrackColumns:
    """Return the iTunes-Amazon songs; in the dirty variant values stand in the wrong column."""
    records: list[dict[str, object]] = []
    for row in rows_of(f"itunes_amazon_{'dirty_' if dirty else ''}library.csv.gz"):
        date, year = date_of(row["released"])
        length = milliseconds(row["time"])
        records.append(
            {"track_id": int(row["id"][1:]), "title": row["song_name"], "artist": row["artist_name"],
             "album": row["album_name"], "genre": row["genre"], "duration_ms": length, "year": year,
             "release_date": date, "unparsed": _unparsed(a=(row["time"], length), b=(row["released"], year))}
        )  # fmt: skip
    return to_columns(records)
