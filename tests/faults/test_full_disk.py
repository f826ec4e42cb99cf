"""A work folder that is full or closed costs the checkpoints, not the run; the result says so."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.support import House
from tests.privileges import as_a_common_user

KIBIBYTES = 64  # less than the smallest stage of the smallest library takes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    return work


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk of a few pages; skip the test where that is not permitted."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={KIBIBYTES}k,mode=700", "none", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"no disk may be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def run(home: House, folder: Path, *, under: list[str]) -> tuple[str, list[object]]:
    """Run an analysis whose work folder is `folder`; return what it said and the groups it saved."""
    there = replace(home, environment=home.environment | {"REPRISE_WORK_DIR": str(folder)}, processes=[])
    said = there.manage("run_duplicate_analysis", "--force-refresh", under=under).stdout
    return said, there.groups(said.split()[-1])


def test_a_full_disk(home: House, undisturbed, folder: Path) -> None:
    with small_disk(folder):
        said, groups = run(home, folder, under=[])
        left = [path for path in folder.rglob("*") if path.is_file()]

    assert "The run goes on without a checkpoint of stage normalise: No space left on device." in said
    assert groups == undisturbed
    assert left == []


def test_files_that_may_not_grow(home: House, undisturbed, folder: Path) -> None:
    if home.environment["DATABASE_URL"].startswith("sqlite"):
        pytest.skip("the database is a file, too, and may not grow then")
    said, groups = run(home, folder, under=["prlimit", f"--fsize={1024 * KIBIBYTES}"])

    assert "The run goes on without a checkpoint of stage normalise: File too large." in said
    assert groups == undisturbed


def test_a_folder_that_may_not_be_written(home: House, undisturbed, folder: Path) -> None:
    folder.chmod(0o500)
    said, groups = run(home, folder, under=as_a_common_user())

    assert "The run goes on without a checkpoint of stage normalise: Permission denied." in said
    assert groups == undisturbed
