"""How a run of the matcher reports where it is, and where it may pick up again.

The engine calls these two protocols and nothing else: it never prints, logs, sleeps or reads a clock. Whoever runs
it hands in an object that draws a bar or writes a row, and one that keeps finished stages. Either may raise to
stop the run.
"""

from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[np.generic]]


class Stage(StrEnum):
    """The steps of one run, in the order they happen."""

    NORMALISE = "normalise"
    CANDIDATES = "candidates"
    SCORING = "scoring"
    CLUSTERING = "clustering"
    KEEPER = "keeper"


class Progress(Protocol):
    """Hears how far a stage is. An exception raised here ends the run at once and reaches the caller unchanged."""

    def begin(self, stage: Stage, total: int) -> None:
        """Hear that a stage starts and how many units of work it holds."""

    def advance(self, done: int, *, groups_found: int | None = None) -> None:
        """Hear how many units of the current stage are finished so far; called after every chunk, never per record."""


class Checkpoints(Protocol):
    """Keeps the arrays of finished stages and of parts of them, so that a killed run does not have to start again.

    A part is named after its stage: "scoring-0-200000".
    """

    def load(self, name: str) -> Arrays | None:
        """Return what an earlier run saved for this stage or part, or None."""

    def save(self, name: str, arrays: Arrays) -> None:
        """Keep the output of a finished stage or part. Parts of a stage that is kept whole may go."""


class NullProgress:
    """Listens and does nothing."""

    def begin(self, stage: Stage, total: int) -> None:
        """Ignore the start of a stage."""

    def advance(self, done: int, *, groups_found: int | None = None) -> None:
        """Ignore a finished chunk."""
