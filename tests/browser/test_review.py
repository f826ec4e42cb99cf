"""Reviewing groups in a real browser: by keyboard alone, and two people at once."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from duplicates.models import DuplicateAnalysisGroup, NotDuplicate
from library.models import Track
from tests.browser.conftest import PASSWORD, Address, Groups, log_in, stands_at

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def heading(page: Page) -> str:
    return page.locator("#content h1").inner_text()


def test_a_queue_is_reviewed_by_keyboard_alone(
    signed_in: Page, groups: Groups, address: Address, complaints: list[str]
) -> None:
    signed_in.goto(address(groups[0]))
    press = signed_in.keyboard.press
    stands_at(signed_in, "1 of 3")

    press("j")
    stands_at(signed_in, "2 of 3")
    press("k")
    stands_at(signed_in, "1 of 3")
    press("x")  # removes the other copy and goes on
    stands_at(signed_in, "2 of 3")
    expect(signed_in.locator(".last-decision")).to_contain_text("Removed 1 copy")

    press("u")  # brings it back, on the page it came from
    stands_at(signed_in, "1 of 3")
    expect(signed_in.locator(".messagelist")).to_contain_text("1 copy is back")
    press("n")
    stands_at(signed_in, "2 of 3")
    press("3")  # keeps the third column
    expect(signed_in.locator(".last-decision")).to_contain_text("is the keeper now")
    stands_at(signed_in, "2 of 3")
    press("l")
    stands_at(signed_in, "3 of 3")
    press("x")
    expect(signed_in.locator(".messagelist")).to_contain_text("That was the last group of this queue")

    decided = [DuplicateAnalysisGroup.objects.get(pk=group.pk).resolution for group in groups]
    assert decided == ["not_duplicates", "manual_review", "deleted"]
    assert NotDuplicate.objects.count() == 1
    assert complaints == []


def test_the_keys_are_listed_and_do_nothing_meanwhile(signed_in: Page, groups: Groups, address: Address) -> None:
    signed_in.goto(address(groups[0]))

    signed_in.keyboard.press("?")
    expect(signed_in.locator("#keys")).to_be_visible()
    signed_in.keyboard.press("x")
    signed_in.keyboard.press("Escape")

    expect(signed_in.locator("#keys")).to_be_hidden()
    assert not Track.objects.quarantined().exists()


def test_letters_typed_into_a_field_decide_nothing(signed_in: Page, groups: Groups, address: Address) -> None:
    signed_in.goto(address(groups[0]))

    signed_in.locator("#nav-filter").press_sequentially("xnl")

    expect(signed_in.locator(".queue-place strong")).to_have_text("1 of 3")
    groups[0].refresh_from_db()
    assert (groups[0].is_resolved, Track.objects.quarantined().exists()) == (False, False)


def test_a_tick_changes_what_the_page_says_and_what_is_removed(
    signed_in: Page, groups: Groups, address: Address, complaints: list[str]
) -> None:
    signed_in.goto(address(groups[1]))
    expect(signed_in.locator("#consequences")).to_contain_text("When 2 copies are removed")

    signed_in.get_by_role("checkbox").first.uncheck()
    expect(signed_in.locator("#consequences")).to_contain_text("When 1 copy is removed")
    expect(signed_in.locator("[data-count]")).to_have_text("1")
    signed_in.keyboard.press("x")
    expect(signed_in.locator(".last-decision")).to_contain_text("Removed 1 copy")

    assert Track.objects.quarantined().count() == 1
    assert complaints == []


def test_the_place_survives_a_reload_and_a_pasted_link(
    signed_in: Page, groups: Groups, address: Address, live_server: LiveServer
) -> None:
    signed_in.goto(address(groups[0]))
    stands_at(signed_in, "1 of 3")
    signed_in.keyboard.press("j")
    stands_at(signed_in, "2 of 3")

    signed_in.reload()

    assert heading(signed_in) == "Song 1"
    expect(signed_in.locator(".queue-place strong")).to_have_text("2 of 3")
    assert signed_in.url == address(groups[1])


def test_the_second_of_two_reviewers_is_told_what_the_first_did(
    signed_in: Page, chromium: Browser, groups: Groups, address: Address, live_server: LiveServer
) -> None:
    User.objects.create_superuser("ines", password=PASSWORD)
    context = chromium.new_context()
    other = log_in(context.new_page(), live_server, "ines")
    for page in (signed_in, other):
        page.goto(address(groups[0]))

    other.keyboard.press("n")
    expect(other.locator(".queue-place strong")).to_have_text("2 of 3")
    signed_in.keyboard.press("x")

    expect(signed_in.locator(".messagelist")).to_contain_text("Not saved. ines has decided about #1 Song 0")
    assert not Track.objects.quarantined().exists()
    context.close()


def test_it_works_without_javascript(
    chromium: Browser, live_server: LiveServer, groups: Groups, address: Address
) -> None:
    User.objects.create_superuser("mara", password=PASSWORD)
    context = chromium.new_context(java_script_enabled=False)
    page = log_in(context.new_page(), live_server, "mara")
    page.goto(address(groups[1]))
    expect(page.locator("#show-keys")).to_be_hidden()  # a button, and keys, that would do nothing

    page.get_by_role("checkbox").first.uncheck()
    page.get_by_role("button", name="Remove the others").click()
    expect(page.locator(".last-decision")).to_contain_text("Removed 1 copy")
    page.get_by_role("button", name="Undo", exact=False).first.click()
    expect(page.locator(".messagelist")).to_contain_text("1 copy is back")

    assert not Track.objects.quarantined().exists()
    context.close()


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
def test_axe_finds_nothing_to_complain_about(
    signed_in: Page, live_server: LiveServer, groups: Groups, address: Address, scheme: str, width: int
) -> None:
    groups[1].members.filter(position=1).update(title="Song 1 (Live)", artist="Quiet Tide")
    signed_in.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    signed_in.set_viewport_size({"width": width, "height": 900})
    pages = [
        address(groups[1]),
        f"{live_server}{reverse('admin:duplicates_duplicateanalysisgroup_changelist')}",
        f"{live_server}{reverse('admin:duplicates_explain_pair')}",
    ]

    found = []
    for page in pages:
        signed_in.goto(page)
        for one in Axe().run(signed_in).response["violations"]:
            found += [(page.partition("/admin/")[2][:60], one["id"], node["html"][:200]) for node in one["nodes"]]

    assert found == []


def test_the_list_searches_while_one_types_and_leads_into_the_queue(
    signed_in: Page, groups: Groups, live_server: LiveServer, complaints: list[str]
) -> None:
    signed_in.goto(f"{live_server}{reverse('admin:duplicates_duplicateanalysisgroup_changelist')}")
    expect(signed_in.locator("#result_list tbody tr")).to_have_count(3)

    signed_in.get_by_role("searchbox", name="Search").press_sequentially("song 1")
    expect(signed_in.locator("#result_list tbody tr")).to_have_count(1)
    signed_in.get_by_role("link", name="Review group by group").click()

    stands_at(signed_in, "1 of 1")
    assert heading(signed_in) == "Song 1"
    assert complaints == []
