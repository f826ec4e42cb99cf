"""Where runs keep their checkpoints on this machine. Loads nothing heavy, so that clean-up and pages may ask."""

import contextlib
import logging
import shutil
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

from django.conf import settings

from duplicates.choices import AnalysisStatus
from duplicates.models import DuplicateAnalysisResult
from duplicates.site_settings import site

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


def checkpoint_folder(analysis_id: uuid.UUID) -> Path:
    """Return where the checkpoints of one analysis lie."""
    return checkpoints_folder() / str(analysis_id)


def checkpoint_file(analysis_id: uuid.UUID, stage: str) -> Path:
    """Return where the checkpoint of a stage lies, if there is one."""
    return checkpoint_folder(analysis_id) / f"{stage}.checkpoint"


def is_unsaved_result_kept(analysis: DuplicateAnalysisResult) -> bool:
    """Did the run find its result and fail to save it, and does this machine still hold what was found?"""
    return analysis.status == AnalysisStatus.FAILED and checkpoint_file(analysis.pk, FOUND).is_file()


def discard_checkpoints(analysis_id: uuid.UUID) -> int:
    """Remove all checkpoints of an analysis from this machine; return how many bytes that frees."""
    return _discard(checkpoint_folder(analysis_id))


def index_folder(analysis_id: uuid.UUID) -> Path:
    """Return where an analysis leaves what a refresh may start from."""
    return Path(settings.WORK_DIR) / "indexes" / str(analysis_id)


def indexes() -> list[uuid.UUID]:
    """Return the analyses that left something for a refresh on this machine."""
    folder = Path(settings.WORK_DIR) / "indexes"
    return [uuid.UUID(entry.name) for entry in sorted(folder.glob("????????-????-????-????-????????????"))]


def index_bytes(analysis_id: uuid.UUID) -> int:
    """Return how much an analysis left for a refresh, in bytes."""
    return folder_bytes(index_folder(analysis_id))


def discard_index(analysis_id: uuid.UUID) -> int:
    """Remove what an analysis left for a refresh; return how many bytes that frees."""
    return _discard(index_folder(analysis_id))


def needless_indexes(*, gone: Collection[uuid.UUID] = ()) -> list[uuid.UUID]:
    """Return the analyses that left what no refresh will start from any more, once those that are `gone` are.

    The newest `KEPT_INDEXES` full runs that a completed analysis rests on keep theirs.
    """
    lying = indexes()
    rows = DuplicateAnalysisResult.objects.exclude(status__in=(AnalysisStatus.FAILED, AnalysisStatus.CANCELLED))
    rows = rows.exclude(pk__in=gone)
    base_of = {pk: base or pk for pk, base in rows.order_by("-created_at").values_list("pk", "tables_of")}
    bases = [base for base in dict.fromkeys(base_of.values()) if base in lying][: site.KEPT_INDEXES]
    kept = {*bases, *(pk for pk, base in base_of.items() if base in bases)}
    return [analysis_id for analysis_id in lying if analysis_id not in kept]


def drop_needless_indexes() -> tuple[int, int]:
    """Remove what no refresh will start from any more; return how many analyses lose something, and the bytes freed."""
    needless = needless_indexes()
    return len(needless), sum(map(discard_index, needless))


def folder_bytes(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    total = 0
    for path in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):  # another process removed it
            total += path.stat().st_size
    return total


def _discard(folder: Path) -> int:
    freed = folder_bytes(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return freed
