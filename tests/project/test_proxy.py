"""Behind a reverse proxy, a request comes from whom the proxy names last."""

import pytest
from django.conf import LazySettings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from project.proxy import ProxyMiddleware

PROXY = "10.0.0.1"


def address_of(settings: LazySettings, forwarded_for: str | None) -> str:
    settings.BEHIND_PROXY = True
    request = RequestFactory().get("/", REMOTE_ADDR=PROXY)
    if forwarded_for is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded_for
    seen: list[str] = []

    def answer(request: HttpRequest) -> HttpResponse:
        seen.append(request.META["REMOTE_ADDR"])
        return HttpResponse()

    ProxyMiddleware(answer)(request)
    return seen[0]


@pytest.mark.parametrize(
    ("forwarded_for", "expected"),
    [
        pytest.param("203.0.113.9", "203.0.113.9", id="one"),
        pytest.param("2001:db8::7", "2001:db8::7", id="IPv6"),
        # What stands in front was sent by the client, who would choose whose limit to use up.
        pytest.param("198.51.100.1, 203.0.113.9", "203.0.113.9", id="a client that names another"),
        pytest.param("unknown", PROXY, id="no address"),
        pytest.param("", PROXY, id="empty"),
        pytest.param(None, PROXY, id="missing"),
    ],
)
def test_the_address_is_the_one_the_proxy_appended(
    settings: LazySettings, forwarded_for: str | None, expected: str
) -> None:
    assert address_of(settings, forwarded_for) == expected


def test_without_a_proxy_the_header_means_nothing(settings: LazySettings) -> None:
    settings.BEHIND_PROXY = False

    with pytest.raises(MiddlewareNotUsed):
        ProxyMiddleware(lambda request: HttpResponse())
