"""Downloads: who gets the file, what is counted, and what an expired one answers."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from duplicates.choices import ExportStatus
from duplicates.models import AuditRecord, DuplicateAnalysisExport
from duplicates.services.exporting import export_path
from tests.duplicates.admin.conftest import signed_in
from tests.duplicates.factories import ExportFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = "admin:duplicates_duplicateanalysisexport_changelist"


def download(export: DuplicateAnalysisExport) -> str:
    return reverse("admin:duplicates_export_download", args=[export.pk])


def written(**fields: Any) -> DuplicateAnalysisExport:
    """Make an export together with its file."""
    export = ExportFactory(**fields)
    path = export_path(export)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'{"groups":[]}')
    return export


class TestDownload:
    def test_the_file_comes_under_its_name_and_is_counted(self, colleague: User) -> None:
        export = written(analysis__user=colleague)

        response = signed_in(colleague).get(download(export))

        export.refresh_from_db()
        assert b"".join(response.streaming_content) == b'{"groups":[]}'
        assert response["Content-Disposition"] == 'attachment; filename="duplicates.json"'
        assert response["Content-Type"] == "application/json"
        assert export.download_count == 1
        assert AuditRecord.objects.get().action == "export.downloaded"

    def test_a_foreign_one_is_not_found(self, colleague: User) -> None:
        foreign = written(analysis__user=UserFactory())

        assert signed_in(colleague).get(download(foreign)).status_code == 404

    def test_whoever_sees_everybodys_may_fetch_it(self, overseer: User) -> None:
        response = signed_in(overseer).get(download(written(analysis__user=UserFactory())))

        assert response.status_code == 200
        response.close()

    def test_without_the_permission_to_export_it_is_refused(self, viewer: User) -> None:
        assert signed_in(viewer).get(download(written())).status_code == 403

    def test_strangers_are_sent_to_the_log_in(self, client: Any) -> None:
        response = client.get(download(written()))

        assert response.status_code == 302
        assert response.url.startswith(reverse("admin:login"))

    def test_an_expired_one_is_gone_and_says_what_to_do(self, colleague: User) -> None:
        export = written(expires_at=timezone.now() - timedelta(seconds=1))

        response = signed_in(colleague).get(download(export))

        assert response.status_code == 410
        assert "Ask for a new one." in response.content.decode()

    def test_a_file_that_vanished_is_gone_too(self, colleague: User) -> None:
        export = written()
        export_path(export).unlink()

        assert signed_in(colleague).get(download(export)).status_code == 410

    def test_one_that_is_still_written_is_not_found_yet(self, colleague: User) -> None:
        assert signed_in(colleague).get(download(written(status=ExportStatus.RUNNING))).status_code == 404


class TestList:
    def test_the_number_of_queries_does_not_grow_with_the_rows(
        self, colleague: User, django_assert_num_queries: Any
    ) -> None:
        client = signed_in(colleague)
        ExportFactory(user=colleague)
        with django_assert_num_queries(6):
            client.get(reverse(LIST))

        ExportFactory.create_batch(15, user=UserFactory())
        with django_assert_num_queries(6):
            client.get(reverse(LIST))

    def test_an_expired_one_has_no_link(self, colleague: User) -> None:
        fresh, expired = ExportFactory(), ExportFactory(expires_at=timezone.now() - timedelta(hours=1))

        shown = signed_in(colleague).get(reverse(LIST)).content.decode()

        assert download(fresh) in shown
        assert download(expired) not in shown

    def test_foreign_ones_are_not_listed(self, colleague: User) -> None:
        foreign = ExportFactory(analysis__user=UserFactory(), file_name="secret.json")

        assert foreign.file_name not in signed_in(colleague).get(reverse(LIST)).content.decode()
