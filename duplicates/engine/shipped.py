"""What the matcher believes before it has seen a library: per preset and kind of pair, how often each level happens.

Numbers are parts of a thousand over the levels of `levels.COMPARISONS` without the first ("not known"); they need not
add up. They say what music is like, not what one file is like: copies agree on nearly everything they hold, neighbours
on an album share artist, album and year but neither title nor number, a song covered by someone else shares its title
only. `model.fit` bends them towards the library at hand.
"""

import numpy as np
import numpy.typing as npt

from duplicates.engine import levels as lv
from duplicates.engine.model import FLOOR, WIDTH, Model
from duplicates.engine.settings import EngineSettings, Preset

CLASSES = ("match", "album neighbours", "same title, other artist", "strangers", "other recording")
Menu = dict[str, tuple[float, ...]]

#                  unlike faint partly alike nearly letter equal contains parts elsewhere
MATCH: Menu = {
    "title": (11, 3, 5, 6, 31, 31, 860, 43, 2, 15, 4, 4, 4),
    "artist": (6, 1, 3, 12, 62, 30, 820, 40, 25, 4, 5, 0.1, 12),
    "album": (6, 1, 3, 12, 46, 47, 820, 30, 37, 4),
    "length": (740, 140, 30, 16, 8, 6, 18, 60),
    "year": (940, 14, 5, 41),
    "track number": (945, 55),
    "version": (900, 60, 15, 2, 18, 1, 15, 1),
    "explicit": (970, 30),
    "identifier": (980, 20),
    "grounds": (1000, 1000, 0.001),
}
NEIGHBOURS: Menu = {
    "title": (850, 80, 25, 5, 4, 1, 10, 10, 15, 8, 1, 15, 8),
    "artist": (20, 10, 5, 3, 25, 10, 860, 35, 5, 8, 5, 5, 15),
    "album": (150, 30, 20, 15, 40, 20, 700, 40, 5, 3),
    "length": (60, 50, 30, 40, 50, 110, 660, 0.3),
    "year": (800, 60, 40, 100),
    "track number": (12, 988),
    "version": (850, 60, 10, 20, 35, 8, 20, 17),
    "explicit": (900, 100),
    "identifier": (2, 998),
    "grounds": (1000, 1000, 1000),
}
SAME_TITLE: Menu = {
    "title": (1, 1, 2, 5, 40, 10, 600, 150, 20, 2, 20, 10, 8),
    "artist": (840, 80, 35, 12, 6, 1, 5, 2, 2, 8, 10, 40, 10),
    "album": (800, 90, 50, 10, 10, 2, 25, 20, 2, 8),
    "length": (14, 16, 20, 60, 80, 140, 670, 0.2),
    "year": (90, 70, 130, 710),
    "track number": (110, 890),
    "version": (800, 10, 70, 5, 80, 4, 20, 31),
    "explicit": (850, 150),
    "identifier": (1, 999),
    "grounds": (1000, 1000, 1000),
}
STRANGERS: Menu = {
    "title": (800, 110, 40, 8, 6, 1, 10, 20, 3, 3, 1, 2, 8),
    "artist": (400, 40, 20, 5, 20, 5, 450, 25, 3, 8, 4, 10, 10),
    "album": (750, 90, 70, 20, 10, 2, 15, 40, 2, 8),
    "length": (40, 40, 20, 30, 40, 100, 730, 0.2),
    "year": (60, 70, 130, 740),
    "track number": (80, 920),
    "version": (850, 5, 20, 10, 80, 4, 10, 31),
    "explicit": (880, 120),
    "identifier": (1, 999),
    "grounds": (1000, 1000, 1000),
}
OTHER_RECORDING: Menu = {
    "title": (1, 1, 4, 10, 40, 10, 750, 120, 20, 2, 12, 25, 8),
    "artist": (10, 5, 5, 8, 30, 20, 840, 80, 5, 4, 20, 5, 20),
    "album": (580, 80, 60, 40, 40, 10, 110, 60, 5, 6),
    "length": (20, 25, 30, 80, 90, 170, 580, 0.5),
    "year": (150, 90, 150, 610),
    "track number": (110, 890),
    "version": (600, 40, 60, 50, 170, 15, 60, 65),
    "explicit": (920, 80),
    "identifier": (300, 700),  # the same recording on another release has the same one
    "grounds": (1000, 1000, 1000),
}
SHARES = (0.31, 0.22, 0.13, 0.31, 0.03)
# The same recording may sit on any release, so album, year and number say little about a match.
RECORDING_MATCH: Menu = MATCH | {
    "title": (6, 2, 2, 2, 6, 8, 880, 28, 0.7, 5, 4, 0.5, 1.5),
    "artist": (7, 1, 1, 2, 8, 5, 840, 110, 10, 4, 0.7, 0.05, 15),
    "album": (430, 30, 10, 8, 10, 10, 450, 30, 10, 6),
    "length": (330, 140, 130, 50, 40, 9, 3, 310),
    "year": (600, 80, 60, 260),
    "track number": (400, 600),
    "version": (880, 20, 80, 0.7, 1, 0.2, 35, 0.2),
    "explicit": (930, 70),
}
RECORDING_OTHER: Menu = OTHER_RECORDING | {
    "album": (560, 60, 40, 20, 20, 5, 250, 40, 5, 6),
    "length": (25, 14, 15, 40, 70, 220, 620, 0.4),
    "year": (200, 90, 130, 580),
    "identifier": (3, 997),
    "version": (300, 10, 20, 60, 400, 45, 60, 165),
}
# Any version is the song: markers say nothing and lengths little.
SONG_MATCH: Menu = RECORDING_MATCH | {
    "title": (2, 1, 2, 2, 6, 8, 880, 28, 0.7, 5, 4, 0.5, 1.5),
    "length": (220, 100, 80, 70, 80, 120, 330, 150),
    "version": (600, 40, 60, 50, 170, 15, 60, 65),
}
SONG_OTHER: Menu = RECORDING_OTHER | {
    "title": (1, 2, 20, 60, 120, 10, 300, 300, 100, 2, 12, 10, 8),
    "artist": (60, 30, 20, 10, 30, 10, 600, 230, 5, 4, 15, 20, 30),
    "version": (600, 40, 60, 50, 170, 15, 60, 65),
}
MENUS: dict[Preset, tuple[Menu, ...]] = {
    Preset.RELEASE: (MATCH, NEIGHBOURS, SAME_TITLE, STRANGERS, OTHER_RECORDING),
    Preset.RECORDING: (RECORDING_MATCH, NEIGHBOURS, SAME_TITLE, STRANGERS, RECORDING_OTHER),
    Preset.SONG: (SONG_MATCH, NEIGHBOURS, SAME_TITLE, STRANGERS, SONG_OTHER),
    Preset.EXACT: (MATCH, NEIGHBOURS, SAME_TITLE, STRANGERS, OTHER_RECORDING),
}
# A rule takes this share of the matches' chance away from what it forbids: 40 bits, beyond any other evidence.
FORBIDDEN = 2.0**-40
ANOTHER_RECORDING = "another recording by its marker"
ALWAYS_FIXED = frozenset(("grounds",))
LEARNT_BESIDE_RULES = frozenset(("title", "artist"))  # a rule forbids a level of these; the others are learnt
# What `exact` allows, by comparison; every other level is forbidden. Not known forbids nothing.
EXACT_ALLOWS: dict[str, frozenset[str]] = {
    "title": frozenset(("equal", "equal, but a title many songs have")),
    "artist": frozenset(("equal",)),
    "album": frozenset(("equal",)),
    "length": frozenset(("equal to the millisecond", "within 0.6 s", "within 1.3 s", "within 2 s")),
    "version": frozenset(("no markers", "same markers")),
}


