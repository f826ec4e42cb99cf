"""The audit trail: nobody alters it, not even by SQL; it says from where, how long, why not; only retention ends it."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse

from duplicates.exceptions import GroupResolved
from duplicates.models import AuditRecord
from duplicates.request_address import RequestAddressMiddleware
from duplicates.services import audit
from tests.duplicates.copies import copy, group_of
from tests.duplicates.test_removal import NOW, remove

pytestmark = pytest.mark.django_db
YEARS_AGO = NOW - timedelta(days=1000)


def note(at: Any = NOW, **values: Any) -> AuditRecord:
    return audit.record("groups.resolved", actor=None, now=at, **values)


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            pytest.param("UPDATE duplicates_auditrecord SET user_name = 'somebody else'", id="update"),
            pytest.param("DELETE FROM duplicates_auditrecord", id="delete"),
            pytest.param("DELETE FROM duplicates_auditrecord WHERE created_at < '2030-01-01'", id="delete the old"),
        ],
    )
    def test_the_database_refuses_a_hand_typed(self, statement: str) -> None:
        note(YEARS_AGO)

        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

        assert AuditRecord.objects.get().user_name == ""

    def test_the_database_refuses_what_would_take_a_records_place(self) -> None:
        record = note()
        columns = [field.column for field in AuditRecord._meta.concrete_fields]
        names = ", ".join(columns)
        as_sqlite = (
            f"INSERT OR REPLACE INTO duplicates_auditrecord ({names}) SELECT {names} FROM duplicates_auditrecord"
        )
        as_postgresql = "TRUNCATE duplicates_auditrecord"

        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(as_sqlite if connection.vendor == "sqlite" else as_postgresql)

        assert AuditRecord.objects.get() == record

    @pytest.mark.parametrize(
        "act",
        [
            pytest.param(lambda record: record.save(), id="save"),
            pytest.param(lambda record: record.delete(), id="delete"),
            pytest.param(lambda _: AuditRecord.objects.all().delete(), id="delete many"),
            pytest.param(lambda _: AuditRecord.objects.update(action="forged"), id="update many"),
        ],
    )
    def test_python_refuses_before_the_database_does(self, act: Any) -> None:
        record = note()

        with pytest.raises(TypeError, match="append-only"):
            act(record)

    def test_migrating_again_leaves_the_triggers_in_place(self) -> None:
        note()
        call_command("migrate", verbosity=0)

        with pytest.raises(IntegrityError), transaction.atomic():
            AuditRecord.objects.all().forget()


class TestRetention:
    def test_takes_the_records_past_it_and_no_others(self, settings: Any) -> None:
        settings.AUDIT_RETENTION_DAYS = 100
        note(YEARS_AGO)
        kept = note(NOW - timedelta(days=99))

        assert audit.forget_old_records(now=NOW) == 1

        assert list(AuditRecord.objects.all()) == [kept]

    def test_goes_on_until_none_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit, "RECORDS_A_TRANSACTION", 2)
        for _ in range(5):
            note(YEARS_AGO)

        assert audit.forget_old_records(now=NOW) == 5

    def test_shuts_the_door_behind_itself(self) -> None:
        audit.forget_old_records(now=NOW)
        note(YEARS_AGO)

        with pytest.raises(IntegrityError), transaction.atomic():
            AuditRecord.objects.all().forget()

    def test_is_part_of_the_clean_up(self) -> None:
        note(YEARS_AGO)

        call_command("cleanup_analyses")

        assert AuditRecord.objects.get().counts["audit_records"] == 1


class TestWhatARecordSays:
    def test_from_where_the_request_came(self, rf: Any) -> None:
        def view(request: HttpRequest) -> HttpResponse:
            note()
            return HttpResponse()

        RequestAddressMiddleware(view)(rf.get("/", REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="203.0.113.9"))
        note()

        addresses = AuditRecord.objects.order_by("pk").values_list("address", flat=True)
        assert list(addresses) == ["192.0.2.7", None]

    def test_no_address_of_a_socket_without_one(self, rf: Any) -> None:
        def view(request: HttpRequest) -> HttpResponse:
            note()
            return HttpResponse()

        RequestAddressMiddleware(view)(rf.get("/", REMOTE_ADDR="unix:"))

        assert AuditRecord.objects.get().address is None

    def test_how_long_a_removal_took_and_how_much_it_was(self) -> None:
        kept, gone = copy(), copy(play_count=14)

        remove(group_of(kept, gone), gone)

        record = AuditRecord.objects.get(action="duplicates.removed")
        assert (record.group_count, record.track_count, record.play_count) == (1, 1, 14)
        assert 0 < (record.duration_seconds or 0) < 60

    def test_a_refusal_with_its_code_and_duration(self, django_user_model: type[User]) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone, is_resolved=True, resolution="kept_canonical")

        with pytest.raises(GroupResolved):
            remove(group, gone)

        record = AuditRecord.objects.get(action="duplicates.removed")
        assert (record.was_successful, record.after) == (False, {"code": "GROUP_RESOLVED"})
        assert (record.duration_seconds or 0) > 0
