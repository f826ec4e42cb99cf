"""A web request has a deadline, on the real database: late statements are stopped, and nothing is left of them."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection
from django.test import Client

from duplicates.request_deadline import DeadlinePassed, RequestDeadlineMiddleware, deadline
from library.models import Playlist
from tests.web.slow_views import run_slow_query

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def impatient(settings: LazySettings) -> None:
    """Give statements a third of a second; the whole suite may be busy on the same machine."""
    settings.ROOT_URLCONF = "tests.web.slow_views"
    settings.WEB_REQUEST_SECONDS, settings.WEB_STATEMENT_SECONDS = 30, 0.3


class TestALateStatement:
    def test_ends_as_503_with_a_page_in_words(self, client: Client) -> None:
        answer = client.get("/slow/")

        assert (answer.status_code, answer["Retry-After"]) == (503, "30")
        assert "That took too long" in answer.content.decode()

    def test_ends_as_503_in_the_shape_of_the_api(self, client: Client) -> None:
        answer = client.get("/api/v1/slow/")

        assert answer.status_code == 503
        assert answer.json() == {
            "code": "DEADLINE_PASSED",
            "message": "This took longer than one request may and was stopped. What was finished stays; the step "
            "under way was undone.",
            "details": {},
            "suggestions": ["Ask for less at once, or try again when less is going on."],
            "retry_suggested": True,
            "partial_results_available": False,
        }

    @pytest.mark.parametrize("address", ["/slow/", "/api/v1/slow/"])
    def test_changes_nothing(self, client: Client, address: str) -> None:
        client.get(address)

        assert not Playlist.objects.exists()

    def test_leaves_a_connection_that_works_for_the_next_request(self, client: Client) -> None:
        client.get("/slow/")

        assert client.get("/quick/").content == b"0"


class TestWhatWasSavedBeforehand:
    """A change that is committed cannot be undone by being late with the answer: nobody is told that it was."""

    def test_gets_the_whole_time_again_for_the_answer(self, client: Client, settings: LazySettings) -> None:
        settings.WEB_REQUEST_SECONDS = 1

        answer = client.get("/saved/")  # more than a second of quick questions, and then the slow one ends it

        assert (answer.status_code, Playlist.objects.get().name) == (503, "all made")
        assert "What you sent was saved; only the answer could not be given." in answer.content.decode()

    def test_is_said_in_the_shape_of_the_api_too(self, client: Client) -> None:
        answer = client.post("/api/v1/saved/").json()

        assert answer["message"].startswith("What you sent was saved; only the answer could not be given.")
        assert (answer["retry_suggested"], answer["partial_results_available"]) == (False, True)

    def test_what_the_system_did_by_the_way_was_not_sent_by_anybody(self, client: Client, monkeypatch: Any) -> None:
        monkeypatch.setattr("tests.web.slow_views.User.objects.create", lambda: None)

        assert "What you sent was saved" not in client.get("/saved/").content.decode()

    def test_the_next_request_has_saved_nothing(self, client: Client) -> None:
        client.get("/saved/")

        assert "What you sent was saved" not in client.get("/slow/").content.decode()


def test_a_request_of_many_small_statements_ends_too(client: Client, settings: LazySettings) -> None:
    settings.WEB_REQUEST_SECONDS = 1

    assert client.get("/many/").status_code == 503


def test_a_statement_does_not_outlive_the_request(settings: LazySettings) -> None:
    began = time.monotonic()

    with pytest.raises(DeadlinePassed), deadline(0.3, statement_seconds=60):
        run_slow_query()

    assert time.monotonic() - began < 20


def test_a_connection_opened_during_the_request_has_the_limit_too() -> None:
    RequestDeadlineMiddleware(lambda request: request)  # type: ignore[arg-type, return-value]
    connection.close()

    with pytest.raises(DeadlinePassed), deadline(30, statement_seconds=0.3):
        run_slow_query()


def test_what_a_middleware_asks_too_late_is_explained_as_well(
    client: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person's time zone is looked up before any view, whose handlers then know nothing."""
    monkeypatch.setattr("duplicates.time_zones.TimeZoneMiddleware.__call__", lambda self, request: run_slow_query())
    client.raise_request_exception = False

    answer = client.get("/quick/")

    assert (answer.status_code, "That took too long" in answer.content.decode()) == (503, True)


class TestOutsideOfRequests:
    """Workers and commands take as long as they need."""

    def test_nothing_is_left_of_the_limit(self, client: Client) -> None:
        client.get("/quick/")

        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SHOW statement_timeout")
                assert cursor.fetchone() == ("0",)
        else:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout")
                assert cursor.fetchone() == (20_000,)
        assert connection.execute_wrappers == []

    def test_a_long_statement_is_let_through(self, client: Client, settings: LazySettings) -> None:
        settings.WEB_STATEMENT_SECONDS = 0.01
        client.get("/quick/")

        with connection.cursor() as cursor:
            cursor.execute(_lasting_a_while())

    def test_trouble_of_another_kind_stays_what_it_is(self) -> None:
        with pytest.raises(OperationalError, match="busy"), deadline(30, 30), connection.execute_wrapper(_busy):
            Playlist.objects.count()


def _lasting_a_while() -> str:
    if connection.vendor == "postgresql":
        return "SELECT pg_sleep(0.2)"
    return "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 500000) SELECT count(*) FROM c"


def _busy(execute: Callable[..., Any], *args: Any) -> Any:
    raise OperationalError("busy")
