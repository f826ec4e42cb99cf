"""Deletes tracks from the library by hand, for good: what a clean-up never does.

Such a track was a mistake, not a duplicate; its plays go with it. The last copy of a group, and one that stands in for
removed copies, goes only when that is confirmed by itself.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from duplicates.exceptions import InvalidOptions, LastCopy, TrackNotFound, TrackProtected
from duplicates.services import audit, impact
from library.changes import recording
from library.last_copies import last_copies
from library.models import Track

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

MOST_AT_ONCE = 500
NAMED = 50  # names in the audit record


def what_would_go_last(track_ids: Collection[int]) -> dict[int, str]:
    """Return those of the tracks that are the last of their kind, each with the sentence that says of what."""
    return dict(sorted(last_copies(track_ids).items()))


def delete_tracks(
    *,
    track_ids: Collection[int],
    actor: "AbstractBaseUser | None",
    now: datetime,
    confirmed_last_copies: Collection[int] = (),
) -> int:
    """Delete tracks, and let every saved analysis follow; return how many went. All or none.

    Raises LastCopy with `facts["copies"]` for those that are the last of their kind and not among the confirmed,
    TrackProtected, TrackNotFound, and InvalidOptions for tracks in quarantine or more than 500 at once.
    """
    wanted = set(track_ids)
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise InvalidOptions(_("Name 1 to %(most)s tracks to delete.") % {"most": MOST_AT_ONCE})
    with audit.attempt("tracks.deleted", actor=actor, now=now), recording("deletion"):
        impact.follow_library(now=now)
        tracks = list(Track.objects.select_for_update().filter(pk__in=wanted).order_by("pk"))
        _require_deletable(tracks, wanted)
        last = {pk: says for pk, says in what_would_go_last(wanted).items() if pk not in confirmed_last_copies}
        if last:
            raise LastCopy(
                " ".join(last.values()), way_out=_("Keep it, or confirm by itself that it is to go."), copies=last
            )
        names = [str(track) for track in tracks[:NAMED]]
        plays = sum(track.play_count for track in tracks)
        Track.objects.filter(pk__in=wanted).delete()
        impact.follow_tracks(wanted, actor=actor, now=now, may_lose=True)
        audit.record(
            "tracks.deleted",
            actor=actor,
            now=now,
            before={"tracks": names},
            after={"last_copies": sorted(set(confirmed_last_copies) & wanted)},
            counts={"tracks": len(tracks), "plays": plays},
        )
    return len(tracks)


def _require_deletable(tracks: Iterable[Track], wanted: set[int]) -> None:
    """Refuse tracks that are not there, protected, or in quarantine, from where they are purged."""
    found = {track.pk: track for track in tracks}
    if missing := sorted(wanted - found.keys()):
        raise TrackNotFound(_("There is no track %(ids)s.") % {"ids": ", ".join(map(str, missing))})
    if protected := [track for track in found.values() if track.is_protected]:
        raise TrackProtected(_("Protected: %(tracks)s.") % {"tracks": "; ".join(map(str, protected))})
    if removed := [track for track in found.values() if track.quarantined_at]:
        raise InvalidOptions(
            _("In quarantine: %(tracks)s. They go when their time is over.") % {"tracks": "; ".join(map(str, removed))}
        )
