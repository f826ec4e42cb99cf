"""The words in which the sample library is written: albums, versions of their songs, loose files, entries to skip.

`albums.txt`, `versions.py` and `rest.py` are menus made of these; `build.py` turns them into an iTunes library. A song
is named by its album's key and its place there, such as `salt/3`; a version by that and its kind: `salt/3 live`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Audio:
    """How a song is stored: what iTunes calls the kind, the file's ending and its rates."""

    kind: str
    ending: str
    kbps: int
    hertz: int = 44_100


MP3_96 = Audio("MPEG audio file", "mp3", 96)
MP3_128 = Audio("MPEG audio file", "mp3", 128)
MP3_192 = Audio("MPEG audio file", "mp3", 192)
MP3_320 = Audio("MPEG audio file", "mp3", 320)
AAC_128 = Audio("AAC audio file", "m4a", 128)
AAC_256 = Audio("AAC audio file", "m4a", 256)
BOUGHT = Audio("Purchased AAC audio file", "m4a", 256)
CLOUD = Audio("Apple Music AAC audio file", "", 256)
ALAC = Audio("Apple Lossless audio file", "m4a", 912)
FLAC = Audio("FLAC audio file", "flac", 948)
WAV = Audio("WAV audio file", "wav", 1_411)


@dataclass(frozen=True, slots=True)
class Song:
    """One line of an album."""

    length: str
    title: str
    artist: str
    disc: int
    number: int
    explicit: bool


@dataclass(frozen=True, slots=True)
class Album:
    """One album as the family bought or ripped it. Discs count from 1, or stay 0 when there is only one."""

    key: str
    artist: str
    title: str
    year: int
    genre: str
    audio: Audio
    composer: str
    compilation: bool
    songs: tuple[Song, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A further track that resembles `of`, with what is different about it; `{}` stands for the original's words.

    `of` may name a run of songs, such as `salt/1-8`. Whether it is the same recording is said by the table it is in.
    None leaves a value as it is in the original and 0 removes it, as "" does for words.
    """

    of: str
    kind: str
    title: str = "{}"
    artist: str = "{}"
    album: str = "{}"
    album_artist: str = "{}"
    genre: str = "{}"
    longer_ms: int = 0
    year: int | None = None
    number: int | None = None
    disc: int | None = None
    audio: Audio | None = None
    compilation: bool | None = None
    explicit: bool | None = None
    clean: bool = False
    plays: int | None = None
    rating: int | None = None
    loved: bool = False
    has_file: bool = True


@dataclass(frozen=True, slots=True)
class Loose:
    """A file that belongs to no album of ours and whose tags say little. Each is a recording of its own."""

    key: str
    kind: str
    length: str
    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    number: int = 0
    audio: Audio = MP3_128


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that is no song: an import leaves it out and says why."""

    key: str
    reason: str
    title: str
    artist: str
    album: str
    genre: str
    length: str
    audio: Audio
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A playlist in its order. `songs` lists keys, a line or comma apart; a smart one is filled by `rule` instead."""

    name: str
    songs: str = ""
    rule: str = ""
    folder: str = ""
    is_folder: bool = False
