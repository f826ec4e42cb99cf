"""Files imported from the admin: tried or imported, small at once and large by a worker, refused with the reason."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from library import uploads
from library.models import ImportStatus, LibraryImport, Track
from library.uploads import run_queued_upload, uploads_folder
from tests.duplicates.admin.conftest import messages_of, signed_in
from tests.duplicates.factories import VIEWS, UserFactory

pytestmark = pytest.mark.django_db
FORM = "admin:duplicates_import_file"
SONGS = b"Title,Artist,Total Time\nHarbour Lights,The Quiet Tide,215000\nLow Water,The Quiet Tide,180000\n"


@pytest.fixture
def curator(db: None) -> User:
    return UserFactory(permissions=(*VIEWS, "library.view_libraryimport", "library.add_libraryimport"))


@pytest.fixture
def client(curator: User) -> Client:
    return signed_in(curator)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    asked: list[uuid.UUID] = []
    monkeypatch.setattr("duplicates.admin.imports.enqueue_upload", asked.append)
    return asked


def send(client: Client, content: bytes = SONGS, name: str = "songs.csv", **said: Any) -> Any:
    """Send the form as its page does."""
    form = {"verb": "import", "format": "auto", **said}
    return client.post(reverse(FORM), {"file": SimpleUploadedFile(name, content), **form}, follow=True)


def test_a_file_is_imported_and_its_page_shown(client: Client, curator: User) -> None:
    answer = send(client, source="Car")

    row = LibraryImport.objects.get()
    assert answer.redirect_chain[-1][0] == reverse("admin:library_libraryimport_change", args=[row.pk])
    assert messages_of(answer) == ["Imported: 2 added, 0 changed, 0 skipped."]
    assert (row.user, row.source, Track.objects.count()) == (curator, "Car", 2)
    assert list(uploads_folder().iterdir()) == []


def test_a_trial_changes_nothing_and_leads_on_to_the_import(client: Client) -> None:
    answer = send(client, verb="try", source="Car")

    assert messages_of(answer) == ["Nothing was changed. An import would add 2, change 0 and skip 0."]
    assert "Now import it" in answer.content.decode()
    assert (Track.objects.count(), LibraryImport.objects.get().is_dry_run) == (0, True)


def test_a_library_is_imported_again_under_its_name(client: Client) -> None:
    send(client, source="Car")
    row = LibraryImport.objects.get()
    shown = client.get(reverse("admin:library_libraryimport_change", args=[row.pk]))
    form = client.get(shown.context["again_url"])
    assert form.context["form"]["source"].value() == "Car"

    answer = send(client, SONGS + b"Ebb,The Quiet Tide,190000\n", "other name.csv", source="Car")

    assert messages_of(answer) == ["Imported: 1 added, 0 changed, 0 skipped."]


def test_a_file_that_cannot_be_read_is_refused_on_the_form(client: Client) -> None:
    answer = send(client, b"PK\x03\x04" + b"." * 50, "songs.zip")

    assert "ZIP" in answer.context["form"].errors["file"][0]
    assert LibraryImport.objects.get().status == ImportStatus.FAILED


def test_columns_are_mapped_line_by_line(client: Client) -> None:
    content = SONGS.replace(b"Title", b"Songs name")

    answer = send(client, content, mapping="title=Songs name\n")
    wrong = send(client, content, mapping="tune=Songs name")

    assert messages_of(answer) == ["Imported: 2 added, 0 changed, 0 skipped."]
    assert "is not a field" in wrong.context["form"].errors["mapping"][0]


def test_a_large_file_waits_for_a_worker_and_is_followed(
    client: Client, woken: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(uploads, "IMPORTED_AT_ONCE_BYTES", 10)
    with django_capture_on_commit_callbacks(execute=True):
        answer = send(client)
    (row_id,) = woken
    address = reverse("admin:duplicates_import_progress", args=[row_id])
    assert f'data-follow="{address}"' in answer.content.decode()
    assert client.get(address).json()["is_active"]

    run_queued_upload(row_id, now=timezone.now())

    assert not client.get(address).json()["is_active"]
    assert Track.objects.count() == 2


def test_a_file_over_the_limit_is_refused_before_it_is_kept(client: Client, settings: Any) -> None:
    settings.UPLOAD_LIMIT_MB = 0

    answer = send(client, SONGS * 5_000)

    assert "A file may have at most" in messages_of(answer)[0]
    assert not LibraryImport.objects.exists()
    assert list(uploads_folder().iterdir()) == []


def test_a_forged_form_imports_nothing(curator: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(curator)

    answer = strict.post(reverse(FORM), {"file": SimpleUploadedFile("songs.csv", SONGS), "verb": "import"})

    assert answer.status_code == 403
    assert not LibraryImport.objects.exists()


def test_nothing_is_read_from_people_who_may_not_import(
    viewer: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("duplicates.admin.imports.SpoolingHandler", None)

    refused = signed_in(viewer).post(reverse(FORM), {"file": SimpleUploadedFile("songs.csv", SONGS)})
    stranger = Client().post(reverse(FORM), {"file": SimpleUploadedFile("songs.csv", SONGS)})

    assert (refused.status_code, stranger.status_code) == (403, 302)


def test_the_list_offers_it_to_those_who_may(client: Client, viewer: User) -> None:
    address = reverse("admin:library_libraryimport_changelist")

    assert reverse(FORM) in client.get(address).content.decode()
    assert reverse(FORM) not in signed_in(viewer).get(address).content.decode()
