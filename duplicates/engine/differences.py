"""What is different between two texts, letter by letter, for people to see.

A letter is what a reader takes for one: an accent or a joined sign never stands apart from what it belongs to, and two
spellings of one letter (é as one sign or as two) are equal. Texts of any length take bounded time: where too much
differs, the differing middle is one replacement, which is also what reads best. Needs the standard library only.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

MOST_EDITS = 100  # letters; beyond it nobody reads the difference letter by letter
_JOINER = "\u200d"
_HANGUL_LEADS = ((0x1100, 0x115F), (0xA960, 0xA97C))
_HANGUL_TAILS = ((0x1160, 0x11FF), (0xD7B0, 0xD7FB))
_HANGUL = ((0x1100, 0x11FF), (0xA960, 0xA97C), (0xAC00, 0xD7FB))
# Joiners, skin tones, flag tags, and two vowels that Unicode counts as letters but no reader does.
_ATTACHED = ((0x200C, 0x200D), (0x1F3FB, 0x1F3FF), (0xE0020, 0xE007F), (0x0E33, 0x0E33), (0x0EB3, 0x0EB3))
_FLAGS = ((0x1F1E6, 0x1F1FF),)


class Kind(StrEnum):
    """How a span of one text relates to the other text."""

    EQUAL = "equal"
    REPLACED = "replaced"
    INSERTED = "inserted"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Span:
    """A run of letters: what stands on the left, and what stands there on the right."""

    kind: Kind
    left: str
    right: str


class Place(NamedTuple):
    """Where a span lies in both texts."""

    start: int
    end: int
    other_start: int
    other_end: int
    is_equal: bool

    @property
    def size(self) -> int:
        return max(self.end - self.start, self.other_end - self.other_start)


def differences(left: str, right: str) -> list[Span]:
    """Return the spans that lead from the left text to the right one; joined, each side gives its text again."""
    one, other = graphemes(left), graphemes(right)
    keys = ([unicodedata.normalize("NFC", letter) for letter in letters] for letters in (one, other))
    return [
        Span(_kind(place), "".join(one[place.start : place.end]), "".join(other[place.other_start : place.other_end]))
        for place in _tidied(_places(*keys))
    ]


def graphemes(text: str) -> list[str]:
    """Cut a text into what a reader takes for letters."""
    if text.isascii():
        return list(text)
    starts, flags = [], 0
    for at, sign in enumerate(text):
        is_flag = _within(sign, _FLAGS)
        joins = at > 0 and (_belongs(text[at - 1], sign) or (is_flag and flags % 2 == 1))
        flags = flags + 1 if is_flag else 0
        if not joins:
            starts.append(at)
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def _belongs(before: str, sign: str) -> bool:
    """Tell whether a sign is part of the letter before it."""
    if sign.isascii():
        return False
    category = unicodedata.category(sign)
    if category[0] == "M" or _within(sign, _ATTACHED) or (before == _JOINER and category == "So"):
        return True
    return (_within(sign, _HANGUL_TAILS) and _within(before, _HANGUL)) or (
        _within(sign, _HANGUL_LEADS) and _within(before, _HANGUL_LEADS)
    )


def _within(sign: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= ord(sign) <= high for low, high in ranges)


def _kind(place: Place) -> Kind:
    if place.is_equal:
        return Kind.EQUAL
    if place.start == place.end:
        return Kind.INSERTED
    return Kind.DELETED if place.other_start == place.other_end else Kind.REPLACED


def _places(one: Sequence[object], other: Sequence[object]) -> list[Place]:
    """Return equal and differing runs by turns, covering both texts."""
    head, shorter = 0, min(len(one), len(other))
    while head < shorter and one[head] == other[head]:
        head += 1
    tail = 0
    while tail < shorter - head and one[-1 - tail] == other[-1 - tail]:
        tail += 1
    ends = len(one) - tail, len(other) - tail
    runs = [(0, 0, head)]
    runs += [
        (head + start, head + other_start, length)
        for start, other_start, length in _equal_runs(one[head : ends[0]], other[head : ends[1]])
    ]
    found, left, right = [], 0, 0
    for start, other_start, length in (*runs, (*ends, tail)):
        found.append(Place(left, start, right, other_start, is_equal=False))
        left, right = start + length, other_start + length
        found.append(Place(start, left, other_start, right, is_equal=True))
    return [place for place in found if place.size]


def _equal_runs(one: Sequence[object], other: Sequence[object]) -> list[tuple[int, int, int]]:
    """Return (start, start on the other side, length) of equal runs on a shortest way, none when it is too long.

    Myers' greedy search: `reached[k]` is how far the left text got on the diagonal k = left - right.
    """
    if not one or not other or abs(len(one) - len(other)) > MOST_EDITS:
        return []
    reached, history = {1: 0}, []
    for edits in range(MOST_EDITS + 1):
        history.append(dict(reached))
        for k in range(-edits, edits + 1, 2):
            goes_down = k == -edits or (k != edits and reached[k - 1] < reached[k + 1])
            at = reached[k + 1] if goes_down else reached[k - 1] + 1
            while at < len(one) and at - k < len(other) and one[at] == other[at - k]:
                at += 1
            reached[k] = at
            if at >= len(one) and at - k >= len(other):
                return _walked_back(history, len(one), len(other))
    return []


def _walked_back(history: list[dict[int, int]], at: int, other_at: int) -> list[tuple[int, int, int]]:
    """Follow a search back from its end and return the equal runs it passed, in order."""
    runs = []
    for edits in range(len(history) - 1, -1, -1):
        reached, k = history[edits], at - other_at
        goes_down = k == -edits or (k != edits and reached[k - 1] < reached[k + 1])
        before = k + 1 if goes_down else k - 1
        left = reached[before] if edits else 0
        start = left if goes_down or not edits else left + 1
        if at > start:
            runs.append((start, start - k, at - start))
        at, other_at = left, left - before
    return runs[::-1]


def _tidied(places: list[Place]) -> list[Place]:
    """Join changes with only a few equal letters between them: a letter here and there is chance and hard to read."""
    kept: list[Place] = []
    for place in places:
        kept.append(place)
        while len(kept) > 2 and _is_chance(*kept[-3:]):
            first, _, last = kept[-3:]
            kept[-3:] = [Place(first.start, last.end, first.other_start, last.other_end, is_equal=False)]
    return kept


def _is_chance(before: Place, between: Place, behind: Place) -> bool:
    """Tell whether the equal letters between two changes are no more than each of the changes."""
    if before.is_equal or not between.is_equal:
        return False
    return between.size <= min(before.size, behind.size)
