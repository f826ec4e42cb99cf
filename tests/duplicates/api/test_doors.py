"""Who gets in, how often, and how a repeated request is answered."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone
from rest_framework.test import APIClient, APIRequestFactory

from duplicates.api.analyses import AnalysisViewSet
from duplicates.api.throttles import ReadThrottle
from duplicates.exceptions import InvalidOptions
from duplicates.models import ApiToken, DuplicateAnalysisResult, KeptAnswer
from duplicates.services.idempotency import ABANDONED, KEPT, forget_old_answers
from duplicates.services.tokens import create_token, revoke_token
from tests.duplicates.factories import AnalysisFactory, UserFactory
from tests.duplicates.test_many_users import PEOPLE, all_at_once

pytestmark = pytest.mark.django_db
ANALYSES = "/api/v1/analyses/"
Login = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duplicates.api.analyses.enqueue_analysis", lambda analysis_id: None)


@pytest.fixture
def admin(somebody: Callable[..., User]) -> User:
    return somebody("Administrator")


class TestWhoGetsIn:
    def test_nobody_is_asked_to_log_in(self) -> None:
        answer = APIClient().get(ANALYSES)

        assert (answer.status_code, answer.json()["code"]) == (401, "NOT_AUTHENTICATED")
        assert answer["WWW-Authenticate"] == "Bearer"

    def test_who_is_no_staff_is_refused(self, client_of: Login) -> None:
        assert client_of(UserFactory(is_staff=False)).get(ANALYSES).status_code == 403

    def test_who_may_not_view_is_refused(self, client_of: Login) -> None:
        assert client_of(UserFactory()).get(ANALYSES).status_code == 403

    def test_who_may_only_view_cannot_start(self, somebody: Callable[..., User], client_of: Login) -> None:
        answer = client_of(somebody("Viewer")).post(ANALYSES, {})

        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ALLOWED")

    def test_a_session_needs_the_csrf_token_to_change_something(self, admin: User) -> None:
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(admin)

        assert client.get(ANALYSES).status_code == 200
        assert client.post(ANALYSES, {}).status_code == 403

    def test_an_address_that_leads_nowhere_has_the_shape_of_an_error(self) -> None:
        answer = APIClient().get("/api/v1/songs/")

        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")

    def test_a_wrong_method_is_named(self, admin: User, client_of: Login) -> None:
        answer = client_of(admin).put(ANALYSES, {})

        assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")


class TestTokens:
    def test_a_token_acts_for_its_owner(self, admin: User, client_with_token: Login) -> None:
        client = client_with_token(admin)

        assert client.get(ANALYSES).status_code == 200
        assert client.post(ANALYSES, {}).status_code == 201
        assert DuplicateAnalysisResult.objects.get().user == admin
        assert ApiToken.objects.get().last_used_at is not None

    def test_a_token_does_no_more_than_its_scopes(self, admin: User, client_with_token: Login) -> None:
        answer = client_with_token(admin, "read").post(ANALYSES, {})

        assert answer.status_code == 403
        assert "'run'" in answer.json()["message"]

    def test_a_token_does_no_more_than_its_owner(self, somebody: Callable[..., User], client_with_token: Login) -> None:
        assert client_with_token(somebody("Viewer"), "run").post(ANALYSES, {}).status_code == 403

    def test_only_a_digest_is_stored(self, admin: User) -> None:
        now = timezone.now()
        made = create_token(
            user=admin, name="x", scopes=["read"], expires_at=now + timedelta(days=1), actor=admin, now=now
        )

        stored = json.dumps(list(ApiToken.objects.values()), default=str)

        assert made.secret not in stored
        assert made.row.hint == made.secret[: len(made.row.hint)]

    def test_a_revoked_one_is_refused(self, admin: User, client_with_token: Login) -> None:
        client = client_with_token(admin)
        revoke_token(ApiToken.objects.get(), actor=admin, now=timezone.now())

        assert client.get(ANALYSES).status_code == 401

    def test_an_expired_one_is_refused_and_says_so(self, admin: User, client_with_token: Login) -> None:
        client = client_with_token(admin)
        ApiToken.objects.update(expires_at=timezone.now())

        assert "expired" in client.get(ANALYSES).json()["message"]

    def test_one_whose_owner_has_left_is_refused(self, admin: User, client_with_token: Login) -> None:
        client = client_with_token(admin)
        User.objects.update(is_active=False)

        assert client.get(ANALYSES).status_code == 401

    @pytest.mark.parametrize("sent", ["Bearer", "Bearer ", "Bearer nothing", "Bearer \udce9", "bearer reprise_ä"])
    def test_nonsense_is_refused(self, sent: str) -> None:
        assert APIClient().get(ANALYSES, headers={"Authorization": sent}).status_code == 401

    @pytest.mark.parametrize(
        ("scopes", "days"),
        [pytest.param([], 1, id="no scope"), pytest.param(["all"], 1, id="unknown"),
         pytest.param(["read"], 0, id="over"), pytest.param(["read"], 4000, id="for ever")],
    )  # fmt: skip
    def test_what_no_token_can_be(self, admin: User, scopes: list[str], days: int) -> None:
        now = timezone.now()
        with pytest.raises(InvalidOptions):
            create_token(
                user=admin, name="x", scopes=scopes, expires_at=now + timedelta(days=days), actor=admin, now=now
            )


class TestHowOften:
    def test_reading_is_limited(self, admin: User, client_of: Login, settings: Any) -> None:
        settings.API_READS_PER_MINUTE = 2
        client = client_of(admin)

        answers = [client.get(ANALYSES) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[-1]["Retry-After"]) >= 1

    @pytest.mark.django_db(transaction=True)
    def test_requests_of_one_moment_are_all_counted(self, settings: Any) -> None:
        """Each read the count, added itself and wrote it back: of twenty at once, most got lost."""
        settings.API_READS_PER_MINUTE = 10
        person, view = UserFactory.create(), AnalysisViewSet()
        allowed: list[bool] = []

        def ask(number: int) -> None:
            request = APIRequestFactory().get(ANALYSES)
            request.user, request.auth = person, None
            allowed.append(ReadThrottle().allow_request(request, view))

        assert all_at_once(ask) == []
        assert (allowed.count(True), len(allowed)) == (10, PEOPLE)

    def test_each_kind_of_change_is_limited_apart(self, admin: User, client_of: Login, settings: Any) -> None:
        settings.API_WRITES_PER_MINUTE = 1
        client = client_of(admin)
        analysis = AnalysisFactory()

        codes = [
            client.post(ANALYSES, {}).status_code,
            client.post(ANALYSES, {}).status_code,
            client.post(f"{ANALYSES}{analysis.pk}/cancel/").status_code,
        ]

        assert codes == [201, 429, 200]


class TestDoneOnce:
    def start(self, client: APIClient, key: str, **wish: Any) -> Any:
        return client.post(ANALYSES, {"force": True, **wish}, headers={"Idempotency-Key": key})

    def test_a_repeated_request_is_answered_and_not_done_again(self, admin: User, client_of: Login) -> None:
        client = client_of(admin)
        first = self.start(client, "monday")
        DuplicateAnalysisResult.objects.update(status="completed")

        second = self.start(client, "monday")

        assert second.json() == first.json()
        assert (second.status_code, second["Idempotent-Replayed"]) == (201, "true")
        assert DuplicateAnalysisResult.objects.count() == 1

    def test_a_refusal_is_repeated_too(self, admin: User, client_of: Login) -> None:
        client = client_of(admin)
        first = self.start(client, "monday", preset="nonsense")

        assert self.start(client, "monday", preset="nonsense").json() == first.json()

    def test_a_key_is_for_one_request(self, admin: User, client_of: Login) -> None:
        client = client_of(admin)
        self.start(client, "monday", preset="song")

        answer = self.start(client, "monday", preset="exact")

        assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")

    def test_keys_of_two_people_have_nothing_in_common(self, somebody: Callable[..., User], client_of: Login) -> None:
        self.start(client_of(somebody()), "monday")

        assert self.start(client_of(somebody()), "monday").status_code == 201

    def test_while_the_first_is_worked_on_the_second_waits(self, admin: User, client_of: Login) -> None:
        client = client_of(admin)
        self.start(client, "monday")
        KeptAnswer.objects.update(status_code=None)

        answer = self.start(client, "monday")

        assert (answer.status_code, answer.json()["code"]) == (409, "REQUEST_IN_PROGRESS")
        assert answer.json()["retry_suggested"]

    def test_one_whose_worker_died_is_taken_up_again(self, admin: User, client_of: Login) -> None:
        client = client_of(admin)
        self.start(client, "monday")
        KeptAnswer.objects.update(status_code=None, created_at=timezone.now() - 2 * ABANDONED)

        assert self.start(client, "monday").status_code == 200  # the equal one that waits

    def test_a_failure_of_ours_is_tried_again(
        self, admin: User, client_of: Login, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = client_of(admin)
        with monkeypatch.context() as broken:
            broken.setattr("duplicates.services.lifecycle.queue_analysis", _fail)
            failed = self.start(client, "monday")

        assert (failed.status_code, failed.json()["code"]) == (503, "DATABASE_BUSY")
        assert self.start(client, "monday").status_code == 201

    def test_answers_are_forgotten_after_a_day(self, admin: User, client_of: Login) -> None:
        self.start(client_of(admin), "monday")

        assert forget_old_answers(now=timezone.now()) == 0
        assert forget_old_answers(now=timezone.now() + KEPT + timedelta(minutes=1)) == 1

    @pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "monday"}], ids=["without a key", "with a key"])
    @pytest.mark.parametrize(
        "body", [r'{"\ud800": 1}', r'{"preset": "\ud800"}', r'{"\u0000": 1}', r'{"preset": "\u0000"}']
    )
    def test_what_is_no_text_is_refused(
        self, admin: User, client_of: Login, body: str, headers: dict[str, str]
    ) -> None:
        """The refusal names what was sent; half a character could not be encoded, and PostgreSQL keeps no U+0000."""
        for _time in range(2):
            answer = client_of(admin).post(ANALYSES, body, content_type="application/json", headers=headers)

            assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_FAILED")
            assert "\ufffd" in answer.content.decode()

    @pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
    def test_a_key_that_is_none_is_refused(self, admin: User, client_of: Login, key: str) -> None:
        assert self.start(client_of(admin), key).status_code == 400


def _fail(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("the server closed the connection")


class TestSchema:
    def test_it_is_valid_and_without_warnings(self, tmp_path: Any) -> None:
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))

    def test_everybody_may_read_it(self) -> None:
        assert APIClient().get("/api/v1/schema/").status_code == 200
        assert APIClient().get("/api/v1/docs/").status_code == 200


class TestOddAddresses:
    """What odd requests found: each was answered with a page, a 500 on PostgreSQL or a CSRF refusal."""

    @pytest.mark.parametrize("zone", ["-16:09", "+23:33"])
    def test_a_moment_may_be_of_any_zone(self, admin: User, client_of: Login, zone: str) -> None:
        answer = client_of(admin).get(ANALYSES, {"created_after": f"1702-05-15T07:29:11{zone}"})

        assert answer.status_code == 200

    def test_a_moment_beyond_the_calendar_is_refused(self, admin: User, client_of: Login) -> None:
        answer = client_of(admin).get(ANALYSES, {"created_after": "0001-01-01T00:00:00+05:00"})

        assert answer.status_code == 400

    def test_a_change_at_an_address_that_leads_nowhere_is_told_so_as_json(self) -> None:
        client = APIClient(enforce_csrf_checks=True)

        assert client.post("/api/v1/groups/-302/reopen/").json()["code"] == "NOT_FOUND"
