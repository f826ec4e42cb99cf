"""What one entry of an iTunes library means: a track with its values, or something that is not a song.

The entry comes as the plist has it: texts, numbers and flags by Apple's key names. iTunes writes `Kind` in the language
of its owner, so the file's extension is asked first and the words of `Kind` second.
"""

from datetime import date, datetime
from typing import Any

from library.importers.records import ImportedTrack, SkippedEntry, SkipReason, storable
from library.importers.values import LARGEST_NUMBER, LARGEST_SIZE, LONGEST_DURATION_MS, NEWEST_YEAR, parse_moment

# Flags first: they are exact. A film that is a podcast is a podcast.
SKIP_FLAGS: tuple[tuple[str, SkipReason], ...] = (
    ("Podcast", SkipReason.PODCAST),
    ("iTunesU", SkipReason.LECTURE),
    ("TV Show", SkipReason.TV_SHOW),
    ("Music Video", SkipReason.MUSIC_VIDEO),
    ("Movie", SkipReason.MOVIE),
    ("Home Video", SkipReason.MOVIE),
    ("Audiobook", SkipReason.AUDIOBOOK),
    ("Audiobooks", SkipReason.AUDIOBOOK),
    ("Books", SkipReason.BOOK),
    ("Book", SkipReason.BOOK),
    ("Ringtone", SkipReason.RINGTONE),
    ("Tone", SkipReason.RINGTONE),
    ("Voice Memo", SkipReason.VOICE_MEMO),
)
# iTunes flags neither audiobooks nor voice memos in the XML; their genre says it, in the owner's language.
SKIP_GENRES: dict[str, SkipReason] = {
    **dict.fromkeys(
        ("audiobook", "audiobooks", "audio book", "audio books", "hörbuch", "hörbücher", "livre audio", "livres audio",
         "audiolibro", "audiolibros", "audiolibri", "audiolivro", "audiolivros", "luisterboek", "luisterboeken",
         "ljudbok", "ljudböcker", "lydbok", "lydbog", "аудиокнига", "аудиокниги", "有声读物", "有聲書",
         "オーディオブック"),
        SkipReason.AUDIOBOOK,
    ),
    **dict.fromkeys(
        ("voice memo", "voice memos", "sprachmemo", "sprachmemos", "mémo vocal", "mémos vocaux", "memo vocale",
         "memo vocali", "memos de voz", "nota de voz", "notas de voz", "memorando de voz", "gravação de voz",
         "gravador", "dictafoon", "röstmemo", "röstmemon", "диктофон", "语音备忘录", "語音備忘錄", "ボイスメモ"),
        SkipReason.VOICE_MEMO,
    ),
    **dict.fromkeys(("podcast", "podcasts", "подкаст", "подкасты", "播客", "ポッドキャスト"), SkipReason.PODCAST),
}  # fmt: skip
SKIP_EXTENSIONS: dict[str, SkipReason] = {
    **dict.fromkeys((".pdf", ".epub", ".ibooks"), SkipReason.BOOK),
    **dict.fromkeys((".m4b", ".aa", ".aax"), SkipReason.AUDIOBOOK),
    ".m4r": SkipReason.RINGTONE,
}

