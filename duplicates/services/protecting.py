"""Protection of single tracks: a protected copy is never removed as a duplicate, whatever a rule or a plan says.

Which tracks are meant is the caller's to say: those ticked in a list, or those of a playlist.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from duplicates.exceptions import InvalidOptions
from duplicates.services import audit
from library.models import Track
from library.numbers import number

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

MOST_AT_ONCE = 10_000
NAMED = 50  # names in the audit record


def protect_tracks(
    tracks: QuerySet[Track], *, is_protected: bool, actor: "AbstractBaseUser | None", now: datetime
) -> int:
    """Protect tracks from removal, or no longer; return for how many that is new.

    Raises InvalidOptions for none and for more than 10,000 at once. Those in quarantine are left as they are.
    """
    verb = "tracks.protected" if is_protected else "tracks.protection_lifted"
    with audit.attempt(verb, actor=actor, now=now), transaction.atomic():
        meant = Track.objects.filter(pk__in=tracks.order_by().values("pk"), quarantined_at=None)
        count = meant.count()
        if not 1 <= count <= MOST_AT_ONCE:
            said = {"count": number(count), "most": number(MOST_AT_ONCE)}
            raise InvalidOptions(_("These are %(count)s tracks; choose 1 to %(most)s.") % said)
        changed = list(meant.exclude(is_protected=is_protected).select_for_update().order_by("pk"))
        Track.objects.filter(pk__in=[track.pk for track in changed]).update(is_protected=is_protected)
        audit.record(
            verb,
            actor=actor,
            now=now,
            after={"tracks": [str(track) for track in changed[:NAMED]]},
            counts={"tracks": len(changed)},
        )
    return len(changed)
