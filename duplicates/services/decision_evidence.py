"""What two tracks said of themselves when somebody declared them different, and whether they still say it.

Pure: values in, values out. Text is compared by its letters and digits alone, so that case, quotes and spaces make no
new evidence. Genre, plays, ratings, numbers, years and where a file lies are none either: changing them reopens
nothing.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, TypedDict
from urllib.parse import unquote

from django.utils.translation import gettext as _

TEXTS = ("title", "artist", "album")
FIELDS = (*TEXTS, "duration_ms", "isrc", "explicit")
# Two readings of one file differ by as much: programs round, and some count the silence at the ends.
SAME_LENGTH_MS = 2_000


class Evidence(TypedDict):
    """One side of a decision, as JSON holds it."""

    source: str
    source_track_id: str
    file: str
    title: str
    artist: str
    album: str
    duration_ms: int | None
    isrc: str
    explicit: bool | None


def evidence_of(row: Any, *, location: str = "") -> Evidence:
    """Return what a track, or the snapshot of one, says; `location` is where its file lies, where that is known."""
    return Evidence(
        source=row.source,
        source_track_id=row.source_track_id,
        file=file_name(location or getattr(row, "location", "") or row.source_track_id),
        title=row.title,
        artist=row.artist,
        album=row.album,
        duration_ms=row.duration_ms,
        isrc=row.isrc,
        explicit=row.explicit,
    )


def file_name(location: str) -> str:
    """Return the last part of a path or address: what stays when a file is moved."""
    return re.split(r"[/\\]", unquote(location))[-1]


def plain(text: str) -> str:
    """Return the letters, digits and signs of a text as words in lower case; of one without any, the text itself."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(letter if unicodedata.category(letter)[0] in "LNMS" else " " for letter in folded)
    return " ".join(kept.split()) or text.strip()


def is_same_content(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Could these be one track that was moved? Everything a decision looks at is the same."""
    return not any(differs(name, one, other) for name in FIELDS)


def what_changed(
    then: tuple[Mapping[str, Any], Mapping[str, Any]], now: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> str:
    """Say what about a pair is no longer as it was decided; nothing where the decision still holds."""
    said = [
        _("%(field)s of “%(track)s” was “%(before)s”, is “%(after)s”")
        % {"field": name.removesuffix("_ms"), "track": before["title"], "before": before[name], "after": after[name]}
        for before, after in zip(then, now, strict=True)
        for name in (*TEXTS, "duration_ms", "explicit")
        if _counts(name, before, after)
    ]
    if _share_a_code(now) and not _share_a_code(then):
        said.append(_("both have the ISRC %(code)s now") % {"code": now[0]["isrc"]})
    return "; ".join(said)


def _counts(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Is this change of a field evidence? A length or an explicit mark that was not known says nothing of the pair."""
    return differs(name, before, after) and (name in TEXTS or None not in (before[name], after[name]))


def differs(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Are two values of a field different things, and not only written differently?"""
    mine, theirs = one[name], other[name]
    if name in TEXTS:
        return plain(mine) != plain(theirs)
    if name == "duration_ms" and None not in (mine, theirs):
        return bool(abs(mine - theirs) > SAME_LENGTH_MS)
    return bool(mine != theirs)


def _share_a_code(pair: tuple[Mapping[str, Any], Mapping[str, Any]]) -> bool:
    return bool(pair[0]["isrc"]) and pair[0]["isrc"] == pair[1]["isrc"]
