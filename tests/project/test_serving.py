"""What every answer of the web process carries, and the health check that answers before all else."""

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings

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
