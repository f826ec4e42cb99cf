"""What a keeper and its removed copies amount to. Pure: values in, values out, no database.

Plays and skips add up, rating and loved take the best, dates the earliest or latest as fits, and blanks are filled.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Values = dict[str, Any]

SUMMED = ("play_count", "skip_count")
MOST_COUNTED = 2**31 - 1  # as far as their columns count; what each copy says itself is kept all the same
# What belongs to the recording fills a blank from any copy.
OF_THE_RECORDING = ("title", "artist", "genre", "isrc", "musicbrainz_recording_id", "explicit")
# What belongs to the release only from a copy on the same one: a track number of another album would be wrong here.
OF_THE_RELEASE = ("album_artist", "track_number", "disc_number", "year", "release_date")

_BEST: Mapping[str, Callable[[Iterable[Any]], Any]] = {
    "rating": max,
    "loved": max,
    "last_played_at": max,
    "added_at": min,
}
FIELDS = (*SUMMED, *_BEST, *OF_THE_RECORDING, "album", *OF_THE_RELEASE)


def fold(own: Values, copies: Sequence[Values], *, unparsed: Iterable[str] = ()) -> Values:
    """Return what a keeper shows: its own values together with those of its copies, in their order.

    Fields in `unparsed` are not blank, only unreadable as what their column promises, and stay as they are.
    """
    folded = dict(own)
    left_alone = set(unparsed)
    for copy in copies:
        for name in SUMMED:
            folded[name] = min(folded[name] + copy[name], MOST_COUNTED)
        for name, best in _BEST.items():
            known = [value for value in (folded[name], copy[name]) if value is not None]
            folded[name] = best(known) if known else None
        fillable = {*OF_THE_RECORDING, "album", *(OF_THE_RELEASE if _may_share_release(folded, copy) else ())}
        for name in fillable - left_alone:
            if folded[name] in (None, ""):
                folded[name] = copy[name]
    return folded


def with_edit(name: str, *, own: Any, written: Any, current: Any) -> Any:
    """Return the own value of a field that was edited after a merge wrote it: a counter keeps the difference."""
    if current == written:
        return own
    return max(own + current - written, 0) if name in SUMMED else current


def _may_share_release(keeper: Values, copy: Values) -> bool:
    mine, theirs = (" ".join(str(values["album"]).casefold().split()) for values in (keeper, copy))
    return mine == theirs or not mine
