"""The audit trail, decisions and preferences: read-only for all but one's own preferences."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from duplicates.models import AuditRecord, DuplicatePreferences, NotDuplicate
from duplicates.services import audit
from tests.duplicates.admin.conftest import signed_in
from tests.duplicates.factories import AnalysisFactory, ExportFactory, UserFactory

pytestmark = pytest.mark.django_db

AUDIT = "admin:duplicates_auditrecord_changelist"
PREFERENCES = "admin:duplicates_duplicatepreferences"


def note(action: str, actor: User | None = None) -> AuditRecord:
    return audit.record(action, actor=actor, now=timezone.now(), subject=AnalysisFactory())


class TestAuditTrail:
    def test_the_number_of_queries_does_not_grow_with_the_rows(
        self, colleague: User, django_assert_num_queries: Any
    ) -> None:
        client = signed_in(colleague)
        note("analysis.queued", colleague)
        with django_assert_num_queries(7):
            client.get(reverse(AUDIT))

        for _ in range(15):
            note("analysis.queued", colleague)
        with django_assert_num_queries(7):
            client.get(reverse(AUDIT))

    def test_what_others_did_is_for_those_who_may_see_everybodys(self, colleague: User, overseer: User) -> None:
        record = note("analysis.refreshed_by_somebody", UserFactory())
        address = reverse("admin:duplicates_auditrecord_change", args=[record.pk])

        assert record.action_words not in signed_in(colleague).get(reverse(AUDIT)).content.decode()
        assert signed_in(colleague).get(address).status_code == 302
        assert signed_in(overseer).get(address).status_code == 200

    def test_what_was_not_recorded_is_a_dash_and_no_null(self, admin_client: Client) -> None:
        address = reverse("admin:duplicates_auditrecord_change", args=[note("analysis.queued").pk])

        assert "null" not in admin_client.get(address).content.decode()

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            pytest.param("analysis.completed", "Analysis completed", id="plain"),
            pytest.param("cleanup.analyses", "Old analyses cleaned up", id="of its own"),
        ],
    )
    def test_an_action_is_words_in_list_filter_and_page(self, admin_client: Client, code: str, words: str) -> None:
        page = reverse("admin:duplicates_auditrecord_change", args=[note(code).pk])
        texts = [admin_client.get(address).content.decode() for address in (reverse(AUDIT), page)]

        assert [words in text for text in texts] == [True, True]
        assert not any(f">{code}<" in text for text in texts)

    def test_what_was_recorded_is_lines_and_no_json(self, admin_client: Client) -> None:
        record = audit.record(
            "analysis.queued",
            actor=None,
            now=timezone.now(),
            subject=AnalysisFactory(),
            after={"is_pinned": True, "ignored_fields": [], "options": {"preset": "song"}},
        )
        text = admin_client.get(reverse("admin:duplicates_auditrecord_change", args=[record.pk])).content.decode()

        assert "is pinned: yes" in text
        assert "ignored fields: –" in text
        assert "options: preset: song" in text

    def test_not_even_a_superuser_edits_it(self, admin_client: Client) -> None:
        record = note("analysis.queued")
        for place in ("change", "delete"):
            address = reverse(f"admin:duplicates_auditrecord_{place}", args=[record.pk])
            assert admin_client.post(address, {"post": "yes", "action": "nothing.happened"}).status_code == 403

    def test_an_export_is_named_by_its_analysis(self, colleague: User) -> None:
        export = ExportFactory(format="csv", analysis__created_at=datetime(2026, 11, 22, 17, 10, tzinfo=UTC))

        record = audit.record("export.requested", actor=colleague, now=timezone.now(), subject=export)

        number = str(export.analysis_id)[:8]
        assert record.subject_label == f"CSV of Same recording, 2026-11-22 17:10 ({number})"


class TestDecisions:
    def test_both_tracks_and_the_state_are_shown(self, admin_client: Client) -> None:
        NotDuplicate.objects.create(
            left_key="a" * 64,
            right_key="b" * 64,
            left_label="Harbour Lights",
            right_label="Harbour Lights (Live)",
            created_at=timezone.now(),
        )

        shown = admin_client.get(reverse("admin:duplicates_notduplicate_changelist")).content.decode()

        assert "Harbour Lights (Live)" in shown
        assert "In force" in shown


class TestPreferences:
    @pytest.fixture
    def person(self, db: None) -> User:
        names = ("add", "change", "view")
        return UserFactory(permissions=[f"duplicates.{name}_duplicatepreferences" for name in names])

    def test_a_new_row_belongs_to_its_author(self, person: User) -> None:
        answers = {"default_preset": "song", "export_format": "csv", "groups_per_page": "100"}

        signed_in(person).post(reverse(f"{PREFERENCES}_add"), answers)

        assert DuplicatePreferences.objects.get(user=person).default_preset == "song"

    def test_whoever_has_a_row_is_led_to_it(self, person: User) -> None:
        own = DuplicatePreferences.objects.create(user=person)

        response = signed_in(person).post(reverse(f"{PREFERENCES}_add"), {"default_preset": "song"})

        assert response.url == reverse(f"{PREFERENCES}_change", args=[own.pk])
        assert DuplicatePreferences.objects.count() == 1

    @pytest.mark.parametrize(
        ("preferred", "order"), [("json", ["json", "jsonl", "csv"]), ("csv", ["csv", "json", "jsonl"])]
    )
    def test_the_preferred_export_format_is_offered_first(
        self, admin_client: Client, admin_user: User, preferred: str, order: list[str]
    ) -> None:
        DuplicatePreferences.objects.create(user=admin_user, export_format=preferred)
        analysis = AnalysisFactory()

        shown = admin_client.get(reverse("admin:duplicates_duplicateanalysisresult_change", args=[analysis.pk]))
        listed = admin_client.get(reverse("admin:duplicates_duplicateanalysisresult_changelist"))

        assert re.findall(r'value="export_(\w+)"', shown.content.decode()) == order
        assert re.findall(r'value="export_(\w+)"', listed.content.decode()) == order

    def test_without_a_row_the_defaults_hold(self) -> None:
        preferred = DuplicatePreferences.objects.of(UserFactory())

        assert (preferred.default_preset, preferred.export_format, preferred.groups_per_page) == (
            "recording",
            "json",
            50,
        )

    def test_nobody_is_offered_a_second_row(self, person: User) -> None:
        shown = signed_in(person).get(reverse(f"{PREFERENCES}_add")).content.decode()

        assert "_save" in shown
        assert "_addanother" not in shown

    def test_others_preferences_cannot_be_opened(self, person: User) -> None:
        foreign = DuplicatePreferences.objects.create(user=UserFactory())

        assert signed_in(person).get(reverse(f"{PREFERENCES}_change", args=[foreign.pk])).status_code == 302
