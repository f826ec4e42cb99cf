"""The three ways each page is looked at."""

from enum import Enum


class Look(Enum):
    """A colour scheme, and the width and height of a window."""

    LIGHT = ("light", 1280, 900)
    DARK = ("dark", 1280, 900)
    PHONE = ("light", 390, 844)
