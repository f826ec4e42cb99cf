"""What merging copies into a keeper would change, value by value and place by place, without changing anything.

It computes what `library.quarantine.remove` would do with the same copies in the same order; a test holds the two
together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from library.merged import Merge
from library.merging import fold
from library.models import PlaylistEntry, Track
from library.moved import from_json
from library.shown_values import own_values


@dataclass(frozen=True, slots=True)
class ValueAhead:
    """A field of the keeper that would change."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class PlaceAhead:
    """A playlist place of a copy: the keeper would take it over, or it would close because the keeper is there."""

    playlist_id: int
    playlist: str
    position: int
    copy_id: int
    is_taken_over: bool


def values_ahead(keeper: Track, copies: Sequence[Track]) -> list[ValueAhead]:
    """Return which values of the keeper would change, in reading order of the fields."""
    merges = Merge.objects.filter(keeper_id=keeper.pk).order_by("id")
    lent = [{name: from_json(name, value) for name, value in merge.values.items()} for merge in merges]
    own = own_values(keeper)
    copied = [{name: getattr(copy, name) for name in own} for copy in copies]
    shown = fold(own, [*lent, *copied], unparsed=keeper.unparsed)
    return [
        ValueAhead(name, getattr(keeper, name), value)
        for name, value in shown.items()
        if value != getattr(keeper, name)
    ]


def places_ahead(keeper_id: int, copies: Sequence[Track]) -> list[PlaceAhead]:
    """Return what would become of the copies' playlist places, by playlist and position."""
    order = [copy.pk for copy in copies]
    entries = PlaylistEntry.objects.filter(track_id__in=[keeper_id, *order]).select_related("playlist")
    listed = sorted(entries, key=lambda one: (one.playlist_id, one.position))
    # A place goes to the keeper with its copy; the next copy then finds the keeper there already.
    keeper_comes_with = {one.playlist_id: keeper_id for one in listed if one.track_id == keeper_id}
    for copy_id in order:
        for one in listed:
            if one.track_id == copy_id:
                keeper_comes_with.setdefault(one.playlist_id, copy_id)
    return [
        PlaceAhead(
            playlist_id=one.playlist_id,
            playlist=one.playlist.name,
            position=one.position,
            copy_id=one.track_id,
            is_taken_over=keeper_comes_with[one.playlist_id] == one.track_id,
        )
        for one in listed
        if one.track_id != keeper_id
    ]
