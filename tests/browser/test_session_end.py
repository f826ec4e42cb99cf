"""A session that ends while somebody reviews: the decision waits in the browser and is offered after the next login."""

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Page, expect

from duplicates.choices import Resolution
from duplicates.models import DuplicateAnalysisGroup
from duplicates.services import reviewing
from library.models import Track
from tests.browser.conftest import PASSWORD, Address, Groups, stands_at

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def decide_without_a_session(page: Page, group: str, key: str) -> None:
    """Decide by a key after the session has ended; the login page is what answers."""
    page.goto(group)
    Session.objects.all().delete()
    page.keyboard.press(key)
    expect(page.locator("#id_username")).to_be_visible()


def log_in_again(page: Page, name: str = "mara") -> None:
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")
    expect(page.locator(".review")).to_be_visible()


def resolution_of(group: DuplicateAnalysisGroup) -> str:
    group.refresh_from_db()
    return group.resolution


def test_a_decision_is_offered_after_logging_in_and_then_saved(
    signed_in: Page, groups: Groups, address: Address, complaints: list[str]
) -> None:
    decide_without_a_session(signed_in, address(groups[0]), "n")
    log_in_again(signed_in)

    expect(signed_in.locator("#unsaved")).to_contain_text("Your decision “Not duplicates”")
    stands_at(signed_in, "1 of 3")
    assert resolution_of(groups[0]) == ""
    signed_in.keyboard.press("Enter")

    stands_at(signed_in, "2 of 3")
    expect(signed_in.locator("#unsaved")).to_be_hidden()
    assert resolution_of(groups[0]) == Resolution.NOT_DUPLICATES
    assert complaints == []


def test_a_removal_keeps_the_ticks_it_was_made_with(signed_in: Page, groups: Groups, address: Address) -> None:
    signed_in.goto(address(groups[1]))
    signed_in.get_by_role("checkbox").first.uncheck()
    expect(signed_in.locator("[data-count]")).to_have_text("1")
    Session.objects.all().delete()
    signed_in.keyboard.press("x")
    log_in_again(signed_in)

    signed_in.get_by_role("button", name="Save it now").click()

    expect(signed_in.locator(".last-decision")).to_contain_text("Removed 1 copy")
    assert Track.objects.quarantined().count() == 1


def test_what_was_saved_is_not_offered_again(signed_in: Page, groups: Groups, address: Address) -> None:
    signed_in.goto(address(groups[0]))
    signed_in.keyboard.press("l")
    stands_at(signed_in, "2 of 3")

    signed_in.goto(address(groups[0]))

    expect(signed_in.locator("#unsaved")).to_be_hidden()
    assert not signed_in.evaluate("Object.keys(localStorage).some((key) => key.startsWith('reprise.'))")


def test_nobody_else_is_offered_it_and_its_owner_finds_it_again(
    signed_in: Page, groups: Groups, address: Address
) -> None:
    User.objects.create_superuser("ines", password=PASSWORD)
    decide_without_a_session(signed_in, address(groups[0]), "n")
    log_in_again(signed_in, "ines")
    expect(signed_in.locator("#unsaved")).to_be_hidden()
    assert resolution_of(groups[0]) == ""

    Session.objects.all().delete()
    signed_in.goto(address(groups[0]))
    log_in_again(signed_in, "mara")

    expect(signed_in.locator("#unsaved")).to_contain_text("Your decision “Not duplicates”")


def test_it_can_be_discarded(signed_in: Page, groups: Groups, address: Address) -> None:
    decide_without_a_session(signed_in, address(groups[0]), "n")
    log_in_again(signed_in)

    signed_in.get_by_role("button", name="Discard it").click()
    signed_in.reload()

    expect(signed_in.locator("#unsaved")).to_be_hidden()
    assert resolution_of(groups[0]) == ""


def test_one_who_decided_meanwhile_is_not_overwritten(signed_in: Page, groups: Groups, address: Address) -> None:
    ines = User.objects.create_superuser("ines", password=PASSWORD)
    decide_without_a_session(signed_in, address(groups[0]), "n")
    reviewing.decide(
        group=groups[0],
        resolution=Resolution.MANUAL_REVIEW,
        actor=ines,
        now=timezone.now(),
        seen_version=str(groups[0].version),
    )
    log_in_again(signed_in)

    signed_in.get_by_role("button", name="Save it now").click()

    expect(signed_in.locator(".messagelist")).to_contain_text("Not saved. ines has set #1 Song 0")
    expect(signed_in.locator("#unsaved")).to_be_hidden()
    assert resolution_of(groups[0]) == Resolution.MANUAL_REVIEW


def test_a_form_of_a_session_before_the_last_login_is_kept_too(
    signed_in: Page, groups: Groups, address: Address
) -> None:
    signed_in.goto(address(groups[0]))
    elsewhere = signed_in.context.new_page()
    Session.objects.all().delete()
    elsewhere.goto(address(groups[2]))
    log_in_again(elsewhere)

    with signed_in.expect_navigation():
        signed_in.keyboard.press("n")  # its form knows the session of before: refused as forged
    assert resolution_of(groups[0]) == ""
    signed_in.goto(address(groups[0]))

    expect(signed_in.locator("#unsaved")).to_contain_text("Your decision “Not duplicates”")
