"""Trouble with the database is answered with 503 wherever in a request it shows; other errors are not taken for it.

`tests/faults/test_database_away.py` stops a real server.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError
from django.test import Client
from django.urls import reverse

from tests.duplicates.factories import UserFactory

pytestmark = pytest.mark.django_db

AWAY = [
    pytest.param(OperationalError("connection failed: port 5432 failed: Connection refused"), id="refused"),
    pytest.param(OperationalError("failed to resolve host 'db': [Errno -2] Name or service not known"), id="no host"),
    pytest.param(OperationalError("database is locked"), id="locked"),
    pytest.param(OperationalError("unable to open database file"), id="no file"),
    pytest.param(InterfaceError("the connection is closed"), id="closed"),
]
MIDDLEWARE = "duplicates.languages.LanguageMiddleware.__call__"
LIST = "duplicates.admin.analyses.AnalysisAdmin.get_queryset"


@pytest.fixture
def browser() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory(is_superuser=True))
    return client


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("error", AWAY)
@pytest.mark.parametrize("place", [MIDDLEWARE, LIST], ids=["in a middleware", "in a view"])
def test_a_page_says_so_in_words(browser: Client, monkeypatch: Any, error: Exception, place: str) -> None:
    monkeypatch.setattr(place, raising(error))

    answer = browser.get(reverse("admin:duplicates_duplicateanalysisresult_changelist"))

    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert "<h1>The database does not answer</h1>" in answer.content.decode()
    assert "5432" not in answer.content.decode()


@pytest.mark.parametrize("error", AWAY)
@pytest.mark.parametrize("place", [MIDDLEWARE, "duplicates.api.analyses.AnalysisViewSet.get_queryset"])
def test_the_api_says_so_in_its_one_shape(browser: Client, monkeypatch: Any, error: Exception, place: str) -> None:
    monkeypatch.setattr(place, raising(error))

    answer = browser.get("/api/v1/analyses/")

    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert answer.json() == {
        "code": "DATABASE_BUSY",
        "message": "The database does not answer just now. What was under way was undone; nothing is half done.",
        "details": {},
        "suggestions": ["Try again in 10 seconds."],
        "retry_suggested": True,
        "partial_results_available": False,
    }


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OperationalError("no such table: library_track"), id="no table"),
        pytest.param(IntegrityError("UNIQUE constraint failed: connection"), id="a constraint"),
        pytest.param(ConnectionError("connection refused"), id="not of the database"),
    ],
)
@pytest.mark.parametrize("place", [MIDDLEWARE, LIST])
def test_other_errors_stay_errors(browser: Client, monkeypatch: Any, error: Exception, place: str) -> None:
    monkeypatch.setattr(place, raising(error))

    answer = browser.get(reverse("admin:duplicates_duplicateanalysisresult_changelist"))

    assert answer.status_code == 500
