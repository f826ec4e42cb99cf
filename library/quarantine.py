"""Removal as a state: copies are merged into a keeper and wait in quarantine, come back exactly, or are purged.

Which copy may go is decided elsewhere; here nothing is lost. Every verb says what it moved, value by value. Call them
inside `library.changes.recording`, whose lock lets one of two writers wait for the other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import batched
from typing import Any

from django.db import models

from library.merged import Merge, MergedPlace, MergedValue
from library.merging import FIELDS, Values, fold, with_edit
from library.models import PlaylistEntry, Track

IDS_A_QUERY = 1_000


@dataclass(frozen=True, slots=True)
class MovedValue:
    """A field of a track that was changed, before and after as JSON holds them."""

    track_id: int
    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class MovedPlace:
    """A playlist place that changed hands; None is a place that is closed or was not there."""

    playlist_id: int
    position: int
    before: int | None
    after: int | None


type Moved = MovedValue | MovedPlace


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value or place that somebody edited after a merge wrote it: `written` then, `current` now."""

    track_id: int | None
    field: str
    written: Any
    current: Any
    playlist_id: int | None = None
    position: int | None = None


def as_json(value: Any) -> Any:
    """Return a track's value as JSON holds it, without losing a microsecond."""
    return value.isoformat() if isinstance(value, date) else value


def from_json(name: str, value: Any) -> Any:
    """Return what `as_json` was given."""
    column = Track._meta.get_field(name)
    assert isinstance(column, models.Field)
    return value if value is None else column.to_python(value)


# --- Removing ---------------------------------------------------------------------------------------------------------


def remove(copies: Sequence[Track], *, keeper_id: int, now: datetime) -> list[Moved]:
    """Put copies into quarantine and merge each into the keeper, in the order given; return what moved."""
    keeper = Track.objects.get(pk=keeper_id)
    Merge.objects.bulk_create(
        Merge(
            source=copy.source,
            source_track_id=copy.source_track_id,
            track_id=copy.pk,
            keeper_id=keeper_id,
            keeper_source=keeper.source,
            keeper_source_track_id=keeper.source_track_id,
            values=_values_as_json(copy),
            removed_at=now,
        )
        for copy in copies
    )
    removed = [copy.pk for copy in copies]
    Track.objects.filter(pk__in=removed).update(quarantined_at=now)
    return [*settle([keeper_id]), *settle_playlists(playlists_of([keeper_id, *removed]))]


def restore(track_ids: Iterable[int], *, keeps_later_edits: bool = True) -> list[Moved]:
    """Bring removed copies back and take what they gave from their keepers; return what moved.

    Values edited after the merge wrote them stay as they were edited, or give way to what was there before.
    """
    merges = list(Merge.objects.filter(track_id__in=track_ids))
    back, keepers = [merge.track_id for merge in merges], {merge.keeper_id for merge in merges}
    playlists = playlists_of([*back, *keepers])
    if not keeps_later_edits:
        _discard_edits(keepers, playlists)
    places = take_stock(playlists)
    Merge.objects.filter(track_id__in=back).delete()
    Track.objects.filter(pk__in=back).update(quarantined_at=None)
    return [*settle(sorted(keepers)), *settle_places(places)]


def conflicts(track_ids: Iterable[int]) -> list[Conflict]:
    """Return what was edited since, by hand and not by import, and would be touched by restoring these copies."""
    copies = list(track_ids)
    keepers = set(Merge.objects.filter(track_id__in=copies).values_list("keeper_id", flat=True))
    tracks = Track.objects.in_bulk(keepers)
    values = [
        Conflict(row.track_id, row.field, row.written, current)
        for row in MergedValue.objects.filter(track_id__in=keepers).order_by("track_id", "field")
        if (track := tracks.get(row.track_id))
        and (current := as_json(getattr(track, row.field))) != as_json(from_json(row.field, row.written))
    ]
    return values + [
        Conflict(None, "place", row.written_track_id, current, row.playlist_id, row.position)
        for row, current in _edited_places(MergedPlace.objects.filter(own_track_id__in=copies))
    ]


