"""Names the last copy of a group before it goes by another road than clean-up: pruned by an import, deleted by hand.

Clean-up never takes it (`LAST_COPY`). By those roads it may go, but only when that is confirmed by itself.
"""

from collections.abc import Collection
from itertools import batched

from django.utils.translation import gettext as _

from duplicates.choices import Resolution
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from library.models import Track

IDS_A_QUERY = 500


def last_copies_of_groups(track_ids: Collection[int], gone: Collection[int] = ()) -> dict[int, str]:
    """Return one track of each saved group that would be left without any, with the sentence that says so.

    That is the keeper where it is among those that go. Members of a group that was declared no duplicates are no
    copies of each other. `gone` are tracks to count as gone already.
    """
    going, found = set(track_ids), dict[int, str]()
    for group, present in _groups_with(going, set(gone)):
        if not present or not present <= going or present & found.keys():
            continue
        chosen = group.keeper_track_id if group.keeper_track_id in present else min(present)
        found[chosen] = _("Track %(track_id)s is the last copy of %(group)s in the analysis %(analysis)s.") % {
            "track_id": chosen,
            "group": group,
            "analysis": group.analysis,
        }
    return found


def _groups_with(going: set[int], gone: set[int]) -> list[tuple[DuplicateAnalysisGroup, set[int]]]:
    """Return the groups some of these tracks belong to, in order, with their members in the library."""
    ids = {
        group_id
        for part in batched(sorted(going), IDS_A_QUERY)
        for group_id in DuplicateAnalysisTrack.objects.filter(track_id__in=part).values_list("group_id", flat=True)
    }
    found: list[tuple[DuplicateAnalysisGroup, set[int]]] = []
    for part in batched(sorted(ids), IDS_A_QUERY):
        groups = DuplicateAnalysisGroup.objects.filter(pk__in=part).exclude(resolution=Resolution.NOT_DUPLICATES)
        members: dict[int, set[int]] = {}
        rows = DuplicateAnalysisTrack.objects.filter(group_id__in=part).values_list("group_id", "track_id")
        for group_id, track_id in rows:
            members.setdefault(group_id, set()).add(track_id)
        here = _here({track_id for tracks in members.values() for track_id in tracks}) - gone
        found += [(group, members[group.pk] & here) for group in groups.select_related("analysis").order_by("pk")]
    return found


def _here(track_ids: set[int]) -> set[int]:
    return {
        pk
        for part in batched(sorted(track_ids), IDS_A_QUERY)
        for pk in Track.objects.active().filter(pk__in=part).values_list("pk", flat=True)
    }
