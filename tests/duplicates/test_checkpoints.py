"""Checkpoints: there completely or not at all, and never trusted when they do not fit."""

import errno
import os
import stat
import uuid
from pathlib import Path

import numpy as np
import pytest

from duplicates.engine.settings import EngineSettings
from duplicates.services import work_folder
from duplicates.services.checkpoints import StageCheckpoints

ANALYSIS = uuid.UUID(int=7)
ARRAYS = {
    "left": np.arange(1000, dtype=np.int64),
    "share": np.linspace(0, 1, 1000, dtype=np.float32),
    "flags": np.array([True, False]),
    "grid": np.arange(6).reshape(2, 3),
    "empty": np.empty(0, np.int64),
}


@pytest.fixture
def kept(settings) -> StageCheckpoints:
    return StageCheckpoints(ANALYSIS, "settings-1")


def file_of(stage: str) -> Path:
    return work_folder.checkpoints_folder() / str(ANALYSIS) / f"{stage}.checkpoint"


def test_arrays_come_back_as_they_went(kept) -> None:
    kept.save("scoring", ARRAYS)

    found = kept.load("scoring")

    assert found is not None
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_nothing_saved_is_nothing_found(kept) -> None:
    assert kept.load("scoring") is None


def test_a_checkpoint_is_private_and_leaves_no_part(kept) -> None:
    kept.save("scoring", ARRAYS)

    path = file_of("scoring")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(work_folder.checkpoints_folder().stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


class TestParts:
    def test_parts_go_when_their_stage_is_kept_whole(self, kept) -> None:
        kept.save("scoring-0-200", ARRAYS)
        kept.save("scoring-200-400", ARRAYS)
        kept.save("candidates-0-200", ARRAYS)
        kept.save("scoring", ARRAYS)

        found = sorted(path.name for path in file_of("scoring").parent.iterdir())
        assert found == ["candidates-0-200.checkpoint", "scoring.checkpoint"]

    def test_trouble_with_the_disk_is_noted_once_a_stage(self, kept, monkeypatch) -> None:
        monkeypatch.setattr("duplicates.services.checkpoints._write", _no_space)
        for part in ("scoring-0-200", "scoring-200-400", "scoring"):
            kept.save(part, ARRAYS)

        assert len(kept.notes) == 1
        assert "without a checkpoint of stage scoring: No space" in kept.notes[0]


def _no_space(*_: object, is_flushed: bool) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


class TestWhatDoesNotFit:
    def test_another_state_of_the_library_is_discarded_and_logged(self, kept, caplog) -> None:
        kept.save("scoring", ARRAYS)

        assert StageCheckpoints(ANALYSIS, "settings-2").load("scoring") is None
        assert "another state of the library" in caplog.text
        assert not file_of("scoring").exists()

    def test_one_of_a_run_with_other_words_of_staff_is_discarded(self) -> None:
        taught = EngineSettings(version_words=(("Cantina Night Cut", "own"),))
        StageCheckpoints(ANALYSIS, EngineSettings().fingerprint()).save("scoring", ARRAYS)

        assert StageCheckpoints(ANALYSIS, taught.fingerprint()).load("scoring") is None
        assert not file_of("scoring").exists()

    def test_one_of_a_matcher_with_another_vocabulary_is_discarded(self, monkeypatch) -> None:
        StageCheckpoints(ANALYSIS, EngineSettings().fingerprint()).save("scoring", ARRAYS)
        monkeypatch.setattr("duplicates.engine.settings.engine_digest", lambda: "of another vocabulary")

        assert StageCheckpoints(ANALYSIS, EngineSettings().fingerprint()).load("scoring") is None
        assert not file_of("scoring").exists()

    @pytest.mark.parametrize("cut", [0, 1, 50, 500, 5000, -1])
    def test_one_cut_short_anywhere_is_discarded(self, kept, cut) -> None:
        kept.save("scoring", ARRAYS)
        path = file_of("scoring")
        path.write_bytes(path.read_bytes()[:cut])

        assert kept.load("scoring") is None
        assert not path.exists()

    @pytest.mark.parametrize("place", [0, 10, 300, 2000, -40, -1])
    def test_a_changed_byte_anywhere_is_noticed(self, kept, place) -> None:
        kept.save("scoring", ARRAYS)
        path = file_of("scoring")
        content = bytearray(path.read_bytes())
        content[place] ^= 0x41
        path.write_bytes(content)

        assert kept.load("scoring") is None

    @pytest.mark.parametrize("content", [b"\n", b"{}\n", b"[]\n", b"not json\n", b'{"belongs_to": "settings-1"}\n'])
    def test_something_else_in_its_place_is_discarded(self, kept, content) -> None:
        file_of("scoring").parent.mkdir(parents=True)
        file_of("scoring").write_bytes(content)

        assert kept.load("scoring") is None


class TestDiskTrouble:
    def test_a_full_disk_costs_the_checkpoint_and_is_said(self, kept, monkeypatch) -> None:
        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        kept.save("scoring", ARRAYS)

        assert kept.notes == ["The run goes on without a checkpoint of stage scoring: No space left on device."]
        assert not list(file_of("scoring").parent.iterdir())

    def test_a_folder_that_cannot_be_made_costs_the_checkpoint(self, kept, settings, tmp_path) -> None:
        (tmp_path / "work").write_text("a file where the folder should be")
        blocked = StageCheckpoints(ANALYSIS, "settings-1")

        blocked.save("scoring", ARRAYS)

        assert len(blocked.notes) == 1


def test_discard_removes_all_of_an_analysis(kept) -> None:
    kept.save("scoring", ARRAYS)

    assert list(work_folder.analyses_with_checkpoints()) == [ANALYSIS]
    work_folder.discard_checkpoints(ANALYSIS)
    assert list(work_folder.analyses_with_checkpoints()) == []


def test_a_work_folder_that_cannot_be_costs_the_checkpoints_only(settings) -> None:
    settings.WORK_DIR = "/dev/null/work"
    kept = StageCheckpoints(ANALYSIS, "settings-1")

    kept.save("scoring", ARRAYS)

    assert kept.load("scoring") is None
    assert len(kept.notes) == 1
