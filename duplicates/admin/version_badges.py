"""Which version a title says it is (live, remix, remaster …), as badges beside it. Cheap: it loads no matcher."""

import re
from functools import lru_cache

from duplicates.choices import VersionMarker
from duplicates.engine.vocabulary import BITS_OF, MARKERS, TAILS, said

_TAIL = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|\s[-–—]\s+(.+)$")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
LONGEST_TITLE = 600  # letters; what lies beyond is no title
Words = tuple[tuple[str, str], ...]


@lru_cache(maxsize=1 << 12)
def version_badges(title: str, own_words: Words = ()) -> tuple[str, ...]:
    """Return the versions named in the brackets and behind the dashes of a title, in the vocabulary's order.

    `own_words` are phrases that staff taught the analysis, each with the marker it stands for.
    """
    bits = 0
    for parts in _TAIL.findall(title[:LONGEST_TITLE]):
        words = _WORD.findall("".join(parts).casefold())
        bits |= said(TAILS, words)
        spoken = f" {' '.join(words)} "
        for phrase, marker in own_words:
            if f" {' '.join(_WORD.findall(phrase.casefold()))} " in spoken:
                bits |= BITS_OF.get(marker, 0)
    return tuple(str(VersionMarker(name).label) for place, name in enumerate(MARKERS) if bits >> place & 1)