def purge(track_ids: Iterable[int]) -> int:
    """Delete copies from quarantine for good; what they gave stays with the keeper. Return how many went."""
    gone = Track.objects.quarantined().filter(pk__in=list(track_ids))
    for track in gone.filter(pk__in=Merge.objects.values("keeper_id")):
        _hand_on(track)
    return gone.delete()[1].get(Track._meta.label, 0)


def root_keeper(track_id: int) -> int | None:
    """Return the track in the library that stands in for a removed copy; None when there is none any more."""
    merge = Merge.objects.filter(track_id=track_id).first()
    while merge is not None and (onward := Merge.objects.filter(track_id=merge.keeper_id).first()) is not None:
        merge = onward
    is_here = merge is not None and Track.objects.active().filter(pk=merge.keeper_id).exists()
    return merge.keeper_id if merge is not None and is_here else None


def _hand_on(track: Track) -> None:
    """Let what was merged into a removed copy belong to its keeper directly: the copy between them goes away."""
    onward = Merge.objects.filter(track_id=track.pk).first()
    if onward is None:
        return
    onward.values = {name: as_json(value) for name, value in own_values(track).items()}
    onward.save(update_fields=["values"])
    copies = list(Merge.objects.filter(keeper_id=track.pk).order_by("id"))
    Merge.objects.filter(keeper_id=track.pk).delete()
    for copy in copies:
        # Written anew behind the row of the copy between them, whose values come first.
        copy.pk, copy.keeper_id = None, onward.keeper_id
        copy.keeper_source, copy.keeper_source_track_id = onward.keeper_source, onward.keeper_source_track_id
    Merge.objects.bulk_create(copies)
    MergedValue.objects.filter(track_id=track.pk).delete()
    settle([onward.keeper_id])


# --- Importing --------------------------------------------------------------------------------------------------------


def own_values_of(track_ids: Sequence[int]) -> dict[int, Values]:
    """Return what keepers say of themselves in the fields where they show something else, by track."""
    found: dict[int, Values] = {}
    for row in MergedValue.objects.filter(track_id__in=track_ids):
        found.setdefault(row.track_id, {})[row.field] = from_json(row.field, row.own)
    return found


def follow_import(written: Mapping[int, set[str]]) -> None:
    """Take what an import wrote, field by field, as the tracks' own values, and compute anew what keepers show."""
    tracks = Track.objects.in_bulk(list(written))
    for row in MergedValue.objects.filter(track_id__in=tracks):
        if row.field in written[row.track_id]:
            row.own = row.written = as_json(getattr(tracks[row.track_id], row.field))
            row.save(update_fields=["own", "written"])
    settle(Merge.objects.filter(keeper_id__in=tracks).order_by("id").values_list("keeper_id", flat=True))
    for merge in Merge.objects.filter(track_id__in=tracks).order_by("id"):
        merge.values = _values_as_json(Track.objects.get(pk=merge.track_id))
        merge.save(update_fields=["values"])
        settle([merge.keeper_id])


# --- Values -----------------------------------------------------------------------------------------------------------


def settle(keeper_ids: Iterable[int]) -> list[Moved]:
    """Compute anew what keepers show; a keeper that is itself removed passes the change on. Return what changed."""
    moved: list[Moved] = []
    waiting = list(dict.fromkeys(keeper_ids))
    while waiting:
        keeper_id = waiting.pop(0)
        keeper = Track.objects.filter(pk=keeper_id).first()
        if keeper is None:
            MergedValue.objects.filter(track_id=keeper_id).delete()
            continue
        changed = _settle_one(keeper)
        moved.extend(changed)
        onward = Merge.objects.filter(track_id=keeper.pk).first()
        if onward is not None and changed:
            onward.values = _values_as_json(keeper)
            onward.save(update_fields=["values"])
            waiting.append(onward.keeper_id)
    return moved


