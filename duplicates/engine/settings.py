"""What one run of the matcher is asked to do.

An `EngineSettings` is frozen and complete: with the same settings, the same engine version and the same columns the
result is the same, whatever the order of the records or the number of threads. `fingerprint` names that promise.
"""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from duplicates.engine.identity import engine_digest
from duplicates.engine.vocabulary import ACCEPTED_MARKERS

ENGINE_VERSION = "3"


class Preset(StrEnum):
    """What "the same" means for this run."""

    RECORDING = "recording"
    RELEASE = "release"
    SONG = "song"
    EXACT = "exact"


IGNORABLE_FIELDS = frozenset(
    {
        "album",
        "album_artist",
        "artist",
        "disc_number",
        "duration",
        "explicit",
        "genre",
        "isrc",
        "musicbrainz_recording_id",
        "release_date",
        "title",
        "track_number",
        "unparsed",
        "year",
    }
)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Choices that decide the result, and two (threads, memory) that must not."""

    preset: Preset = Preset.RECORDING
    threshold: float = 0.5
    ignored_fields: frozenset[str] = frozenset()
    fold_remasters: bool = True
    keep_explicit_apart: bool = False
    version_words: tuple[tuple[str, str], ...] = ()  # phrases of staff, each with the marker it stands for
    threads: int = 2
    memory_limit_mb: int = 2048

    def __post_init__(self) -> None:
        unknown = self.ignored_fields - IGNORABLE_FIELDS
        if unknown:
            raise ValueError(
                f"Unknown field {sorted(unknown)[0]!r}. Choose from {', '.join(sorted(IGNORABLE_FIELDS))}."
            )
        for phrase, marker in self.version_words:
            if marker not in ACCEPTED_MARKERS:
                raise ValueError(f"{phrase!r} stands for {marker!r}. Choose from {', '.join(ACCEPTED_MARKERS)}.")
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"The threshold must lie between 0 and 1, not {self.threshold}.")

    def fingerprint(self) -> str:
        """Return 64 hex digits that are equal only when two runs on equal columns must give equal results.

        Another weight, word or level in the engine changes it by itself: see `identity`.
        """
        deciding = {
            "engine": ENGINE_VERSION,
            "matcher": engine_digest(),
            "preset": self.preset.value,
            "threshold": self.threshold,
            "ignored_fields": sorted(self.ignored_fields),
            "fold_remasters": self.fold_remasters,
            "keep_explicit_apart": self.keep_explicit_apart,
            "version_words": sorted(self.version_words),
        }
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
