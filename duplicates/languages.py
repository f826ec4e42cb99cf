"""Speaks the language each person chose in their preferences; where none is chosen, the browser's holds.

Like the time zone, the language is kept in the session, so that no page costs a query for it.
"""

from collections.abc import Callable

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation

from duplicates.models import DuplicatePreferences

KEY = "language"


class LanguageMiddleware:
    """Activates the language of whoever asks; Django's own has activated the browser's and ends both."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if language := request.session.get(KEY):
            translation.activate(language)
            request.LANGUAGE_CODE = language
        return self.get_response(request)


def remember_language(session: SessionBase, preferences: DuplicatePreferences) -> None:
    """Let the pages of this session speak a person's language from now on."""
    session[KEY] = preferences.language
