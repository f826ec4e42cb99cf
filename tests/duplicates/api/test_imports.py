"""Files sent to be imported: small ones at once, large ones by a worker, none larger than is allowed."""

import errno
import gzip
import io
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from rest_framework.test import APIClient

from duplicates import request_deadline
from duplicates.models import AuditRecord
from duplicates.receiving import SpoolingHandler
from duplicates.services.workers import wake_for_uploads
from library import uploads
from library.importers.spool import SpoolLock
from library.importing import Silence
from library.interrupted import complete_interrupted_imports, spool_folder
from library.models import ImportStatus, LibraryImport, Track
from library.uploads import run_queued_upload, sweep_uploads, uploads_folder, waiting_uploads
from tests.library.sources import entry, itunes_xml

pytestmark = pytest.mark.django_db
IMPORTS = "/api/v1/imports/"
SONGS = b"Title,Artist,Total Time\nHarbour Lights,The Quiet Tide,215000\nLow Water,The Quiet Tide,180000\n"


@pytest.fixture(autouse=True)
def private(tmp_path: Path, settings: Any) -> Path:
    settings.WORK_DIR = tmp_path
    return tmp_path


@pytest.fixture
def api(somebody: Callable[..., User], client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(somebody("Curator"))


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    asked: list[uuid.UUID] = []
    monkeypatch.setattr("duplicates.api.imports.enqueue_upload", asked.append)
    return asked


def send(api: APIClient, content: bytes = SONGS, name: str = "songs.csv", key: str = "", **wish: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"file": SimpleUploadedFile(name, content), **wish}
    return api.post(IMPORTS, body, format="multipart", headers=headers)


def left_behind() -> list[Path]:
    return list(uploads_folder().iterdir())


class TestSmallOnes:
    def test_one_is_imported_at_once_and_reconciled(self, api: APIClient) -> None:
        answer = send(api, source="radio")

        row = answer.json()
        assert (answer.status_code, row["status"], row["source"]) == (201, "completed", "radio")
        assert (row["seen_count"], row["added_count"], Track.objects.count()) == (2, 2, 2)
        assert row["user"] is not None
        assert left_behind() == []

    def test_one_that_is_long_under_way_is_not_too_late(self, api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request has its deadline, but a slow line is not the database's fault."""
        receive = SpoolingHandler.receive_data_chunk

        def slowly(handler: SpoolingHandler, raw_data: bytes, start: int) -> None:
            limit = request_deadline._current.get()
            assert limit is not None
            limit.ends_at = 0.0  # as if the whole time had gone by
            receive(handler, raw_data, start)

        monkeypatch.setattr(SpoolingHandler, "receive_data_chunk", slowly)

        assert send(api).status_code == 201

    def test_sent_again_it_changes_nothing(self, api: APIClient) -> None:
        send(api, source="radio")

        assert send(api, source="radio").json()["unchanged_count"] == 2

    def test_the_same_name_sent_again_is_the_same_library(self, api: APIClient) -> None:
        """Every upload lies in a folder of its own, which was taken for another folder of the sender's."""
        send(api)
        again = send(api).json()
        changed = send(api, b"Title,Artist,Total Time\nSome,Body,1000\nElse,Body,2000\nAt,All,3000\n")

        assert again["report"]["warnings"] == []
        assert (changed.status_code, changed.json()["status"]) == (201, "completed")

    def test_a_dry_run_only_tells(self, api: APIClient) -> None:
        row = send(api, is_dry_run="true").json()

        assert (row["status"], row["is_dry_run"], row["added_count"]) == ("completed", True, 2)
        assert LibraryImport.objects.get().added_count == 2
        assert not Track.objects.exists()

    def test_itunes_packed_with_gzip(self, api: APIClient) -> None:
        text = itunes_xml([entry(1), entry(2)])

        row = send(api, gzip.compress(text.encode()), name="Library.xml.gz").json()

        assert (row["format"], row["added_count"]) == ("itunes", 2)

    def test_columns_can_be_named(self, api: APIClient) -> None:
        content = b"song,who\nHarbour Lights,The Quiet Tide\n"

        row = send(api, content, mapping=["title=song", "artist=who"]).json()

        assert row["added_count"] == 1, row
        assert Track.objects.get().artist == "The Quiet Tide"

    def test_a_repeated_request_imports_once(self, api: APIClient) -> None:
        first, second = (send(api, key="monday") for _ in range(2))

        assert first.json() == second.json()
        assert LibraryImport.objects.count() == 1
        assert send(api, SONGS + b"More,Songs,1000\n", key="monday").json()["code"] == "IDEMPOTENCY_KEY_REUSED"


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "name", "reason"),
        [
            pytest.param(b"PK\x03\x04....", "songs.zip", "UNKNOWN_FORMAT", id="zip"),
            pytest.param(b"bplist00....", "Library.itl", "UNKNOWN_FORMAT", id="binary property list"),
            pytest.param(b"ID3\x03....", "song.mp3", "UNKNOWN_FORMAT", id="audio"),
            pytest.param(gzip.compress(SONGS)[:30], "songs.csv.gz", "SOURCE_TRUNCATED", id="cut short"),
            pytest.param(
                b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "b">]><plist><dict>&a;</dict></plist>',
                "Library.xml",
                "ITUNES_LIBRARY_UNREADABLE",
                id="entities",
            ),
        ],
    )
    def test_a_kind_that_cannot_be_read_is_named(self, api: APIClient, content: bytes, name: str, reason: str) -> None:
        answer = send(api, content, name)

        body = answer.json()
        assert (answer.status_code, body["code"]) == (400, "IMPORT_NOT_ACCEPTED")
        assert body["details"]["reason"] == reason
        assert body["message"].startswith(f"{name}: ")
        assert LibraryImport.objects.get(pk=body["details"]["import_id"]).status == ImportStatus.FAILED
        assert left_behind() == []

    def test_one_too_large_is_not_kept(self, api: APIClient, settings: Any) -> None:
        settings.UPLOAD_LIMIT_MB = 1

        for size in (1_000_100, 3_000_000):
            answer = send(api, b"x" * size)

            assert (answer.status_code, answer.json()["code"]) == (413, "UPLOAD_TOO_LARGE")
            assert left_behind() == []

    def test_an_archive_that_unpacks_without_end_is_refused(self, api: APIClient, woken: list[uuid.UUID]) -> None:
        """A small file that unpacks to gigabytes is none for a web process: a worker looks how far it goes."""
        answer = send(api, gzip.compress(b"Title\n" + b"a\n" * 1_500_000), "songs.csv.gz")
        row = run_queued_upload(uuid.UUID(answer.json()["id"]), now=timezone.now())

        assert answer.status_code == 202
        assert row is not None
        assert (row.status, row.report["code"]) == ("failed", "UPLOAD_TOO_LARGE")
        assert left_behind() == []

    @pytest.mark.parametrize(
        "wish", [{"format": "audio"}, {"mapping": ["title"]}, {"prune": "true"}], ids=["folder", "mapping", "unknown"]
    )
    def test_what_is_not_accepted_is_said(self, api: APIClient, wish: dict[str, Any]) -> None:
        assert send(api, **wish).status_code == 400
        assert not LibraryImport.objects.exists()

    def test_a_body_of_another_kind_is_refused(self, api: APIClient) -> None:
        assert api.post(IMPORTS, {"source": "radio"}, format="json").status_code == 415

    def test_who_may_only_review_does_not_import(
        self, somebody: Callable[..., User], client_of: Callable[[User], APIClient]
    ) -> None:
        assert send(client_of(somebody("Reviewer"))).status_code == 403

    @pytest.mark.parametrize("name", ["../../etc/passwd", "a\x00b.csv", "x" * 400 + ".csv", "músíc.csv"])
    def test_no_name_leads_out_of_the_folder(self, api: APIClient, private: Path, name: str) -> None:
        before = set(private.parent.iterdir())

        answer = send(api, name=name)

        assert answer.status_code in (201, 400)
        assert set(private.parent.iterdir()) == before
        assert left_behind() == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param("..", "upload", id="the folder above"),
        pytest.param("/", "upload", id="the root"),
        pytest.param("C:\\music\\songs.csv", "songs.csv", id="of Windows"),
        pytest.param("ü" * 200 + ".csv", "ü" * 73 + ".csv", id="long"),
        pytest.param("a\n\0b.csv", "ab.csv", id="control codes"),
    ],
)
def test_a_name_is_made_harmless(sent: str, kept: str) -> None:
    assert uploads._safe(sent) == kept


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "IMPORTED_AT_ONCE_BYTES", 10)


