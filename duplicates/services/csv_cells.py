"""Cells of CSV files that people open in a spreadsheet: text that would be taken for a formula is shown as it is."""

import re
from datetime import datetime
from typing import Any

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


def as_cell(value: Any) -> Any:
    """Return a value a spreadsheet shows as it is: text that begins like a formula gets a leading apostrophe."""
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else value


def from_cell(text: str) -> str:
    """Return the text that `as_cell` was given."""
    return text[1:] if _ESCAPED.match(text) else text
