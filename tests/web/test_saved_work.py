"""What somebody is told whose change was committed, and whose answer broke off behind it."""

from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from tests.duplicates.factories import GroupFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def lost(*args: Any, **options: Any) -> None:
    raise OperationalError("server closed the connection unexpectedly")


def test_a_decision_that_was_saved_before_the_database_went_is_not_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    browser, group = Client(raise_request_exception=False), GroupFactory()
    browser.force_login(UserFactory(is_superuser=True))
    monkeypatch.setattr(SessionStore, "save", lost)

    answer = browser.post(reverse("admin:duplicates_decide", args=[group.pk]), {"verb": "later"})

    group.refresh_from_db()
    assert (answer.status_code, group.resolution) == (503, "manual_review")
    assert "What you sent was saved; only the answer could not be given." in answer.content.decode()
    assert "undone" not in answer.content.decode()
