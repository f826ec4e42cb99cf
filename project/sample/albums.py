"""Reads `albums.txt`, the menu of albums. Its first lines explain how it is written."""

import re
from collections.abc import Iterator
from pathlib import Path

from project.sample import shapes
from project.sample.shapes import Album, Audio, Song

MENU = Path(__file__).with_name("albums.txt")
AUDIO = {name: value for name, value in vars(shapes).items() if isinstance(value, Audio)}
HEADING = re.compile(r"\[(?P<key>\w+)\] (?P<fields>.+)")
SONG = re.compile(r"(?P<length>[\d:.]+)  (?P<title>.+?)(?: @ (?P<artist>.+?))?(?P<explicit> !)?")


def read_albums() -> list[Album]:
    """Return the albums in the order of the menu."""
    lines = [line.strip() for line in MENU.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    blocks = re.split(r"\n{2,}", "\n".join(lines).strip())
    return [_album(*block.split("\n")) for block in blocks]


def _album(heading: str, *lines: str) -> Album:
    found = HEADING.fullmatch(heading)
    if found is None:
        raise ValueError(f"{heading!r} is not the heading of an album.")
    artist, title, year, genre, audio, *more = found["fields"].split(" | ")
    return Album(
        key=found["key"],
        artist=artist,
        title=title,
        year=int(year),
        genre=genre,
        audio=AUDIO[audio],
        composer=next((word for word in more if word != "compilation"), ""),
        compilation="compilation" in more,
        songs=tuple(_songs(lines, artist)),
    )


def _songs(lines: tuple[str, ...], artist: str) -> Iterator[Song]:
    """Read an album's songs; their numbers start again on each disc."""
    disc, number = int("--" in lines), 0
    for line in lines:
        if line == "--":
            disc, number = disc + 1, 0
            continue
        found = SONG.fullmatch(line)
        if found is None:
            raise ValueError(f"{line!r} is not a length and a title.")
        number += 1
        yield Song(found["length"], found["title"], found["artist"] or artist, disc, number, bool(found["explicit"]))
