"""What forbids a removal. Each guard raises the error that says why, naming the copies it is about.

Call them inside the transaction that removes, after its locks are taken: what they saw then stays true.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from duplicates.choices import CleanupState, LedgerKind, Resolution
from duplicates.exceptions import (
    AnalysisNotReady,
    DeclaredDifferent,
    GroupChanged,
    GroupResolved,
    InvalidOptions,
    KeeperChanged,
    LastCopy,
    MemberChanged,
    MemberGone,
    NoDirectMatch,
    TrackProtected,
)
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack, KeeperChoice, LedgerEntry
from duplicates.services.different import in_force, key_of
from library.change_triggers import MATCHING_FIELDS
from library.models import LibraryChange, MergedValue, Track
from library.moved import as_json

Members = dict[int, DuplicateAnalysisTrack]
Tracks = dict[int, Track]
_IN_SNAPSHOT = tuple(
    name for name in MATCHING_FIELDS if name in {f.name for f in DuplicateAnalysisTrack._meta.concrete_fields}
)


def is_decided(group: DuplicateAnalysisGroup) -> bool:
    """Has somebody decided about a group? Setting it aside for later only puts the decision off."""
    return group.is_resolved and group.resolution != Resolution.MANUAL_REVIEW


def choosers_of(group_ids: Collection[int]) -> dict[int, str]:
    """Return who chose a keeper for these groups last, as far as anybody did."""
    choices = KeeperChoice.objects.filter(group_id__in=group_ids).order_by("pk")
    return dict(choices.values_list("group_id", "user_name")) if group_ids else {}


def require_seen(group: DuplicateAnalysisGroup, seen_version: str, choosers: Mapping[int, str] | None = None) -> None:
    """Refuse to go on where a group is not what a person saw; no version is no question. Says what happened instead."""
    if not seen_version or seen_version == group.version:
        return
    require_open(group)
    if group.is_resolved:
        who = group.resolved_by.get_username() if group.resolved_by else _("The system")
        raise GroupChanged(_("%(who)s has set %(group)s aside meanwhile.") % {"who": who, "group": group})
    known = choosers_of([group.pk]) if choosers is None else choosers
    if group.pk in known:
        named = {"who": known[group.pk] or _("The system"), "group": group}
        raise KeeperChanged(_("%(who)s has changed the keeper of %(group)s meanwhile.") % named)
    raise GroupChanged(_("%(group)s has changed since you looked at it.") % {"group": group})


def require_open(group: DuplicateAnalysisGroup) -> None:
    """Refuse a group that somebody has decided about, or whose analysis is not finished. Set aside is not decided."""
    if not group.analysis.has_groups:
        raise AnalysisNotReady
    if is_decided(group):
        who = group.resolved_by.get_username() if group.resolved_by else _("The system")
        raise GroupResolved(
            _("%(who)s has decided about %(group)s already: %(resolution)s.")
            % {"who": who, "group": group, "resolution": group.get_resolution_display().lower()}
        )


def require_keeper(group: DuplicateAnalysisGroup, keeper_id: int) -> None:
    """Refuse a keeper that is not the group's."""
    if keeper_id != group.keeper_track_id:
        raise KeeperChanged(
            _("The keeper of %(group)s is track %(keeper_track_id)s, not %(keeper_id)s.")
            % {"group": group, "keeper_track_id": group.keeper_track_id, "keeper_id": keeper_id}
        )


def require_members(group: DuplicateAnalysisGroup, members: Members, keeper_id: int, removing: Collection[int]) -> None:
    """Refuse tracks that are not the group's members, and taking all of them."""
    if strangers := sorted({keeper_id, *removing} - members.keys()):
        raise InvalidOptions(
            _("Tracks %(map)s are no members of %(group)s.") % {"map": ", ".join(map(str, strangers)), "group": group}
        )
    if not removing:
        raise InvalidOptions(_("Name at least one copy to remove."))
    if keeper_id in removing:
        raise LastCopy(
            _("Track %(keeper_id)s is the copy of %(group)s to keep.") % {"keeper_id": keeper_id, "group": group}
        )


def gone(tracks: Tracks, wanted: Iterable[int]) -> list[int]:
    """Return which of the tracks are not in the library any more."""
    return [pk for pk in wanted if pk not in tracks or tracks[pk].quarantined_at is not None]


