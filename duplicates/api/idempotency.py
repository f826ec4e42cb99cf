"""The `Idempotency-Key` header: a POST with one is done once, however often it is sent."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api.errors import answer_error
from duplicates.services.idempotency import Answer, once

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
LONGEST_KEY = 200
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Any text of your own, at most 200 characters. The same request with the same key within a day is "
    "answered as the first was and not done again.",
)

View = Callable[..., Response]


def idempotent(view: View) -> View:
    """Make an action of a viewset honour the header. What it answers must be plain JSON."""

    @wraps(view)
    def answered_once(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return view(self, request, *args, **kwargs)
        if not key or len(key) > LONGEST_KEY or not key.isprintable():
            raise ValidationError(
                {HEADER: _("A key has 1 to %(longest_key)s printable characters.") % {"longest_key": LONGEST_KEY}}
            )

        def work() -> Answer:
            try:
                response = view(self, request, *args, **kwargs)
            except Exception as error:
                response = answer_error(error, self.get_exception_handler_context())
            return Answer(response.status_code, _plain(self, response))

        assert request.user.is_authenticated  # else the view would have refused
        answer = once(work, user=request.user, key=key, request=_identity(request), now=timezone.now())
        return Response(answer.body, status=answer.status_code, headers={REPLAYED: "true"} if answer.was_kept else None)

    return answered_once


def _identity(request: Request) -> bytes:
    """Return what makes two requests the same: method, address and body."""
    return b"\0".join(
        (str(request.method).encode(), request.get_full_path().encode(), repr(sorted_plain(request.data)).encode())
    )


def sorted_plain(data: Any) -> Any:
    """Return JSON data, or a form, with the keys of its objects in order and a digest for each file."""
    if isinstance(data, QueryDict):
        return {key: sorted_plain(data.getlist(key)) for key in sorted(data)}
    if isinstance(data, UploadedFile):
        return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in data.chunks())).hexdigest()
    if isinstance(data, dict):
        return {key: sorted_plain(data[key]) for key in sorted(data)}
    return [sorted_plain(one) for one in data] if isinstance(data, list) else data


def _plain(view: Any, response: Response) -> Any:
    """Return the data as JSON carries it: ids and times as text."""
    rendered = view.get_renderers()[0].render(response.data) if response.data is not None else b"null"
    return orjson.loads(rendered)
