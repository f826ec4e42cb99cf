"""What clean-up moves, one value or playlist place at a time, and how a track's values look as JSON."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import models

from library.models import Track


@dataclass(frozen=True, slots=True)
class MovedValue:
    """A field of a track that was changed, before and after as JSON holds them."""

    track_id: int
    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class MovedPlace:
    """A playlist place that changed hands; None is a place that is closed or was not there."""

    playlist_id: int
    position: int
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Moved:
    """What several removals or undos moved: values by the keeper on whose account, and playlist places."""

    values: dict[int, list[MovedValue]]
    places: list[MovedPlace]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value or place that somebody edited after a merge wrote it: `written` then, `current` now."""

    track_id: int | None
    field: str
    written: Any
    current: Any
    playlist_id: int | None = None
    position: int | None = None


def as_json(value: Any) -> Any:
    """Return a track's value as JSON holds it, without losing a microsecond."""
    return value.isoformat() if isinstance(value, date) else value


def from_json(name: str, value: Any) -> Any:
    """Return what `as_json` was given."""
    column = Track._meta.get_field(name)
    assert isinstance(column, models.Field)
    return value if value is None else column.to_python(value)
