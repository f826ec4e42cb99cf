"""Writes `Sample Library.xml` and `truth.csv`, the library that `manage.py demo` imports and tests score against.

Run it by hand after changing a menu: `uv run project/sample/build.py`. The songs stand in `albums.txt`, `versions.py`
and `rest.py`; `entries.py` completes them; this module lays them out as iTunes does. Same menus, same bytes.
"""

import base64
import csv
import io
import re
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

FOLDER = Path(__file__).resolve().parent
if __package__ in (None, ""):
    sys.path.insert(0, str(FOLDER.parents[1]))  # started as a script: find the project this file belongs to

from project.sample.entries import NEWEST, Entry, all_entries, digest  # noqa: E402
from project.sample.rest import PLAYLISTS  # noqa: E402
from project.sample.shapes import Listing  # noqa: E402

LIBRARY_FILE = FOLDER / "Sample Library.xml"
TRUTH_FILE = FOLDER / "truth.csv"

PLAIN_IN_PATHS = "()',!&+"  # what iTunes leaves as it is where a path is percent-encoded
MEDIA = "file:///Users/family/Music/Music/Media.localized/"
FIRST_TRACK_ID, FIRST_PLAYLIST_ID = 1_201, 9_001
MAC_EPOCH = 2_082_844_800  # seconds from 1904 to 1970: how iTunes counts `Play Date`
Value = str | int | bool | datetime | bytes

# What the built-in lists hold: name, its flag, its distinguished kind, which entries.
BUILT_IN: list[tuple[str, str, int, Callable[[Entry], bool]]] = [
    ("Library", "Master", 0, lambda entry: True),
    ("Music", "Music", 4, lambda entry: entry.recording is not None),
    ("Movies", "Movies", 2, lambda entry: "Movie" in entry.flags),
    ("TV Shows", "TV Shows", 3, lambda entry: "TV Show" in entry.flags),
    ("Podcasts", "Podcasts", 10, lambda entry: "Podcast" in entry.flags),
    ("Audiobooks", "Audiobooks", 5, lambda entry: entry.genre == "Audiobook"),
]

# How the smart playlists are filled.
RULES: dict[str, Callable[[list[Entry]], list[Entry]]] = {
    "newest": lambda songs: sorted(songs, key=lambda entry: entry.added_at, reverse=True)[:40],
    "most played": lambda songs: sorted(songs, key=lambda entry: (-entry.plays, entry.key))[:25],
    "five stars": lambda songs: [entry for entry in songs if entry.rating == 100],
}


def main() -> None:
    entries = all_entries()
    LIBRARY_FILE.write_text(library_xml(entries), encoding="utf-8", newline="\n")
    TRUTH_FILE.write_text(truth_csv(entries), encoding="utf-8", newline="\n")
    sys.stdout.write(f"Wrote {len(entries)} entries to {LIBRARY_FILE.name} and their truth to {TRUTH_FILE.name}.\n")


def truth_csv(entries: list[Entry]) -> str:
    """Return which recording each song is, under the preset `recording` with remasters and explicit words folded."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["persistent_id", "recording", "kind"])
    songs = [entry for entry in entries if entry.recording is not None]
    writer.writerows(
        sorted([entry.persistent_id, entry.recording, entry.kind] for entry in songs),
    )
    return text.getvalue()


def library_xml(entries: list[Entry]) -> str:
    """Return the library as iTunes exports it."""
    ids = {entry.key: FIRST_TRACK_ID + 2 * place for place, entry in enumerate(entries)}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
        '<plist version="1.0">',
        "<dict>",
        *_pairs(_header(), indent=1),
        "\t<key>Tracks</key>",
        "\t<dict>",
        *_tracks(entries, ids),
        "\t</dict>",
        "\t<key>Playlists</key>",
        "\t<array>",
        *_playlists(entries, ids),
        "\t</array>",
        "</dict>",
        "</plist>",
    ]
    return "\n".join(lines) + "\n"


def _header() -> dict[str, Value]:
    return {
        "Major Version": 1,
        "Minor Version": 1,
        "Date": NEWEST,
        "Application Version": "1.4.2.70",
        "Features": 5,
        "Show Content Ratings": True,
        "Music Folder": MEDIA,
        "Library Persistent ID": _persistent_id("the library"),
    }


def _tracks(entries: list[Entry], ids: dict[str, int]) -> Iterable[str]:
    taken: set[str] = set()
    for entry in entries:
        yield f"\t\t<key>{ids[entry.key]}</key>"
        yield "\t\t<dict>"
        yield from _pairs(_track(entry, ids[entry.key], taken), indent=3)
        yield "\t\t</dict>"


def _track(entry: Entry, track_id: int, taken: set[str]) -> dict[str, Value]:
    """Return an entry's keys in the order of iTunes; what is unknown has no key."""
    played = entry.played_at
    keys: dict[str, Value | None] = {
        "Track ID": track_id,
        "Name": entry.title,
        "Artist": entry.artist,
        "Album Artist": entry.album_artist,
        "Composer": entry.composer,
        "Album": entry.album,
        "Genre": entry.genre,
        "Kind": entry.audio.kind,
        "Size": entry.size_bytes if entry.duration_ms else None,
        "Total Time": entry.duration_ms,
        "Disc Number": entry.disc,
        "Track Number": entry.number,
        "Year": entry.year,
        "Date Modified": entry.added_at,
        "Date Added": entry.added_at,
        "Bit Rate": entry.audio.kbps,
        "Sample Rate": entry.audio.hertz,
        "Play Count": entry.plays,
        "Play Date": int(played.timestamp()) + MAC_EPOCH if played else None,
        "Play Date UTC": played,
        "Skip Count": entry.skips,
        "Rating": entry.rating,
        "Loved": entry.loved,
        "Compilation": entry.compilation,
        "Explicit": entry.explicit,
        "Clean": entry.clean,
        "Persistent ID": entry.persistent_id,
        **dict.fromkeys(entry.flags, True),
        **_file(entry, taken),
    }
    return {key: value for key, value in keys.items() if value}


