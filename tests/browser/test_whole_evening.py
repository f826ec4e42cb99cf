"""One evening of work against a live server and a real worker, on the database of the tests.

A run is started, watched and reviewed by keyboard; the rest is cleaned up in bulk and brought back; the result is
refreshed, exported and downloaded.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from duplicates.choices import AnalysisStatus, Resolution
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, KeeperProfile
from library.models import Track
from tests.duplicates.copies import copy
from tests.faults.support import House, house

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATIENCE = 60_000  # milliseconds; a worker has to start, on a machine that others use too
SONGS = ("Harbour Lights", "Copper Wire", "Almanac of Rain", "Bridges at Dawn")


@pytest.fixture
def songs(live_server: LiveServer) -> list[Track]:
    """Four songs held twice, and one that stands alone."""
    # The test before this one may have emptied the table, which a migration filled.
    KeeperProfile.objects.get_or_create(
        name="keep_canonical",
        defaults={"rules": [{"rule": "canonical", "prefer": []}], "is_built_in": True, "changed_at": timezone.now()},
    )
    held = [copy(title=title, artist=f"The {title}", play_count=plays) for title in SONGS for plays in (40, 2)]
    return [*held, copy(title="Nobody Else Has This", artist="Alone", duration_ms=77_000)]


@pytest.fixture
def home(live_server: LiveServer, work_dir: Path) -> Iterator[House]:
    """Processes on the very database and work folder of the live server."""
    # A lease as long as in life: on a crowded machine a short one would be taken over amid the run.
    own = {"REPRISE_WORK_DIR": str(work_dir), "REPRISE_LEASE_SECONDS": "30", "REPRISE_LEASE_RENEW_SECONDS": "10"}
    with house(_database_url(), work_dir.parent, has_tables=True, **own) as built:
        yield built


def _database_url() -> str:
    used = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{used['NAME']}"
    password = f":{used['PASSWORD']}" if used["PASSWORD"] else ""
    return f"postgres://{used['USER']}{password}@{used['HOST']}:{used['PORT'] or 5432}/{used['NAME']}"


def start_a_run(tab: Page, live_server: LiveServer) -> None:
    tab.goto(f"{live_server}{reverse('admin:duplicates_duplicateanalysisresult_changelist')}")
    tab.get_by_role("link", name="Run analysis").click()
    tab.get_by_role("button", name="Run analysis").click()
    expect(tab.locator("h1")).to_have_text("Same recording")


def decided() -> list[str]:
    newest = DuplicateAnalysisResult.objects.order_by("-created_at")[0]
    return sorted(newest.groups.values_list("resolution", flat=True))


def test_from_the_first_run_to_the_downloaded_list(
    signed_in: Page, live_server: LiveServer, songs: list[Track], home: House, complaints: list[str]
) -> None:
    tab, press = signed_in, signed_in.keyboard.press
    home.supervisor()

    # Run and watch: the page follows the worker and ends with a summary, without a reload by hand.
    start_a_run(tab, live_server)
    expect(tab.locator(".run-summary")).to_contain_text("Found 4 groups", timeout=PATIENCE)

    # Review by keyboard: one removed, one no duplicate; then the rest in bulk.
    tab.get_by_role("link", name="Start reviewing").click()
    expect(tab.locator("#show-keys")).to_be_visible()
    press("x")
    expect(tab.locator(".last-decision")).to_contain_text("Removed 1 copy")
    expect(tab.locator("#show-keys")).to_be_visible()
    press("n")
    expect(tab.locator(".last-decision")).to_contain_text("Not duplicates")
    assert decided() == ["", "", Resolution.DELETED, Resolution.NOT_DUPLICATES]

    tab.goto(f"{live_server}{reverse('admin:duplicates_duplicateanalysisgroup_changelist')}?decision=open")
    tab.check("#action-toggle")
    tab.select_option("select[name=action]", "clean_up")
    tab.click("button[name=index]")
    expect(tab.get_by_text("2 undecided groups")).to_be_visible()
    tab.select_option("#id_profile", label="keep_canonical")
    tab.get_by_role("button", name="Preview").click()
    expect(tab.get_by_text("go into quarantine and can be brought back")).to_be_visible(timeout=PATIENCE)
    assert Track.objects.quarantined().count() == 1
    tab.get_by_role("button", name="Carry it out").click()

    # Undo, all of it.
    undo = tab.get_by_role("button", name="Undo the whole plan")
    expect(undo).to_be_visible(timeout=PATIENCE)
    assert Track.objects.quarantined().count() == 3
    undo.click()
    expect(tab.locator(".summary .badge", has_text="Undone")).to_be_visible(timeout=PATIENCE)
    assert Track.objects.quarantined().count() == 1
    assert decided() == ["", "", Resolution.DELETED, Resolution.NOT_DUPLICATES]

    # Refresh: what was decided does not come back.
    first = DuplicateAnalysisResult.objects.get()
    tab.goto(f"{live_server}{reverse('admin:duplicates_duplicateanalysisresult_change', args=[first.pk])}")
    tab.locator(".age-banner").get_by_role("button", name="Refresh").click()
    expect(tab.locator(".run-summary")).to_contain_text("Found 2 groups", timeout=PATIENCE)
    assert DuplicateAnalysisResult.objects.filter(status=AnalysisStatus.COMPLETED).count() == 2

    # Export and download.
    tab.locator("summary", has_text="Export").click()
    tab.get_by_role("button", name="Export CSV").click()
    link = tab.get_by_role("link", name="Download CSV").first
    expect(link).to_be_visible(timeout=PATIENCE)
    with tab.expect_download() as waiting:
        link.click()
    rows = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    left = {group.title for group in DuplicateAnalysisGroup.objects.exclude(analysis=first)}
    assert len(left) == 2
    assert all(title in rows for title in left)
    assert complaints == []
