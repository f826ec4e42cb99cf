"""Judging blind by the keyboard alone, in a real browser."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.duplicates.samples import drawn, groups_in, plain_analysis

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_sample_is_judged_by_keys(signed_in: Page, live_server: LiveServer, complaints: list[str]) -> None:
    analysis = plain_analysis()
    groups_in(analysis, "very_high", 3, members=3)
    sample = drawn(analysis, now=timezone.now())
    signed_in.goto(f"{live_server}{reverse('admin:duplicates_judge_next', args=[sample.pk])}")

    signed_in.keyboard.press("s")
    expect(signed_in.get_by_text("1 of 3 judged")).to_be_visible()
    signed_in.keyboard.press("2")
    signed_in.keyboard.press("n")
    expect(signed_in.get_by_text("2 of 3 judged")).to_be_visible()
    signed_in.keyboard.press("u")
    expect(signed_in.get_by_text("You said: Not the same")).to_be_visible()
    signed_in.keyboard.press("c")
    expect(signed_in.get_by_text("This is the last one")).to_be_visible()
    signed_in.keyboard.press("2")
    signed_in.keyboard.press("n")
    expect(signed_in.get_by_text("3 of 3 judged")).to_be_visible()

    answers = sorted(sample.groups.values_list("answer", flat=True))
    assert answers == ["cannot_tell", "different", "same"]
    odd = sample.groups.get(answer="different")
    assert odd.odd_tracks == [odd.members[1]["track_id"]]
    assert odd.judged_by == User.objects.get(username="mara")
    assert complaints == []
