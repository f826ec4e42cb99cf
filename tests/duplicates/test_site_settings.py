"""Settings that may be changed while the site runs: one reader, one road to change them, and a trail of it."""

import ast
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, transaction

from duplicates.exceptions import InvalidSetting
from duplicates.models import AuditRecord, SiteSetting
from duplicates.services.changing_settings import change_settings
from duplicates.services.staleness import Thresholds
from duplicates.site_settings import site, sort_choices, variables
from tests.duplicates.factories import UserFactory

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def change(django_capture_on_commit_callbacks: Any) -> Any:
    def do(**values: float | None) -> dict[str, float | None]:
        with django_capture_on_commit_callbacks(execute=True):
            return change_settings(values, actor=UserFactory(username="ada"), now=NOW)

    return do


@pytest.mark.django_db
class TestReading:
    def test_the_environment_decides_what_nobody_chose(self, settings: LazySettings) -> None:
        settings.QUARANTINE_DAYS = 44

        assert site.QUARANTINE_DAYS == 44

    def test_what_was_chosen_wins_and_consumers_see_it(self, change: Any) -> None:
        change(STALENESS_MODERATE_HOURS=36)

        assert Thresholds.of_site().moderate_hours == 36

    def test_the_database_is_asked_once_in_five_seconds(self, django_assert_num_queries: Any) -> None:
        site.forget()

        with django_assert_num_queries(1):
            assert [site.QUARANTINE_DAYS for _ in range(3)] == [30, 30, 30]

    def test_a_process_that_has_not_heard_of_a_change_agrees_after_five_seconds(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr("duplicates.site_settings.time.monotonic", lambda: now[0])
        site.forget()
        assert site.QUARANTINE_DAYS == 30
        SiteSetting.objects.create(name="QUARANTINE_DAYS", value=9, changed_at=NOW)  # as another process does
        assert site.QUARANTINE_DAYS == 30

        now[0] += 5

        assert site.QUARANTINE_DAYS == 9

    def test_a_whole_number_stays_whole(self, change: Any) -> None:
        change(QUARANTINE_DAYS=9)

        assert isinstance(site.QUARANTINE_DAYS, int)

    def test_a_value_an_upgrade_put_out_of_range_is_left_to_the_environment(self) -> None:
        SiteSetting.objects.create(name="QUARANTINE_DAYS", value=99_999, changed_at=NOW)
        site.forget()

        assert site.QUARANTINE_DAYS == 30
        assert sort_choices([("QUARANTINE_DAYS", 99_999)]).set_aside == {
            "QUARANTINE_DAYS": "99999 is out of range: 1 to 3,650 days."
        }

    def test_a_setting_of_the_environment_alone_is_not_read_here(self) -> None:
        with pytest.raises(AttributeError, match="LEASE_SECONDS"):
            _ = site.LEASE_SECONDS


@pytest.mark.django_db
class TestChanging:
    def test_a_change_is_in_the_audit_trail_with_before_and_after(self, change: Any) -> None:
        assert change(QUARANTINE_DAYS=9) == {"QUARANTINE_DAYS": 9}

        record = AuditRecord.objects.get(action="settings.changed")
        assert (record.user_name, record.before, record.after) == (
            "ada",
            {"QUARANTINE_DAYS": "environment: 30"},
            {"QUARANTINE_DAYS": 9},
        )

    def test_none_goes_back_to_the_environment(self) -> None:
        change_settings({"QUARANTINE_DAYS": 9}, actor=None, now=NOW)

        change_settings({"QUARANTINE_DAYS": None}, actor=None, now=NOW)

        assert not SiteSetting.objects.exists()

    def test_what_holds_already_is_no_change(self, change: Any) -> None:
        assert change(QUARANTINE_DAYS=None) == {}
        assert not AuditRecord.objects.filter(was_successful=True).exists()

    @pytest.mark.parametrize(
        ("values", "complaint"),
        [
            pytest.param({"QUARANTINE_DAYS": 0}, "REPRISE_QUARANTINE_DAYS: 0 .* 1 to 3,650 days", id="out of range"),
            pytest.param({"QUARANTINE_DAYS": 2.5}, "takes a whole number", id="not whole"),
            pytest.param({"LEASE_SECONDS": 60}, "LEASE_SECONDS is no setting", id="the environment's alone"),
            pytest.param({"STALENESS_FRESH_HOURS": 30}, "levels must grow", id="against the environment's others"),
        ],
    )
    def test_a_wrong_value_changes_nothing(self, values: dict[str, float], complaint: str) -> None:
        with pytest.raises(InvalidSetting, match=complaint):
            change_settings({"KEPT_INDEXES": 5, **values}, actor=None, now=NOW)

        assert not SiteSetting.objects.exists()
        assert not AuditRecord.objects.get(action="settings.changed").was_successful


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_who_contradict_each_other_the_second_is_told() -> None:
    """Each is right alone: no row is there that either could have locked."""
    outcomes: list[str] = []

    def second() -> None:
        try:
            change_settings({"STALENESS_MODERATE_HOURS": 18}, actor=None, now=NOW)
            outcomes.append("done")
        except InvalidSetting as refused:
            outcomes.append(str(refused))
        finally:
            connection.close()

    other = threading.Thread(target=second)
    with transaction.atomic():
        change_settings({"STALENESS_FRESH_HOURS": 20}, actor=None, now=NOW)
        other.start()
        other.join(0.5)
        assert other.is_alive()  # it waits until the first is over
    other.join()

    assert outcomes == ["The staleness levels must grow; fresh 20, moderate 18, stale 168 hours do not."]
    assert dict(SiteSetting.objects.values_list("name", "value")) == {"STALENESS_FRESH_HOURS": 20}


@pytest.mark.django_db
class TestAnEnvironmentThatChangedSince:
    """Fresh was chosen as 20 h where the environment said 24 h for moderate; now it says 12 h."""

    SENTENCE = "The staleness levels must grow; fresh 20, moderate 12, stale 168 hours do not."

    @pytest.fixture(autouse=True)
    def drift(self, settings: LazySettings) -> None:
        change_settings({"STALENESS_FRESH_HOURS": 20, "KEPT_INDEXES": 5}, actor=None, now=NOW)
        settings.STALENESS_MODERATE_HOURS = 12
        site.forget()

    def test_decides_about_what_contradicts_it_and_leaves_the_rest(self) -> None:
        assert (site.STALENESS_FRESH_HOURS, site.STALENESS_MODERATE_HOURS, site.KEPT_INDEXES) == (1, 12, 5)

    def test_is_said_once_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        site._warned_of = {}
        for _ in range(3):
            site.forget()
            assert site.KEPT_INDEXES == 5

        assert caplog.messages == [
            f"REPRISE_STALENESS_FRESH_HOURS was chosen in the admin and is set aside: {self.SENTENCE}"
        ]

    def test_keeps_nobody_from_changing_something_else(self, change: Any) -> None:
        assert change(QUARANTINE_DAYS=9) == {"QUARANTINE_DAYS": 9}

    def test_is_not_made_worse(self) -> None:
        with pytest.raises(InvalidSetting, match="fresh 15, moderate 12"):
            change_settings({"STALENESS_FRESH_HOURS": 15}, actor=None, now=NOW)

    @pytest.mark.parametrize("value", [None, 6, 20], ids=["back to the environment", "another", "moderate, too"])
    def test_is_mended_by_choosing_again(self, change: Any, value: float | None) -> None:
        change(STALENESS_FRESH_HOURS=value, STALENESS_MODERATE_HOURS=24 if value == 20 else None)

        assert not sort_choices(SiteSetting.objects.values_list("name", "value")).set_aside


def reads_of(path: Path) -> Iterator[str]:
    """Yield the names read from Django's settings in a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "settings":
            yield node.attr


def test_nobody_reads_the_environment_behind_the_administrators_back() -> None:
    places = [path for place in ("library", "duplicates") for path in (ROOT / place).rglob("*.py")]

    behind = {f"{path.name}: {name}" for path in places for name in reads_of(path) if name in variables()}

    assert behind == set()


def test_every_setting_that_can_be_changed_at_runtime_is_read_by_somebody() -> None:
    sources = [path.read_text() for path in (ROOT / "duplicates").rglob("*.py")]

    assert [name for name in variables() if not any(f"site.{name}" in text for text in sources)] == []


@pytest.mark.django_db
def test_system_checks_ask_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """What administrators chose is checked when they choose it; a check must run before there is a database."""
    from django.core.checks import run_checks  # noqa: PLC0415

    site.forget()
    assert connection.features.supports_json_field  # Django asks SQLite itself, once a process
    with connection.execute_wrapper(_refuse):
        run_checks(include_deployment_checks=True)


def _refuse(*args: Any) -> None:
    raise AssertionError("a check asked the database")
