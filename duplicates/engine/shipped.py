"""What the matcher believes before it has seen a library: per preset and kind of pair, how often each level happens.

Numbers are parts of a thousand over the levels of `levels.COMPARISONS` without the first ("not known"); they need not
add up. They say what music is like, not what one file is like: copies agree on nearly everything they hold, neighbours
on an album share artist, album and year but neither title nor number, a song covered by someone else shares its title
only. `model.fit` bends them towards the library at hand.
"""

import numpy as np
import numpy.typing as npt

from duplicates.engine import levels as lv
from duplicates.engine.model import FLOOR, NEVER_LEARNT, WIDTH, Model
from duplicates.engine.settings import Preset

CLASSES = ("match", "album neighbours", "same title, other artist", "strangers", "other recording")
Menu = dict[str, tuple[float, ...]]

#                  unlike faint partly alike nearly letter equal contains parts common elsewhere
MATCH: Menu = {
    "title": (11, 3, 5, 6, 31, 31, 860, 43, 2, 30, 15),
    "artist": (6, 1, 3, 12, 62, 30, 820, 40, 25),
    "album": (6, 1, 3, 12, 46, 47, 820, 30, 37),
    "length": (740, 140, 25, 6, 5, 5, 18, 60),
    "year": (940, 14, 5, 41),
    "track number": (945, 55),
    "version": (900, 60, 15, 2, 22, 1),
    "explicit": (970, 30),
    "identifier": (980, 20),
    "grounds": (1000, 1000, 0.001),
}
NEIGHBOURS: Menu = {
    "title": (850, 80, 25, 5, 4, 1, 10, 10, 15, 2, 8),
    "artist": (20, 10, 5, 3, 25, 10, 860, 60, 5),
    "album": (150, 30, 20, 15, 40, 20, 700, 40, 5),
    "length": (60, 50, 30, 40, 50, 110, 660, 0.3),
    "year": (800, 60, 40, 100),
    "track number": (12, 988),
    "version": (850, 60, 10, 20, 50, 10),
    "explicit": (900, 100),
    "identifier": (2, 998),
    "grounds": (1000, 1000, 1000),
}
SAME_TITLE: Menu = {
    "title": (1, 1, 2, 5, 40, 10, 600, 150, 20, 250, 2),
    "artist": (850, 80, 30, 5, 5, 1, 5, 10, 2),
    "album": (800, 90, 50, 10, 10, 2, 25, 20, 2),
    "length": (8, 8, 20, 35, 40, 100, 790, 0.2),
    "year": (60, 70, 130, 740),
    "track number": (90, 910),
    "version": (800, 10, 70, 5, 110, 5),
    "explicit": (850, 150),
    "identifier": (1, 999),
    "grounds": (1000, 1000, 1000),
}
STRANGERS: Menu = {
    "title": (800, 110, 40, 8, 6, 1, 10, 20, 3, 5, 3),
    "artist": (400, 40, 20, 5, 20, 5, 450, 60, 3),
    "album": (750, 90, 70, 20, 10, 2, 15, 40, 2),
    "length": (40, 40, 20, 30, 40, 100, 730, 0.2),
    "year": (60, 70, 130, 740),
    "track number": (80, 920),
    "version": (850, 5, 20, 10, 110, 5),
    "explicit": (880, 120),
    "identifier": (1, 999),
    "grounds": (1000, 1000, 1000),
}
OTHER_RECORDING: Menu = {
    "title": (1, 1, 4, 10, 40, 10, 750, 120, 20, 60, 2),
    "artist": (10, 5, 5, 5, 30, 20, 840, 80, 5),
    "album": (500, 80, 60, 40, 40, 10, 200, 60, 5),
    "length": (30, 30, 60, 80, 90, 170, 540, 0.5),
    "year": (150, 90, 150, 610),
    "track number": (110, 890),
    "version": (600, 40, 60, 50, 230, 20),
    "explicit": (920, 80),
    "identifier": (3, 997),
    "grounds": (1000, 1000, 1000),
}
SHARES = (0.31, 0.22, 0.13, 0.31, 0.03)
# The same recording may sit on any release, so album, year and number say little about a match.
RECORDING_MATCH: Menu = MATCH | {
    "title": (6, 2, 2, 2, 6, 8, 880, 20, 3, 60, 5),
    "artist": (15, 3, 3, 3, 8, 5, 840, 110, 10),
    "album": (430, 30, 10, 8, 10, 10, 450, 30, 10),
    "length": (330, 140, 130, 50, 40, 9, 3, 310),
    "year": (600, 80, 60, 260),
    "track number": (400, 600),
    "version": (880, 20, 80, 1, 15, 1),
    "explicit": (930, 70),
}
RECORDING_OTHER: Menu = OTHER_RECORDING | {
    "album": (700, 60, 40, 20, 20, 5, 100, 40, 5),
    "length": (3, 5, 15, 40, 70, 220, 650, 0.2),
    "year": (200, 90, 130, 580),
    "version": (300, 10, 20, 60, 550, 60),
}
MENUS: dict[Preset, tuple[Menu, ...]] = {
    Preset.RELEASE: (MATCH, NEIGHBOURS, SAME_TITLE, STRANGERS, OTHER_RECORDING),
    Preset.RECORDING: (RECORDING_MATCH, NEIGHBOURS, SAME_TITLE, STRANGERS, RECORDING_OTHER),
}
MENUS[Preset.EXACT] = MENUS[Preset.RELEASE]
MENUS[Preset.SONG] = MENUS[Preset.RECORDING]


def _whole(name: str, parts: npt.NDArray[np.float64]) -> float:
    """Return what the parts of a comparison are parts of: a rule says outright what each level is worth."""
    return 1000.0 if name in NEVER_LEARNT else float(parts.sum())


def shipped_model(preset: Preset) -> Model:
    """Return the beliefs of a preset as a model."""
    menus = MENUS[preset]
    chances = np.ones((len(CLASSES), len(lv.COMPARISONS), WIDTH))
    for row, menu in enumerate(menus):
        for position, comparison in enumerate(lv.COMPARISONS):
            parts = np.array(menu[comparison.name], np.float64)
            floor = 0.0 if comparison.name in NEVER_LEARNT else FLOOR
            chances[row, position, 1 : len(parts) + 1] = np.maximum(parts / _whole(comparison.name, parts), floor)
    return Model(CLASSES, np.array(SHARES), chances)
