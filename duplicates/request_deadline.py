"""How long one web request may take, and one of its statements. What takes longer is stopped and answered with 503.

PostgreSQL stops a late statement by `statement_timeout`, SQLite by a handler it asks while it works; before each
statement the request as a whole is looked at. All this holds for the connection of a web request and ends with it:
workers and commands have no such limit. The transaction under way is rolled back, as after any error; what works in
steps keeps those it finished, and its view says so by `keeps_steps`. A large file that is sent here, and what is
streamed after a view has returned, such as an export, may take their time.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from duplicates.saved_work import has_saved, saved_sentence

logger = logging.getLogger("reprise.web")

API = "/api/"
STEPS_BETWEEN_LOOKS = 10_000  # of SQLite's machine: some tens of a millisecond
TIDYING_SECONDS = 2.0
# What ends a transaction must get through, however late it is.
_ENDS = ("ROLLBACK", "RELEASE SAVEPOINT")
_CANCELED_BY_TIMEOUT = "57014"


class DeadlinePassed(Exception):  # no DatabaseError: nobody on the way may take it for passing trouble and go on
    """This took longer than one request may and was stopped."""

    code = "DEADLINE_PASSED"


class Deadline:
    """The end of one request, and of the statement that runs now. Wraps every statement of its connection."""

    def __init__(self, seconds: float, statement_seconds: float) -> None:
        self.seconds = seconds
        self.ends_at = time.monotonic() + seconds
        self.statement_seconds = statement_seconds
        self.statement_ends_at = self.ends_at
        self.has_passed = False
        self._is_extended = False

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if str(sql).startswith(_ENDS):
            return execute(sql, params, many, context)
        remaining = self._remaining()
        if remaining <= 0:
            self._pass()
            raise DeadlinePassed
        self.statement_ends_at = time.monotonic() + min(remaining, self.statement_seconds)
        if remaining < self.statement_seconds:  # the last stretch: the statement must not outlive the request
            _limit(remaining, self)
        try:
            return execute(sql, params, many, context)
        except OperationalError as error:
            if self.was_stopped(error):
                raise DeadlinePassed from error
            raise

    def _remaining(self) -> float:
        """Return the seconds left. Who has saved what was asked for gets the whole time once more, for the answer."""
        if has_saved() and not (self._is_extended or self.has_passed):
            self._is_extended, self.ends_at = True, time.monotonic() + self.seconds
        return self.ends_at - time.monotonic()

    def was_stopped(self, error: BaseException) -> bool:
        """Is this the error of a statement that was stopped for being late?"""
        state = getattr(error.__cause__, "sqlstate", None)
        if state == _CANCELED_BY_TIMEOUT or str(error) == "interrupted":
            self._pass()
        return self.has_passed

    def _pass(self) -> None:
        """Note that it is over, and leave a moment to those who tidy up behind a failed request."""
        if not self.has_passed:
            self.has_passed, self.ends_at = True, time.monotonic() + TIDYING_SECONDS

    def is_statement_late(self) -> bool:
        """Answer SQLite, which stops when this is true."""
        return time.monotonic() >= self.statement_ends_at


_current: ContextVar[Deadline | None] = ContextVar("request_deadline", default=None)


@contextmanager
def deadline(seconds: float, statement_seconds: float) -> Iterator[Deadline]:
    """Limit what this thread asks of the database within the block."""
    limit = Deadline(seconds, statement_seconds)
    token = _current.set(limit)
    if connection.connection is not None:
        _limit(limit.statement_seconds, limit)
    try:
        with connection.execute_wrapper(limit):
            yield limit
    finally:
        _current.reset(token)
        if connection.connection is not None:
            _limit(0, None)


def is_too_late(error: BaseException) -> bool:
    """Did a request end in this error because its time was over? Some statements are stopped while rows are fetched."""
    limit = _current.get()
    if isinstance(error, DeadlinePassed):
        return True
    return limit is not None and isinstance(error, OperationalError) and limit.was_stopped(error)


def begin_anew() -> None:
    """Give the request its whole time again: what it took to send a large file here is no work of the database."""
    if (limit := _current.get()) is not None and not limit.has_passed:
        limit.ends_at = time.monotonic() + limit.seconds


class RequestDeadlineMiddleware:
    """Give each request its deadline, and answer with 503 what takes longer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        connection_created.connect(_limit_new_connection, dispatch_uid="request_deadline")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with deadline(settings.WEB_REQUEST_SECONDS, settings.WEB_STATEMENT_SECONDS) as limit:
            response = self.get_response(request)
        # A middleware that came too late was answered as any error, without a look at the view's handlers.
        is_unexplained = response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        return answer_too_late(request) if limit.has_passed and is_unexplained else response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        return answer_too_late(request) if is_too_late(exception) else None


def answer_too_late(request: HttpRequest) -> HttpResponse:
    """Return 503: to programs in the one shape of errors, to people a page that asks the database nothing."""
    logger.warning("%s %s took too long and was stopped", request.method, request.path)
    if request.path.startswith(API):
        answer: HttpResponse = JsonResponse(too_late_body(), status=HTTPStatus.SERVICE_UNAVAILABLE)
    else:
        saved = saved_sentence() if has_saved() else ""
        page = render_to_string("503.html", {"seconds": settings.WEB_REQUEST_SECONDS, "saved": saved})
        answer = HttpResponse(page, status=HTTPStatus.SERVICE_UNAVAILABLE)
    answer["Retry-After"] = "30"
    answer._has_been_logged = True  # type: ignore[attr-defined]  # just above, and better than Django would
    return answer


def too_late_body(*, keeps_steps: bool = False) -> dict[str, Any]:
    """Return what the API says of a request that was stopped; some keep what they had finished by then."""
    from duplicates.api.errors import error_body  # noqa: PLC0415 (it asks this module)

    if has_saved() and not keeps_steps:
        return error_body(DeadlinePassed.code, saved_sentence(), retry_suggested=False, partial_results_available=True)
    return error_body(
        DeadlinePassed.code,
        _(
            "This took longer than one request may and was stopped. What was finished stays; the step under way was "
            "undone."
        ),
        suggestions=[_("Ask for less at once, or try again when less is going on.")],
        retry_suggested=True,
        partial_results_available=keeps_steps,
    )


def _limit_new_connection(connection: Any, **kwargs: Any) -> None:
    """Limit a connection that is opened, or taken from the pool, while a request is answered."""
    if (limit := _current.get()) is not None:
        _limit(limit.statement_seconds, limit)


def _limit(seconds: float, limit: Deadline | None) -> None:
    """Tell the open connection how long a statement may take, past Django: it is no query of the request.

    No limit means to lift it. A connection that is broken or in a failed transaction is left alone.
    """
    raw: Any = connection.connection
    driver: Any = connection
    with suppress(DatabaseError, driver.Database.Error):
        if connection.vendor == "postgresql":
            raw.execute(f"SET statement_timeout = {max(int(seconds * 1000), 1 if limit else 0)}")
            return
        raw.set_progress_handler(limit.is_statement_late if limit else None, STEPS_BETWEEN_LOOKS)
        # A writer that waits for another asks no handler.
        patience = float(connection.settings_dict["OPTIONS"].get("timeout", 5))
        raw.execute(f"PRAGMA busy_timeout = {int((min(patience, seconds) if limit else patience) * 1000)}")
