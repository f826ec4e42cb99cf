"""What every test may rely on: a private work folder, a prepared database for processes, and which form is run."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import LazySettings
from hypothesis import Phase

from duplicates import audit_triggers
from duplicates.site_settings import site
from library.large_counts import large_counts
from library.models import LibraryChange, LibraryRevision
from tests.faults.databases import is_sqlite, template
from tests.forms import is_full_form
from tests.scheduling import LONGEST, TogetherScheduling

ROOT = Path(__file__).parent.parent
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "shared_house", "house_to_clean", "tables"}

# Containers often forbid bytecode; each process that a test starts would then compile Django anew, for two seconds.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ["PYTHONPYCACHEPREFIX"] = str(ROOT / ".pytest_cache" / "bytecode")

# A crowded machine is no bug: examples may take as long as they need. The small form tries the same examples each time
# and shows a failing one as it is found; the full form tries other ones each time and makes a failing one small.
hypothesis.settings.register_profile(
    "small", max_examples=40, derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate]
)
hypothesis.settings.register_profile("full", max_examples=200, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples are tried: the full form runs with `-m "slow or not slow"`."""
    hypothesis.settings.load_profile("full" if is_full_form(config) else "small")


@pytest.hookimpl(optionalhook=True)  # where tests run in one process there is nothing to hand out
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep tests that share an installation in one process."""
    return TogetherScheduling(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before tests are chosen by their markers, and after they were shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark the tests that meet the database of the settings, and put long ones first."""
    for item in items:
        if item.get_closest_marker("looks"):
            continue
        if item.get_closest_marker("django_db") or DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("database")
    yield
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of this test run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def prepared_sqlite(shared_folder: Path) -> Path:
    """An empty SQLite database with all tables, made once for all workers; a test copies it for its processes."""
    path = shared_folder / "prepared.sqlite3"
    with (shared_folder / "prepared.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            new = path.with_suffix(".new")
            _migrate(f"sqlite:///{new}")
            new.rename(path)
    return path


@pytest.fixture(scope="session")
def tables(request: pytest.FixtureRequest, shared_folder: Path) -> Iterator[str]:
    """The URL of a database with all tables, of the kind the tests run on, to be copied."""
    if is_sqlite():
        yield f"sqlite:///{request.getfixturevalue('prepared_sqlite')}"
        return
    with template(shared_folder / "tables", _migrate) as url:
        yield url


def _migrate(url: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "REPRISE_"))}
    environment = clean | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "project.settings"}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)


@pytest.fixture
def empty_sqlite(prepared_sqlite: Path, tmp_path: Path) -> Path:
    """A prepared database of the test's own."""
    return Path(shutil.copy(prepared_sqlite, tmp_path / "db.sqlite3"))


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


@pytest.fixture(autouse=True)
def counted_anew() -> None:
    """Revisions of the library begin anew in each test."""
    large_counts.forget()


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
