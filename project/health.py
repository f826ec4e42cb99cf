"""`/healthz`: is this process alive? `/readyz`: can it do its work? `/metrics`: how is it doing?

A middleware and not views, first in the list, so that it answers before the HTTPS redirect, the host check and the
session: a load balancer or Prometheus asks by plain http and by address. /healthz says nothing about the database.
"""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone

HEALTH_PATH = "/healthz"
READY_SECONDS = 5.0  # what a balancer waits for an answer, or less

SCRAPE_SECONDS = 10.0  # Prometheus waits as long, unless told otherwise


class HealthMiddleware:
    """Answer the questions of machines and pass everything else on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._pages = {HEALTH_PATH: alive, "/readyz": ready, "/metrics": metrics}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        page = self._pages.get(request.path)
        if page is None or request.method not in ("GET", "HEAD"):
            return self.get_response(request)
        answer = page(request)
        answer["Cache-Control"] = "no-store"
        return answer


def alive(request: HttpRequest) -> HttpResponse:
    """Say that the process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """Say whether requests can be answered, and what is missing: 200 or 503."""
    from duplicates.request_deadline import deadline  # noqa: PLC0415 (needs loaded models)
    from duplicates.services.readiness import check_readiness  # noqa: PLC0415 (likewise)

    with deadline(READY_SECONDS, READY_SECONDS):
        found = check_readiness(now=timezone.now())
    told = {answer.name: {"ok": answer.is_ok, "message": answer.sentence} for answer in found.answers}
    status = HTTPStatus.OK if found.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    answer = JsonResponse({"ready": found.is_ready, "checks": told}, status=status)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # or Django logs an error every few seconds
    return answer


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus."""
    from duplicates.prometheus import serve_metrics  # noqa: PLC0415 (likewise)
    from duplicates.request_deadline import deadline  # noqa: PLC0415 (likewise)

    with deadline(SCRAPE_SECONDS, SCRAPE_SECONDS):
        return serve_metrics(request)