# extension: (format, lossless); None where the container holds either.
FORMATS: dict[str, tuple[str, bool | None]] = {
    ".mp3": ("MP3", False),
    ".m4a": ("AAC", None),
    ".m4p": ("AAC (protected)", False),
    ".mp4": ("AAC", None),
    ".aac": ("AAC", False),
    ".wav": ("WAV", True),
    ".aif": ("AIFF", True),
    ".aiff": ("AIFF", True),
    ".flac": ("FLAC", True),
    ".ogg": ("Ogg Vorbis", False),
    ".opus": ("Opus", False),
    ".wma": ("WMA", None),
}
_LOSSLESS = "lossless|verlustfrei|sans perte|senza perdita|sin pérdida|sem perda|无损|無失真|ロスレス|без потерь"
_LOSSLESS_WORDS = (*_LOSSLESS.split("|"), "zonder verlies", "förlustfri", "tapsfri", "tabsfri")
# Words of `Kind` for entries without a file, such as cloud-only ones. The order matters: "Apple Lossless" is not AAC.
_KIND_FORMATS: tuple[tuple[str, str, bool], ...] = (
    *((word, "ALAC", True) for word in _LOSSLESS_WORDS),
    ("aac", "AAC", False),
    ("wav", "WAV", True),
    ("aif", "AIFF", True),
    ("mpeg-4", "AAC", False),
    ("mpeg", "MP3", False),
)

WANTED_KEYS = frozenset(
    {"Track ID", "Name", "Artist", "Album Artist", "Album", "Genre", "Track Number", "Disc Number", "Year"}
    | {"Release Date", "Total Time", "Explicit", "Clean", "Compilation", "Location", "Track Type", "Kind", "Bit Rate"}
    | {"Sample Rate", "Size", "Play Count", "Skip Count", "Play Date UTC", "Rating", "Rating Computed", "Loved"}
    | {"Favorited", "Date Added", "Persistent ID", "Apple Music", "Has Video", "Protected", "ISRC"}
    | {flag for flag, _ in SKIP_FLAGS}
)

# Numbers that tell one song from another: the text of those that cannot be read is evidence too.
EVIDENCE = frozenset({"track_number", "disc_number", "year", "duration_ms"})

type Entry = dict[str, Any]


def read_entry(entry: Entry, *, number: int, line: int) -> ImportedTrack | SkippedEntry:
    """Return the track that an entry describes, or why it is none."""
    reason = skip_reason(entry)
    if reason is None and not any(entry.get(key) for key in ("Name", "Artist", "Album", "Location")):
        reason = SkipReason.BLANK
    if reason is not None:
        return SkippedEntry(number, reason, name=_text(entry, "Name"), line=line)
    unparsed: dict[str, str] = {}
    left_out: dict[str, str] = {}
    numbers = _Numbers(entry, unparsed, left_out)
    released = _day(entry, "Release Date", unparsed)
    file_format, lossless = format_of(entry)
    return ImportedTrack(
        source_track_id=persistent_id(entry),
        entry=number,
        line=line,
        title=_text(entry, "Name"),
        artist=_text(entry, "Artist"),
        album_artist=_text(entry, "Album Artist"),
        album=_text(entry, "Album"),
        genre=_text(entry, "Genre"),
        track_number=numbers.read("Track Number", "track_number") or None,
        disc_number=numbers.read("Disc Number", "disc_number") or None,
        year=numbers.read("Year", "year", largest=NEWEST_YEAR) or None,
        release_date=released,
        duration_ms=numbers.read("Total Time", "duration_ms", largest=LONGEST_DURATION_MS) or None,
        explicit=True if entry.get("Explicit") is True else False if entry.get("Clean") is True else None,
        compilation=entry.get("Compilation") is True,
        unparsed=unparsed,
        location=_text(entry, "Location"),
        availability=availability(entry),
        format=file_format,
        bit_rate_kbps=numbers.read("Bit Rate", "bit_rate_kbps"),
        sample_rate_hz=numbers.read("Sample Rate", "sample_rate_hz"),
        size_bytes=numbers.read("Size", "size_bytes", largest=LARGEST_SIZE),
        lossless=lossless,
        play_count=numbers.read("Play Count", "play_count") or 0,
        skip_count=numbers.read("Skip Count", "skip_count") or 0,
        last_played_at=_stated_moment(entry, "Play Date UTC", "last_played_at", left_out),
        # A computed rating is the album's, guessed by iTunes; nobody gave it to this song.
        rating=None if entry.get("Rating Computed") else numbers.read("Rating", "rating", largest=100),
        loved=entry.get("Loved") is True or entry.get("Favorited") is True,
        added_at=_stated_moment(entry, "Date Added", "added_at", left_out),
        left_out=left_out,
    )


