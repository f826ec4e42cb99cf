"""A real Chromium against a live server. Tests skip, with the reason, on machines without one."""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, Error, Page, Playwright, sync_playwright
from pytest_django.live_server_helper import LiveServer

PASSWORD = "a-password-for-tests"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start Chromium once; skip when it is absent or does not start."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine; install it to run the browser tests")
    # Playwright's loop makes Django refuse every query of the test itself.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        yield _started(playwright, path)
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def _started(playwright: Playwright, path: str) -> Browser:
    try:
        return playwright.chromium.launch(executable_path=path, args=FLAGS)
    except Error as error:
        pytest.skip(f"Chromium does not start here: {error}")


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about: script errors and violations of the content security policy."""
    return []


@pytest.fixture
def tab(chromium: Browser, complaints: list[str]) -> Iterator[Page]:
    """An empty tab whose complaints are kept."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()


@pytest.fixture
def signed_in(tab: Page, live_server: LiveServer) -> Page:
    """A tab in which an administrator has logged in."""
    User.objects.create_superuser("mara", password=PASSWORD)
    tab.goto(f"{live_server}{reverse('admin:login')}")
    tab.fill("#id_username", "mara")
    tab.fill("#id_password", PASSWORD)
    tab.click("[type=submit]")
    return tab
