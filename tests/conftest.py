"""What every test may rely on: a private work folder, and the folder of real data when there is one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from duplicates import audit_triggers
from duplicates.site_settings import site
from library.models import LibraryChange, LibraryRevision


@pytest.fixture(autouse=True)
def work_dir(settings: LazySettings, tmp_path: Path) -> Path:
    """Give each test a work folder of its own."""
    settings.WORK_DIR = tmp_path / "work"
    return settings.WORK_DIR


@pytest.fixture(autouse=True)
def site_settings() -> Iterator[None]:
    """Let the environment decide every setting, without a look at the database that would count as a query."""
    site.assume({}, for_seconds=3600)
    yield
    site.assume({}, for_seconds=3600)


@pytest.fixture(scope="session")
def eval_data() -> Path:
    """The folder of real libraries and labelled records; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("REPRISE_EVAL_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no evaluation data in {folder}; set REPRISE_EVAL_DATA")
    return folder


@pytest.fixture(autouse=True)
def empty_change_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin tests that commit with an empty log: on SQLite the clean-up after such a test deletes row by row, and the
    triggers record it. That clean-up wipes the audit trail too, which its own triggers forbid; it brings them back.
    """
    marker = request.node.get_closest_marker("django_db")
    commits = marker is not None and marker.kwargs.get("transaction")
    is_committed = commits or bool({"transactional_db", "live_server"} & set(request.fixturenames))
    if is_committed:
        request.getfixturevalue("transactional_db")
        LibraryChange.objects.all().delete()
        LibraryRevision.objects.all().delete()
    yield
    if is_committed:
        audit_triggers.remove("default")
