"""`/healthz`: is this process alive?

A middleware and not a view, first in the list, so that it answers before the HTTPS redirect, the host check and the
session. A load balancer asks by plain http and by address. It says nothing about the database.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase

HEALTH_PATH = "/healthz"


class HealthMiddleware:
    """Answer /healthz with 200 and pass everything else on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path == HEALTH_PATH and request.method in ("GET", "HEAD"):
            return HttpResponse("ok\n", content_type="text/plain", headers={"Cache-Control": "no-store"})
        return self.get_response(request)
