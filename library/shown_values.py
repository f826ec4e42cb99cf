"""What keepers show: their own values together with those of the copies merged into them, computed for many at once.

`library.quarantine` says when; the rules are `library.merging`'s. Each step takes the same few queries, whether it is
about one keeper or hundreds.
"""

from collections.abc import Collection, Iterable, Mapping

from library.merged import Merge, MergedValue
from library.merging import FIELDS, Values, fold, with_edit
from library.models import Track
from library.moved import MovedValue, as_json, from_json
from library.row_updates import update_rows

type Tracks = Mapping[int, Track]


def settle(keeper_ids: Iterable[int]) -> dict[int, list[MovedValue]]:
    """Compute anew what keepers show; one that is itself removed passes the change on.

    Returns what changed, by the keeper that was asked for: what it passed on is among its own.
    """
    moved: dict[int, list[MovedValue]] = {}
    waiting = {pk: pk for pk in keeper_ids}
    while waiting:
        tracks = Track.objects.select_for_update().in_bulk(sorted(waiting))
        MergedValue.objects.filter(track_id__in=waiting.keys() - tracks.keys()).delete()
        changed = _settle_all(tracks)
        for pk, values in changed.items():
            moved.setdefault(waiting[pk], []).extend(values)
        waiting = {keeper: waiting[pk] for pk, keeper in _pass_on(changed, tracks)}
    return moved


def own_values(track: Track) -> Values:
    """Return what a track says of itself, without what was merged into it; later edits count as its own."""
    return _own_values({track.pk: track})[track.pk]


def values_as_json(track: Track) -> Values:
    """Return all that a merge may touch of a track, as JSON holds it."""
    return {name: as_json(getattr(track, name)) for name in FIELDS}


def discard_edits(keeper_ids: Collection[int]) -> None:
    """Put back what the merges wrote where somebody edited it since, so that only the merges are left to undo."""
    tracks = Track.objects.select_for_update().in_bulk(sorted(keeper_ids))
    edited: dict[int, Values] = {}
    for row in MergedValue.objects.filter(track_id__in=tracks):
        written = from_json(row.field, row.written)
        if getattr(tracks[row.track_id], row.field) != written:
            edited.setdefault(row.track_id, {})[row.field] = written
    _write(tracks, edited)


def _own_values(tracks: Tracks) -> dict[int, Values]:
    own = {pk: {name: getattr(track, name) for name in FIELDS} for pk, track in tracks.items()}
    for row in MergedValue.objects.filter(track_id__in=tracks.keys()):
        values, written = own[row.track_id], from_json(row.field, row.written)
        values[row.field] = with_edit(
            row.field, own=from_json(row.field, row.own), written=written, current=values[row.field]
        )
    return own


def _settle_all(tracks: Tracks) -> dict[int, list[MovedValue]]:
    """Write what these keepers show, and what of it is lent; return the values that changed, by keeper."""
    own = _own_values(tracks)
    copies: dict[int, list[Values]] = {pk: [] for pk in tracks}
    for merge in Merge.objects.filter(keeper_id__in=tracks.keys()).order_by("id"):
        copies[merge.keeper_id].append({name: from_json(name, value) for name, value in merge.values.items()})
    shown = {pk: fold(own[pk], copies[pk], unparsed=track.unparsed) for pk, track in tracks.items()}
    changed = {
        pk: {name: value for name, value in shown[pk].items() if value != getattr(track, name)}
        for pk, track in tracks.items()
    }
    moved = {
        pk: [MovedValue(pk, name, as_json(getattr(tracks[pk], name)), as_json(new)) for name, new in values.items()]
        for pk, values in changed.items()
        if values
    }
    _write(tracks, {pk: values for pk, values in changed.items() if values})
    MergedValue.objects.filter(track_id__in=tracks.keys()).delete()
    MergedValue.objects.bulk_create(
        MergedValue(track_id=pk, field=name, own=as_json(own[pk][name]), written=as_json(value))
        for pk, values in shown.items()
        for name, value in values.items()
        if value != own[pk][name]
    )
    return moved


def _write(tracks: Tracks, changed: Mapping[int, Values]) -> None:
    """Write values into tracks that are locked: all of them the same fields, those that do not change as they are."""
    names = sorted({name for values in changed.values() for name in values})
    for pk, values in changed.items():
        for name, value in values.items():
            setattr(tracks[pk], name, value)
    update_rows(Track, names, ([pk, *(getattr(tracks[pk], name) for name in names)] for pk in changed))


def _pass_on(keeper_ids: Collection[int], tracks: Tracks) -> list[tuple[int, int]]:
    """Write what changed keepers give on where they are removed themselves; return each with who stands in for it."""
    onward = list(Merge.objects.filter(track_id__in=keeper_ids).order_by("id")) if keeper_ids else []
    update_rows(Merge, ["values"], ([merge.pk, values_as_json(tracks[merge.track_id])] for merge in onward))
    return [(merge.track_id, merge.keeper_id) for merge in onward]
