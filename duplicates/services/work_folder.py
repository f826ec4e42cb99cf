"""Where runs keep their checkpoints on this machine. Loads nothing heavy, so that clean-up and pages may ask."""

import logging
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from duplicates.choices import AnalysisStatus
from duplicates.models import DuplicateAnalysisResult

# The checkpoint of everything a run found, from which it is saved.
FOUND = "found"

logger = logging.getLogger("reprise.retention")


def checkpoints_folder() -> Path:
    """Return where the checkpoints of all analyses lie."""
    return Path(settings.WORK_DIR) / "checkpoints"


def analyses_with_checkpoints() -> Iterator[uuid.UUID]:
    """Yield the ids of analyses that have checkpoints on this machine."""
    folder = checkpoints_folder()
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        try:
            yield uuid.UUID(entry.name)
        except ValueError:
            logger.warning("%s is no checkpoint folder", entry.name)


def checkpoint_file(analysis_id: uuid.UUID, stage: str) -> Path:
    """Return where the checkpoint of a stage lies, if there is one."""
    return checkpoints_folder() / str(analysis_id) / f"{stage}.checkpoint"


def is_unsaved_result_kept(analysis: DuplicateAnalysisResult) -> bool:
    """Did the run find its result and fail to save it, and does this machine still hold what was found?"""
    return analysis.status == AnalysisStatus.FAILED and checkpoint_file(analysis.pk, FOUND).is_file()


def discard_checkpoints(analysis_id: uuid.UUID) -> None:
    """Remove all checkpoints of an analysis from this machine."""
    shutil.rmtree(checkpoints_folder() / str(analysis_id), ignore_errors=True)
