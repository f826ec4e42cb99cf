"""Why a member is in its group, for people: what was compared, in words, and a waterfall of the bits as they add up."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from duplicates.engine.evidence import Contribution, base_weight, called, decode_evidence, is_worth_a_line
from duplicates.models import DuplicateAnalysisTrack
from duplicates.told import told

# Evidence of fewer bits than this is shown in a quieter voice.
QUIET_BITS = 0.5
WIDTH = 100.0  # of a waterfall, in units of its drawing


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one comparison said for (positive) or against (negative) the same song, and its bar in the waterfall."""

    comparison: str
    level: str
    bits: str
    kind: str
    bar_start: str = "0"
    bar_width: str = "0"


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The steps from what is believed before anything is compared to the sum, and where zero lies."""

    steps: list[Evidence]
    zero: str
    total: str


def evidence_of(member: DuplicateAnalysisTrack, tables: bytes) -> list[Contribution]:
    """Return the stored evidence of a member against its keeper; nothing when its tables cannot be read."""
    try:
        return decode_evidence(member.evidence, tables)
    except ValueError:
        return []


def waterfall_of(parts: list[Contribution], tables: bytes) -> Waterfall | None:
    """Return what was compared, the weightiest first, as bars that each begin where the one before ended."""
    if not parts:
        return None
    shown = [part for part in parts if not part.missing and is_worth_a_line(part)]
    shown.sort(key=lambda part: -abs(part.bits))
    # What is not shown as a line of its own still counts: it is part of where the bars begin.
    start = base_weight(tables) + sum(part.bits for part in parts if part not in shown)
    ends = [start]
    for part in shown:
        ends.append(ends[-1] + part.bits)
    low, high = min(0.0, *ends), max(0.0, *ends)
    scale = WIDTH / ((high - low) or 1.0)

    def bar(begin: float, end: float) -> tuple[str, str]:
        return f"{(min(begin, end) - low) * scale:.2f}", f"{max(abs(end - begin) * scale, 1.0):.2f}"

    steps = [Evidence(_("at the start"), "", signed(start), kind_of(start), *bar(0.0, start))]
    steps += [
        Evidence(
            told(called(part.comparison)), told(part.level), signed(part.bits), kind_of(part.bits), *bar(begin, end)
        )
        for part, begin, end in zip(shown, ends[:-1], ends[1:], strict=True)
    ]
    return Waterfall(steps, f"{-low * scale:.2f}", signed(ends[-1]))


def signed(bits: float) -> str:
    """Return bits as people read them: +5.1 or −2.0."""
    return f"{bits:+.1f}".replace("-", "−")


def kind_of(bits: float) -> str:
    """Tell whether bits speak for or against a match, or hardly at all."""
    if abs(bits) < QUIET_BITS:
        return "quiet"
    return "for" if bits > 0 else "against"
