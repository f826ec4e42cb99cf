"""The page on which administrators change settings while the site runs."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from duplicates.models import AuditRecord, SiteSetting
from duplicates.services.changing_settings import change_settings
from duplicates.site_settings import variables
from tests.duplicates.admin.conftest import messages_of, signed_in
from tests.duplicates.factories import UserFactory
from tests.duplicates.test_site_settings import NOW

PAGE = "admin:duplicates_sitesetting_changelist"
pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator() -> User:
    return UserFactory(permissions=["duplicates.view_sitesetting", "duplicates.change_sitesetting"])


@pytest.fixture
def client(administrator: User) -> Client:
    return signed_in(administrator)


def send(client: Client, **values: Any) -> Any:
    """Send the form as a browser does that got it while nothing was chosen."""
    held = {row.name: f"{row.value:g}" for row in SiteSetting.objects.all()}
    form = {name: held.get(name, "") for name in variables()}
    form |= {f"initial-{name}": held.get(name, "") for name in variables()}
    return client.post(reverse(PAGE), form | values, follow=True)


def test_every_setting_is_shown_with_what_the_environment_says(client: Client) -> None:
    shown = client.get(reverse(PAGE)).content.decode()

    assert [variable.name for variable in variables().values() if variable.name not in shown] == []
    assert "Environment: 365" in shown


def test_a_value_is_chosen(client: Client, administrator: User) -> None:
    answer = send(client, QUARANTINE_DAYS="9")

    row = SiteSetting.objects.get()
    assert (row.name, row.value, row.changed_by) == ("QUARANTINE_DAYS", 9, administrator)
    assert messages_of(answer) == ["1 setting changed."]


def test_the_way_back_to_the_environment(client: Client) -> None:
    change_settings({"QUARANTINE_DAYS": 9}, actor=None, now=NOW)

    answer = client.post(reverse(PAGE), {"reset": "QUARANTINE_DAYS"}, follow=True)

    assert not SiteSetting.objects.exists()
    assert messages_of(answer) == ["1 setting changed."]


def test_an_older_page_does_not_take_back_what_a_colleague_chose_meanwhile(client: Client) -> None:
    form = dict.fromkeys(variables(), "") | {f"initial-{name}": "" for name in variables()}
    change_settings({"KEPT_INDEXES": 7}, actor=None, now=NOW)

    client.post(reverse(PAGE), form | {"QUARANTINE_DAYS": "9"})

    assert dict(SiteSetting.objects.values_list("name", "value")) == {"KEPT_INDEXES": 7, "QUARANTINE_DAYS": 9}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        pytest.param({"QUARANTINE_DAYS": "0"}, "greater than or equal to 1", id="out of range"),
        pytest.param({"STALENESS_FRESH_HOURS": "30"}, "The staleness levels must grow", id="contradiction"),
    ],
)
def test_a_refused_value_says_why_and_nothing_is_saved(client: Client, values: Any, complaint: str) -> None:
    answer = send(client, KEPT_INDEXES="3", **values)

    assert complaint in answer.content.decode()
    assert not SiteSetting.objects.exists()


def test_who_contradicts_a_colleague_sees_what_the_colleague_chose(client: Client) -> None:
    form = dict.fromkeys(variables(), "") | {f"initial-{name}": "" for name in variables()}
    change_settings({"STALENESS_MODERATE_HOURS": 18}, actor=UserFactory(username="anna"), now=NOW)

    shown = client.post(reverse(PAGE), form | {"STALENESS_FRESH_HOURS": "20"}).content.decode()

    assert "fresh 20, moderate 18, stale 168 hours do not." in shown
    assert "18, chosen by anna" in shown


def test_what_the_environment_contradicts_is_said_where_it_was_chosen(client: Client, settings: LazySettings) -> None:
    change_settings({"STALENESS_FRESH_HOURS": 20, "KEPT_INDEXES": 5}, actor=None, now=NOW)
    settings.STALENESS_MODERATE_HOURS = 12

    shown = client.get(reverse(PAGE)).content.decode()

    assert "fresh 20, moderate 12, stale 168 hours do not." in shown
    assert shown.count("Not in force") == 1


def test_who_may_only_look_changes_nothing() -> None:
    client = signed_in(UserFactory(permissions=["duplicates.view_sitesetting"]))

    assert client.get(reverse(PAGE)).status_code == 200
    assert send(client, QUARANTINE_DAYS="9").status_code == 403
    assert not AuditRecord.objects.exists()


def test_others_do_not_see_the_page(viewer: User) -> None:
    assert signed_in(viewer).get(reverse(PAGE)).status_code == 403


def test_the_page_costs_the_same_however_much_was_chosen(client: Client, django_assert_num_queries: Any) -> None:
    change_settings({"QUARANTINE_DAYS": 9, "KEPT_INDEXES": 3}, actor=None, now=NOW)

    with django_assert_num_queries(5):  # session, person, their permissions (2), the choices
        client.get(reverse(PAGE))
