"""What a title says besides the title: track prefix, artist, album, credits, version.

`parse_title` takes one folded title with what its record knows and returns its parts. It works from the outside in:
brackets and dash tails are classified one by one and taken off only when they are understood, so that
"(What's the Story) Morning Glory" keeps its bracket. Nothing here looks at more than one record.
"""

from functools import lru_cache
from typing import NamedTuple

from rapidfuzz import fuzz

from duplicates.engine import vocabulary as say
from duplicates.engine.text import words_of

# From this indel ratio (of 100) on, a tail is the album's or a head the artist's name with typos.
SAME_NAME = 75.0
MAX_TAILS = 5  # more brackets than this behind one title are lyrics
MAX_PARSED = 600  # letters; what lies beyond is no title


class ParsedTitle(NamedTuple):
    """A title taken apart, everything folded. `markers` is a bit set of vocabulary.MARKERS."""

    core: str
    markers: int = 0
    version: str = ""  # the words of the version tails, so that two remixes can differ
    credits: str = ""  # featured artists, separated by commas
    artist: str = ""  # only when the record had none
    album: str = ""  # only when the record had none
    whole: str = ""  # another reading: the title with its tails, when they were not surely understood


@lru_cache(maxsize=1 << 14)
def classify(tail: str) -> tuple[str, int]:
    """Return what a bracket or dash tail is: credit, version, neutral or other, with its markers."""
    if say.CREDIT_LEAD.match(tail):
        return "credit", 0
    markers = 0
    if say.ANY_MARKER.search(tail):
        for bit, pattern in say.MARKER_PATTERNS:
            if pattern.search(tail):
                markers |= bit
        return "version", markers
    return ("neutral" if say.NEUTRAL.search(tail) else "other"), 0


def parse_title(title: str, artist: str, album: str, number: int) -> ParsedTitle:
    """Take a folded title apart, knowing the words of its record's artist and album and its track number (or 0)."""
    title = _strip_prefix(title[:MAX_PARSED].strip(), number)
    core, markers, version, credits = title, 0, "", ""
    album_found = artist_found = whole = ""
    album_key = album.replace(" ", "")
    for _ in range(MAX_TAILS):
        rest, tail, bracket = _last_tail(core)
        if not rest:
            break
        kind, bits = _classify_for(tail, album_key, may_be_album=not (bracket or album_key))
        if kind == "credit":
            credits = f"{credits},{say.CREDIT_LEAD.sub('', tail)}".strip(",")
        elif kind == "version":
            markers |= bits
            version = f"{words_of(tail)} {version}".strip()
        elif kind == "album":
            album_found = album_found or tail
        elif kind == "guess":
            album_found, whole, album_key = tail, core, words_of(tail).replace(" ", "")
        elif kind != "neutral":
            break
        core = rest
    if not artist:
        core, artist_found, album_found, whole = _split_artist(core, album, album_found, whole)
    elif " - " in core:
        head, _, rest = core.partition(" - ")
        if _same_name(words_of(head).replace(" ", ""), artist.replace(" ", "")):
            core = rest
    inside = say.CREDIT_INSIDE.search(core)
    if inside and inside.start() > 0:
        credits = f"{core[inside.end() :].strip(' )(')},{credits}".strip(",")
        core = core[: inside.start()]
    return ParsedTitle(core.strip(), markers, version, credits, artist_found, "" if album else album_found, whole)


def _split_artist(core: str, album: str, album_found: str, whole: str) -> tuple[str, str, str, str]:
    """Read `Artist - Title` when the record has no artist. With a guessed album the guess is undone first."""
    if whole and whole.count(" - ") == 1:  # one dash, no artist, no album: an artist is likelier than an album
        core, album_found = whole, ""
    head, dash, rest = core.partition(" - ")
    if not dash or not rest.strip():
        return core, "", album_found, whole
    return rest, head, album_found, core


def _classify_for(tail: str, album_key: str, *, may_be_album: bool) -> tuple[str, int]:
    """Classify a tail with what the record knows: its own album first, then the vocabulary, then a guess."""
    kind, bits = classify(tail)
    if album_key and kind != "credit":
        key = words_of(tail).replace(" ", "")
        if key == album_key or (kind == "other" and _same_name(key, album_key)):
            return "album", 0
    if may_be_album and (kind == "other" or (kind == "version" and ":" in tail)):
        return "guess", 0
    return kind, bits


def _same_name(left: str, right: str) -> bool:
    return bool(left) and bool(right) and fuzz.ratio(left, right) >= SAME_NAME


def _strip_prefix(title: str, number: int) -> str:
    """Take off `013-`, `0D1-`, `12. `: a zero-padded prefix, or one that repeats the track number."""
    found = say.TRACK_PREFIX.match(title)
    if not found:
        return "" if len(title) == 3 and title[0] == "0" and title.lstrip("0") in {str(number), ""} else title
    prefix, rest = found[1], title[found.end() :]
    padded = prefix[0] == "0" and len(prefix) >= 2
    repeats = number > 0 and prefix.isdigit() and int(prefix) == number
    return rest if padded or repeats else title


def _last_tail(text: str) -> tuple[str, str, bool]:
    """Split off the last bracket or dash tail: (rest, tail, was it a bracket). An empty rest means there is none."""
    text = text.rstrip(" -")
    if text.endswith(")"):
        depth = 0
        for position in range(len(text) - 1, -1, -1):
            depth += (text[position] == ")") - (text[position] == "(")
            if depth == 0:
                return text[:position].rstrip(), text[position + 1 : -1].strip(), True
        opening = text.find("(")
        return (text[:opening].rstrip(), text[opening + 1 :].strip(" ()"), True) if opening > 0 else ("", "", False)
    opening = text.rfind("(")
    if opening > 0 and ")" not in text[opening:]:
        tail = text[opening + 1 :].strip()
        if say.CREDIT_LEAD.match(tail) or say.ANY_MARKER.search(tail):
            return text[:opening].rstrip(), tail, True
    rest, dash, tail = text.rpartition(" - ")
    return (rest.rstrip(), tail.strip(), False) if dash and tail.strip() else ("", "", False)


def part_numbers(words: str) -> str:
    """Return every number a title carries, parts and movements in Roman letters included: "no 2 in g" is "2"."""
    found = {str(int(digits[-9:])) for digits in say.NUMBER.findall(words)}
    for numeral in say.PART_WORD.findall(words) + say.LONE_ROMAN.findall(words):
        if numeral in say.ROMAN:
            found.add(str(say.ROMAN[numeral]))
    return " ".join(sorted(found))