def own_values(track: Track) -> Values:
    """Return what a track says of itself, without what was merged into it; later edits count as its own."""
    values = {name: getattr(track, name) for name in FIELDS}
    for row in MergedValue.objects.filter(track_id=track.pk):
        own, written = from_json(row.field, row.own), from_json(row.field, row.written)
        values[row.field] = with_edit(row.field, own=own, written=written, current=values[row.field])
    return values


def _settle_one(keeper: Track) -> list[MovedValue]:
    own = own_values(keeper)
    merges = Merge.objects.filter(keeper_id=keeper.pk).order_by("id")
    copies = [{name: from_json(name, value) for name, value in merge.values.items()} for merge in merges]
    shown = fold(own, copies, unparsed=keeper.unparsed)
    changed = {name: value for name, value in shown.items() if value != getattr(keeper, name)}
    moved = [
        MovedValue(keeper.pk, name, as_json(getattr(keeper, name)), as_json(value)) for name, value in changed.items()
    ]
    if changed:
        Track.objects.filter(pk=keeper.pk).update(**changed)
        for name, value in changed.items():
            setattr(keeper, name, value)
    MergedValue.objects.filter(track_id=keeper.pk).delete()
    MergedValue.objects.bulk_create(
        MergedValue(track_id=keeper.pk, field=name, own=as_json(own[name]), written=as_json(value))
        for name, value in shown.items()
        if value != own[name]
    )
    return moved


def _values_as_json(track: Track) -> Values:
    return {name: as_json(getattr(track, name)) for name in FIELDS}


def _discard_edits(keeper_ids: Iterable[int], playlist_ids: Iterable[int]) -> None:
    """Put back what the merges wrote where somebody edited it since, so that only the merges are left to undo."""
    tracks = Track.objects.in_bulk(list(keeper_ids))
    for row in MergedValue.objects.filter(track_id__in=tracks):
        written = from_json(row.field, row.written)
        if getattr(tracks[row.track_id], row.field) != written:
            Track.objects.filter(pk=row.track_id).update(**{row.field: written})
    for place, current in _edited_places(MergedPlace.objects.filter(playlist_id__in=playlist_ids)):
        at = PlaylistEntry.objects.filter(playlist_id=place.playlist_id, position=place.position)
        if place.written_track_id is None:
            at.delete()
        elif current is None:
            _insert(place.playlist_id, {place.position: place.written_track_id})
        else:
            at.update(track_id=place.written_track_id)


# --- Playlists --------------------------------------------------------------------------------------------------------

type Places = dict[int, int]
"""Track id by position."""


def with_keepers(own: Places) -> Places:
    """Return a playlist's places with keepers in the place of removed copies, and no keeper there twice.

    Merges apply in their order: a copy's places go to its keeper, unless the keeper is there already.
    """
    places = dict(own)
    waiting = set(places.values())
    merges: dict[int, Merge] = {}
    while waiting:
        found = list(_merges_of(waiting))
        waiting = set()
        for merge in found:
            if merge.pk not in merges:
                merges[merge.pk] = merge
                waiting.add(merge.keeper_id)
    present = _alive(merge.keeper_id for merge in merges.values())
    for _, merge in sorted(merges.items()):
        if merge.keeper_id not in present:
            continue
        is_there = merge.keeper_id in places.values()
        for position in [at for at, track_id in places.items() if track_id == merge.track_id]:
            if is_there:
                del places[position]
            else:
                places[position] = merge.keeper_id
    return places


def settle_playlists(playlist_ids: Iterable[int]) -> list[Moved]:
    """Compute anew who stands where in these playlists; return the places that changed hands."""
    return settle_places(take_stock(playlist_ids))


def has_removed(track_ids: Iterable[int]) -> bool:
    """Is one of these tracks a removed copy?"""
    return any(Merge.objects.filter(track_id__in=part).exists() for part in batched(track_ids, IDS_A_QUERY))