@pytest.mark.usefixtures("everything_is_large")
class TestLargeOnes:
    def test_one_leaves_no_trace_of_a_failure(self, api: APIClient, woken: list[uuid.UUID]) -> None:
        """What takes up imports that were cut short found it reading without a spool and closed it."""
        row_id = uuid.UUID(send(api).json()["id"])

        run_queued_upload(row_id, now=timezone.now())

        assert list(AuditRecord.objects.filter(action__contains="import").values_list("was_successful", "message")) == [
            (True, "")
        ]

    def test_one_waits_for_a_worker_which_imports_it(
        self, api: APIClient, woken: list[uuid.UUID], django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            answer = send(api)
        row = LibraryImport.objects.get()

        assert (answer.status_code, answer.json()["status"], woken) == (202, "queued", [row.pk])
        assert api.get(f"{IMPORTS}{row.pk}/progress/").json()["percentage"] is None
        run_queued_upload(row.pk, now=timezone.now())
        assert api.get(f"{IMPORTS}{row.pk}/progress/").json()["percentage"] == 100.0
        assert api.get(f"{IMPORTS}{row.pk}/").json()["added_count"] == 2
        assert left_behind() == []

    def test_nobody_else_may_look_at_what_waits(self, api: APIClient, woken: list[uuid.UUID]) -> None:
        send(api)

        [folder] = left_behind()
        [file] = folder.iterdir()
        assert [path.stat().st_mode & 0o777 for path in (folder, file)] == [0o700, 0o600]

    def test_two_workers_do_not_import_it_twice(self, api: APIClient, woken: list[uuid.UUID]) -> None:
        row_id = uuid.UUID(send(api).json()["id"])

        outcomes = [run_queued_upload(row_id, now=timezone.now()) for _ in range(2)]

        assert outcomes[0] is not None
        assert outcomes[1] is None

    def test_a_full_disk_is_told_in_words(self, api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
        class Full(io.BytesIO):
            def write(self, block: Any) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("duplicates.receiving.tempfile.NamedTemporaryFile", lambda **options: Full())

        answer = send(api)

        assert (answer.status_code, answer.json()["code"]) == (507, "DISK_FULL")
        assert not LibraryImport.objects.exists()

    def test_a_refusal_is_kept_on_its_row(self, api: APIClient, woken: list[uuid.UUID]) -> None:
        row_id = send(api, b"PK\x03\x04" + b"." * 50, "songs.zip").json()["id"]

        run_queued_upload(uuid.UUID(row_id), now=timezone.now())

        shown = api.get(f"{IMPORTS}{row_id}/").json()
        assert (shown["status"], shown["report"]["code"]) == ("failed", "UNKNOWN_FORMAT")
        assert "ZIP" in shown["error_message"]

    def test_one_that_nobody_took_up_is_swept_after_a_day(self, api: APIClient, woken: list[uuid.UUID]) -> None:
        send(api)

        assert sweep_uploads(now=timezone.now()) == 0
        assert sweep_uploads(now=timezone.now() + timedelta(hours=25)) == 1
        assert LibraryImport.objects.get().status == ImportStatus.FAILED
        assert left_behind() == []

    def test_what_cannot_be_opened_is_swept_too(self, private: Path) -> None:
        (uploads_folder() / "left" / "folder").mkdir(parents=True)

        assert sweep_uploads(now=timezone.now() + timedelta(hours=25)) == 1


@pytest.mark.usefixtures("everything_is_large")
class TestWorkersThatDie:
    """Nobody holds the lock of a file whose process is gone."""

    @pytest.fixture(params=["false", "true"], ids=["import", "dry run"])
    def orphan(self, request: pytest.FixtureRequest, api: APIClient, woken: list[uuid.UUID]) -> LibraryImport:
        """An upload whose worker was killed while it read, with what it had spooled."""
        row = LibraryImport.objects.get(pk=send(api, is_dry_run=request.param).json()["id"])
        row.status, row.spool = ImportStatus.READING, f"{row.pk}.spool"
        row.save()
        (spool_folder() / row.spool).write_bytes(b"half a line")
        return row

    def test_another_worker_reads_the_file_again(self, orphan: LibraryImport) -> None:
        waiting = waiting_uploads(now=timezone.now())

        row = run_queued_upload(orphan.pk, now=timezone.now())

        assert waiting == [orphan.pk]
        assert row is not None
        assert (row.status, row.added_count) == ("completed", 2)
        assert left_behind() == []

    def test_the_tick_wakes_one_worker_for_it(self, orphan: LibraryImport) -> None:
        asked: list[uuid.UUID] = []

        wake_for_uploads(now=timezone.now(), enqueue=asked.append)
        DBTaskResult.objects.create(
            task_path="library.tasks.import_upload_task",
            args_kwargs={"args": [], "kwargs": {"import_id": str(orphan.pk)}},
            backend_name="default",
        )
        wake_for_uploads(now=timezone.now(), enqueue=asked.append)

        assert asked == [orphan.pk]

    def test_one_under_way_is_left_alone(self, orphan: LibraryImport) -> None:
        [folder] = left_behind()
        [file] = folder.iterdir()

        with SpoolLock(file):
            taken = run_queued_upload(orphan.pk, now=timezone.now())
            waiting = waiting_uploads(now=timezone.now())
            swept = sweep_uploads(now=timezone.now() + timedelta(days=2))

        assert (taken, waiting, swept) == (None, [], 0)

    def test_another_import_leaves_it_alone(self, orphan: LibraryImport) -> None:
        complete_interrupted_imports(now=timezone.now() + timedelta(days=2), progress=Silence())

        orphan.refresh_from_db()
        assert orphan.status == ImportStatus.READING

    def test_one_that_ends_worker_after_worker_is_closed(self, orphan: LibraryImport) -> None:
        orphan.options["tries"] = uploads.MOST_TRIES
        orphan.save()

        row = run_queued_upload(orphan.pk, now=timezone.now())

        assert row is not None
        assert (row.status, row.report["code"], left_behind()) == ("failed", "UPLOAD_UNREADABLE", [])
        assert list(spool_folder().iterdir()) == []

    def test_one_that_was_being_applied_goes_on(
        self, api: APIClient, woken: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row_id = uuid.UUID(send(api).json()["id"])
        with monkeypatch.context() as broken:
            broken.setattr("library.importing.Application.run", _interrupt)
            with pytest.raises(KeyboardInterrupt):
                run_queued_upload(row_id, now=timezone.now())
        waiting = waiting_uploads(now=timezone.now())

        row = run_queued_upload(row_id, now=timezone.now())

        assert waiting == [row_id]
        assert row is not None
        assert (row.status, row.added_count, left_behind()) == ("completed", 2, [])


def _interrupt(*args: Any) -> None:
    raise KeyboardInterrupt
