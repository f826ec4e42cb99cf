"""A removal before it is made, as people read it: what the keeper gains, field by field, and where playlists change."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from duplicates.services.preview import RemovalPreview
from library import admin_pages as pages
from library.merge_preview import PlaceAhead
from library.models import Track
from library.moments import absolute
from library.wording import begin_with_a_capital

HEADLINES = 3  # changes named in the bar


@dataclass(frozen=True, slots=True)
class Change:
    """A field of the keeper, as it is and as it would be."""

    name: str
    before: str
    after: str


_SHOWN: dict[str, Callable[[Any], str]] = {
    "rating": pages.stars,
    "loved": lambda value: "♥" if value else pages.UNKNOWN,
    "last_played_at": lambda value: pages.UNKNOWN if value is None else absolute(value),
    "added_at": lambda value: pages.UNKNOWN if value is None else absolute(value),
    "explicit": lambda value: {True: _("Yes"), False: _("No"), None: pages.UNKNOWN}[value],
    "play_count": pages.number,
    "skip_count": pages.number,
}


@dataclass(frozen=True, slots=True)
class RemovalView:
    """What the template says of a preview."""

    preview: RemovalPreview

    @property
    def count(self) -> int:
        return len(self.preview.removing)

    @property
    def refused(self) -> str:
        return self.preview.refused.sentence if self.preview.refused else ""

    @property
    def changes(self) -> list[Change]:
        """The keeper's values that would change."""
        return [
            Change(_field_name(one.field), _shown(one.field, one.before), _shown(one.field, one.after))
            for one in self.preview.values
        ]

    @property
    def places(self) -> list[str]:
        """What becomes of the copies' places, one sentence a playlist."""
        found = groupby(self.preview.places, key=lambda one: (one.playlist_id, one.playlist))
        return [_places(name, list(places)) for (_id, name), places in found]

    @property
    def headline(self) -> str:
        """The gist in one line, for the bar that is always in sight."""
        parts = [f"{begin_with_a_capital(one.name)} {one.before} → {one.after}" for one in self.changes[:HEADLINES]]
        if moved := len(self.preview.places):
            parts.append(ngettext("%(count)d playlist place", "%(count)d playlist places", moved) % {"count": moved})
        return " · ".join(parts)

    @property
    def freed(self) -> str:
        """How many bytes the copies take, where every size is known."""
        return pages.size(self.preview.bytes_freed) if self.preview.bytes_freed else ""


def _field_name(name: str) -> str:
    return str({"play_count": _("plays"), "skip_count": _("skips")}.get(name, _verbose_name(name)))


def _verbose_name(name: str) -> str:
    return str(getattr(Track._meta.get_field(name), "verbose_name", name))


def _shown(name: str, value: Any) -> str:
    show = _SHOWN.get(name)
    if show is not None:
        return show(value)
    return pages.UNKNOWN if value in (None, "") else str(value)


def _places(playlist: str, places: list[PlaceAhead]) -> str:
    """Say what becomes of the places in one playlist."""
    taken = [str(one.position + 1) for one in places if one.is_taken_over]
    closed = len(places) - len(taken)
    parts = []
    if taken:
        said = ngettext("the keeper takes place %(places)s", "the keeper takes places %(places)s", len(taken))
        parts.append(said % {"places": ", ".join(taken)})
    if closed:
        said = ngettext(
            "%(count)d place closes, the keeper is there", "%(count)d places close, the keeper is there", closed
        )
        parts.append(said % {"count": closed})
    return f"“{playlist}”: {'; '.join(parts)}"
