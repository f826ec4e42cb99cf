"""The product as people meet it: a web server and a worker as processes of their own, on a database of their own.

On SQLite and on PostgreSQL, whichever the tests run on. From the first run to the downloaded file, and a run that is
cancelled while its worker is in the middle of it.
"""

import csv
import socket
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import PASSWORD
from tests.faults.support import House

pytestmark = pytest.mark.browser
SONGS = 150  # some 240 tracks
WORDS = (".messagelist", "#unsaved", ".last-decision", ".decided")
PATIENCE = 60_000  # milliseconds; a worker has to come up, and a crowded machine is no bug
_MAKE_PERSON = """
import sys
import django
django.setup()
from django.contrib.auth.models import User
User.objects.create_superuser("mara", password=sys.argv[1])
"""


@dataclass
class Site:
    """A running installation, and somebody logged in to it."""

    home: House
    page: Page
    address: str
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda asked: self._note(asked, "asked for"))
        self.page.on("response", lambda answer: self._note(answer.request, str(answer.status)))

    def _note(self, request: Request, became: str) -> None:
        if request.is_navigation_request():
            self.asked.append(f"{request.method} {request.url} {became}")

    def open(self, path: str) -> None:
        self.page.goto(f"{self.address}/admin/{path}")

    def count(self, query: str) -> int:
        ((found,),) = self.home.rows(query)
        return int(found)

    def press(self, key: str, then: str) -> None:
        """Press a key of the review page, and wait for the place in the queue it leads to."""
        self.page.keyboard.press(key)
        try:
            expect(self.page.locator(".queue-place strong")).to_have_text(then, timeout=PATIENCE)
        except AssertionError as failed:
            raise AssertionError(f"{failed}\nAfter {key!r}: {self.seen()}") from None
        expect(self.page.locator("#show-keys")).to_be_visible(timeout=PATIENCE)

    def seen(self) -> str:
        """Return what a person would look at when a key did not do what it should, and what the server was asked."""
        said = [text for one in WORDS for text in self.page.locator(f"{one}:visible").all_inner_texts()]
        focus = self.page.evaluate("`${document.activeElement.outerHTML.slice(0, 200)}, ${document.hasFocus()}`")
        return "\n".join((f"The page says {said}; the focus is at {focus}.", *self.asked[-5:]))


@pytest.fixture
def site(house_to_clean: House, tab: Page) -> Site:
    """Start the web server, fill the library, and log in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = house_to_clean
    home.make_library(SONGS)
    home.script(_MAKE_PERSON, PASSWORD)
    home.start(sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")
    address = f"http://127.0.0.1:{port}"
    _wait_for(lambda: _answers(f"{address}/admin/login/"))
    tab.set_default_timeout(PATIENCE)
    tab.goto(f"{address}/admin/")
    tab.fill("#id_username", "mara")
    tab.fill("#id_password", PASSWORD)
    tab.click("[type=submit]")
    return Site(home, tab, address)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:  # URLError is one
        return False


def _wait_for(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def finish(site: Site) -> None:
    """Wait until the run whose page is shown has ended, without loading the page by hand."""
    expect(site.page.locator(".run-summary")).to_contain_text("Found", timeout=PATIENCE)


def test_from_the_first_run_to_the_downloaded_file(site: Site, complaints: list[str]) -> None:
    page = site.page
    site.home.supervisor()
    page.locator(".next-step .button").click()
    page.get_by_role("button", name="Run analysis").click()
    finish(site)
    groups = site.count("SELECT count(*) FROM duplicates_duplicateanalysisgroup")
    assert groups > 20

    page.get_by_role("link", name="Start reviewing").click()
    expect(page.locator("#show-keys")).to_be_visible()
    site.press("n", f"2 of {groups}")
    site.press("x", f"3 of {groups}")
    assert site.count("SELECT count(*) FROM library_track WHERE quarantined_at IS NOT NULL") > 0
    page.keyboard.press("u")
    expect(page.locator(".messagelist")).to_contain_text("back")
    assert site.count("SELECT count(*) FROM library_track WHERE quarantined_at IS NOT NULL") == 0
    assert site.count("SELECT count(*) FROM duplicates_notduplicate") > 0

    site.open("duplicates/duplicateanalysisgroup/?decision=open")
    page.check("#action-toggle")
    page.locator(".actions .question a").click() if page.locator(".actions .question a").is_visible() else None
    page.select_option("select[name=action]", "clean_up")
    page.click("button[name=index]")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Carry it out").click()
    expect(page.get_by_text("Undo the whole plan")).to_be_visible()
    removed = site.count("SELECT count(*) FROM library_track WHERE quarantined_at IS NOT NULL")
    assert removed >= groups - 2
    page.get_by_role("button", name="Undo the whole plan").click()
    expect(page.locator(".summary .badge")).to_have_text("Undone", timeout=PATIENCE)
    assert site.count("SELECT count(*) FROM library_track WHERE quarantined_at IS NOT NULL") == 0

    site.open("duplicates/duplicateanalysisresult/")
    page.locator("#result_list tbody th a").first.click()
    page.locator(".age-banner").get_by_role("button", name="Refresh").click()
    finish(site)
    assert site.count("SELECT count(*) FROM duplicates_duplicateanalysisresult WHERE status = 'completed'") == 2

    page.locator("summary", has_text="Export").click()
    page.get_by_role("button", name="Export CSV").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").first.click()
    with download.value.path().open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    newest = "SELECT analysis_id FROM duplicates_duplicateanalysisresult ORDER BY created_at DESC LIMIT 1"
    members = site.count(
        "SELECT count(*) FROM duplicates_duplicateanalysistrack WHERE group_id IN "
        f"(SELECT id FROM duplicates_duplicateanalysisgroup WHERE analysis_id = ({newest}))"
    )
    assert len(rows) == members
    assert complaints == []


def test_a_run_is_cancelled_in_the_middle_and_the_earlier_result_stays(site: Site, complaints: list[str]) -> None:
    page = site.page
    done = site.home.manage("run_duplicate_analysis", "--force-refresh", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    site.open("duplicates/duplicateanalysisresult/run/")
    page.get_by_label("Same song in any version").check()
    page.get_by_role("button", name="Run analysis").click()
    site.home.worker_paused_at("scoring", midway=True)
    expect(page.locator("[data-phase=analyzing_similarities]")).to_have_attribute("data-state", "current")

    begun = time.monotonic()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".badge", has_text="Cancelled").first).to_be_visible()
    took = time.monotonic() - begun

    assert took < 20  # the promise is two seconds for the run; a page asks anew less often
    states = site.home.rows("SELECT status FROM duplicates_duplicateanalysisresult ORDER BY created_at")
    assert [state for (state,) in states] == ["completed", "cancelled"]
    page.get_by_role("link", name="Return to the previous result").click()
    expect(page.get_by_role("link", name="Start reviewing")).to_be_visible()
    assert complaints == []
