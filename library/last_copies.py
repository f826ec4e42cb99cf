"""Which tracks must not go without a confirmation of their own, because nothing else of their kind would be left.

The library knows one such: a track that stands in for removed copies. Whoever knows of others, as `duplicates` does of
its groups, registers a guardian when the applications load; the library calls it and knows nothing more of it.
"""

from collections.abc import Callable, Collection
from itertools import batched

from django.utils.translation import gettext as _

from library.models import Merge, Track

IDS_A_QUERY = 500

type Guardian = Callable[[Collection[int], Collection[int]], dict[int, str]]
"""Called with the tracks that are about to go and those that went before in the same go; returns sentences by track."""

_guardians: list[Guardian] = []


def register_guardian(guardian: Guardian) -> None:
    """Ask this guardian, too, from now on; registering it again changes nothing."""
    if guardian not in _guardians:
        _guardians.append(guardian)


def last_copies(track_ids: Collection[int], *, gone: Collection[int] = ()) -> dict[int, str]:
    """Return those of the tracks that are the last of something, each with the sentence that says of what."""
    found = _stand_ins(track_ids)
    for guardian in _guardians:
        found = guardian(track_ids, gone) | found
    return found


def _stand_ins(track_ids: Collection[int]) -> dict[int, str]:
    copies: dict[int, int] = {}
    for part in batched(track_ids, IDS_A_QUERY):
        for keeper_id in Merge.objects.filter(keeper_id__in=part).values_list("keeper_id", flat=True):
            copies[keeper_id] = copies.get(keeper_id, 0) + 1
    return {
        track.pk: _("%(track)s is what is left of %(count)s copies, the others of which are removed.")
        % {"track": track, "count": copies[track.pk] + 1}
        for track in Track.objects.filter(pk__in=copies)
    }
