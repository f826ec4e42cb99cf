"""How a moment reads to a person: absolute in the current time zone, and relative to now.

Pages, services and commands all take their words from here, so that they cannot differ.
"""

from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import npgettext_lazy, pgettext

# German bends the unit behind "ago" and "in", which Django's own translations do not.
_UNITS: dict[str, Any] = {
    "year": npgettext_lazy("ago or in", "%(num)d year", "%(num)d years", "num"),
    "month": npgettext_lazy("ago or in", "%(num)d month", "%(num)d months", "num"),
    "week": npgettext_lazy("ago or in", "%(num)d week", "%(num)d weeks", "num"),
    "day": npgettext_lazy("ago or in", "%(num)d day", "%(num)d days", "num"),
    "hour": npgettext_lazy("ago or in", "%(num)d hour", "%(num)d hours", "num"),
    "minute": npgettext_lazy("ago or in", "%(num)d minute", "%(num)d minutes", "num"),
}
A_MOMENT = 60  # seconds; nobody cares on which side of now so young an event lies


def absolute(at: datetime) -> str:
    """Return a moment in the viewer's zone: 22 Nov 2026, 17:10."""
    return date_format(localtime(at), pgettext("a moment, in the letters of Django's date filter", "j M Y, H:i"))


def relative(at: datetime, now: datetime) -> str:
    """Return how long ago a moment was, in its largest unit."""
    if abs((now - at).total_seconds()) < A_MOMENT:
        return _("just now")
    if at > now:
        return _("in %(time)s") % {"time": timesince(now, at, depth=1, time_strings=_UNITS)}
    return _("%(time)s ago") % {"time": timesince(at, now, depth=1, time_strings=_UNITS)}
