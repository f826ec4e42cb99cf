"""A house for each fault test, on the database the tests run on."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.databases import new_database, template
from tests.faults.support import House, house
from tests.forms import is_full_form

SMALL, FULL = 700, 60_000  # songs; about 1,100 and 100,000 tracks
_PIN = """
import django
django.setup()
from duplicates.models import DuplicateAnalysisResult
DuplicateAnalysisResult.objects.update(is_pinned=True)
"""


@pytest.fixture(scope="session")
def songs(request: pytest.FixtureRequest) -> int:
    """How large the library of the fault tests is: the full form runs with `-m slow`."""
    return FULL if is_full_form(request.config) else SMALL


@pytest.fixture
def house_to_clean(tables: str, tmp_path: Path) -> Iterator[House]:
    """A house of one's own, whose library a test may change."""
    with new_database(tmp_path, like=tables) as url, house(url, tmp_path) as built:
        yield built


@pytest.fixture(scope="session")
def analysed(tables: str, songs: int, shared_folder: Path) -> Iterator[tuple[str, Path]]:
    """The database and the folder of a house with a library, and an analysis of it that nothing happened to."""
    folder = shared_folder / "analysed"

    def fill(url: str) -> None:
        with house(url, folder) as built:
            built.make_library(songs)
            done = built.manage("run_duplicate_analysis", "--force-refresh")
            built.script(_PIN)  # or the clean-ups of the tests would take it, with the runs they stopped being newer
        (folder / "analysis").write_text(done.stdout.split()[-1])

    with template(folder, fill, like=tables) as url:
        yield url, folder


@pytest.fixture(scope="session")
def shared_house(analysed: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The house that most tests of one process share: a copy of the one with the analysis."""
    url, filled = analysed
    folder = tmp_path_factory.mktemp("faults")
    shutil.copytree(filled / "work", folder / "work")
    with new_database(folder, like=url) as own, house(own, folder) as built:
        yield built


@pytest.fixture
def home(shared_house: House) -> Iterator[House]:
    """The installation, with no process left from the test before."""
    yield shared_house
    shared_house.end_processes()


@pytest.fixture(scope="session")
def earlier(analysed: tuple[str, Path]) -> str:
    """The id of the analysis that was there before all tests."""
    _url, filled = analysed
    return (filled / "analysis").read_text()


@pytest.fixture(scope="session")
def undisturbed(shared_house: House, earlier: str) -> list[object]:
    """The groups of a run over the library that nothing happened to."""
    return shared_house.groups(earlier)
