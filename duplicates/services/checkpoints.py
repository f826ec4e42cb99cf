"""Keeps the output of finished stages on disk, so that a killed run goes on where it was.

One file a stage, and for long stages one a part until the stage is whole: a header line (what it belongs to, the
arrays' names, types and shapes), the arrays' bytes, each at a place where it can be used as it lies, and a SHA-256 of
all before it. A file is written under another name, flushed and renamed, so it is there completely or not at all. One
that does not fit (other settings, engine, library revision or decisions), is cut short or does not match its checksum
is discarded with a log line and never trusted. A disk that is full or not writable costs the checkpoint, not the run.
"""

import hashlib
import json
import logging
import math
import os
import uuid
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from duplicates.services.work_folder import checkpoint_file
from library.folders import private_folder

Arrays = dict[str, npt.NDArray[np.generic]]

logger = logging.getLogger("reprise.analysis")
LONGEST_HEADER = 100_000
READ_AT_ONCE = 1 << 20
ALIGNED = 64


class StageCheckpoints:
    """The checkpoints of one analysis. Implements the engine's `Checkpoints`.

    `belongs_to` names everything the arrays depend on; `notes` collects sentences for people (no space, not writable).
    """

    is_flushed = True  # a checkpoint is for the moment after a power cut
    without = "The run goes on without a checkpoint of stage {part}: {why}."

    def __init__(self, analysis_id: uuid.UUID, belongs_to: str) -> None:
        self._analysis_id = analysis_id
        self._belongs_to = belongs_to
        self._log = logging.LoggerAdapter(logger, {"analysis_id": str(analysis_id)})
        self.notes: list[str] = []

    def of(self, belongs_to: str) -> "StageCheckpoints":
        """Return the checkpoints of the same analysis that belong to something else; the notes are shared."""
        other = StageCheckpoints.__new__(StageCheckpoints)
        other._analysis_id, other._log, other.notes = self._analysis_id, self._log, self.notes
        other._belongs_to = belongs_to
        return other

    def load(self, stage: str) -> Arrays | None:
        """Return what an earlier run saved for this stage, or None when there is nothing to trust."""
        path = self._path(stage)
        try:
            found = _read(path, self._belongs_to)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._log.warning("Checkpoint of stage %s discarded: %s", stage, error)
            _remove(path)
            return None
        self._log.info("Stage %s taken from its checkpoint", stage)
        return found

    def save(self, stage: str, arrays: Arrays) -> None:
        """Keep the output of a finished stage; trouble with the disk is noted and the run goes on."""
        unfinished = self._path(stage).with_suffix(f".{uuid.uuid4().hex[:8]}.part")
        try:
            private_folder(unfinished.parent)
            _write(unfinished, self._belongs_to, arrays, is_flushed=self.is_flushed)
            unfinished.replace(self._path(stage))
            self._drop_parts(stage)
        except OSError as error:
            whole, _, _ = stage.partition("-")
            self._note(self.without.format(part=whole, why=error.strerror or "disk trouble"))
            _remove(unfinished)

    def _drop_parts(self, stage: str) -> None:
        """Remove the parts of a stage that is kept whole now."""
        for part in self._path(stage).parent.glob(f"{stage}-*.checkpoint"):
            _remove(part)

    def _path(self, stage: str) -> Path:
        return checkpoint_file(self._analysis_id, stage)

    def _note(self, sentence: str) -> None:
        """Say something once, however many parts of a stage it is true of."""
        if sentence not in self.notes:
            self._log.warning("%s", sentence)
            self.notes.append(sentence)


def _write(path: Path, belongs_to: str, arrays: Arrays, *, is_flushed: bool) -> None:
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    layout = [[name, array.dtype.str, array.shape] for name, array in plain.items()]
    header = json.dumps({"belongs_to": belongs_to, "arrays": layout, "is_aligned": True}).encode()
    header += b" " * _gap_after(len(header) + 1) + b"\n"
    digest = hashlib.sha256(header)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
        file.write(header)
        for array in plain.values():
            content = array.reshape(-1).view(np.uint8).data
            for part in (content, bytes(_gap_after(len(content)))):
                digest.update(part)
                file.write(part)
        file.write(digest.digest())
        file.flush()
        if is_flushed:
            os.fsync(file.fileno())


def _read(path: Path, belongs_to: str) -> Arrays:
    with path.open("rb") as file:
        header = file.readline(LONGEST_HEADER)
        described = json.loads(header)
        if described["belongs_to"] != belongs_to:
            raise ValueError("it belongs to other settings or another state of the library")
        _require_whole(file, hashlib.sha256(header))
        # Pages stay where the system keeps the file, until somebody writes to one; many are never looked at.
        content = np.asarray(np.memmap(file, np.uint8, "c", len(header)))
    arrays, place = {}, 0
    for name, kind, shape in described["arrays"]:
        size = np.dtype(kind).itemsize * math.prod(shape)
        array: npt.NDArray[np.generic] = content[place : place + size].view(np.dtype(kind)).reshape(shape)
        arrays[name] = array if array.flags.aligned else array.copy()  # of an earlier release
        place += size + (_gap_after(size) if described.get("is_aligned") else 0)
    return arrays


def _require_whole(file: BinaryIO, digest: "hashlib._Hash") -> None:
    """Read the rest of a file, whose last bytes are the digest of all before. Raises ValueError where it is not."""
    left = os.fstat(file.fileno()).st_size - file.tell() - digest.digest_size
    while left > 0 and (part := file.read(min(left, READ_AT_ONCE))):
        digest.update(part)
        left -= len(part)
    if file.read() != digest.digest():
        raise ValueError("its checksum does not match")


def _gap_after(size: int) -> int:
    """Return how many bytes to leave so that what follows can be read in place."""
    return -size % ALIGNED


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        logger.warning("A half-written checkpoint could not be removed")
