"""What the page of one pair shows: a member against its keeper, comparison by comparison, with the sum as it grows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from duplicates.admin.comparison import Cell, marked_cell
from duplicates.admin.evidence_view import kind_of, signed
from duplicates.told import told
from library import admin_pages as pages

if TYPE_CHECKING:
    from duplicates.services.explaining import Explained, Step

FULL_BAR = 15.0  # bits; beyond it nothing is left to decide


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: the verdict, both values, the bits with a bar as long, and the sum so far."""

    comparison: str
    level: str
    kind: str
    keeper: str
    other: Cell
    bits: str
    bar: str
    running: str


def pair_context(explained: "Explained", *, of_group: bool = True) -> dict[str, Any]:
    """Return everything the template needs; in a group the first of the two is the keeper and the second a copy."""
    pair = explained.pair
    return {
        "title": explained.right.title or _("Untitled"),
        "subtitle": explained.right.artist or _("Unknown artist"),
        "explained": explained,
        "probability": pages.percent(pair.probability),
        "start": signed(pair.base_weight),
        "end": signed(pair.match_weight),
        "rows": [_row(step) for step in explained.steps() if not step.is_missing or round(step.bits, 1)],
        "reason": told(pair.reason),
        "remark": told(pair.remark),
        "missing": list(_missing(explained, of_group=of_group)),
        "full_bar": FULL_BAR,
    }


def _row(step: "Step") -> Row:
    other = Cell(step.right or pages.UNKNOWN)
    if step.right and step.left != step.right:
        other = marked_cell(step.right, step.left) if step.left else Cell(step.right, differs=True)
    kind = kind_of(step.bits)
    bar = f"{min(abs(step.bits), FULL_BAR):.1f}"
    left = step.left or pages.UNKNOWN
    return Row(told(step.comparison), told(step.level), kind, left, other, signed(step.bits), bar, signed(step.running))


def _missing(explained: "Explained", *, of_group: bool) -> Iterator[str]:
    for step in explained.steps():
        if step.is_missing and not round(step.bits, 1):
            level = step.level
            if of_group:
                level = level.replace("the first", "the keeper").replace("the second", "the copy")
            yield f"{told(step.comparison)} ({told(level)})"
