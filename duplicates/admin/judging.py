"""The blind page: the members of one drawn group side by side, without anything the matcher thought of them."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.admin.comparison import Row, rows_of
from duplicates.admin.group_page import KEYS, audible_tracks
from duplicates.choices import Preset
from duplicates.models import DuplicateAnalysisTrack, SampledGroup
from duplicates.services import sampling

# What a person judges by. Plays, ratings, source and identifiers would tell which copy the matcher prefers, and why.
SHOWN = frozenset(("title", "artist", "album_artist", "album", "track", "year", "explicit", "length", "file"))
QUESTIONS = {
    Preset.RECORDING: lazy(
        "Are these all the same recording? A live or remixed version is another one; a remaster is not."
    ),
    Preset.RELEASE: lazy("Are these all the same recording on the same release? A copy on another album is not."),
    Preset.SONG: lazy("Are these all the same song, in whatever version?"),
    Preset.EXACT: lazy("Do these all have the same title, artist, album and length?"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """The head of one member: a letter, where it can be heard, and whether it was said to be odd."""

    letter: str
    track_id: int
    listen_url: str
    is_odd: bool
    key: str


def judging_context(drawn: SampledGroup, user: Any, last: SampledGroup | None) -> dict[str, Any]:
    """Return everything the page needs; `last` is the answer before, which can still be corrected."""
    sample = drawn.sample
    judged = sampling.judged_count(sample)
    return {
        "title": _("The same?"),
        "sample": sample,
        "drawn": drawn,
        "question": QUESTIONS[Preset(sample.preset)],
        "columns": _columns(drawn, user),
        "rows": _rows(drawn),
        "is_larger": len(drawn.members) > 2,
        "more_members": drawn.member_count - len(drawn.members),
        "judged": judged,
        "is_last": judged == sample.group_count - 1 and not drawn.answer,
        "last": last,
        "last_url": reverse("admin:duplicates_judge", args=[last.pk]) if last else "",
    }


def _columns(drawn: SampledGroup, user: Any) -> list[Column]:
    ids = [member["track_id"] for member in drawn.members]
    audible = set(audible_tracks(user, ids))
    return [
        Column(
            chr(ord("A") + place),
            pk,
            reverse("admin:library_listen", args=[pk]) if pk in audible else "",
            pk in drawn.odd_tracks,
            str(place + 1) if place < KEYS else "",
        )
        for place, pk in enumerate(ids)
    ]


def _rows(drawn: SampledGroup) -> list[Row]:
    """Compare with the first, which chance put there."""
    analysis = drawn.sample.analysis
    asked = analysis.parameters.get("version_words", []) if analysis else []
    words = tuple((str(phrase), str(marker)) for phrase, marker in asked)
    members = [DuplicateAnalysisTrack(**member) for member in drawn.members]
    return [row for row in rows_of(members, words) if row.key in SHOWN]
