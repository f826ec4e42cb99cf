"""Moments in the address of a list, in UTC: PostgreSQL refuses zones sixteen hours away and more, ISO 8601 does not."""

from datetime import UTC
from typing import Any

import django_filters
from django.forms import ValidationError
from django.utils.translation import gettext as _


class _Field(django_filters.fields.IsoDateTimeField):
    def to_python(self, value: Any) -> Any:
        moment = super().to_python(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:  # within a day of where the calendar ends
            raise ValidationError(_("Enter a valid date/time."), code="invalid") from None


class MomentFilter(django_filters.IsoDateTimeFilter):
    """Compares with a moment given in any zone."""

    field_class = _Field
