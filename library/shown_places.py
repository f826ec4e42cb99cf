"""Who stands where in playlists: keepers in the place of removed copies, computed for many playlists at once.

A place whose own track is removed goes to the keeper, or closes where the keeper stands already. What a place holds by
itself is never forgotten: `MergedPlace` rows remember it, and these functions alone write them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched, chain

from django.db.models import Q

from library.merged import Merge, MergedPlace
from library.models import PlaylistEntry, Track
from library.moved import MovedPlace

IDS_A_QUERY = 1_000

type Places = dict[int, int]
"""Track id by position."""
type Place = tuple[int, int]
"""Playlist and position."""
type Sides = Mapping[int, tuple[Places, Places]]
"""Own and shown places by playlist."""


@dataclass(frozen=True)
class Stock:
    """The places that some tracks have to do with, and which `MergedPlace` rows speak of them."""

    places: Sides
    merged: list[int]


def with_keepers(own: Places) -> Places:
    """Return a playlist's places with keepers in the place of removed copies, and no keeper there twice.

    Merges apply in their order: a copy's places go to its keeper, unless the keeper is there already.
    """
    return _StandIns(own.values()).apply(own)


def settle_tracks(track_ids: Iterable[int]) -> list[MovedPlace]:
    """Compute anew who stands where these tracks are concerned; return the places that changed hands."""
    return settle_places(take_stock(track_ids))


def note_merged_places(playlist_id: int, own: Places, shown: Places) -> None:
    """Remember the places where a playlist shows something else than its own track."""
    _note({playlist_id: (own, shown)}, MergedPlace.objects.filter(playlist_id=playlist_id))


def take_stock(track_ids: Iterable[int]) -> Stock:
    """Return the places in which these tracks stand, or would stand, and whoever is merged with them.

    A place edited since the merge counts as its own. Costs what these places cost, however long their playlists are.
    """
    linked = _linked(track_ids)
    held: dict[Place, int] = {}
    lent: dict[int, MergedPlace] = {}
    for part in batched(linked, IDS_A_QUERY):
        entries = PlaylistEntry.objects.filter(track_id__in=part)
        held |= {(row.playlist_id, row.position): row.track_id for row in entries}
        lent |= {row.pk: row for row in MergedPlace.objects.filter(own_track_id__in=part)}
    # Somebody may have put another track where a copy stood, or one of these where another copy stood.
    lent |= {row.pk: row for row in _merged_at(list(held))}
    held |= {place: pk for _, place, pk in _entries_at([(row.playlist_id, row.position) for row in lent.values()])}
    edited = {row.pk: (row.playlist_id, row.position) for row, _ in _edited(lent.values(), held)}
    for place in edited.values():
        if held.get(place) not in linked:
            held.pop(place, None)  # of a stranger, who is settled with the tracks tied to them
    own = held | {(row.playlist_id, row.position): row.own_track_id for row in lent.values() if row.pk not in edited}
    by_playlist: dict[int, tuple[Places, Places]] = {}
    for places, side in ((own, 0), (held, 1)):
        for (playlist_id, at), track_id in sorted(places.items()):
            by_playlist.setdefault(playlist_id, ({}, {}))[side][at] = track_id
    return Stock(by_playlist, list(lent))


def edited_places(places: Iterable[MergedPlace]) -> list[tuple[MergedPlace, int | None]]:
    """Return the places that no longer hold what the merge wrote, with what they hold; a deleted keeper is no edit."""
    rows = list(places)
    entries = _entries_at([(row.playlist_id, row.position) for row in rows])
    return _edited(rows, {place: track_id for _, place, track_id in entries})


def discard_edits_of_places(track_ids: Iterable[int]) -> None:
    """Put back what the merges wrote into the places of these copies, and no others, that somebody edited since."""
    edited = [
        place
        for part in batched(track_ids, IDS_A_QUERY)
        for place, _ in edited_places(MergedPlace.objects.filter(own_track_id__in=part))
    ]
    _replace({(place.playlist_id, place.position): place.written_track_id for place in edited})


def settle_places(stock: Stock) -> list[MovedPlace]:
    """Let the places taken stock of show who stands where now; return the places that changed hands."""
    stand_ins = _StandIns({track_id for own, _ in stock.places.values() for track_id in own.values()})
    full = {playlist_id: stand_ins.apply(own) for playlist_id, (own, _) in stock.places.items()}
    here = alive(track_id for places in full.values() for track_id in places.values())
    wanted = {
        playlist_id: {at: track for at, track in places.items() if track in here}
        for playlist_id, places in full.items()
    }
    moved = [
        MovedPlace(playlist_id, at, shown.get(at), wanted[playlist_id].get(at))
        for playlist_id, (_, shown) in stock.places.items()
        for at in sorted(wanted[playlist_id].keys() | shown.keys())
        if wanted[playlist_id].get(at) != shown.get(at)
    ]
    _replace({(one.playlist_id, one.position): one.after for one in moved})
    merged = chain.from_iterable(MergedPlace.objects.filter(pk__in=part) for part in batched(stock.merged, IDS_A_QUERY))
    _note({playlist_id: (own, wanted[playlist_id]) for playlist_id, (own, _) in stock.places.items()}, merged)
    return moved


def alive(track_ids: Iterable[int]) -> set[int]:
    """Return which of the tracks have a row, in the library or in quarantine."""
    found: set[int] = set()
    for part in batched(set(track_ids), IDS_A_QUERY):
        found.update(Track.objects.filter(pk__in=part).values_list("pk", flat=True))
    return found


class _StandIns:
    """The merges by which some tracks, and whoever stands in for them, are replaced."""

    def __init__(self, track_ids: Iterable[int]) -> None:
        self._merge_of: dict[int, Merge] = {}
        waiting = set(track_ids)
        while waiting:
            found = {merge.track_id: merge for merge in _merges_of(waiting)}
            self._merge_of |= found
            waiting = {merge.keeper_id for merge in found.values()} - self._merge_of.keys()
        self._present = alive(merge.keeper_id for merge in self._merge_of.values())

    def apply(self, own: Places) -> Places:
        """Return a playlist's places with the merges applied to it, in their order."""
        places = dict(own)
        positions: dict[int, list[int]] = {}
        for at, track_id in own.items():
            positions.setdefault(track_id, []).append(at)
        for merge in self._in_order(positions):
            if merge.keeper_id not in self._present or merge.track_id not in positions:
                continue
            given = positions.pop(merge.track_id)
            if merge.keeper_id in positions:
                for at in given:
                    del places[at]
            else:
                positions[merge.keeper_id] = given
                places |= dict.fromkeys(given, merge.keeper_id)
        return places

    def _in_order(self, track_ids: Iterable[int]) -> list[Merge]:
        """Return the merges that concern these tracks, themselves or through a keeper."""
        found: dict[int, Merge] = {}
        for track_id in track_ids:
            merge = self._merge_of.get(track_id)
            while merge is not None and merge.pk not in found:
                found[merge.pk] = merge
                merge = self._merge_of.get(merge.keeper_id)
        return [found[pk] for pk in sorted(found)]


