"""What every answer of the web process carries, and the health check that answers before all else."""

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from duplicates.models import Worker

pytestmark = pytest.mark.django_db


class TestHealth:
    def test_answers_without_a_database(self, client: Client, django_assert_num_queries) -> None:
        with django_assert_num_queries(0):
            answer = client.get("/healthz")

        assert (answer.status_code, answer.content) == (200, b"ok\n")

    @override_settings(SECURE_SSL_REDIRECT=True, ALLOWED_HOSTS=["music.example.org"])
    def test_is_exempt_from_the_https_redirect_and_the_host_check(self, client: Client) -> None:
        assert client.get("/healthz", headers={"host": "10.0.0.7:8000"}).status_code == 200

    @override_settings(SECURE_SSL_REDIRECT=True)
    def test_other_pages_are_redirected_to_https(self, client: Client) -> None:
        answer = client.get("/admin/login/")

        assert answer.status_code == 301
        assert answer["Location"].startswith("https://")


class TestReadiness:
    """/readyz: database, migrations, worker, disk."""

    @pytest.fixture
    def worker(self) -> Worker:
        now = timezone.now()
        return Worker.objects.create(worker_id="w", host="h", process_id=1, started_at=now, seen_at=now)

    def test_ready_with_everything_there(self, client: Client, worker: Worker) -> None:
        answer = client.get("/readyz")

        assert (answer.status_code, answer.json()["ready"], answer["Cache-Control"]) == (200, True, "no-store")
        assert {name: said["ok"] for name, said in answer.json()["checks"].items()} == {
            "database": True,
            "migrations": True,
            "worker": True,
            "disk": True,
        }

    def test_costs_four_queries(
        self, client: Client, worker: Worker, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        client.get("/readyz")

        with django_assert_num_queries(4):
            client.get("/readyz")

    def test_a_worker_that_has_fallen_silent_is_told(self, client: Client, worker: Worker) -> None:
        Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=2))

        answer = client.get("/readyz")

        assert (answer.status_code, answer.json()["checks"]["worker"]) == (
            503,
            {"ok": False, "message": "Last seen 120 s ago."},
        )

    def test_no_worker_is_no_reason_where_the_site_says_so(self, client: Client, settings: LazySettings) -> None:
        settings.READY_NEEDS_WORKER = False

        answer = client.get("/readyz")

        assert (answer.status_code, answer.json()["checks"]["worker"]["ok"]) == (200, False)

    def test_a_migration_to_come_is_told(self, client: Client, worker: Worker) -> None:
        MigrationRecorder(connection).record_unapplied("duplicates", "0024_administrators_settings")

        answer = client.get("/readyz")

        assert (answer.status_code, answer.json()["checks"]["migrations"]["message"]) == (
            503,
            "1 to apply: manage.py migrate.",
        )

    def test_a_full_disk_is_told_without_its_place(
        self, client: Client, worker: Worker, settings: LazySettings
    ) -> None:
        settings.LEAST_FREE_MB = 10**12

        answer = client.get("/readyz")

        assert (answer.status_code, answer.json()["checks"]["disk"]["ok"]) == (503, False)
        assert str(settings.WORK_DIR) not in answer.content.decode()

    def test_a_database_that_does_not_answer_is_told_without_its_name(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: object) -> None:
            raise OperationalError('connection to server at "secret.example.org" failed')

        monkeypatch.setattr(connection, "close", lambda: None)  # the test's own transaction lives in it
        with connection.execute_wrapper(refuse):
            answer = client.get("/readyz")

        assert answer.status_code == 503
        assert [name for name, said in answer.json()["checks"].items() if not said["ok"]] == [
            "database",
            "migrations",
            "worker",
        ]
        assert "secret" not in answer.content.decode()


class TestHeaders:
    def test_the_content_security_policy_is_strict(self, client: Client) -> None:
        policy = client.get("/admin/login/")["Content-Security-Policy"]

        assert "default-src 'self'" in policy
        assert "object-src 'none'" in policy
        assert "unsafe" not in policy

    @pytest.mark.parametrize(
        ("header", "value"),
        [
            ("X-Frame-Options", "DENY"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        ],
    )
    def test_the_usual_headers_are_there(self, client: Client, header: str, value: str) -> None:
        assert client.get("/admin/login/")[header] == value


def test_migrate_alone_prepares_the_shared_cache() -> None:
    # The test database gets the table from Django itself, which hid for weeks that `migrate` made none.
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE project_cache")

    call_command("migrate", verbosity=0)

    cache.set("answer", 42)

    assert cache.get("answer") == 42
