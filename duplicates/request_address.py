"""From where a request came: the middleware that remembers it, for the audit records written while it is answered.

Only the address of the peer is taken. A header such as X-Forwarded-For is whatever its sender wrote; behind a proxy let
the server set the peer's address from it, as gunicorn and nginx do for proxies they trust.
"""

import ipaddress
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

_address: ContextVar[str | None] = ContextVar("request_address", default=None)


class RequestAddressMiddleware:
    """Remember the peer's address while a request is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _address.set(_peer(request))
        try:
            return self.get_response(request)
        finally:
            _address.reset(token)


def current_address() -> str | None:
    """Return the address of the request that is being answered; None outside of one."""
    return _address.get()


def _peer(request: HttpRequest) -> str | None:
    """Return the peer's address, or None for what is none, such as a UNIX socket."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None