def note_merged_places(playlist_id: int, own: Places, shown: Places) -> None:
    """Remember the places where a playlist shows something else than its own track."""
    MergedPlace.objects.filter(playlist_id=playlist_id).delete()
    MergedPlace.objects.bulk_create(
        MergedPlace(
            playlist_id=playlist_id, position=position, own_track_id=track_id, written_track_id=shown.get(position)
        )
        for position, track_id in sorted(own.items())
        if shown.get(position) != track_id
    )


def playlists_of(track_ids: Sequence[int]) -> list[int]:
    """Return the playlists in which these tracks stand, or would stand."""
    shown = PlaylistEntry.objects.filter(track_id__in=track_ids).values_list("playlist_id", flat=True)
    closed = MergedPlace.objects.filter(own_track_id__in=track_ids).values_list("playlist_id", flat=True)
    return sorted({*shown, *closed})


def take_stock(playlist_ids: Iterable[int]) -> dict[int, tuple[Places, Places]]:
    """Return (own places, shown places) by playlist; a place edited since the merge counts as its own."""
    ids = list(playlist_ids)
    shown: dict[int, Places] = {playlist_id: {} for playlist_id in ids}
    for playlist_id, position, track_id in PlaylistEntry.objects.filter(playlist_id__in=ids).values_list(
        "playlist_id", "position", "track_id"
    ):
        shown[playlist_id][position] = track_id
    own = {playlist_id: dict(places) for playlist_id, places in shown.items()}
    merged = list(MergedPlace.objects.filter(playlist_id__in=ids))
    edited = {place.pk for place, _ in _edited_places(merged)}
    for place in merged:
        if place.pk not in edited:
            own[place.playlist_id][place.position] = place.own_track_id
    return {playlist_id: (own[playlist_id], shown[playlist_id]) for playlist_id in ids}


def _edited_places(places: Iterable[MergedPlace]) -> list[tuple[MergedPlace, int | None]]:
    """Return the places that no longer hold what the merge wrote, with what they hold; a deleted keeper is no edit."""
    rows = list(places)
    entries = PlaylistEntry.objects.filter(playlist_id__in={row.playlist_id for row in rows})
    now = {(playlist, at): track for playlist, at, track in entries.values_list("playlist_id", "position", "track_id")}
    alive = _alive(row.written_track_id for row in rows if row.written_track_id is not None)
    found = [(row, now.get((row.playlist_id, row.position))) for row in rows]
    return [
        (row, current)
        for row, current in found
        if current != row.written_track_id and not (current is None and row.written_track_id not in alive)
    ]


def settle_places(stock: dict[int, tuple[Places, Places]]) -> list[Moved]:
    """Let the playlists taken stock of show who stands where now; return the places that changed hands."""
    moved: list[Moved] = []
    for playlist_id, (own, shown) in stock.items():
        full = with_keepers(own)
        here = _alive(full.values())
        wanted = {at: track for at, track in full.items() if track in here}
        changed = sorted(at for at in {*wanted, *shown} if wanted.get(at) != shown.get(at))
        moved.extend(MovedPlace(playlist_id, at, shown.get(at), wanted.get(at)) for at in changed)
        if changed:
            PlaylistEntry.objects.filter(playlist_id=playlist_id, position__in=changed).delete()
            _insert(playlist_id, {at: wanted[at] for at in changed if at in wanted})
        note_merged_places(playlist_id, own, wanted)
    return moved


def _insert(playlist_id: int, places: Places) -> None:
    PlaylistEntry.objects.bulk_create(
        PlaylistEntry(playlist_id=playlist_id, position=at, track_id=track) for at, track in sorted(places.items())
    )


def _merges_of(track_ids: Iterable[int]) -> Iterator[Merge]:
    for part in batched(track_ids, IDS_A_QUERY):
        yield from Merge.objects.filter(track_id__in=part)


def _alive(track_ids: Iterable[int]) -> set[int]:
    """Return which of the tracks have a row, in the library or in quarantine."""
    found: set[int] = set()
    for part in batched(set(track_ids), IDS_A_QUERY):
        found.update(Track.objects.filter(pk__in=part).values_list("pk", flat=True))
    return found
