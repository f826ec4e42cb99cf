"""What the page of one group shows: its members side by side, the keeper first, with differences and evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString

from duplicates.admin.shared import band_badge, itunes_badge
from duplicates.choices import ITunesMatch
from duplicates.engine.differences import Kind, Span, differences
from duplicates.engine.evidence import Contribution, called, contradiction, decode_evidence, is_worth_a_line
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from library import admin_pages as pages
from library.moments import absolute

# More columns than this are not compared by eye; the rest is a link to the list of members.
MEMBERS_SHOWN = 24
# Evidence of fewer bits than this is shown in a quieter voice.
QUIET_BITS = 0.5
# Differences inside these are marked letter by letter, as long as a good part of the text is equal.
WORDED = frozenset(("Title", "Artist", "Album artist", "Album"))
LONGEST_MARKED = 1_000
LEAST_EQUAL = 1 / 3

Member = DuplicateAnalysisTrack
Reader = Callable[[Member], Any]


def _flag(value: bool | None) -> str:
    return {True: "Yes", False: "No", None: pages.UNKNOWN}[value]


def _text(value: object) -> str:
    return pages.UNKNOWN if value in (None, "") else str(value)


def _day(value: datetime | None) -> str:
    return pages.UNKNOWN if value is None else absolute(value)


def _place(member: Member) -> str:
    """Return the place on the release: 2-07, or just 7 where there is one disc."""
    if member.track_number is None:
        return ""
    return f"{member.disc_number}-{member.track_number:02}" if member.disc_number else str(member.track_number)


# What is compared, in reading order: name, the value that may differ, and how it is shown.
ATTRIBUTES: tuple[tuple[str, Reader, Callable[[Any], str]], ...] = (
    ("Title", lambda m: m.title, _text),
    ("Artist", lambda m: m.artist, _text),
    ("Album artist", lambda m: m.album_artist, _text),
    ("Album", lambda m: m.album, _text),
    ("Track", _place, _text),
    ("Length", lambda m: m.duration_ms, pages.length),
    ("Year", lambda m: m.year, _text),
    ("ISRC", lambda m: m.isrc, _text),
    ("Explicit", lambda m: m.explicit, _flag),
    ("File", lambda m: (m.format, m.bit_rate_kbps), lambda value: pages.quality(*value)),
    ("Size", lambda m: m.size_bytes, pages.size),
    ("Plays", lambda m: m.play_count, pages.number),
    ("Rating", lambda m: m.rating, pages.stars),
    ("Loved", lambda m: m.loved, lambda loved: "♥" if loved else pages.UNKNOWN),
    ("Last played", lambda m: m.last_played_at, _day),
    ("Added", lambda m: m.added_at, _day),
    ("Source", lambda m: m.source, _text),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of one member. `differs` marks what is not as it is with the keeper.

    `spans` lead from the keeper's text to this one, for the eye; `told` says the same in words, for the ear.
    """

    text: str
    differs: bool = False
    remark: str = ""
    spans: tuple[Span, ...] = ()
    told: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one comparison said for (positive) or against (negative) the same song."""

    comparison: str
    level: str
    bits: str
    kind: str


@dataclass(frozen=True, slots=True)
class Column:
    """The head of one member and the reasons it is here."""

    member: Member
    track_url: str
    similarity: str
    itunes: SafeString | str
    itunes_differences: list[dict[str, str]]
    evidence: list[Evidence]
    missing: str  # comparisons that had nothing to compare
    contradiction: str  # an identifier that agrees where the music does not
    steps_url: str  # the page that explains this member step by step; empty where a track is gone


@dataclass(frozen=True, slots=True)
class GroupPage:
    """One group at one moment."""

    group: DuplicateAnalysisGroup
    now: datetime

    def context(self) -> dict[str, Any]:
        """Return everything the template needs."""
        group, analysis = self.group, self.group.analysis
        members = list(group.members.order_by("position")[:MEMBERS_SHOWN])
        tables = bytes(analysis.learnt_tables or b"")
        base = reverse("admin:duplicates_duplicateanalysisgroup_changelist")
        return {
            "title": group.title or "Untitled",
            "subtitle": group.artist or "Unknown artist",
            "analysis": analysis,
            "analysis_age": pages.moment(analysis.age_anchor, self.now),
            "confidence": band_badge(group.confidence, group.band),
            "cohesion": pages.percent(group.cohesion),
            "keeper_reason": group.keeper_reason or group.keeper_rule.replace("_", " "),
            "resolved": pages.moment(group.resolved_at, self.now) if group.is_resolved else "",
            "columns": [self._column(member, tables) for member in members],
            "rows": _rows(members),
            "more_members": max(0, group.member_count - len(members)),
            "members_url": f"{_members_url()}?analysis={analysis.pk}&group__id__exact={group.pk}",
            "groups_url": f"{base}?analysis={analysis.pk}",
            **self._neighbours(),
        }

    def _column(self, member: Member, tables: bytes) -> Column:
        here = member.still_exists
        found = member.itunes_match != ITunesMatch.NONE
        parts = [] if member.is_canonical else evidence_of(member, tables)
        return Column(
            member,
            reverse("admin:library_track_change", args=[member.track_id]) if here else "",
            pages.percent(member.similarity),
            itunes_badge(member.itunes_match) if found else pages.UNKNOWN,
            list(member.itunes_differences),
            in_words(parts),
            ", ".join(part.comparison for part in parts if part.missing),
            contradiction(parts),
            reverse("admin:duplicates_explain_member", args=[self.group.pk, member.track_id]) if parts and here else "",
        )

    def _neighbours(self) -> dict[str, Any]:
        """Find the groups before and after in the analysis's order."""
        place = self.group.position
        around = self.group.analysis.groups.filter(position__in=(place - 1, place + 1)).only("pk", "position")
        by_place = {group.position: group for group in around}
        return {"previous_group": by_place.get(place - 1), "next_group": by_place.get(place + 1)}