def skip_reason(entry: Entry) -> SkipReason | None:
    """Return why an entry is not a song: by its flags, its genre, its file or the lack of one."""
    for flag, reason in SKIP_FLAGS:
        if entry.get(flag) is True:
            return reason
    by_genre = SKIP_GENRES.get(_text(entry, "Genre").strip().casefold())
    if by_genre is not None:
        return by_genre
    by_extension = SKIP_EXTENSIONS.get(_extension(entry))
    if by_extension is not None:
        return by_extension
    if entry.get("Has Video") is True:
        return SkipReason.MOVIE
    if entry.get("Track Type") == "URL" and not entry.get("Total Time"):
        return SkipReason.RADIO
    return None


def persistent_id(entry: Entry) -> str:
    """Return the sixteen hex digits that name the entry in every export, or blank text."""
    value = _text(entry, "Persistent ID").strip().upper()
    return value if len(value) == 16 and not value.strip("0123456789ABCDEF") else ""


def availability(entry: Entry) -> str:
    """Return where the audio is. iTunes leaves out the Location of what it cannot find and of what is in the cloud."""
    if entry.get("Location"):
        return "local"
    if entry.get("Track Type") in {"Remote", "URL"} or entry.get("Apple Music"):
        return "cloud"
    return "missing" if entry.get("Track Type") == "File" else "unknown"


def format_of(entry: Entry) -> tuple[str, bool | None]:
    """Return the format and whether it is lossless, from the file's extension and the words of `Kind`."""
    kind = _text(entry, "Kind").casefold().replace("\u00a0", " ")
    by_extension = FORMATS.get(_extension(entry))
    is_lossless = any(word in kind for word in _LOSSLESS_WORDS)
    if by_extension is not None:
        name, lossless = by_extension
        if name == "AAC" and lossless is None:
            return ("ALAC", True) if is_lossless else ("AAC", False)
        return name, is_lossless if lossless is None else lossless
    for word, name, lossless in _KIND_FORMATS:
        if word in kind:
            return name, lossless
    return _text(entry, "Kind")[:60], None


def _extension(entry: Entry) -> str:
    """Return the extension with its dot. It needs no decoding: nobody percent-encodes letters and digits."""
    location = entry.get("Location")
    if not isinstance(location, str):
        return ""
    dot, extension = location[-8:].rpartition(".")[1:]
    return dot + extension.lower()


def _text(entry: Entry, key: str) -> str:
    value = entry.get(key, "")
    return storable(value) if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _moment(entry: Entry, key: str) -> datetime | None:
    value = entry.get(key)
    return parse_moment(value) if isinstance(value, str) else None


def _stated_moment(entry: Entry, key: str, field: str, left_out: dict[str, str]) -> datetime | None:
    moment = _moment(entry, key)
    if moment is None and entry.get(key):
        left_out[field] = _text(entry, key)
    return moment


def _day(entry: Entry, key: str, unparsed: dict[str, str]) -> date | None:
    moment = _moment(entry, key)
    if moment is None and entry.get(key):
        unparsed["release_date"] = _text(entry, key)
    return moment.date() if moment else None


class _Numbers:
    """Reads whole numbers of one entry; what is none, or out of range, is kept as text where it is evidence."""

    def __init__(self, entry: Entry, unparsed: dict[str, str], left_out: dict[str, str]) -> None:
        self._entry = entry
        self._unparsed = unparsed
        self._left_out = left_out

    def read(self, key: str, field: str, *, largest: int = LARGEST_NUMBER) -> int | None:
        value = self._entry.get(key)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest:
            return value
        kept = self._unparsed if field in EVIDENCE else self._left_out
        kept[field] = storable(str(value))
        return None
