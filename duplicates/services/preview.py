"""What removing copies of a group would do, beforehand: which may go, what the keeper gains, and what forbids it.

The guards that refuse a removal say here the same, one copy at a time. Nothing is locked and nothing is written.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from duplicates.exceptions import (
    DeclaredDifferent,
    DuplicatesError,
    MemberChanged,
    MemberGone,
    NoDirectMatch,
    TrackProtected,
)
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.services import guards
from library.merge_preview import PlaceAhead, ValueAhead, places_ahead, values_ahead
from library.models import Track


@dataclass(frozen=True, slots=True)
class RemovalPreview:
    """What would happen. `obstacles` names why a member cannot go; `refused` why nothing can."""

    removing: tuple[int, ...]
    obstacles: dict[int, DuplicatesError] = field(default_factory=dict)
    refused: DuplicatesError | None = None
    values: list[ValueAhead] = field(default_factory=list)
    places: list[PlaceAhead] = field(default_factory=list)
    plays_moved: int = 0
    bytes_freed: int | None = None


def preview_removal(
    group: DuplicateAnalysisGroup,
    members: Collection[DuplicateAnalysisTrack],
    *,
    wanted: Collection[int] | None = None,
) -> RemovalPreview:
    """Return what removing the wanted members would do; every member that may go where none is named."""
    named = {member.track_id: member for member in members}
    tracks = Track.objects.in_bulk(list(named))
    obstacles = find_obstacles(group, named, tracks)
    others = [pk for pk in named if pk != group.keeper_track_id]
    chosen = tuple(pk for pk in others if pk not in obstacles and (wanted is None or pk in wanted))
    if refused := _refused(group, named, obstacles):
        return RemovalPreview((), obstacles, refused)
    keeper, copies = tracks[group.keeper_track_id], [tracks[pk] for pk in chosen]
    sizes = [copy.size_bytes for copy in copies]
    return RemovalPreview(
        chosen,
        obstacles,
        None,
        values_ahead(keeper, copies) if copies else [],
        places_ahead(keeper.pk, copies) if copies else [],
        sum(copy.play_count for copy in copies),
        None if None in sizes else sum(size or 0 for size in sizes),
    )


def find_obstacles(
    group: DuplicateAnalysisGroup, members: guards.Members, tracks: guards.Tracks
) -> dict[int, DuplicatesError]:
    """Return what forbids the removal of each member that cannot go; for the keeper what forbids any."""
    found: dict[int, DuplicatesError] = {}
    here = [pk for pk in members if pk in tracks and tracks[pk].quarantined_at is None]
    found.update({pk: MemberGone() for pk in members if pk not in here})
    changes = guards.changed_fields(group, members, tracks, here)
    for pk, names in changes.items():
        said = _("Edited since it was analysed: %(fields)s.")
        found[pk] = MemberChanged(said % {"fields": ", ".join(names).replace("_", " ")}, fields=names)
    others = [pk for pk in here if pk != group.keeper_track_id]
    if group.keeper_track_id in members:
        apart = guards.declared_different([(members, group.keeper_track_id, others)])
        found.update({pk: DeclaredDifferent() for _, pk in apart})
    found.update({pk: NoDirectMatch() for pk in others if not members[pk].matches_keeper})
    found.update({pk: TrackProtected() for pk in others if tracks[pk].is_protected})
    return found


def _refused(
    group: DuplicateAnalysisGroup, members: guards.Members, obstacles: dict[int, DuplicatesError]
) -> DuplicatesError | None:
    """Return what forbids removing anything from the group."""
    try:
        guards.require_open(group)
    except DuplicatesError as refused:
        return refused
    if group.keeper_track_id not in members:
        return MemberGone(_("The keeper is not shown."))
    of_keeper = obstacles.get(group.keeper_track_id)
    if isinstance(of_keeper, MemberGone):
        return MemberGone(_("The keeper is no longer in the library."), way_out=_("Choose another keeper."))
    if isinstance(of_keeper, MemberChanged):
        fields = ", ".join(name.replace("_", " ") for name in of_keeper.facts["fields"])
        return MemberChanged(_("The keeper was edited since it was analysed (%(fields)s).") % {"fields": fields})
    return of_keeper
