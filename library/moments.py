"""How a moment reads to a person: absolute in the current time zone, and relative to now.

Pages, services and commands all take their words from here, so that they cannot differ.
"""

from datetime import datetime

from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.timezone import localtime

MOMENT_FORMAT = "j M Y, H:i"
A_MOMENT = 60  # seconds; nobody cares on which side of now so young an event lies


def absolute(at: datetime) -> str:
    """Return a moment in the viewer's zone: 22 Nov 2026, 17:10."""
    return date_format(localtime(at), MOMENT_FORMAT)


def relative(at: datetime, now: datetime) -> str:
    """Return how long ago a moment was, in its largest unit."""
    if abs((now - at).total_seconds()) < A_MOMENT:
        return "just now"
    return f"in {timesince(now, at, depth=1)}" if at > now else f"{timesince(at, now, depth=1)} ago"
