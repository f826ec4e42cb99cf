"""How numbers read to a person: with the signs of their language between thousands and before decimals.

Pages and services take them from here; commands and logs, which stay English, write theirs by themselves.
"""

from django.utils.formats import number_format


def number(value: float, decimals: int = 0) -> str:
    """Return a number with its thousands apart: 1,234 in English, 1.234 in German."""
    return number_format(value, decimals, use_l10n=True, force_grouping=True)
