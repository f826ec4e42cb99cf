"""What a web request is told while the database is away or busy: 503, a clear sentence, and when to try again.

The connection may be lost in any place, and sessions and languages ask the database before a view does. So the
middleware stands first of all: it answers for views, and for every middleware behind it whose error Django has turned
into a 500. The transaction under way is gone with its connection. Workers and commands repeat their work instead.
"""

import logging
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.signals import got_request_exception
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from duplicates.request_deadline import API
from duplicates.saved_work import has_saved, saved_sentence, watching

logger = logging.getLogger("reprise.web")

CODE = "DATABASE_BUSY"
RETRY_AFTER_SECONDS = 10
_FILE_AWAY = "unable to open database file"  # SQLite, its disk not there


def is_away(error: BaseException | None) -> bool:
    """Is this the error of a database that is away or busy, and may answer in a moment?"""
    from duplicates.services.retrying import is_passing  # noqa: PLC0415 (a middleware is loaded before the models)

    if not isinstance(error, DatabaseError):
        return False
    return is_passing(error) or _FILE_AWAY in str(error)


class DatabaseAwayMiddleware:
    """Answer with 503 what fails because the database does not answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        got_request_exception.connect(_note, dispatch_uid="database_away")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with watching():
            response = self.get_response(request)
            is_unexplained = response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
            return answer_away(request) if is_unexplained and hasattr(request, "database_is_away") else response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        return answer_away(request) if is_away(exception) else None


def _note(request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Remember why a request failed, while Django makes a 500 of it."""
    if request is not None and is_away(sys.exc_info()[1]):
        request.database_is_away = True  # type: ignore[attr-defined]


def answer_away(request: HttpRequest) -> HttpResponse:
    """Return 503: to programs in the one shape of errors, to people a page that asks the database nothing."""
    logger.warning("%s %s was not answered: the database is away or busy", request.method, request.path)
    if not connection.in_atomic_block:
        connection.close()  # or the next request of this thread would meet it broken
    if request.path.startswith(API):
        answer: HttpResponse = JsonResponse(away_body(), status=HTTPStatus.SERVICE_UNAVAILABLE)
    else:
        page = render_to_string("database_away.html", {"saved": saved_sentence() if has_saved() else ""})
        answer = HttpResponse(page, status=HTTPStatus.SERVICE_UNAVAILABLE)
    answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    answer["Cache-Control"] = "no-store"
    answer._has_been_logged = True  # type: ignore[attr-defined]  # just above, and better than Django would
    return answer


def away_body(*, keeps_steps: bool = False) -> dict[str, Any]:
    """Return what the API says while the database does not answer; some requests keep what they had finished."""
    from duplicates.api.errors import error_body  # noqa: PLC0415 (it asks this module)

    if has_saved() and not keeps_steps:
        return error_body(CODE, saved_sentence(), retry_suggested=False, partial_results_available=True)
    return error_body(
        CODE,
        _("The database does not answer just now. What was under way was undone; nothing is half done."),
        suggestions=[_("Try again in %(seconds)s seconds.") % {"seconds": RETRY_AFTER_SECONDS}],
        retry_suggested=True,
        partial_results_available=keeps_steps,
    )
