"""Shows times in the zone each person chose in their preferences.

The zone is kept in the session, so that no page costs a query for it: put there at log-in and when it is changed.
"""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from duplicates.languages import remember_language
from duplicates.models import DuplicatePreferences

KEY = "time_zone"


class TimeZoneMiddleware:
    """Activates the zone of whoever asks for the length of the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        name = request.session.get(KEY)
        with timezone.override(ZoneInfo(name) if name else None):
            return self.get_response(request)


def remember(session: SessionBase, preferences: DuplicatePreferences) -> None:
    """Let the pages of this session show times in a person's zone, and speak their language, from now on."""
    session[KEY] = preferences.time_zone
    remember_language(session, preferences)


@receiver(user_logged_in)
def remember_at_log_in(request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    """Take zone and language from the preferences once a session."""
    remember(request.session, DuplicatePreferences.objects.of(user))
