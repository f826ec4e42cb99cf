"""Changes one person's preferences, as a whole or back to the defaults; the one road of page and API.

Who changes them is that person, unless an `actor` is named.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from duplicates.models import DuplicatePreferences
from duplicates.services import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


@audit.recorded("preferences.changed")
def change_preferences(
    user: "AbstractBaseUser", values: Mapping[str, Any], *, now: datetime, actor: "AbstractBaseUser | None" = None
) -> DuplicatePreferences:
    """Set some preferences; the others stay. Raises ValidationError, naming the field, and then changes nothing."""
    with transaction.atomic():
        preferences = _own(user)
        before = {name: getattr(preferences, name) for name in values}
        for name, value in values.items():
            setattr(preferences, name, value)
        preferences.full_clean()
        preferences.save()
        audit.record(
            "preferences.changed", actor=actor or user, now=now, subject=preferences, before=before, after=dict(values)
        )
    return preferences


@audit.recorded("preferences.reset")
def reset_preferences(
    user: "AbstractBaseUser", *, now: datetime, actor: "AbstractBaseUser | None" = None
) -> DuplicatePreferences:
    """Put every preference back to its default."""
    with transaction.atomic():
        preferences = _own(user)
        preferences.reset()
        preferences.save()
        audit.record("preferences.reset", actor=actor or user, now=now, subject=preferences)
    return preferences


def _own(user: "AbstractBaseUser") -> DuplicatePreferences:
    """Return a person's row, made where there is none."""
    return DuplicatePreferences.objects.select_for_update(of=("self",)).get_or_create(user_id=user.pk)[0]
