"""The frozen values that importers hand to the library: tracks, playlists, and entries that were left out.

Importers are generators of these. They know nothing of Django, never read the clock, and put no two entries of a file
together: whoever consumes them decides what is new, what changed and what came twice.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class SkipReason(StrEnum):
    """Why an entry of a source is not a track of the library."""

    MOVIE = "MOVIE"
    TV_SHOW = "TV_SHOW"
    MUSIC_VIDEO = "MUSIC_VIDEO"
    PODCAST = "PODCAST"
    AUDIOBOOK = "AUDIOBOOK"
    VOICE_MEMO = "VOICE_MEMO"
    LECTURE = "LECTURE"
    BOOK = "BOOK"
    RINGTONE = "RINGTONE"
    RADIO = "RADIO"
    MALFORMED = "MALFORMED"
    BLANK = "BLANK"
    REPEATED_ID = "REPEATED_ID"
    NOT_AUDIO = "NOT_AUDIO"
    NOT_A_FILE = "NOT_A_FILE"
    SAME_FILE = "SAME_FILE"
    UNSUPPORTED = "UNSUPPORTED"
    UNREADABLE = "UNREADABLE"
    TOO_SLOW = "TOO_SLOW"


SKIP_SENTENCES: dict[SkipReason, str] = {
    SkipReason.MOVIE: "A film, not a song.",
    SkipReason.TV_SHOW: "An episode of a series, not a song.",
    SkipReason.MUSIC_VIDEO: "A video, which is no copy of the song it shows.",
    SkipReason.PODCAST: "A podcast, not a song.",
    SkipReason.AUDIOBOOK: "An audiobook, not a song.",
    SkipReason.VOICE_MEMO: "A voice memo, not a song.",
    SkipReason.LECTURE: "A lecture, not a song.",
    SkipReason.BOOK: "A book or booklet, not a song.",
    SkipReason.RINGTONE: "A ringtone cut from a song.",
    SkipReason.RADIO: "A radio station, which has no audio of its own.",
    SkipReason.MALFORMED: "The entry is not shaped like a track.",
    SkipReason.BLANK: "Nothing in it says what it is.",
    SkipReason.REPEATED_ID: "Another entry before it has the same id.",
    SkipReason.NOT_AUDIO: "Not an audio file.",
    SkipReason.NOT_A_FILE: "Not a regular file (a pipe, device, socket or dead link).",
    SkipReason.SAME_FILE: "A link to a file that is in the folder anyway.",
    SkipReason.UNSUPPORTED: "An audio format whose tags cannot be read yet.",
    SkipReason.UNREADABLE: "Broken, or not the audio its name promises: no length could be read.",
    SkipReason.TOO_SLOW: "Reading it took longer than is sane for a song.",
}


@dataclass(frozen=True)
class ImportedTrack:
    """One track as its source describes it. Blank text and None mean "not stated".

    `unparsed` keeps the text of values that could not be read as what their column promises, by field name; `left_out`
    those that say nothing of the song, such as plays beyond counting, which only the report mentions. A blank
    `source_track_id` says that the source has none; the consumer then derives one from the content.
    """

    source_track_id: str
    entry: int  # counts from 1, in the order of the source
    line: int | None = None
    title: str = ""
    artist: str = ""
    album_artist: str = ""
    album: str = ""
    genre: str = ""
    track_number: int | None = None
    disc_number: int | None = None
    year: int | None = None
    release_date: date | None = None
    duration_ms: int | None = None
    isrc: str = ""
    musicbrainz_recording_id: str = ""
    explicit: bool | None = None
    compilation: bool = False
    unparsed: dict[str, str] = field(default_factory=dict)
    location: str = ""
    availability: str = "unknown"
    format: str = ""
    bit_rate_kbps: int | None = None
    sample_rate_hz: int | None = None
    size_bytes: int | None = None
    lossless: bool | None = None
    play_count: int = 0
    skip_count: int = 0
    last_played_at: datetime | None = None
    rating: int | None = None
    loved: bool = False
    added_at: datetime | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def stating(cls, source_track_id: str, entry: int, line: int | None, values: dict[str, Any]) -> "ImportedTrack":
        """Make a track from the values that are stated. Others stay at their defaults without being set one by one,
        which a hundred thousand rows would notice.
        """
        track = cls.__new__(cls)
        values.setdefault("unparsed", {})
        values.setdefault("left_out", {})
        track.__dict__.update(values, source_track_id=source_track_id, entry=entry, line=line)
        return track


# Every field of a track that a source may state, in reading order.
TRACK_FIELDS: tuple[str, ...] = tuple(
    name for name in ImportedTrack.__dataclass_fields__ if name not in {"source_track_id", "entry", "line", "left_out"}
)

# What tells two entries without ids apart. Plays, ratings and dates of the source may change; these are the song.
CONTENT_FIELDS: tuple[str, ...] = (
    "title",
    "artist",
    "album_artist",
    "album",
    "track_number",
    "disc_number",
    "year",
    "duration_ms",
    "isrc",
    "unparsed",
)


@dataclass(frozen=True, slots=True)
class ImportedPlaylist:
    """One playlist in its order. Places of tracks that were left out are left out too.

    The ids may be read again and again, each time from where they lie: a playlist can be as long as the library.
    """

    source_playlist_id: str
    name: str
    is_smart: bool
    source_track_ids: Iterable[str]


@dataclass(frozen=True, slots=True)
class SkippedPlaylist:
    """One list that is not somebody's playlist: the whole library under another name, a folder of playlists."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class SkippedEntry:
    """One entry that is not imported, and why.

    `source_track_id` is given for what is still a track but cannot be read today: its row did not vanish.
    """

    entry: int
    reason: SkipReason
    name: str = ""
    line: int | None = None
    source_track_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a source says about itself as a whole, such as the id of an iTunes library and the fields it states.

    Only of a source that `states_playlists` can it be said that a playlist is gone from it.
    """

    library_id: str = ""
    application: str = ""
    stated_fields: tuple[str, ...] = ()
    states_playlists: bool = False


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """Something about the source a person should know, that cost no entry."""

    code: str
    sentence: str
    line: int | None = None


type ImportedItem = ImportedTrack | ImportedPlaylist | SkippedPlaylist | SkippedEntry | SourceFacts | ImportProblem


class UnreadableSource(Exception):
    """The source cannot be read. The message is a sentence that names line, byte and reason where there are any."""

    def __init__(self, reason: str, *, code: str, line: int | None = None, byte: int | None = None) -> None:
        place = f"Line {line:,}, byte {byte:,}: " if line is not None and byte is not None else ""
        super().__init__(f"{place}{reason}")
        self.reason = reason
        self.code = code
        self.line = line
        self.byte = byte


def content_digest(track: ImportedTrack) -> str:
    """Return what stands for the id of an entry without one: 32 hex digits of everything that makes it this song."""
    content = [str(getattr(track, name) or "") for name in CONTENT_FIELDS]
    return hashlib.blake2b("\x1f".join(content).encode("utf-8", "replace"), digest_size=16).hexdigest()


def storable(text: str) -> str:
    """Return `text` as both databases can keep it: no NUL, no half of a surrogate pair. Nothing else is touched."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
