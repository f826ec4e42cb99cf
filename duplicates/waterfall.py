"""Draws an explanation as text: what was compared, the verdict, its bits as a bar, and the sum as it grows."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from duplicates.engine.differences import Kind, Span
from duplicates.engine.explain import in_percent
from duplicates.services.explaining import Explained, Step
from library.models import Track

WIDEST_BAR = 15  # signs; each is a bit
NEARBY = 30  # equal letters shown before and behind a difference
LONGEST = 120  # letters of one difference
_STEERING = frozenset(("Cc", "Cs"))
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn the direction of writing
NAME, VERDICT = 14, 30  # columns


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands before and behind letters that differ."""

    before: str
    behind: str


PLAIN = Marks("[", "]")
COLOURED = Marks("\x1b[1;4;33m", "\x1b[0m")


def lines(explained: Explained, marks: Marks = PLAIN) -> Iterator[str]:
    """Yield the explanation line by line."""
    pair = explained.pair
    for number, track in enumerate((explained.left, explained.right), 1):
        yield f"{number}  {_called(track)}"
    yield f"Judged by {_judge(explained)}."
    yield ""
    yield f"{'':{NAME}}  {'':{VERDICT}} {'bits':>6} {'sum':>6}"
    yield _row("at the start", "before anything is compared", pair.base_weight, pair.base_weight)
    missing: dict[str, list[str]] = {}
    for step in explained.steps():
        if step.is_missing and not round(step.bits, 1):
            missing.setdefault(step.level, []).append(step.comparison)
            continue
        yield _row(step.comparison, step.level, step.bits, step.running)
        yield from (f"{'':{NAME}}  {value}" for value in _values(step, marks))
    if missing:
        yield f"Nothing to compare: {'; '.join(f'{", ".join(names)} ({why})' for why, names in missing.items())}."
    yield ""
    yield (
        f"Together {pair.match_weight:+.1f} bits: the probability that they are the same is "
        f"{in_percent(pair.probability)}."
    )
    yield "Each bit doubles the odds (+) or halves them (-); each line counts what it adds to the lines above it."
    yield ""
    yield f"{explained.verdict} {pair.reason}"
    yield from (sentence for sentence in (pair.remark, *explained.notes) if sentence)


def _called(track: Track) -> str:
    name = f"{_cut(track.title) or 'Untitled'} by {_cut(track.artist) or 'unknown artist'}"
    return _printable(f"{name}  (track {track.pk}, {track.source}:{track.source_track_id})")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _judge(explained: Explained) -> str:
    if explained.analysis is None:
        return f"the preset “{explained.preset}” and what the matcher believes of any library"
    return f"analysis {explained.analysis.pk} ({explained.analysis})"


def _row(name: str, verdict: str, bits: float, running: float) -> str:
    return f"{name:{NAME}}  {verdict:{VERDICT}} {bits:+6.1f} {running:+6.1f}  {_bar(bits)}".rstrip()


def _bar(bits: float) -> str:
    signs = ("+" if bits > 0 else "-") * min(round(abs(bits)), WIDEST_BAR)
    return f"{signs}..." if round(abs(bits)) > WIDEST_BAR else signs


def _values(step: Step, marks: Marks) -> list[str]:
    """Return both values with their differences marked; one line where they are equal."""
    if step.left == step.right:
        return [_printable(_cut(step.left))] if step.left else []
    return [
        f"{number}  {_marked(step.differences, side, marks) or '(nothing)'}"
        for number, side in enumerate(("left", "right"), 1)
    ]


def _marked(spans: tuple[Span, ...], side: str, marks: Marks) -> str:
    parts = []
    for place, span in enumerate(spans):
        text = _printable(getattr(span, side))
        if span.kind is Kind.EQUAL:
            parts.append(_shortened(text, is_first=place == 0, is_last=place == len(spans) - 1))
        elif text:
            parts.append(f"{marks.before}{_cut(text)}{marks.behind}")
    return "".join(parts)


def _shortened(text: str, *, is_first: bool, is_last: bool) -> str:
    """Keep the letters next to a difference of a long equal run."""
    if len(text) <= 2 * NEARBY + 3:
        return text
    return f"{'' if is_first else text[:NEARBY]}...{'' if is_last else text[-NEARBY:]}"


def _printable(text: str) -> str:
    """Return a text that cannot steer a terminal."""
    return "".join("\ufffd" if unicodedata.category(sign) in _STEERING or sign in _TURNING else sign for sign in text)
