"""Removal as a state: copies are merged into a keeper and wait in quarantine, come back exactly, or are purged.

Which copy may go is decided elsewhere; here nothing is lost. Every verb takes as many copies as one likes, for the same
few queries, and says what it moved, value by value. Call them inside `library.changes.recording`, whose lock lets one
of two writers wait for the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import batched

from library.merged import Merge, MergedPlace, MergedValue
from library.merging import Values
from library.models import Track
from library.moved import Conflict, Moved, as_json, from_json
from library.row_updates import update_rows
from library.shown_places import (
    discard_edits_of_places,
    edited_places,
    settle_places,
    settle_tracks,
    take_stock,
)
from library.shown_values import discard_edits, own_values, settle, values_as_json

IDS_A_QUERY = 1_000


# --- Removing ---------------------------------------------------------------------------------------------------------


def remove(removals: Mapping[int, Sequence[Track]], *, now: datetime) -> Moved:
    """Put copies into quarantine and merge them into their keepers, in the order given; return what moved.

    `removals` names the copies by the keeper they go to. No copy is the keeper of another in the same go.
    """
    keepers = Track.objects.in_bulk(list(removals))
    Merge.objects.bulk_create(
        Merge(
            source=copy.source,
            source_track_id=copy.source_track_id,
            track_id=copy.pk,
            keeper_id=keeper_id,
            keeper_source=keepers[keeper_id].source,
            keeper_source_track_id=keepers[keeper_id].source_track_id,
            values=values_as_json(copy),
            removed_at=now,
        )
        for keeper_id, copies in removals.items()
        for copy in copies
    )
    removed = [copy.pk for copies in removals.values() for copy in copies]
    Track.objects.filter(pk__in=removed).update(quarantined_at=now)
    return Moved(settle(removals), settle_tracks([*removals, *removed]))


def restore(track_ids: Iterable[int], *, keeps_later_edits: bool = True) -> Moved:
    """Bring removed copies back and take what they gave from their keepers; return what moved.

    Values edited after the merge wrote them stay as they were edited, or give way to what was there before.
    """
    merges = Merge.objects.filter(track_id__in=list(track_ids)).order_by("id")
    keeper_of = dict(merges.values_list("track_id", "keeper_id"))
    back, keepers = list(keeper_of), sorted(set(keeper_of.values()))
    if not keeps_later_edits:
        discard_edits(keepers)
        discard_edits_of_places(back)
    places = take_stock([*back, *keepers])
    Merge.objects.filter(track_id__in=back).delete()
    Track.objects.filter(pk__in=back).update(quarantined_at=None)
    return Moved(settle(keepers), settle_places(places))


def conflicts(track_ids: Iterable[int]) -> dict[int, list[Conflict]]:
    """Return what was edited since, by hand and not by import, and would be touched by restoring each of these copies.

    By copy; an edited value of a keeper is a conflict of every copy that it stands in for.
    """
    keeper_of = dict(Merge.objects.filter(track_id__in=list(track_ids)).values_list("track_id", "keeper_id"))
    tracks = Track.objects.in_bulk(sorted(set(keeper_of.values())))
    edited: dict[int, list[Conflict]] = {}
    for row in MergedValue.objects.filter(track_id__in=tracks.keys()).order_by("track_id", "field"):
        current = as_json(getattr(tracks[row.track_id], row.field))
        if current != as_json(from_json(row.field, row.written)):
            edited.setdefault(row.track_id, []).append(Conflict(row.track_id, row.field, row.written, current))
    found = {copy: list(edited.get(keeper, [])) for copy, keeper in keeper_of.items()}
    for at, holds in edited_places(MergedPlace.objects.filter(own_track_id__in=keeper_of.keys()).order_by("pk")):
        place = Conflict(None, "place", at.written_track_id, holds, at.playlist_id, at.position)
        found[at.own_track_id].append(place)
    return {copy: named for copy, named in found.items() if named}


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


def has_removed(track_ids: Iterable[int]) -> bool:
    """Is one of these tracks a removed copy?"""
    return any(Merge.objects.filter(track_id__in=part).exists() for part in batched(track_ids, IDS_A_QUERY))


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
    rows = [row for row in MergedValue.objects.filter(track_id__in=tracks.keys()) if row.field in written[row.track_id]]
    said = [(row.pk, as_json(getattr(tracks[row.track_id], row.field))) for row in rows]
    update_rows(MergedValue, ["own", "written"], ((pk, value, value) for pk, value in said))
    settle(Merge.objects.filter(keeper_id__in=tracks.keys()).order_by("id").values_list("keeper_id", flat=True))
    lent = list(Merge.objects.filter(track_id__in=tracks.keys()).order_by("id"))
    if lent:
        tracks = Track.objects.in_bulk([merge.track_id for merge in lent])
        update_rows(Merge, ["values"], ((merge.pk, values_as_json(tracks[merge.track_id])) for merge in lent))
        settle(merge.keeper_id for merge in lent)
