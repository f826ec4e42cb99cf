"""Keepers that were pruned and are imported again: each comes back as the row it was, with all it had taken over.

While a keeper is gone its removed copies wait in quarantine; nothing of theirs is lost. The merges remember where the
keeper came from, so that the same song at the same source is recognised and stands in for them once more.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from library.merged import Merge, MergedValue
from library.models import Track
from library.shown_places import settle_places, take_stock
from library.shown_values import settle


def keepers_gone(source: str, source_track_ids: Collection[str]) -> dict[str, int]:
    """Return the primary keys that keepers without a row had, by the ids they have at their source."""
    merges = Merge.objects.filter(keeper_source=source, keeper_source_track_id__in=list(source_track_ids))
    had = dict(merges.order_by("pk").values_list("keeper_source_track_id", "keeper_id"))
    here = set(Track.objects.filter(pk__in=had.values()).values_list("pk", flat=True))
    return {key: pk for key, pk in had.items() if pk not in here}


@contextmanager
def welcoming(keeper_ids: Collection[int]) -> Iterator[None]:
    """Give keepers whose rows are written inside the block back what they had taken over: values and places."""
    if not keeper_ids:
        yield
        return
    copies = list(Merge.objects.filter(keeper_id__in=keeper_ids).values_list("track_id", flat=True))
    # Looked at before they are there: a place that only lacks its keeper was not edited by anybody.
    stock = take_stock([*keeper_ids, *copies])
    # What they showed before they went is no longer theirs to have been edited.
    MergedValue.objects.filter(track_id__in=keeper_ids).delete()
    yield
    settle(keeper_ids)
    settle_places(stock)
