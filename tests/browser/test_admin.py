"""The admin in a real browser: pages without a complaint, and a run that is watched to its end."""

import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from duplicates.choices import AnalysisStatus
from duplicates.engine.settings import EngineSettings
from duplicates.engine.shipped import shipped_model
from duplicates.models import DuplicateAnalysisResult
from duplicates.services.progress import AnalysisProgress
from tests.duplicates.factories import AnalysisFactory, ExportFactory, GroupFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LISTS = [
    "duplicates_duplicateanalysisresult",
    "duplicates_duplicateanalysisgroup",
    "duplicates_duplicateanalysistrack",
    "duplicates_duplicateanalysisexport",
    "duplicates_auditrecord",
    "duplicates_notduplicate",
    "duplicates_duplicatepreferences",
    "library_track",
    "library_playlist",
    "library_libraryimport",
    "library_librarychange",
    "library_itunestrack",
]


def running(percentage: float) -> DuplicateAnalysisResult:
    progress = AnalysisProgress("", "running", message="Comparing tracks", percentage=percentage, total_tracks=100)
    return AnalysisFactory(
        status=AnalysisStatus.RUNNING,
        lease_token=uuid.uuid4(),
        slot=1,
        lease_until=timezone.now() + timedelta(minutes=5),
        phase="analyzing_similarities",
        progress=progress.as_json(),
    )


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
def test_no_page_makes_the_browser_complain_or_scroll_sideways(
    signed_in: Page, live_server: LiveServer, complaints: list[str], scheme: str, width: int
) -> None:
    group = GroupFactory(analysis__learnt_tables=shipped_model(EngineSettings()).to_bytes(), members__evidence=7)
    group.members.filter(position=1).update(title="Harbuor Lights")
    group.keeper_track_id = group.members.get(position=0).track_id
    group.save()
    ExportFactory(analysis=group.analysis)
    signed_in.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    signed_in.set_viewport_size({"width": width, "height": 844})
    addresses = [reverse("admin:index"), reverse("admin:duplicates_run_analysis")]
    addresses += [reverse(f"admin:{name}_changelist") for name in LISTS]
    addresses += [
        reverse("admin:duplicates_duplicateanalysisresult_change", args=[group.analysis_id]),
        reverse("admin:duplicates_duplicateanalysisresult_change", args=[running(42).pk]),
        reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group.pk]),
        reverse("admin:duplicates_explain_member", args=[group.pk, group.members.get(position=1).track_id]),
        reverse("admin:library_track_change", args=[group.members.all()[0].track_id]),
    ]

    too_wide = []
    for address in addresses:
        signed_in.goto(f"{live_server}{address}")
        root = "document.documentElement"
        if signed_in.evaluate(f"{root}.scrollWidth > {root}.clientWidth"):
            too_wide.append(address)

    assert complaints == []
    assert too_wide == []


def test_a_run_is_followed_to_its_end(signed_in: Page, live_server: LiveServer, complaints: list[str]) -> None:
    analysis = running(42)
    rows = DuplicateAnalysisResult.objects.filter(pk=analysis.pk)
    address = reverse("admin:duplicates_duplicateanalysisresult_change", args=[analysis.pk])
    signed_in.goto(f"{live_server}{address}")
    percent = signed_in.locator("[data-show=percent_text]")
    expect(percent).to_have_text("42 %")

    rows.update(phase="saving_results", progress={**(analysis.progress or {}), "percentage": 88})
    expect(percent).to_have_text("88 %")
    expect(signed_in.locator("[data-phase=saving_results]")).to_have_attribute("data-state", "current")

    rows.update(status=AnalysisStatus.COMPLETED, progress=None, phase="", lease_token=None)
    summary = "Finished Found 3 groups with 4 duplicates among 100 tracks"
    expect(signed_in.locator(".run-summary")).to_contain_text(summary)
    assert complaints == []


@pytest.mark.looks
def test_a_filter_opens_and_closes_by_keyboard(signed_in: Page, live_server: LiveServer) -> None:
    AnalysisFactory()
    signed_in.goto(f"{live_server}{reverse('admin:duplicates_duplicateanalysisresult_changelist')}")
    menu = signed_in.locator(".filter-bar details").first

    menu.locator("summary").press("Enter")
    expect(menu).to_have_attribute("open", "")

    signed_in.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")


def test_an_analysis_is_started_from_the_list(signed_in: Page, live_server: LiveServer) -> None:
    signed_in.goto(f"{live_server}{reverse('admin:duplicates_duplicateanalysisresult_changelist')}")
    signed_in.get_by_role("link", name="Run analysis").click()
    signed_in.get_by_label("Same song in any version").check()

    signed_in.get_by_role("button", name="Run analysis").click()

    expect(signed_in.locator("h1")).to_have_text("Same song in any version")
    assert DuplicateAnalysisResult.objects.get().preset == "song"
