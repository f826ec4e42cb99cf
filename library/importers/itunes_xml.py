"""Reads an iTunes or Apple Music library from its XML, entry by entry, in memory that does not grow with the file.

Expat does the reading; this module keeps a small stack of the open dictionaries and hands out each track the moment its
dictionary closes. Of the whole library it remembers one pair of numbers a track: playlists name tracks by Track ID,
which changes with every export, so they are translated to Persistent IDs, which do not.

A file that is damaged gives everything readable first and then raises `UnreadableSource`; keeping that part is the
caller's decision. Entity declarations are refused: no library needs them, and they can make a small file enormous.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.parsers import expat

from library.importers.itunes_values import WANTED_KEYS, read_entry
from library.importers.records import (
    TRACK_FIELDS,
    ImportedItem,
    ImportedPlaylist,
    ImportedTrack,
    SkippedEntry,
    SkippedPlaylist,
    SkipReason,
    SourceFacts,
    UnreadableSource,
    content_digest,
    storable,
)

UNREADABLE = "ITUNES_LIBRARY_UNREADABLE"
CHUNK_BYTES = 64 * 1024
LONGEST_VALUE = 1024 * 1024  # characters; a longer text is not a title but damage
LONGEST_ELEMENT = 4 * 1024 * 1024  # bytes expat may hold back waiting for the end of one tag
DEEPEST = 64
STATED_FIELDS = tuple(name for name in TRACK_FIELDS if name not in {"isrc", "musicbrainz_recording_id"})

# Lists that iTunes keeps by itself: each repeats the library, or one kind of media. From 200 on they are the ready-made
# smart playlists ("Top 25 Most Played"), which people do use.
FIRST_USER_KIND = 200
SPECIAL_FLAGS = ("Master", "Music", "Movies", "TV Shows", "Podcasts", "Audiobooks", "Books", "iTunesU", "Ringtones",
                 "Tones", "Purchased Music", "Party Shuffle")  # fmt: skip
PLAYLIST_KEYS = frozenset(
    {"Name", "Playlist Persistent ID", "Distinguished Kind", "Folder", "Smart Info", "Smart Criteria", *SPECIAL_FLAGS}
)
ROOT_KEYS = frozenset({"Library Persistent ID", "Application Version"})

# What an open dictionary or array is.
ROOT, TRACKS, ENTRY, PLAYLISTS, PLAYLIST, ITEMS, ITEM, OTHER = range(8)
_WANTED = {ROOT: ROOT_KEYS, TRACKS: WANTED_KEYS, ENTRY: WANTED_KEYS, PLAYLIST: PLAYLIST_KEYS,
           ITEM: frozenset({"Track ID"})}  # fmt: skip
_TEXTS = frozenset({"key", "string", "integer", "real", "date", "data", "true", "false"})
_CONTAINERS = frozenset({"dict", "array"})


def read_itunes_xml(stream: BinaryIO) -> Iterator[ImportedItem]:
    """Yield the tracks, playlists and left-out entries of a library in the order of the file.

    Playlists that stand before the tracks (tools sort the keys) come last. Raises `UnreadableSource` with line and byte
    after everything readable was yielded.
    """
    walker = _Walker()
    try:
        yield from _walk(stream, walker)
    except UnreadableSource:
        yield from walker.leftovers()
        raise
    yield from walker.leftovers()
    if walker.fault is not None:
        raise walker.fault
    if not walker.has_tracks:
        raise walker.error("This property list has no Tracks, so it is not an iTunes library.")


def _walk(stream: BinaryIO, walker: "_Walker") -> Iterator[ImportedItem]:
    is_last = False
    fed = 0
    while not is_last:
        chunk = walker.read(stream)
        fed += len(chunk)
        is_last = not chunk
        try:
            walker.parser.Parse(chunk, is_last)
        except expat.ExpatError as error:
            yield from walker.take()
            raise walker.fault or _expat_error(error, walker, at_end=is_last) from error
        except (LookupError, ValueError) as error:
            # The only other thing expat fails on: an encoding nobody knows, or one of several bytes a letter.
            raise walker.error(f"Its encoding cannot be read ({error}).") from error
        except UnreadableSource:
            yield from walker.take()
            raise
        if fed - walker.parser.CurrentByteIndex > LONGEST_ELEMENT:
            raise walker.error(f"One element is longer than {LONGEST_ELEMENT:,} bytes.")
        walker.check_length()
        yield from walker.take()


def _expat_error(error: expat.ExpatError, walker: "_Walker", *, at_end: bool) -> UnreadableSource:
    reason = expat.ErrorString(error.code) or "unknown"
    start = "The file ends in the middle of the library" if at_end else "The XML is malformed"
    byte = max(walker.parser.ErrorByteIndex, 0)
    return UnreadableSource(f"{start} ({reason}).", code=UNREADABLE, line=error.lineno, byte=byte)


class _Frame:
    """One open dictionary or array."""

    __slots__ = ("key", "kind", "line", "values", "wanted")

    def __init__(self, kind: int, line: int) -> None:
        self.kind = kind
        self.key: str | None = None
        self.values: dict[str, Any] = {}
        self.wanted = _WANTED.get(kind, frozenset())
        self.line = line


class _Walker:
    """Receives expat's events and turns closed dictionaries into items."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        # No method of ours: half of all events are the blanks between two tags.
        self.parser.CharacterDataHandler = self._text.append
        self.parser.EntityDeclHandler = self._refuse_entity
        self.fault: UnreadableSource | None = None
        self.has_tracks = False
        self._root_seen = False
        self._states_playlists = False
        self._items: list[ImportedItem] = []
        self._stack: list[_Frame] = []
        self._entries = 0
        self._track_ids = _TrackIds()
        self._contents: Counter[str] = Counter()
        self._places: array[int] = array("q")
        self._early_playlists: list[ImportedItem] = []

    def read(self, stream: BinaryIO) -> bytes:
        """Return the next piece of the file; a broken archive becomes an error with its place."""
        try:
            return stream.read(CHUNK_BYTES)
        except UnreadableSource as error:
            raise self.error(error.reason) from error

    def take(self) -> list[ImportedItem]:
        """Hand over what was completed since the last time."""
        items, self._items = self._items, []
        return items

    def leftovers(self) -> list[ImportedItem]:
        """Return the playlists that had to wait for the tracks."""
        return self._early_playlists

    def error(self, reason: str) -> UnreadableSource:
        parser = self.parser
        return UnreadableSource(
            reason, code=UNREADABLE, line=parser.CurrentLineNumber, byte=max(parser.CurrentByteIndex, 0)
        )

    # --- expat's events ---------------------------------------------------------------------------------------------

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._text.clear()
        if tag in _TEXTS:
            return
        if tag in _CONTAINERS:
            self._open(tag)
        elif tag == "plist" and not self._root_seen:
            # Keys that stand outside of any dictionary are caught by this frame, which acts as a second root.
            self._stack.append(_Frame(ROOT, 0))
        elif not self._root_seen:
            raise self.error(f"The root element is <{tag[:40]}>, so this is not an iTunes library.")
        else:
            self._note_fault(f"<{tag[:40]}> is no part of a property list.")
        self._root_seen = True

    def _end(self, tag: str) -> None:
        if tag == "key":
            self._read_key("".join(self._text))
        elif tag in _TEXTS:
            self._read_scalar(tag)
        elif tag in _CONTAINERS:
            self._close(self._stack.pop())
        self._text.clear()

    def check_length(self) -> None:
        """Raise when the text at hand grows beyond what a library holds."""
        if sum(map(len, self._text)) > LONGEST_VALUE:
            raise self.error(f"A value is longer than {LONGEST_VALUE:,} characters.")

    def _refuse_entity(self, *declaration: object) -> None:
        raise self.error("It declares entities, which no iTunes library does; refused for safety.")

    # --- dictionaries and their values ------------------------------------------------------------------------------

    def _open(self, tag: str) -> None:
        if len(self._stack) >= DEEPEST:
            raise self.error(f"It is nested more than {DEEPEST} deep.")
        parent = self._stack[-1] if self._stack else _Frame(ROOT, 0)
        frame = _Frame(self._kind_of_child(parent, tag), self.parser.CurrentLineNumber)
        if len(self._stack) > 1 and parent.kind in {ROOT, TRACKS, ENTRY, PLAYLIST, ITEM} and parent.key is None:
            self._note_fault(f"<{tag}> stands where a <key> should.")
        parent.key = None
        if frame.kind == TRACKS:
            self.has_tracks = True
        elif frame.kind == PLAYLISTS and parent.kind == ROOT:
            self._states_playlists = True
            self._tell_facts(parent.values)
        elif frame.kind == PLAYLIST:
            self._places = array("q")
        self._stack.append(frame)

    def _kind_of_child(self, parent: _Frame, tag: str) -> int:
        if tag == "array":
            if parent.key == "Playlists":
                return PLAYLISTS
            return ITEMS if parent.kind == PLAYLIST and parent.key == "Playlist Items" else OTHER
        if parent.kind == ROOT:
            if len(self._stack) <= 1:
                return ROOT
            # Below the root, a dictionary under any other key is a track that lost its surroundings.
            return TRACKS if parent.key == "Tracks" else ENTRY
        return {TRACKS: ENTRY, PLAYLISTS: PLAYLIST, ITEMS: ITEM}.get(parent.kind, OTHER)

    def _read_key(self, text: str) -> None:
        frame = self._stack[-1] if self._stack else None
        if frame is None or frame.kind in {PLAYLISTS, ITEMS}:
            self._note_fault("A <key> stands outside of any dictionary.")
            return
        if frame.key is not None:
            self._note_fault(f"The key “{frame.key[:60]}” has no value.")
        elif len(self._stack) == 1:
            self._note_fault(f"The key “{text[:60]}” stands outside of any dictionary.")
        frame.key = text

    def _read_scalar(self, tag: str) -> None:
        frame = self._stack[-1] if self._stack else None
        if frame is None or frame.kind in {PLAYLISTS, ITEMS, OTHER}:
            return
        key, frame.key = frame.key, None
        if key is None:
            self._note_fault(f"A <{tag}> has no key.")
            return
        if frame.kind == TRACKS:
            self._note_fault(f"“{key[:60]}” stands where the dictionary of a track should begin.")
        if key in frame.wanted:
            frame.values[key] = self._scalar(tag)
            if frame.kind == ROOT:
                self._tell_facts(frame.values)

    def _scalar(self, tag: str) -> Any:
        if tag in {"true", "false"}:
            return tag == "true"
        if tag == "data":
            return True  # Smart Info: that it is there is all that matters
        text = "".join(self._text)
        if tag == "integer":
            try:
                return int(text) if len(text) < 32 else text
            except ValueError:
                return text
        return text

    def _close(self, frame: _Frame) -> None:
        if frame.kind == ITEM:
            self._add_place(frame.values.get("Track ID"))
        elif frame.kind == ENTRY or (frame.kind == TRACKS and frame.values):
            self._finish_entry(frame)
        elif frame.kind == PLAYLIST:
            self._finish_playlist(frame.values)

    def _tell_facts(self, values: dict[str, Any]) -> None:
        library_id = str(values.get("Library Persistent ID", "")).strip()
        application = str(values.get("Application Version", ""))
        facts = SourceFacts(
            storable(library_id)[:40], storable(application)[:40], STATED_FIELDS, self._states_playlists
        )
        self._items.append(facts)

    def _finish_entry(self, frame: _Frame) -> None:
        is_in_place = bool(self._stack) and self._stack[-1].kind == TRACKS
        if not is_in_place and "Track ID" not in frame.values:
            return  # some other dictionary of the root, not a track that lost its place
        self._entries += 1
        if not frame.values:
            self._items.append(SkippedEntry(self._entries, SkipReason.MALFORMED, line=frame.line))
            return
        track = read_entry(frame.values, number=self._entries, line=frame.line)
        if isinstance(track, ImportedTrack):
            track = self._identified(track)
            self._track_ids.add(frame.values.get("Track ID"), track.source_track_id)
        self._items.append(track)

    def _identified(self, track: ImportedTrack) -> ImportedTrack:
        """Give an entry without a Persistent ID one from its content, so that playlists can name it."""
        if track.source_track_id:
            return track
        digest = content_digest(track)
        self._contents[digest] += 1
        values = {name: getattr(track, name) for name in ImportedTrack.__dataclass_fields__}
        return ImportedTrack(**values | {"source_track_id": f"content:{digest}:{self._contents[digest]}"})

    # --- playlists --------------------------------------------------------------------------------------------------

    def _add_place(self, track_id: object) -> None:
        # Of the lists iTunes keeps by itself, each as long as the library, the places are not even collected.
        playlist = self._stack[-2].values if len(self._stack) > 1 else {}
        if isinstance(track_id, int) and 0 <= track_id < 2**62 and _special_kind(playlist) is None:
            self._places.append(track_id)

    def _finish_playlist(self, values: dict[str, Any]) -> None:
        name = storable(str(values.get("Name", "")))
        if (kind := _special_kind(values)) is not None:
            self._items.append(SkippedPlaylist(name, kind))
            return
        playlist = ImportedPlaylist(
            source_playlist_id=storable(str(values.get("Playlist Persistent ID") or f"name:{name}"))[:300],
            name=name,
            is_smart="Smart Info" in values or "Smart Criteria" in values,
            source_track_ids=_Places(self._places, self._track_ids),
        )
        (self._items if self._entries else self._early_playlists).append(playlist)

    def _note_fault(self, reason: str) -> None:
        """Remember the first fault of structure; reading goes on, for the sake of what can still be kept."""
        if self.fault is None:
            self.fault = self.error(reason)