def shipped_model(settings: EngineSettings) -> Model:
    """Return the beliefs of a preset as a model, with the rules the settings ask for."""
    chances = np.ones((len(CLASSES), len(lv.COMPARISONS), WIDTH))
    for row, menu in enumerate(MENUS[settings.preset]):
        for position, comparison in enumerate(lv.COMPARISONS):
            parts = np.array(menu[comparison.name], np.float64)
            rule = comparison.name in ALWAYS_FIXED
            whole = 1000.0 if rule else parts.sum()
            chances[row, position, 1 : len(parts) + 1] = np.maximum(parts / whole, 0.0 if rule else FLOOR)
    fixed = _apply_rules(chances, settings)
    return Model(CLASSES, np.array(SHARES), chances, fixed=ALWAYS_FIXED | fixed)


def _apply_rules(chances: npt.NDArray[np.float64], settings: EngineSettings) -> frozenset[str]:
    """Forbid what the settings forbid; return the comparisons that became rules."""
    forbidden = forbidden_levels(settings)
    for name, levels in forbidden.items():
        position = lv.NAMES.index(name)
        for level in levels:
            chances[0, position, lv.COMPARISONS[position].levels.index(level)] *= FORBIDDEN
    rules = frozenset(forbidden) - LEARNT_BESIDE_RULES
    return rules - {"version"} if forbidden.get("version") == {ANOTHER_RECORDING} else rules


def forbidden_levels(settings: EngineSettings) -> dict[str, set[str]]:
    """Return, by comparison, the levels that keep two tracks apart whatever else agrees."""
    forbidden: dict[str, set[str]] = {}
    if settings.keep_explicit_apart:
        forbidden["explicit"] = {"different"}
    if settings.preset is Preset.RECORDING:
        # A live take is another recording, however equal the rest; small libraries must not learn otherwise.
        forbidden["version"] = {"marker on one side", "other markers", ANOTHER_RECORDING}
        # "No. 2" is not "No. 5", and what two orchestras play are two recordings, though all else be equal.
        forbidden["title"] = {"other part numbers"}
        forbidden["artist"] = {"other performers"}
    if settings.preset is Preset.RELEASE:
        # Any other marker may be an album's name that slid into the title, so it only weighs.
        forbidden["version"] = {ANOTHER_RECORDING}
    if not settings.fold_remasters and settings.preset is not Preset.SONG:
        forbidden["version"] = forbidden.get("version", set()) | {"another remaster"}
    if settings.preset is Preset.EXACT:
        forbidden |= {
            c.name: set(c.levels[1:]) - EXACT_ALLOWS[c.name] for c in lv.COMPARISONS if c.name in EXACT_ALLOWS
        }
    return forbidden
