"""Lets each cell of an admin's list say which column it belongs to, so that a narrow list can stack rows as cards."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from library.admin_pages import UNKNOWN
from library.wording import begin_with_a_capital

register = template.Library()
_BLANK = tuple(f"{nothing}</{tag}>" for nothing in ("", UNKNOWN, "-") for tag in ("td", "th"))


@register.filter
def labelled(cells: Iterable[SafeString], headers: list[dict[str, Any]]) -> Iterator[SafeString]:
    """Yield the cells of a row with their column's heading, and the mark `blank` on those that say nothing.

    For example `<td class="field-plays">5</td>` becomes `<td class="field-plays" data-label="Plays">5</td>`.
    """
    for cell, header in zip(cells, headers, strict=False):  # an editable row ends with a cell that has no heading
        yield cell if cell.startswith('<td class="action-checkbox') else _labelled(cell, _label_of(header))


def _labelled(cell: SafeString, label: str) -> SafeString:
    opening, _end, rest = cell.partition(">")
    if rest in _BLANK:
        opening = opening.replace('class="', 'class="blank ', 1)
    return mark_safe(f'{opening} data-label="{label}">{rest}')  # noqa: S308 (Django's cell, escaped heading)


def _label_of(header: dict[str, Any]) -> str:
    """Return the label of a column, kept with its heading: every row of the list asks, and a heading is translated."""
    if "label" not in header:
        header["label"] = _label(str(header["text"]))
    return str(header["label"])


@lru_cache(maxsize=1_000)  # every row says the same dozen
def _label(heading: str) -> str:
    return escape(begin_with_a_capital(heading))