def _special_kind(values: dict[str, Any]) -> str | None:
    """Return what kind of list iTunes keeps by itself this is, or None for somebody's playlist."""
    for flag in SPECIAL_FLAGS:
        if values.get(flag) is True:
            return flag
    kind = values.get("Distinguished Kind")
    if isinstance(kind, int) and kind < FIRST_USER_KIND:
        return f"Distinguished Kind {kind}"
    return "Folder" if values.get("Folder") is True else None


class _Places:
    """The places of a playlist, eight bytes each, read as the keys of their tracks."""

    def __init__(self, track_ids: "array[int]", keys: "_TrackIds") -> None:
        self._track_ids = track_ids
        self._keys = keys

    def __iter__(self) -> Iterator[str]:
        return filter(None, map(self._keys.key_of, self._track_ids))


class _TrackIds:
    """Remembers which key each Track ID of this export stands for, in twelve bytes a track."""

    def __init__(self) -> None:
        self._ids: array[int] = array("I")
        self._keys: array[int] = array("Q")
        self._other_keys: dict[int, str] = {}
        self._is_sorted = True

    def add(self, track_id: object, key: str) -> None:
        if not isinstance(track_id, int) or not 0 <= track_id < 2**62:
            return
        if len(key) != 16 or track_id >= 2**32:
            self._other_keys[track_id] = key
            return
        if self._ids and track_id <= self._ids[-1]:
            self._is_sorted = False
        self._ids.append(track_id)
        self._keys.append(int(key, 16))

    def key_of(self, track_id: int) -> str:
        if not self._is_sorted:
            self._sort()
        place = bisect_left(self._ids, track_id)
        if place < len(self._ids) and self._ids[place] == track_id:
            return f"{self._keys[place]:016X}"
        return self._other_keys.get(track_id, "")

    def _sort(self) -> None:
        order = sorted(range(len(self._ids)), key=self._ids.__getitem__)
        self._ids = array("I", (self._ids[place] for place in order))
        self._keys = array("Q", (self._keys[place] for place in order))
        self._is_sorted = True
