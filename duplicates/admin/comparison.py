"""Sets the members of a group side by side: attribute by attribute, with what differs from the keeper marked."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import pgettext_lazy

from duplicates.admin.version_badges import Words, version_badges
from duplicates.engine.differences import Kind, Span, differences
from duplicates.models import DuplicateAnalysisTrack
from library import admin_pages as pages
from library.moments import absolute

# Differences inside these are marked letter by letter, as long as a good part of the text is equal.
WORDED = frozenset(("title", "artist", "album_artist", "album"))
LONGEST_MARKED = 1_000
LEAST_EQUAL = 1 / 3

Member = DuplicateAnalysisTrack
Reader = Callable[[Member], Any]
Delta = Callable[[Any, Any], str]


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of one member. `differs` marks what is not as it is with the keeper.

    `spans` lead from the keeper's text to this one, for the eye; `told` says the same in words, for the ear. `badges`
    are the versions a title names.
    """

    text: str
    differs: bool = False
    remark: str = ""
    spans: tuple[Span, ...] = ()
    told: str = ""
    badges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing that is compared: its name, how it is read and shown, and how far two values are apart."""

    key: str
    name: Any
    read: Reader
    show: Callable[[Any], str]
    apart: Delta | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute with a cell for each member. `starts` marks the first of a kind: a line is drawn above it."""

    key: str
    name: str
    cells: list[Cell]
    starts: bool = False


def _flag(value: bool | None) -> str:
    return {True: _("Yes"), False: _("No"), None: pages.UNKNOWN}[value]


def _text(value: object) -> str:
    return pages.UNKNOWN if value in (None, "") else str(value)


def _day(value: datetime | None) -> str:
    return pages.UNKNOWN if value is None else absolute(value)


def _place(member: Member) -> str:
    """Return the place on the release: 2-07, or just 7 where there is one disc."""
    if member.track_number is None:
        return ""
    return f"{member.disc_number}-{member.track_number:02}" if member.disc_number else str(member.track_number)


def _signed(number: float, unit: str = "", decimals: int = 0) -> str:
    sign = "+" if number > 0 else "−"
    return f"{sign}{pages.number(abs(number), decimals)}{unit}"


def _seconds(value: int, keeper: int) -> str:
    return _signed((value - keeper) / 1000, " s", 1)


def _count(value: int, keeper: int) -> str:
    return _signed(value - keeper)


def _kilobits(value: tuple[str, int | None], keeper: tuple[str, int | None]) -> str:
    rate, best = value[1], keeper[1]
    return _signed(rate - best, " kbit/s") if rate and best and rate != best else ""


def _share(value: int, keeper: int) -> str:
    """Say by how many percent two sizes differ; a percent or less is not worth a word."""
    percent = round(100 * (value - keeper) / keeper) if keeper else 0
    return _signed(percent, " %") if abs(percent) > 1 else ""


# What is compared, in reading order and by kind: what it is, its file, what people did with it, where it is from.
ATTRIBUTES: tuple[tuple[Attribute, ...], ...] = (
    (
        Attribute("title", lazy("Title"), lambda m: m.title, _text),
        Attribute("artist", lazy("Artist"), lambda m: m.artist, _text),
        Attribute("album_artist", lazy("Album artist"), lambda m: m.album_artist, _text),
        Attribute("album", lazy("Album"), lambda m: m.album, _text),
        Attribute("track", pgettext_lazy("its number", "Track"), _place, _text),
        Attribute("year", lazy("Year"), lambda m: m.year, _text, _count),
        Attribute("genre", lazy("Genre"), lambda m: m.genre, _text),
        Attribute("isrc", lazy("ISRC"), lambda m: m.isrc, _text),
        Attribute("explicit", lazy("Explicit"), lambda m: m.explicit, _flag),
    ),
    (
        Attribute("length", lazy("Length"), lambda m: m.duration_ms, pages.length, _seconds),
        Attribute("file", lazy("File"), lambda m: (m.format, m.bit_rate_kbps), lambda v: pages.quality(*v), _kilobits),
        Attribute("size", lazy("Size"), lambda m: m.size_bytes, pages.size, _share),
    ),
    (
        Attribute("plays", lazy("Plays"), lambda m: m.play_count, pages.number, _count),
        Attribute("rating", lazy("Rating"), lambda m: m.rating, pages.stars),
        Attribute("loved", lazy("Loved"), lambda m: m.loved, lambda loved: "♥" if loved else pages.UNKNOWN),
        Attribute("last_played", lazy("Last played"), lambda m: m.last_played_at, _day),
        Attribute("added", lazy("Added"), lambda m: m.added_at, _day),
    ),
    (Attribute("source", lazy("Source"), lambda m: m.source, _text),),
)


def rows_of(members: list[Member], own_words: Words = ()) -> list[Row]:
    """Return the attributes anybody has, each with one cell a member; the first member is the keeper.

    `own_words` are the version words staff taught the analysis.
    """
    rows: list[Row] = []
    for kind in ATTRIBUTES:
        starts = bool(rows)
        for one in kind:
            values = [one.read(member) for member in members]
            if all(one.show(value) == pages.UNKNOWN for value in values):
                continue
            cells = [_cell(one, value, values[0]) for value in values]
            if one.key == "title":
                cells = [replace(cell, badges=version_badges(cell.text, own_words)) for cell in cells]
            rows.append(Row(one.key, str(one.name), cells, starts))
            starts = False
    return rows


def _cell(attribute: Attribute, value: Any, keeper: Any) -> Cell:
    """Compare what is seen: two lengths a few milliseconds apart are no difference to a person."""
    text = attribute.show(value)
    differs = text not in (attribute.show(keeper), pages.UNKNOWN)
    if differs and attribute.key in WORDED and keeper:
        return marked_cell(value, keeper)
    can_tell = differs and attribute.apart is not None and keeper is not None
    return Cell(text, differs, attribute.apart(value, keeper) if can_tell and attribute.apart else "")


def marked_cell(text: str, keeper: str) -> Cell:
    """Mark the letters in which a text differs from the keeper's, unless nearly all of them do."""
    if max(len(text), len(keeper)) > LONGEST_MARKED:
        return Cell(text, differs=True)
    spans = tuple(differences(keeper, text))
    equal = sum(len(span.right) for span in spans if span.kind is Kind.EQUAL)
    if len(spans) == 1 and equal:
        return Cell(text, differs=True, remark=_("the same letters, stored differently"))
    if equal < LEAST_EQUAL * len(text):
        return Cell(text, differs=True)
    return Cell(text, differs=True, spans=spans, told="; ".join(_told(span) for span in spans if _is_change(span)))


def _is_change(span: Span) -> bool:
    return span.kind is not Kind.EQUAL


def _told(span: Span) -> str:
    if span.kind is Kind.INSERTED:
        return _("“%(text)s” is added") % {"text": span.right}
    if span.kind is Kind.DELETED:
        return _("“%(text)s” is missing") % {"text": span.left}
    return _("“%(text)s” instead of “%(keeper)s”") % {"text": span.right, "keeper": span.left}
