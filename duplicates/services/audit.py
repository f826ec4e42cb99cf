"""Writes the audit trail: one record for every verb that changes something, failures too.

Call it inside the transaction that makes the change, so that neither exists without the other.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from duplicates.models import AuditRecord

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import Model


def record(
    action: str,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    subject: "Model | None" = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    counts: dict[str, Any] | None = None,
    was_successful: bool = True,
    duration_seconds: float | None = None,
    message: str = "",
    address: str | None = None,
) -> AuditRecord:
    """Append one record. No actor means the system; names are frozen as they are now."""
    return AuditRecord.objects.create(
        created_at=now,
        user_id_then=actor.pk if actor else None,
        user_name=actor.get_username() if actor else "",
        action=action,
        subject_type=(subject._meta.model_name or "") if subject is not None else "",
        subject_id=str(subject.pk) if subject is not None else "",
        subject_label=str(subject) if subject is not None else "",
        was_successful=was_successful,
        before=before,
        after=after,
        counts=counts or {},
        duration_seconds=duration_seconds,
        message=message,
        address=address,
    )