def removers_of(track_ids: Collection[int]) -> dict[int, str]:
    """Return the names of those who removed the tracks, as far as a clean-up did."""
    if not track_ids:
        return {}
    entries = LedgerEntry.objects.filter(kind=LedgerKind.TRACK, track_id__in=track_ids, action__state=CleanupState.DONE)
    named = entries.order_by("pk").values_list("track_id", "action__user_name")
    return {pk: name or _("the system") for pk, name in named if pk is not None}


def require_present(
    members: Members, tracks: Tracks, wanted: Iterable[int], removers: Mapping[int, str] | None = None
) -> None:
    """Refuse copies that are not in the library any more, and say who removed them."""
    missing = gone(tracks, wanted)
    if not missing:
        return
    known = removers_of(missing) if removers is None else removers
    who = next((known[pk] for pk in missing if pk in known), "")
    by = _(", removed by %(who)s meanwhile") % {"who": who} if who else ""
    raise MemberGone(_("No longer in the library: %(named)s%(by)s.") % {"named": _named(members, missing), "by": by})


def require_removable(members: Members, tracks: Tracks, removing: Iterable[int]) -> None:
    """Refuse protected copies and those that match the keeper only through a chain."""
    wanted = list(removing)
    if protected := [pk for pk in wanted if tracks[pk].is_protected]:
        raise TrackProtected(_("Protected from removal: %(named)s.") % {"named": _named(members, protected)})
    if chained := [pk for pk in wanted if not members[pk].matches_keeper]:
        raise NoDirectMatch(_("No direct match with the keeper: %(named)s.") % {"named": _named(members, chained)})


def require_alike(members: Members, keeper_id: int, removing: Iterable[int], apart: set[tuple[int, int]]) -> None:
    """Refuse copies that somebody declared different from the keeper, here or in any other analysis."""
    if different_ones := [pk for pk in removing if (keeper_id, pk) in apart]:
        raise DeclaredDifferent(
            _("Declared different from the keeper: %(named)s.") % {"named": _named(members, different_ones)}
        )


def declared_different(wanted: Iterable[tuple[Members, int, Iterable[int]]]) -> set[tuple[int, int]]:
    """Return the pairs (keeper, member) that somebody declared different, of members, their keeper and the others."""
    pairs = {
        _pair(key_of(members[keeper_id]), key_of(members[pk])): (keeper_id, pk)
        for members, keeper_id, others in wanted
        for pk in others
    }
    return {pairs[pair] for pair in in_force(pairs)}


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def refuse_changed(members: Members, changes: Mapping[int, list[str]], wanted: Iterable[int]) -> None:
    """Refuse the first of the copies whose matching fields were edited, naming the fields."""
    for pk in wanted:
        if changed := changes.get(pk):
            fields = ", ".join(name.replace("_", " ") for name in changed)
            raise MemberChanged(
                _("Edited since it was analysed: %(named)s (%(fields)s).")
                % {"named": _named(members, [pk]), "fields": fields},
                fields=changed,
            )


def changed_fields(
    group: DuplicateAnalysisGroup, members: Members, tracks: Tracks, wanted: Collection[int]
) -> dict[int, list[str]]:
    """Return the matching fields that were edited since the analysis read them, by track; a merge is no edit."""
    seen = _as_analysed(group.analysis.library_revision, wanted)
    own = {pk: {name: as_json(getattr(tracks[pk], name)) for name in MATCHING_FIELDS} for pk in wanted}
    shown = {pk: dict(values) for pk, values in own.items()}
    for row in MergedValue.objects.filter(track_id__in=wanted, field__in=MATCHING_FIELDS):
        if shown[row.track_id][row.field] == row.written:
            own[row.track_id][row.field] = row.own
    changes = {}
    for pk in wanted:
        analysed = [*((name, as_json(getattr(members[pk], name))) for name in _IN_SNAPSHOT), *seen.get(pk, {}).items()]
        changed = sorted({name for name, value in analysed if value not in (own[pk][name], shown[pk][name])})
        if changed:
            changes[pk] = changed
    return changes


def _as_analysed(revision: int | None, track_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the matching fields as the run read them, of the tracks that were edited after it began."""
    if revision is None:
        return {}
    changes = LibraryChange.objects.filter(track_id__in=track_ids, revision__gt=revision, before__isnull=False)
    before: dict[int, dict[str, Any]] = {}
    for track_id, fields in changes.order_by("id").values_list("track_id", "before"):
        if isinstance(fields, dict):
            before.setdefault(track_id, fields)
    return before


def _named(members: Members, track_ids: Iterable[int]) -> str:
    return "; ".join(
        _("%(members)s (track %(pk)s, %(source)s)") % {"members": members[pk], "pk": pk, "source": members[pk].source}
        for pk in track_ids
    )
