"""One shape for every error of the API: code, message, details, suggestions, and whether trying again may help."""

import logging
import re
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions as rest
from rest_framework.response import Response
from rest_framework.views import set_rollback

from duplicates.database_away import RETRY_AFTER_SECONDS, away_body
from duplicates.exceptions import (
    AnalysisAlreadyRunning,
    AnalysisNotFound,
    AnalysisTimeout,
    DiskFull,
    DuplicatesError,
    ExportExpired,
    ExportGone,
    ExportNotReady,
    IdempotencyKeyReused,
    ImportNotAccepted,
    InvalidOptions,
    InvalidToken,
    NotAllowed,
    PlanNotFound,
    RateLimited,
    RequestInProgress,
    SampleNotFound,
    SaveFailed,
    TrackNotFound,
    UploadTooLarge,
)
from duplicates.request_deadline import is_too_late, too_late_body

logger = logging.getLogger("reprise.api")

# What is not named here is a conflict with the state of things: 409.
STATUS_OF: dict[type[DuplicatesError], HTTPStatus] = {
    AnalysisNotFound: HTTPStatus.NOT_FOUND,
    TrackNotFound: HTTPStatus.NOT_FOUND,
    PlanNotFound: HTTPStatus.NOT_FOUND,
    SampleNotFound: HTTPStatus.NOT_FOUND,
    NotAllowed: HTTPStatus.FORBIDDEN,
    InvalidOptions: HTTPStatus.BAD_REQUEST,
    InvalidToken: HTTPStatus.UNAUTHORIZED,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    ExportExpired: HTTPStatus.GONE,
    ExportGone: HTTPStatus.GONE,
    IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    SaveFailed: HTTPStatus.SERVICE_UNAVAILABLE,
    DiskFull: HTTPStatus.INSUFFICIENT_STORAGE,
    ImportNotAccepted: HTTPStatus.BAD_REQUEST,
    UploadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
RETRY_HELPS = (
    AnalysisAlreadyRunning,
    AnalysisTimeout,
    DiskFull,
    ExportNotReady,
    RateLimited,
    RequestInProgress,
    SaveFailed,
)
# Errors of the framework: its class → our code.
CODE_OF: list[tuple[type[Exception], str]] = [
    (rest.ValidationError, "VALIDATION_FAILED"),
    (rest.ParseError, "MALFORMED_REQUEST"),
    (rest.NotAuthenticated, "NOT_AUTHENTICATED"),
    (rest.AuthenticationFailed, "NOT_AUTHENTICATED"),
    (rest.PermissionDenied, "NOT_ALLOWED"),
    (rest.NotFound, "NOT_FOUND"),
    (rest.MethodNotAllowed, "METHOD_NOT_ALLOWED"),
    (rest.NotAcceptable, "NOT_ACCEPTABLE"),
    (rest.UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE"),
    (rest.Throttled, "RATE_LIMITED"),
]


# Halves of characters cannot be encoded; PostgreSQL keeps no U+0000.
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


def error_body(
    code: str,
    message: str,
    *,
    details: Any = None,
    suggestions: list[str] | None = None,
    retry_suggested: bool = False,
    partial_results_available: bool = False,
) -> dict[str, Any]:
    """Return the one shape of an error."""
    return {
        "code": code,
        "message": _as_text(message),
        "details": _as_text(details or {}),
        "suggestions": suggestions or [],
        "retry_suggested": retry_suggested,
        "partial_results_available": partial_results_available,
    }


def _as_text(value: Any) -> Any:
    """Return what is told of a request with a sign for what is no text and could not be sent or kept."""
    if isinstance(value, str):
        return _NO_TEXT.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_as_text(name): _as_text(one) for name, one in value.items()}
    return [_as_text(one) for one in value] if isinstance(value, list) else value


def body_of(error: DuplicatesError) -> dict[str, Any]:
    """Return an error of ours in that shape."""
    facts = {
        name: value if isinstance(value, (int, float, bool)) else str(value) for name, value in error.facts.items()
    }
    return error_body(
        error.code,
        str(error),
        details=facts,
        suggestions=[error.way_out] if error.way_out else [],
        retry_suggested=isinstance(error, RETRY_HELPS),
        partial_results_available=bool(error.facts.get("partial_results_available")),
    )


def answer_error(error: Exception, context: dict[str, Any]) -> Response:
    """Turn whatever a view raised into a response; what nobody foresaw is logged and says nothing of the inside."""
    set_rollback()
    if is_too_late(error):
        logger.warning("%s took too long and was stopped", context["request"].path)
        body = too_late_body(keeps_steps=_keeps_steps(context))
        return Response(body, status=HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "30"})
    if DiskFull.is_behind(error):
        error = DiskFull()
    if isinstance(error, DuplicatesError):
        status = STATUS_OF.get(type(error), HTTPStatus.CONFLICT)
        wait = error.facts.get("retry_after_seconds")
        return Response(body_of(error), status=status, headers={"Retry-After": str(wait)} if wait else None)
    if isinstance(error, Http404):
        error = rest.NotFound()
    elif isinstance(error, PermissionDenied):
        error = rest.PermissionDenied()
    if isinstance(error, rest.APIException):
        return _answer_framework(error)
    if isinstance(error, (OperationalError, InterfaceError)):
        logger.warning("%s was not answered by the database", context["request"].path, exc_info=error)
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        body = away_body(keeps_steps=_keeps_steps(context))
        return Response(body, status=HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)
    logger.error("The API failed at %s", context["request"].path, exc_info=error)
    kind = "DATABASE_ERROR" if isinstance(error, DatabaseError) else "INTERNAL_ERROR"
    body = error_body(kind, _("Something went wrong here. It has been noted."))
    return Response(body, status=HTTPStatus.INTERNAL_SERVER_ERROR)


def _keeps_steps(context: dict[str, Any]) -> bool:
    """Does this work in steps, of which those it finished stay?"""
    view = context.get("view")
    return getattr(view, "action", None) in getattr(view, "keeps_steps", ())


def _answer_framework(error: rest.APIException) -> Response:
    code = next((code for kind, code in CODE_OF if isinstance(error, kind)), "ERROR")
    suggestions: list[str] = []
    headers = {}
    details: Any = {}
    message = str(error.detail)
    if isinstance(error, rest.ValidationError):
        message, details = _("Some values are not accepted."), error.get_full_details()
        if isinstance(details, list):
            details = {"non_field_errors": details}
    if isinstance(error, rest.Throttled) and getattr(error, "wait", None) is not None:
        wait = int(getattr(error, "wait", 0)) + 1
        headers["Retry-After"] = str(wait)
        suggestions = [_("Try again in %(wait)s seconds.") % {"wait": wait}]
    if isinstance(error, (rest.NotAuthenticated, rest.AuthenticationFailed)):
        headers["WWW-Authenticate"] = "Bearer"
        suggestions = ["Log in, or send Authorization: Bearer TOKEN; tokens are made in the admin."]
    body = error_body(
        code, message, details=details, suggestions=suggestions, retry_suggested=isinstance(error, rest.Throttled)
    )
    return Response(body, status=error.status_code, headers=headers)


@csrf_exempt  # there is nothing to protect, and the refusal would be a page
def not_found(request: HttpRequest, path: str = "") -> JsonResponse:
    """Answer an address of the API that leads nowhere."""
    body = error_body(
        "NOT_FOUND", _("There is nothing at %(path)s.") % {"path": request.path}, suggestions=[_("See /api/v1/docs/.")]
    )
    return JsonResponse(body, status=HTTPStatus.NOT_FOUND)
