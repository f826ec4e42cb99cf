"""Exports through the API: asked for, followed, fetched in parts, expired, deleted."""

import errno
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from duplicates.choices import AnalysisStatus
from duplicates.models import AuditRecord, DuplicateAnalysisExport
from duplicates.services import exporting
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory, UserFactory

pytestmark = pytest.mark.django_db
EXPORTS = "/api/v1/exports/"
Login = Callable[[User], APIClient]


@pytest.fixture
def api(somebody: Callable[..., User], client_of: Login) -> APIClient:
    return client_of(somebody("Administrator"))


def export(api: APIClient, **wish: Any) -> dict[str, Any]:
    group = group_of(copy(), copy())
    answer = api.post(EXPORTS, {"analysis": str(group.analysis_id), **wish})
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


def fetched(api: APIClient, url: str, **headers: str) -> Any:
    answer = api.get(url, headers=headers)
    answer.body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return answer


def test_a_small_one_can_be_fetched_at_once(api: APIClient) -> None:
    made = export(api, format="json")

    file = fetched(api, made["download_url"])

    assert (made["status"], made["percentage"], made["row_count"]) == ("completed", 100.0, 2)
    assert len(json.loads(file.body)["groups"]) == 1
    assert file["Content-Disposition"] == f'attachment; filename="{made["file_name"]}"'
    assert file["ETag"] == f'"{made["sha256"]}"'
    assert api.get(f"{EXPORTS}{made['id']}/").json()["download_count"] == 1


def test_a_broken_download_goes_on(api: APIClient) -> None:
    made = export(api, format="csv")
    whole = fetched(api, made["download_url"]).body

    rest = fetched(api, made["download_url"], Range="bytes=100-", **{"If-Range": f'"{made["sha256"]}"'})

    assert (rest.status_code, rest.body) == (206, whole[100:])
    changed = fetched(api, made["download_url"], Range="bytes=100-", **{"If-Range": '"another"'})
    beyond = api.get(made["download_url"], headers={"Range": f"bytes={10**9}-"})
    assert (changed.body, beyond.status_code) == (whole, 416)
    # What went on, and what was not to be had, is no download of its own.
    assert api.get(f"{EXPORTS}{made['id']}/").json()["download_count"] == 2
    assert AuditRecord.objects.filter(action="export.downloaded", was_successful=True).count() == 4  # each fetch


def test_a_large_one_waits_for_a_worker(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "WRITTEN_AT_ONCE", 0)

    made = export(api)

    assert (made["status"], made["percentage"], made["download_url"]) == ("pending", 0.0, None)
    early = api.get(f"{EXPORTS}{made['id']}/download/")
    assert (early.status_code, early.json()["code"], early.json()["retry_suggested"]) == (409, "EXPORT_NOT_READY", True)


def test_after_a_day_it_is_gone(api: APIClient) -> None:
    made = export(api)
    DuplicateAnalysisExport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    answer = api.get(made["download_url"])

    assert (answer.status_code, answer.json()["code"]) == (410, "EXPORT_EXPIRED")
    assert api.get(f"{EXPORTS}{made['id']}/").json()["status"] == "expired"


def test_deleting_takes_the_file_along(api: APIClient) -> None:
    made = export(api)
    path = exporting.export_path(DuplicateAnalysisExport.objects.get())

    assert api.delete(f"{EXPORTS}{made['id']}/").status_code == 204
    assert not path.exists()


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        pytest.param({"format": "xls"}, 400, id="format"),
        pytest.param({"analysis": "latest"}, 400, id="id"),
        pytest.param({"analysis": "5b0cb5a5-54a4-4c2c-8a0c-000000000000"}, 404, id="unknown"),
    ],
)
def test_what_cannot_be_exported(api: APIClient, wish: dict[str, Any], status: int) -> None:
    answer = api.post(EXPORTS, {"analysis": str(AnalysisFactory().pk), **wish})

    assert answer.status_code == status


def test_an_analysis_without_a_result_cannot_be_exported(api: APIClient) -> None:
    analysis = AnalysisFactory(status=AnalysisStatus.FAILED)

    assert api.post(EXPORTS, {"analysis": str(analysis.pk)}).json()["code"] == "ANALYSIS_NOT_READY"


def test_exports_of_somebody_elses_analysis_do_not_exist(api: APIClient, client_of: Login) -> None:
    made = export(api)
    DuplicateAnalysisExport.objects.get().analysis.__class__.objects.update(user=UserFactory())
    stranger = UserFactory(permissions=["duplicates.view_duplicateanalysisresult", "duplicates.export_analysis"])

    assert client_of(stranger).get(made["download_url"]).status_code == 404
    assert client_of(stranger).delete(f"{EXPORTS}{made['id']}/").status_code == 404


def test_ten_an_hour(api: APIClient, settings: Any) -> None:
    settings.EXPORTS_PER_HOUR = 1
    made = export(api)

    answer = api.post(EXPORTS, {"analysis": made["analysis_id"]})

    assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
    assert 3_590 < int(answer["Retry-After"]) <= 3_600, "until the first of them is an hour old"


def test_a_full_disk_is_told_in_words(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exporting, "_write_file", full)
    answer = api.post(EXPORTS, {"analysis": str(group_of(copy(), copy()).analysis_id)})

    assert (answer.status_code, answer.json()["code"]) == (507, "DISK_FULL")
    assert DuplicateAnalysisExport.objects.get().status == "failed"