def _file(entry: Entry, taken: set[str]) -> dict[str, Value | None]:
    """Say where the audio is: on the disk, in the cloud, on the air, or nowhere any more."""
    if entry.audio.kind.startswith("Internet"):
        return {"Track Type": "URL", "Location": "http://stream.radio-meridian.example/live"}
    if entry.audio.kind.startswith("Apple Music"):
        return {"Track Type": "Remote", "Apple Music": True}
    location = _location(entry, taken) if entry.has_file else None
    return {"Track Type": "File", "Location": location}


def _location(entry: Entry, taken: set[str]) -> str:
    """Return a path as iTunes would choose it; a second file of that name gets a number."""
    owner = "Compilations" if entry.compilation else entry.album_artist or entry.artist or "Unknown Artist"
    name = f"{entry.number:02} {entry.title}" if entry.number else entry.title or "Untitled"
    path = "/".join(_file_name(part) for part in ("Music", owner, entry.album or "Unknown Album", name))
    stem, count = MEDIA + quote(path, "/" + PLAIN_IN_PATHS), 0
    while (location := f"{stem}{f'%20{count}' if count else ''}.{entry.audio.ending}").casefold() in taken:
        count += 1
    taken.add(location.casefold())  # the disk of a Mac does not tell cases apart
    return location


def _file_name(text: str) -> str:
    return re.sub(r'[/:?"<>*|\\]', "_", text.strip()).rstrip(".")[:60] or "_"


def _playlists(entries: list[Entry], ids: dict[str, int]) -> Iterable[str]:
    number = FIRST_PLAYLIST_ID
    for name, flag, kind, holds in BUILT_IN:
        keys: dict[str, Value] = {"Name": name, "Playlist ID": number, "Playlist Persistent ID": _persistent_id(name)}
        keys |= {"Distinguished Kind": kind} if kind else {"Visible": False}
        keys |= {flag: True, "All Items": True}
        yield from _playlist(keys, [ids[entry.key] for entry in entries if holds(entry)])
        number += 1
    for listing in PLAYLISTS:
        yield from _playlist(_listing_keys(listing, number), [ids[key] for key in _listed(listing, entries)])
        number += 1


def _listing_keys(listing: Listing, number: int) -> dict[str, Value]:
    keys: dict[str, Value] = {"Name": listing.name, "Playlist ID": number}
    keys["Playlist Persistent ID"] = _persistent_id(listing.name)
    if listing.folder:
        keys["Parent Persistent ID"] = _persistent_id(listing.folder)
    keys["All Items"] = True
    if listing.is_folder:
        keys["Folder"] = True
    if listing.rule:
        keys |= {"Smart Info": bytes(40), "Smart Criteria": b"SLst" + bytes(60)}
    return keys


def _listed(listing: Listing, entries: list[Entry]) -> list[str]:
    """Return the keys in a playlist; a folder shows what the playlists in it hold."""
    if listing.rule:
        songs = [entry for entry in entries if entry.recording is not None]
        return [entry.key for entry in RULES[listing.rule](songs)]
    if listing.is_folder:
        inside = [child for child in PLAYLISTS if child.folder == listing.name]
        return list(dict.fromkeys(key for child in inside for key in _listed(child, entries)))
    return [key for key in map(str.strip, re.split(r"[,\n]", listing.songs)) if key]


def _playlist(keys: dict[str, Value], track_ids: list[int]) -> Iterable[str]:
    yield "\t\t<dict>"
    yield from _pairs(keys, indent=3)
    if track_ids:
        yield "\t\t\t<key>Playlist Items</key>"
        yield "\t\t\t<array>"
        for track_id in track_ids:
            yield "\t\t\t\t<dict>"
            yield from _pairs({"Track ID": track_id}, indent=5)
            yield "\t\t\t\t</dict>"
        yield "\t\t\t</array>"
    yield "\t\t</dict>"


def _pairs(values: dict[str, Value], *, indent: int) -> Iterable[str]:
    for key, value in values.items():
        yield f"{'\t' * indent}<key>{key}</key>{_xml(value)}"


def _xml(value: Value) -> str:
    match value:
        case bool():
            return "<true/>" if value else "<false/>"
        case int():
            return f"<integer>{value}</integer>"
        case datetime():
            return f"<date>{value:%Y-%m-%dT%H:%M:%SZ}</date>"
        case bytes():
            return f"<data>{base64.b64encode(value).decode()}</data>"
        case str():
            return f"<string>{value.replace('&', '&#38;').replace('<', '&#60;').replace('>', '&#62;')}</string>"


def _persistent_id(name: str) -> str:
    return digest(name)[:16].upper()


if __name__ == "__main__":
    main()
