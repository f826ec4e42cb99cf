"""Wrong passwords are counted for each name and each address, by all processes together."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from project import logins

LOGIN = "/admin/login/"
PASSWORD = "the right one"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_NAME, settings.LOGIN_FAILURES_PER_ADDRESS = 3, 5
    cache.clear()


@pytest.fixture
def anna() -> User:
    return User.objects.create_user("anna", password=PASSWORD, is_staff=True)


def log_in(name: str = "anna", password: str = "wrong", address: str = "192.0.2.1", **headers: str) -> Any:
    return Client(REMOTE_ADDR=address).post(LOGIN, {"username": name, "password": password}, headers=headers)


def is_in(answer: Any) -> bool:
    return bool(answer.status_code == 302)


def test_after_too_many_wrong_passwords_the_right_one_is_refused_too(anna: User) -> None:
    for _ in range(3):
        assert log_in().status_code == 200

    answer = log_in(password=PASSWORD, address="192.0.2.9")

    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    assert "Too many wrong passwords. Try again in 15 minutes." in answer.content.decode()


def test_the_right_password_forgets_the_wrong_ones(anna: User) -> None:
    for _ in range(3):
        log_in()
        log_in()
        assert is_in(log_in(password=PASSWORD))
        cache.delete_many(logins._places("address", "192.0.2.1", 5))


def test_a_name_is_counted_however_it_is_written_and_whether_it_is_there(anna: User) -> None:
    for name in ("Nobody", "nobody ", "NOBODY"):
        log_in(name)

    assert log_in("nobody").status_code == 429
    assert is_in(log_in(password=PASSWORD))


def test_one_address_may_not_try_many_names(anna: User) -> None:
    for number in range(5):
        log_in(f"name{number}")

    assert log_in(password=PASSWORD).status_code == 429
    assert is_in(log_in(password=PASSWORD, address="192.0.2.2"))


def test_a_header_is_no_address(anna: User) -> None:
    for number in range(5):
        log_in(f"name{number}", **{"X-Forwarded-For": f"198.51.100.{number}"})

    assert log_in(password=PASSWORD).status_code == 429


def test_a_network_of_ipv6_is_one_address(anna: User) -> None:
    for number in range(5):
        log_in(f"name{number}", address=f"2001:db8::{number}")

    assert log_in(password=PASSWORD, address="2001:db8::ffff").status_code == 429
    assert is_in(log_in(password=PASSWORD, address="2001:db8:1::1"))


def test_a_refusal_takes_no_further_place(anna: User) -> None:
    for number in range(4):
        log_in(f"name{number}")
    for _ in range(3):
        log_in(address="192.0.2.3")

    assert log_in().status_code == 429  # for the name; it leaves the address its last place
    assert is_in(log_in("bert", address="192.0.2.1")) is False
    assert log_in("bert").status_code == 429


def test_the_password_is_not_looked_at_when_refused(anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        log_in()
    monkeypatch.setattr("django.contrib.auth.forms.authenticate", lambda *args, **kwargs: pytest.fail("looked at"))

    assert log_in().status_code == 429


_TRY_IN_ANOTHER_PROCESS = """
import django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = {name!r}
from django.test import Client
print(Client(REMOTE_ADDR="192.0.2.1").post("/admin/login/", {{"username": "anna", "password": "wrong"}}).status_code)
"""


@pytest.mark.django_db(transaction=True)
def test_processes_count_together(anna: User, settings: Any) -> None:
    script = _TRY_IN_ANOTHER_PROCESS.format(name=str(settings.DATABASES["default"]["NAME"]))
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "REPRISE_LOGIN_FAILURES_PER_NAME": "3",
        "DATABASE_URL": _url(settings.DATABASES["default"]),
    }
    root = Path(__file__).parent.parent.parent
    codes = [
        subprocess.run(
            [sys.executable, "-c", script], cwd=root, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(3)
    ]

    assert codes == ["200", "200", "200"]
    assert log_in(password=PASSWORD).status_code == 429


def _url(database: dict[str, Any]) -> str:
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{database['NAME']}"
    password = f":{database['PASSWORD']}" if database.get("PASSWORD") else ""
    return f"postgres://{database['USER']}{password}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