def evidence_of(member: Member, tables: bytes) -> list[Contribution]:
    """Return the stored evidence of a member against its keeper; nothing when its tables cannot be read."""
    try:
        return decode_evidence(member.evidence, tables)
    except ValueError:
        return []


def in_words(parts: list[Contribution]) -> list[Evidence]:
    """Return what was compared in words, the weightiest first."""
    compared = [part for part in parts if not part.missing and is_worth_a_line(part)]
    compared.sort(key=lambda part: -abs(part.bits))
    return [
        Evidence(called(part.comparison), part.level, f"{part.bits:+.1f}".replace("-", "−"), kind_of(part.bits))
        for part in compared
    ]


def kind_of(bits: float) -> str:
    """Tell whether bits speak for or against a match, or hardly at all."""
    if abs(bits) < QUIET_BITS:
        return "quiet"
    return "for" if bits > 0 else "against"


def _rows(members: list[Member]) -> list[tuple[str, list[Cell]]]:
    """Return the attributes anybody has, each with one cell a member."""
    rows = []
    for name, read, show in ATTRIBUTES:
        values = [read(member) for member in members]
        if all(show(value) == pages.UNKNOWN for value in values):
            continue
        rows.append((name, [_cell(name, value, values[0], show) for value in values]))
    return rows


def _cell(name: str, value: Any, keeper: Any, show: Callable[[Any], str]) -> Cell:
    """Compare what is seen: two lengths a few milliseconds apart are no difference to a person."""
    text = show(value)
    differs = text not in (show(keeper), pages.UNKNOWN)
    if differs and name in WORDED and keeper:
        return marked_cell(value, keeper)
    remark = _apart(value, keeper) if name == "Length" and differs and keeper is not None else ""
    return Cell(text, differs, remark)


def marked_cell(text: str, keeper: str) -> Cell:
    """Mark the letters in which a text differs from the keeper's, unless nearly all of them do."""
    if max(len(text), len(keeper)) > LONGEST_MARKED:
        return Cell(text, differs=True)
    spans = tuple(differences(keeper, text))
    equal = sum(len(span.right) for span in spans if span.kind is Kind.EQUAL)
    if len(spans) == 1 and equal:
        return Cell(text, differs=True, remark="the same letters, stored differently")
    if equal < LEAST_EQUAL * len(text):
        return Cell(text, differs=True)
    return Cell(text, differs=True, spans=spans, told="; ".join(_told(span) for span in spans if _is_change(span)))


def _is_change(span: Span) -> bool:
    return span.kind is not Kind.EQUAL


def _told(span: Span) -> str:
    if span.kind is Kind.INSERTED:
        return f"“{span.right}” is added"
    return f"“{span.left}” is missing" if span.kind is Kind.DELETED else f"“{span.right}” instead of “{span.left}”"


def _apart(duration_ms: int, keeper_ms: int) -> str:
    """Say how far two lengths are apart: +2.0 s."""
    return f"{(duration_ms - keeper_ms) / 1000:+.1f} s".replace("-", "−")


def _members_url() -> str:
    return reverse("admin:duplicates_duplicateanalysistrack_changelist")
