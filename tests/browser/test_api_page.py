"""The page that shows every request of the API, in a real browser under the strict content security policy."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_page_shows_every_request_and_asks_no_other_host(
    tab: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))

    tab.goto(f"{live_server}/api/v1/docs/")
    expect(tab.locator(".opblock").first).to_be_visible(timeout=60_000)
    tab.locator("#operations-analyses-start_analysis .opblock-summary-control").click()

    expect(tab.get_by_role("button", name="Try it out")).to_be_visible(timeout=60_000)
    assert tab.locator(".opblock").count() > 60
    assert [url for url in asked if not url.startswith((str(live_server), "data:"))] == []
    assert complaints == []
