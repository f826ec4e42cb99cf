"""A changed matcher is another matcher, without anybody raising a number."""

import shutil
from pathlib import Path

import pytest

from duplicates.engine import identity, settings
from duplicates.engine.settings import EngineSettings

ENGINE = Path(identity.__file__).parent


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the engine's modules."""
    for module in ENGINE.glob("*.py"):
        shutil.copy(module, tmp_path)
    return tmp_path


def digest(folder: Path) -> str:
    return identity.digest_of(folder.glob("*.py"))


def test_the_same_modules_elsewhere_are_the_same_matcher(copied: Path) -> None:
    assert digest(copied) == identity.engine_digest()


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        pytest.param("shipped.py", "SHARES = (0.31,", "SHARES = (0.32,", id="a shipped weight"),
        pytest.param("vocabulary.py", '"acoustic, stripped,', '"acoustic, barefoot, stripped,', id="a word"),
        pytest.param("levels.py", '"two or three apart"', '"two to three apart"', id="a level"),
        pytest.param("title_levels.py", "DOUBTFUL = 88.0", "DOUBTFUL = 87.0", id="a cut"),
    ],
)
def test_the_smallest_change_makes_another_matcher(copied: Path, module: str, before: str, after: str) -> None:
    text = (copied / module).read_text()
    assert before in text
    (copied / module).write_text(text.replace(before, after))
    assert digest(copied) != identity.engine_digest()


def test_a_new_or_renamed_module_makes_another_matcher(copied: Path) -> None:
    (copied / "shipped.py").rename(copied / "beliefs.py")
    assert digest(copied) != identity.engine_digest()


def test_line_ends_of_another_system_make_no_other_matcher(copied: Path) -> None:
    path = copied / "shipped.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert digest(copied) == identity.engine_digest()


def test_another_matcher_has_other_fingerprints(monkeypatch: pytest.MonkeyPatch) -> None:
    before = EngineSettings().fingerprint()
    monkeypatch.setattr(settings, "engine_digest", lambda: "of another matcher")
    assert EngineSettings().fingerprint() != before
