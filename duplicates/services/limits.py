"""How much one person may start within an hour. Counted from the audit trail, so every process counts alike."""

from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from duplicates.exceptions import RateLimited
from duplicates.models import AuditRecord

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def require_below(limit: int, action: str, *, actor: "AbstractBaseUser | None", now: datetime, what: str) -> None:
    """Raise RateLimited when the actor has done `action` so often within the last hour; the system has no limit."""
    if actor is None:
        return
    recent = AuditRecord.objects.filter(
        action=action,
        user_id_then=actor.pk,
        was_successful=True,
        created_at__gt=now - timedelta(hours=1),
        created_at__lte=now,
    )
    newest = list(recent.order_by("-created_at").values_list("created_at", flat=True)[:limit])
    if len(newest) < limit:
        return
    over_at = (newest[-1] if newest else now) + timedelta(hours=1)  # the oldest of these has to be an hour old
    raise RateLimited(
        _("You have started %(limit)s %(what)s within the last hour, which is the limit.")
        % {"limit": limit, "what": what},
        retry_after_seconds=ceil((over_at - now).total_seconds()),
    )
