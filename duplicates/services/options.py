"""`AnalysisOptions`: everything a person can ask of an analysis, checked once and named by a fingerprint.

Of the engine it reads only the settings, which load nothing heavy, so that pages can validate options cheaply.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from django.conf import settings
from django.utils.translation import gettext as _

from duplicates.choices import Preset, SortBy, VersionMarker
from duplicates.engine.settings import IGNORABLE_FIELDS, EngineSettings
from duplicates.engine.settings import Preset as EnginePreset
from duplicates.exceptions import InvalidOptions

LONGEST_SEARCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisOptions:
    """What one analysis is asked to do. Raises InvalidOptions naming the value and what is accepted."""

    preset: str = Preset.RECORDING
    search: str = ""
    sort_by: str = SortBy.CONFIDENCE
    min_confidence: float = 0.0
    ignored_fields: tuple[str, ...] = ()
    fold_remasters: bool = True
    keep_explicit_apart: bool = False
    version_words: tuple[tuple[str, str], ...] = ()  # filled when the analysis is queued, see `vocabulary`

    def __post_init__(self) -> None:
        _require_one_of("preset", self.preset, Preset.values)
        _require_one_of("sort-by", self.sort_by, SortBy.values)
        for _phrase, marker in self.version_words:
            _require_one_of("marker", marker, VersionMarker.values)
        for name in self.ignored_fields:
            _require_one_of("ignore-field", name, sorted(IGNORABLE_FIELDS))
        if not 0.0 <= self.min_confidence <= 1.0:
            raise InvalidOptions(
                _("min-confidence must lie between 0 and 1, not %(min_confidence)s.")
                % {"min_confidence": self.min_confidence}
            )
        if len(self.search) > LONGEST_SEARCH:
            raise InvalidOptions(
                _("A search term has at most %(longest_search)s characters, not %(search)s.")
                % {"longest_search": LONGEST_SEARCH, "search": len(self.search)}
            )
        if "\0" in self.search or not _is_encodable(self.search):
            raise InvalidOptions(_("A search term can hold neither NUL nor bytes that are not UTF-8."))
        object.__setattr__(self, "search", self.search.strip())
        object.__setattr__(self, "ignored_fields", tuple(sorted(set(self.ignored_fields))))

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Read back what `as_parameters` wrote; options it does not know yet take their defaults."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in parameters.items() if name in known}
        values["ignored_fields"] = tuple(values.get("ignored_fields", ()))
        values["version_words"] = tuple((phrase, marker) for phrase, marker in values.get("version_words", ()))
        return cls(**values)

    def as_parameters(self) -> dict[str, Any]:
        """Return every option as plain JSON values."""
        words = [list(pair) for pair in self.version_words]
        return {**asdict(self), "ignored_fields": list(self.ignored_fields), "version_words": words}

    def fingerprint(self) -> str:
        """Return 64 hex digits, equal exactly for equal options."""
        return hashlib.sha256(json.dumps(self.as_parameters(), sort_keys=True).encode()).hexdigest()

    def engine_settings(self) -> EngineSettings:
        """Return the same wish in the words of the matcher."""
        return EngineSettings(
            preset=EnginePreset(self.preset),
            ignored_fields=frozenset(self.ignored_fields),
            fold_remasters=self.fold_remasters,
            keep_explicit_apart=self.keep_explicit_apart,
            version_words=self.version_words,
            threads=settings.ANALYSIS_THREADS,
            memory_limit_mb=settings.ANALYSIS_MEMORY_MB,
        )


def _is_encodable(text: str) -> bool:
    """Can the text be stored? Bytes that are no UTF-8 reach a command as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _require_one_of(name: str, value: str, accepted: list[str]) -> None:
    if value not in accepted:
        raise InvalidOptions(
            _("%(value)r is no %(name)s. Choose from %(accepted)s.")
            % {"value": value, "name": name, "accepted": ", ".join(accepted)}
        )
