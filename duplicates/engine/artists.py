"""Who made a track: an artist credit read as names with roles.

"A feat. B & C" names A as the main artist and B and C as guests; "(B Remix)" behind the title names B, too. Where one
name ends and the next begins is a guess: "Earth, Wind & Fire" is one band and "AC/DC" no two. So credits are compared
as a whole first, and only two that differ as a whole are looked at name by name, whole names always: "Soft" is no part
of "Soft Cell". The order of names never matters.
"""

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz import fuzz

from duplicates.engine.text import words_of
from duplicates.engine.vocabulary import ARTICLES

# What an artist needs to be more than one name: a cheap look, for whole columns.
SEPARATES = r"[,;/&+|(]| (?:and|x|vs|versus|y|und|et|feat|ft|featuring|with|duet with|avec|con|mit|meets|presents)\b"
GUESTS = "\x1f"  # between an artist as printed and the guests its title names
ALMOST = 88.0  # of 100: one name with a typo

_FEATURED = re.compile(r"[\s(]+(?:feat|ft|featuring|duet with|with|avec|con|mit)\b[. :]*")
# "(feat. B & with C)": a role named again inside a list.
_ROLE = re.compile(r"((?:^|[,;&+/])\s*)(?:feat|ft|featuring|with)\b[. :]*")
_STRONG = r"\s*[,;|]\s*|\s+(?:x|vs|versus|meets|presents)\b\.?\s+"  # between names of a list
_BOND = r"\s*[&+/]\s*|\s+(?:and|y|und|et)\s+"  # between names, or inside the name of a band
_SPLIT = re.compile(rf"{_STRONG}|{_BOND}")
_BONDED = re.compile(rf"{_BOND}|\bthe\b")  # "Simon & Garfunkel", "Tyler, The Creator"
_REMIXER = re.compile(
    r"^(?P<before>.+?) (?:re ?mix(?:ed)?|mix|edit|re ?work(?:ed)?|refix|bootleg|dub|mash ?up|vip|version)\b|"
    r"\b(?:re ?mixed|remix|mixed|edited|re ?worked|covered|performed|rework|edit) by (?P<behind>.+)$"
)
# Words in front of "remix" or "mix" that say what kind it is, not who made it.
_KINDS = frozenset(
    re.findall(
        r"\w+",
        """the a original official club radio extended full single album dub vocal instrumental house dance trance disco
    chill lounge summer night dj continuous new alternate alternative rough early short long rap reggae ambient deep
    piano festival video clean explicit dirty edit remix mix version acoustic live orig main us uk inch maxi 7 12 tv
    special bonus stereo mono remaster remastered demo orchestral spanish english french german italian japanese""",
    )
)


class Credit(NamedTuple):
    """An artist credit taken apart, each name as words without its article."""

    main: tuple[str, ...]
    featured: tuple[str, ...] = ()
    is_bonded: bool = False  # single words with "&", "/" or "the" among them: it may as well be one band's name

    @property
    def everybody(self) -> frozenset[str]:
        return frozenset(self.main + self.featured)


class Kinship(Enum):
    """How the names of two credits stand to each other."""

    SAME = "the same people"
    CONTAINED = "all people of one among those of the other"
    SHARED = "some people in common"
    PART_OF_A_NAME = "a name that is part of a longer one"
    APART = "nobody in common"


@lru_cache(maxsize=1 << 14)
def read_credit(folded: str) -> Credit:
    """Read a folded artist credit. A text behind GUESTS names guests only."""
    printed, _, guests = folded.partition(GUESTS)
    head, *tail = _FEATURED.split(printed)
    main = _names(head)
    featured = [name for text in (*tail, *_FEATURED.split(f" {guests}")) for name in _names(_ROLE.sub(r"\1", text))]
    bonded = len(main) > 1 and all(" " not in name for name in main) and _BONDED.search(head) is not None
    return Credit(main, tuple(name for name in dict.fromkeys(featured) if name not in main), bonded)


def _names(text: str) -> tuple[str, ...]:
    """Split a list of names, each once."""
    return tuple(dict.fromkeys(name for part in _SPLIT.split(text) if (name := plain_name(part))))


def plain_name(part: str) -> str:
    """Return a name as words without the article in front."""
    words = words_of(part.strip(" ()"))
    first, _, rest = words.partition(" ")
    return rest if rest and first in ARTICLES else words


@lru_cache(maxsize=1 << 12)
def remixer(version: str) -> str:
    """Return who the words of a version say made it, or nothing: "smash mode remix" is by "smash mode"."""
    found = _REMIXER.search(version)
    if not found:
        return ""
    named = found["before"] or found["behind"]
    return " ".join(word for word in named.split(" ") if word not in _KINDS and not word.isdecimal())


@lru_cache(maxsize=1 << 14)
def kinship(one: Credit, other: Credit, version: str = "") -> Kinship:
    """Tell how two credits are related, name by name and whatever the order.

    `version` holds the words of the versions on both sides: whoever is named there had a part in both.
    """
    said = {name for name in one.everybody | other.everybody if f" {name} " in f" {version} "}
    mine, yours = one.everybody | said, other.everybody | said
    met = {name for name in mine if _stands_in(name, yours)}
    back = {name for name in yours if _stands_in(name, mine)}
    if not met:
        return Kinship.PART_OF_A_NAME if _part_of_a_name(mine, yours) else Kinship.APART
    if met == mine and back == yours:
        return Kinship.SAME
    if met != mine and back != yours:
        return Kinship.SHARED
    longer, common = (other, back) if met == mine else (one, met)
    return Kinship.CONTAINED if _may_stand_alone(common, longer) else Kinship.PART_OF_A_NAME


def unmet(one: Credit, other: Credit, version: str = "") -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of each credit that neither the other nor the version says."""
    sides = (one.everybody, other.everybody), (other.everybody, one.everybody)
    mine, yours = (
        frozenset(name for name in names if not _stands_in(name, others) and f" {name} " not in f" {version} ")
        for names, others in sides
    )
    return mine, yours


def _may_stand_alone(met: set[str], longer: Credit) -> bool:
    """Tell whether the names met in a longer credit are people of their own, as "Fire" of "Wind & Fire" is not."""
    return not longer.is_bonded or len(met) > 1


def _stands_in(name: str, names: Iterable[str]) -> bool:
    """Tell whether a name is among others, give or take a typo or the order of its words."""
    return name in names or any(fuzz.token_sort_ratio(name, other) >= ALMOST for other in names)


def _part_of_a_name(mine: Iterable[str], yours: Iterable[str]) -> bool:
    """Tell whether all the words of one side are among those of the other."""
    one, other = ({word for name in names for word in name.split(" ")} - ARTICLES for names in (mine, yours))
    return bool(one and other) and (one <= other or other <= one)
