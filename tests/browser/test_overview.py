"""The first page and the page of an analysis in a real browser: charts, live parts, menus, and what axe says."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from duplicates.choices import ExportStatus
from duplicates.models import DuplicateAnalysisExport, DuplicateAnalysisResult
from duplicates.services import audit
from library.changes import current_revision
from tests.browser.test_admin import running
from tests.duplicates.factories import AnalysisFactory, ExportFactory, GroupFactory, TrackFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGE = "admin:duplicates_duplicateanalysisresult_change"


@pytest.fixture
def result(live_server: LiveServer) -> DuplicateAnalysisResult:
    """A stale result with one group, an export, some clean-up behind it, and a library that has moved on."""
    analysis = AnalysisFactory(started_at=timezone.now() - timedelta(days=3), library_revision=current_revision())
    GroupFactory(analysis=analysis)
    ExportFactory(analysis=analysis)
    TrackFactory.create_batch(12)
    audit.record("groups.resolved", actor=None, now=timezone.now() - timedelta(days=9), counts={"groups": 4})
    return analysis


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(
    signed_in: Page,
    live_server: LiveServer,
    complaints: list[str],
    result: DuplicateAnalysisResult,
    scheme: str,
) -> None:
    run = running(42)
    signed_in.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    addresses = [
        reverse("admin:index"),
        reverse(PAGE, args=[result.pk]),
        reverse(PAGE, args=[run.pk]),
        reverse("admin:duplicates_delete_analysis", args=[result.pk]),
        reverse("admin:duplicates_duplicateanalysisresult_changelist"),
    ]

    found = []
    for address in addresses:
        signed_in.goto(f"{live_server}{address}")
        signed_in.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        results = Axe().run(signed_in)
        found += [f"{address}: {results.generate_report()}"] if results.violations_count else []

    assert found == []
    assert complaints == []


@pytest.mark.looks
@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
def test_the_list_of_analyses_scrolls_sideways_nowhere(
    signed_in: Page, live_server: LiveServer, result: DuplicateAnalysisResult, width: int
) -> None:
    running(42)
    AnalysisFactory(groups_found=123_456, duplicates_found=234_567, library_track_count=1_234_567)
    signed_in.set_viewport_size({"width": width, "height": 844})
    signed_in.goto(f"{live_server}{reverse('admin:duplicates_duplicateanalysisresult_changelist')}")

    too_wide = (
        "[...document.querySelectorAll('.results, html')].filter((one) => one.scrollWidth > one.clientWidth).length"
    )

    assert signed_in.evaluate(too_wide) == 0


def test_the_charts_are_drawn(signed_in: Page, live_server: LiveServer, result: DuplicateAnalysisResult) -> None:
    signed_in.goto(f"{live_server}{reverse('admin:index')}")

    drawn = signed_in.evaluate(
        "Chart.getChart(document.querySelector('[data-chart=weeks-data]')).data.datasets[0].data"
    )

    assert sum(drawn) == 4


def test_the_first_page_follows_a_run_to_its_end(signed_in: Page, live_server: LiveServer) -> None:
    TrackFactory()
    run = running(42)
    rows = DuplicateAnalysisResult.objects.filter(pk=run.pk)
    signed_in.goto(f"{live_server}{reverse('admin:index')}")
    expect(signed_in.locator("[data-show=percent_text]")).to_have_text("42 %")

    rows.update(progress={**(run.progress or {}), "percentage": 88})
    expect(signed_in.locator("[data-show=percent_text]")).to_have_text("88 %")

    rows.update(status="completed", progress=None, phase="", lease_token=None)
    expect(signed_in.locator(".progress-panel")).to_have_count(0)
    expect(signed_in.locator(".latest")).to_contain_text("Fresh")


def test_a_large_export_counts_its_rows_and_becomes_a_link(
    signed_in: Page,
    live_server: LiveServer,
    result: DuplicateAnalysisResult,
) -> None:
    result.exports.all().delete()
    export = ExportFactory(
        analysis=result, status=ExportStatus.RUNNING, row_count=2_000, total_rows=60_000, size_bytes=None
    )
    rows = DuplicateAnalysisExport.objects.filter(pk=export.pk)
    signed_in.goto(f"{live_server}{reverse(PAGE, args=[result.pk])}")
    said = signed_in.locator(".export-progress [data-show=message]")
    expect(said).to_have_text("2,000 of 60,000 rows written")

    rows.update(row_count=31_000)
    expect(said).to_have_text("31,000 of 60,000 rows written")

    rows.update(row_count=60_000, size_bytes=5_000_000, status=ExportStatus.COMPLETED)
    link = signed_in.get_by_role("link", name="Download JSON, 4.8\xa0MB")
    expect(link).to_have_attribute("href", reverse("admin:duplicates_export_download", args=[export.pk]))


@pytest.mark.looks
def test_a_menu_opens_and_closes_by_keyboard(
    signed_in: Page,
    live_server: LiveServer,
    result: DuplicateAnalysisResult,
) -> None:
    signed_in.goto(f"{live_server}{reverse(PAGE, args=[result.pk])}")
    menu = signed_in.locator("details.menu").first
    menu.locator("summary").press("Enter")
    expect(signed_in.get_by_role("button", name="Export JSON", exact=True)).to_be_visible()

    signed_in.keyboard.press("Escape")

    expect(menu).not_to_have_attribute("open", "")
