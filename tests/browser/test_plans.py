"""A clean-up plan in a real browser: from the list of groups to the end, without a complaint, also on a phone."""

import os
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from duplicates.models import KeeperProfile
from library.changes import current_revision
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory
from tests.duplicates.plans import groups_of_two

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a-password-for-tests"


def look(page: Page, name: str) -> None:
    """Keep a picture where somebody asked for pictures."""
    if folder := os.environ.get("REPRISE_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_groups_are_cleaned_up_and_brought_back(tab: Page, live_server: LiveServer, complaints: list[str]) -> None:
    User.objects.create_superuser("mara", password=PASSWORD)
    # The test before this one may have emptied the table, which a migration filled.
    KeeperProfile.objects.get_or_create(
        name="keep_canonical",
        defaults={"rules": [{"rule": "canonical", "prefer": []}], "is_built_in": True, "changed_at": timezone.now()},
    )
    analysis = AnalysisFactory.create(library_revision=current_revision())
    groups_of_two(analysis, 3, size_bytes=8_000_000)
    group_of(copy(title="Copper Wire"), copy(title="Copper Wire", is_protected=True), analysis=analysis)
    tab.goto(f"{live_server}{reverse('admin:login')}")
    tab.fill("#id_username", "mara")
    tab.fill("#id_password", PASSWORD)
    tab.click("[type=submit]")

    tab.goto(f"{live_server}{reverse('admin:duplicates_duplicateanalysisgroup_changelist')}")
    tab.check("#action-toggle")
    look(tab, "list")
    tab.select_option("select[name=action]", "clean_up")
    tab.click("button[name=index]")
    expect(tab.get_by_text("4 undecided groups")).to_be_visible()
    tab.select_option("#id_profile", label="keep_canonical")
    look(tab, "new")
    tab.click("text=Preview")
    expect(tab.get_by_text("go into quarantine and can be brought back")).to_be_visible()
    look(tab, "preview")
    tab.set_viewport_size({"width": 390, "height": 800})
    look(tab, "preview-phone")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.emulate_media(color_scheme="dark")
    look(tab, "preview-dark")
    tab.click("text=Carry it out")
    expect(tab.get_by_text("Undo the whole plan")).to_be_visible()
    look(tab, "done")
    tab.click("text=Undo the whole plan")
    tab.emulate_media(color_scheme="light")
    tab.set_viewport_size({"width": 1280, "height": 900})

    expect(tab.locator(".summary .badge", has_text="Undone")).to_be_visible()
    tab.goto(f"{live_server}{reverse('admin:duplicates_keeperprofile_add')}")
    look(tab, "profile")
    tab.goto(f"{live_server}{reverse('admin:duplicates_keeperprofile_changelist')}")
    look(tab, "profiles")
    tab.goto(f"{live_server}{reverse('admin:duplicates_cleanupplan_changelist')}")
    look(tab, "plans")
    assert complaints == []
