"""Replaces the playlists of a source, each as a whole and only if it differs."""

from array import array
from collections.abc import Iterable
from itertools import batched
from typing import Any

from django.db import connection

from library.importers.records import ImportedPlaylist
from library.models import Playlist, PlaylistEntry, Track
from library.quarantine import has_removed
from library.shown_places import Places, note_merged_places, with_keepers

# Few enough that a playlist as long as the library takes no more memory than a short one.
ROWS_A_STATEMENT = 250


def replace_playlist(playlist: ImportedPlaylist, *, source: str, writes: bool = True) -> str:
    """Bring one playlist to what its source says; return "added", "changed" or "unchanged".

    Places of tracks that the library does not hold are closed up; those of removed copies go to their keepers. Call it
    inside a transaction.
    """
    own = _track_ids(playlist.source_track_ids, source)
    shown = with_keepers(dict(enumerate(own))) if has_removed(own) else None
    known = Playlist.objects.filter(source=source, source_playlist_id=playlist.source_playlist_id).first()
    if known is None:
        if writes:
            known = Playlist.objects.create(
                source=source,
                source_playlist_id=playlist.source_playlist_id,
                name=playlist.name,
                is_smart=playlist.is_smart,
            )
            _write_places(known.pk, own, shown, replaces=True)
        return "added"
    has_other_places = _differ(_stored_places(known.pk), own) if shown is None else _shown_now(known.pk) != shown
    has_other_name = (known.name, known.is_smart) != (playlist.name, playlist.is_smart)
    if writes and has_other_name:
        known.name, known.is_smart = playlist.name, playlist.is_smart
        known.save(update_fields=["name", "is_smart"])
    if writes:
        _write_places(known.pk, own, shown, replaces=has_other_places)
    return "changed" if has_other_places or has_other_name else "unchanged"


def vanished_playlists(source: str, present: Iterable[str], *, newest: int) -> list[tuple[int, str]]:
    """Return (primary key, name) of the playlists of a source, up to the `newest`, that it does not have any more."""
    there = set(present)
    known = Playlist.objects.filter(source=source, pk__lte=newest)
    rows = known.order_by("pk").values_list("pk", "source_playlist_id", "name")
    return [(pk, name) for pk, playlist_id, name in rows if playlist_id not in there]


def _track_ids(keys: Iterable[str], source: str) -> "array[int]":
    """Return the primary keys of the tracks in the playlist's order, without those the library does not hold."""
    found: array[int] = array("q")
    for part in batched(keys, ROWS_A_STATEMENT):
        rows = Track.objects.filter(source=source, source_track_id__in=set(part))
        by_key = dict(rows.values_list("source_track_id", "pk"))
        found.extend(by_key[key] for key in part if key in by_key)
    return found


def _stored_places(playlist_id: int) -> "array[int] | None":
    """Return the tracks in order; None where a place before the last is closed, as removed copies leave them."""
    entries = PlaylistEntry.objects.filter(playlist_id=playlist_id).order_by("position")
    found: array[int] = array("q")
    for position, track_id in entries.values_list("position", "track_id").iterator(chunk_size=ROWS_A_STATEMENT):
        if position != len(found):
            return None
        found.append(track_id)
    return found


def _differ(stored: "array[int] | None", wanted: "array[int]") -> bool:
    """Compare places. Where the source names a track that was removed here, whatever took its place is right."""
    if stored is None or len(stored) != len(wanted):
        return True
    replaced = {new for old, new in zip(stored, wanted, strict=True) if old != new}
    removed: set[int] = set()
    for part in batched(replaced, ROWS_A_STATEMENT):
        removed.update(Track.objects.quarantined().filter(pk__in=part).values_list("pk", flat=True))
    return replaced != removed


def _shown_now(playlist_id: int) -> Places:
    return dict(PlaylistEntry.objects.filter(playlist_id=playlist_id).values_list("position", "track_id"))


def _write_places(playlist_id: int, own: "array[int]", shown: Places | None, *, replaces: bool) -> None:
    """Write the places if they differ, and which of them removed copies have lent to their keepers."""
    if replaces:
        PlaylistEntry.objects.filter(playlist_id=playlist_id).delete()
        _insert_entries(playlist_id, enumerate(own) if shown is None else sorted(shown.items()))
    lent = {} if shown is None else {at: pk for at, pk in enumerate(own) if shown.get(at) != pk}
    note_merged_places(playlist_id, lent, shown or {})


def _insert_entries(playlist_id: int, places: Iterable[tuple[int, int]]) -> None:
    table = connection.ops.quote_name(PlaylistEntry._meta.db_table)
    statement = f"INSERT INTO {table} (playlist_id, track_id, position) VALUES (%s, %s, %s)"  # noqa: S608 (our own names)
    rows: Iterable[tuple[Any, ...]] = ((playlist_id, pk, position) for position, pk in places)
    with connection.cursor() as cursor:
        for part in batched(rows, ROWS_A_STATEMENT):
            cursor.executemany(statement, part)
