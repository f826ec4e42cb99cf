"""API tokens in the admin: made, shown once, revoked, each person's own."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from duplicates.models import ApiToken
from tests.duplicates.factories import UserFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/duplicates/apitoken/"
RIGHTS = ["duplicates.view_apitoken", "duplicates.add_apitoken", "duplicates.view_duplicateanalysisresult"]


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make(client: Client, **answers: object) -> str:
    """Make a token and return the page that follows."""
    form = {"name": "Nightly report", "scopes": ["read"], "days": 30, **answers}
    return client.post(f"{LIST}add/", form).content.decode()


def secret_on(page: str) -> str:
    found = re.search(r"reprise_[\w-]+", page)
    assert found is not None
    return found[0]


def test_the_secret_is_shown_once_and_works() -> None:
    client = logged_in(UserFactory(permissions=RIGHTS))

    secret = secret_on(make(client))

    api = APIClient(headers={"Authorization": f"Bearer {secret}"})
    assert api.get("/api/v1/analyses/").status_code == 200
    assert secret not in client.get(LIST).content.decode()
    token = ApiToken.objects.get()
    assert secret not in client.get(f"{LIST}{token.pk}/change/").content.decode()


def test_the_page_with_the_secret_is_not_stored() -> None:
    client = logged_in(UserFactory(permissions=RIGHTS))

    answer = client.post(f"{LIST}add/", {"name": "x", "scopes": ["read"], "days": 1})

    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"scopes": []}, id="no scope"),
        pytest.param({"days": 366}, id="too long"),
        pytest.param({"days": 0}, id="no time"),
        pytest.param({"name": ""}, id="no name"),
    ],
)
def test_what_no_token_can_be_is_said_in_the_form(wrong: dict[str, object]) -> None:
    page = make(logged_in(UserFactory(permissions=RIGHTS)), **wrong)

    assert "errorlist" in page
    assert not ApiToken.objects.exists()


def test_one_sees_only_ones_own() -> None:
    make(logged_in(UserFactory(permissions=RIGHTS)), name="Somebody's")

    assert "Somebody&#x27;s" not in logged_in(UserFactory(permissions=RIGHTS)).get(LIST).content.decode()


def test_revoking_ends_it() -> None:
    client = logged_in(UserFactory(permissions=RIGHTS))
    secret = secret_on(make(client))

    client.post(LIST, {"action": "revoke", "_selected_action": [ApiToken.objects.get().pk]})

    api = APIClient(headers={"Authorization": f"Bearer {secret}"})
    assert api.get("/api/v1/analyses/").status_code == 401
    assert "Revoked" in client.get(LIST).content.decode()


def test_a_token_can_be_neither_edited_nor_deleted() -> None:
    client = logged_in(User.objects.create_superuser("root"))
    make(client)
    token = ApiToken.objects.get()

    client.post(f"{LIST}{token.pk}/change/", {"name": "Another", "scopes": ["manage"], "days": 9})
    deleting = client.post(f"{LIST}{token.pk}/delete/", {"post": "yes"})

    token.refresh_from_db()
    assert (token.name, token.scopes, deleting.status_code) == ("Nightly report", ["read"], 403)