def _edited(rows: Iterable[MergedPlace], held: Mapping[Place, int | None]) -> list[tuple[MergedPlace, int | None]]:
    found = [(row, held.get((row.playlist_id, row.position))) for row in rows]
    differing = [(row, current) for row, current in found if current != row.written_track_id]
    empty = {row.written_track_id for row, current in differing if current is None}
    still_there = alive(pk for pk in empty if pk is not None)
    return [(row, current) for row, current in differing if current is not None or row.written_track_id in still_there]


def _replace(places: Mapping[Place, int | None]) -> None:
    """Write who stands in these places; nobody where it is None."""
    going = [pk for pk, _, _ in _entries_at(list(places))]
    for part in batched(going, IDS_A_QUERY):
        PlaylistEntry.objects.filter(pk__in=part).delete()
    PlaylistEntry.objects.bulk_create(
        PlaylistEntry(playlist_id=playlist_id, position=at, track_id=track_id)
        for (playlist_id, at), track_id in sorted(places.items())
        if track_id is not None
    )


def _entries_at(places: Sequence[Place]) -> Iterator[tuple[int, Place, int]]:
    """Yield (key, place, track) of the places that are taken."""
    for part in batched(places, IDS_A_QUERY):
        wanted = set(part)
        rows = PlaylistEntry.objects.filter(
            playlist_id__in={playlist_id for playlist_id, _ in part}, position__in={at for _, at in part}
        )
        for pk, playlist_id, at, track_id in rows.values_list("pk", "playlist_id", "position", "track_id"):
            if (playlist_id, at) in wanted:
                yield pk, (playlist_id, at), track_id


def _note(sides: Sides, known: Iterable[MergedPlace]) -> None:
    """Remember the places that show something else than their own track; of the rows known, those that hold stay."""
    lent = {
        (playlist_id, at): (track_id, shown.get(at))
        for playlist_id, (own, shown) in sides.items()
        for at, track_id in own.items()
        if shown.get(at) != track_id
    }
    stale = []
    for row in known:
        if lent.get(place := (row.playlist_id, row.position)) == (row.own_track_id, row.written_track_id):
            del lent[place]
        else:
            stale.append(row.pk)
    for part in batched(stale, IDS_A_QUERY):
        MergedPlace.objects.filter(pk__in=part).delete()
    MergedPlace.objects.bulk_create(
        MergedPlace(playlist_id=playlist_id, position=at, own_track_id=own, written_track_id=shown)
        for (playlist_id, at), (own, shown) in sorted(lent.items())
    )


def _merged_at(places: Sequence[Place]) -> Iterator[MergedPlace]:
    for part in batched(places, IDS_A_QUERY):
        wanted = set(part)
        rows = MergedPlace.objects.filter(
            playlist_id__in={playlist_id for playlist_id, _ in part}, position__in={at for _, at in part}
        )
        yield from (row for row in rows if (row.playlist_id, row.position) in wanted)


def _linked(track_ids: Iterable[int]) -> set[int]:
    """Return these tracks and all that merges tie to them: where one may stand depends on where the others do."""
    found: set[int] = set()
    waiting = set(track_ids)
    while waiting:
        found |= waiting
        near: set[int] = set()
        for part in batched(waiting, IDS_A_QUERY):
            rows = Merge.objects.filter(Q(track_id__in=part) | Q(keeper_id__in=part))
            near.update(chain.from_iterable(rows.values_list("track_id", "keeper_id")))
        waiting = near - found
    return found


def _merges_of(track_ids: Iterable[int]) -> Iterator[Merge]:
    for part in batched(track_ids, IDS_A_QUERY):
        yield from Merge.objects.filter(track_id__in=part).defer("values")
