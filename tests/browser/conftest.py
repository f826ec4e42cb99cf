"""A real Chromium against a live server. Tests skip, with the reason, on machines without one."""

import os
import shutil
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, Error, Page, Playwright, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from duplicates.engine.settings import EngineSettings
from duplicates.engine.shipped import shipped_model
from duplicates.models import DuplicateAnalysisGroup
from library.changes import current_revision
from tests.duplicates.copies import copy, group_of, playlist_of
from tests.duplicates.factories import AnalysisFactory
from tests.faults.conftest import house_to_clean  # noqa: F401 (a fixture of these tests, too)

type Groups = list[DuplicateAnalysisGroup]
type Address = Callable[[DuplicateAnalysisGroup], str]

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
    expect.set_options(timeout=30_000)  # a crowded machine is no bug
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
    return log_in(tab, live_server, "mara")


def log_in(page: Page, live_server: LiveServer, name: str) -> Page:
    """Log in by the page for it."""
    page.goto(f"{live_server}{reverse('admin:login')}")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")
    return page


@pytest.fixture
def groups(live_server: LiveServer) -> list[DuplicateAnalysisGroup]:
    """Three groups of one analysis: two pairs and one of three members."""
    tables = shipped_model(EngineSettings()).to_bytes()
    sizes, tracks = (2, 3, 2), []
    for number, size in enumerate(sizes):
        tracks.append([copy(title=f"Song {number}", play_count=40 - 10 * place) for place in range(size)])
    playlist_of(tracks[0][1], tracks[1][2])
    analysis = AnalysisFactory(library_revision=current_revision(), learnt_tables=tables)
    return [group_of(*members, analysis=analysis) for members in tracks]


@pytest.fixture
def address(live_server: LiveServer) -> Callable[[DuplicateAnalysisGroup], str]:
    """Where a group is reviewed in the queue of open ones."""

    def of(group: DuplicateAnalysisGroup) -> str:
        page = reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group.pk])
        return f"{live_server}{page}?_changelist_filters={quote(f'analysis={group.analysis_id}&decision=open')}"

    return of


def stands_at(page: Page, place: str) -> None:
    """Wait for a page with its script: the button of the keys shows that it listens."""
    expect(page.locator(".queue-place strong")).to_have_text(place)
    expect(page.locator("#show-keys")).to_be_visible()
