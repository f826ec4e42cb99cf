"""What a title says besides the title: track prefix, artist, album, credits, version.

`parse_title` takes one folded title with what its record knows and returns its parts. It works from the outside in:
brackets and dash tails are classified one by one and taken off only when they are understood, so that
"(What's the Story) Morning Glory" keeps its bracket. Nothing here looks at more than one record.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz import fuzz

from duplicates.engine import vocabulary as say
from duplicates.engine.text import fold, words_of

# From this indel ratio (of 100) on, a tail is the album's or a head the artist's name with typos.
SAME_NAME = 75.0
MAX_TAILS = 5  # more brackets than this behind one title are lyrics
MAX_PARSED = 600  # letters; what lies beyond is no title
SAME_CREDIT = 95.0  # of 100: a bracket that only repeats the artists
_LIVE = say.MARKER_BITS["live"]
# Markers whose words name no version of their own: two remasters are one thing, two remixes are not.
_UNNAMED = sum(say.MARKER_BITS[name] for name in ("remaster", "mono", "explicit", "clean"))


# A folded title without any of these is its own core.
MAY_HOLD_MORE = r"[(_]| - |---|^.?[0-9]| feat| ft"
_BRACKET = re.compile(r"\(([^()]*)\)")


class ParsedTitle(NamedTuple):
    """A title taken apart, everything folded. `markers` is a bit set of vocabulary.MARKERS."""

    core: str
    markers: int = 0
    version: str = ""  # the words of the version tails, so that two remixes can differ
    credits: str = ""  # featured artists, separated by commas
    artist: str = ""  # only when the record had none
    album: str = ""  # only when the record had none
    other: str = ""  # another reading of the title, when a dash could mean two things
    is_guess: bool = False  # the artist may as well be the title: neither artist nor album was known


CREDITS = ("feat", "ft", "with", "duet with", "avec", "con", "mit")  # what say.CREDIT_LEAD may begin with
_DIGITS = frozenset("0123456789")


@dataclass(frozen=True, eq=False, slots=True)
class Vocabulary:
    """The phrases a tail is classified by: the built-in ones and those of staff. Compared by identity, so it is cheap
    to look up; `vocabulary_of` returns the same one for the same words."""

    tails: say.Table
    own: dict[str, int]  # whole tails that staff named, and the bits they say


@lru_cache(maxsize=16)
def vocabulary_of(version_words: tuple[tuple[str, str], ...]) -> Vocabulary:
    """Return the vocabulary with the phrases of staff, each with the marker it stands for."""
    own: dict[str, int] = {}
    for phrase, marker in version_words:
        if words := words_of(fold([phrase])[0]):
            own[words] = own.get(words, 0) | say.BITS_OF[marker]
    if not own:
        return Vocabulary(say.TAILS, own)
    tails: say.Table = {}
    for known in say.phrases_of(say.TAILS):
        say.add_phrase(tails, known)
    for words, bits in own.items():
        say.add_phrase(tails, (tuple(words.split(" ")), False, False, bits))
    return Vocabulary(tails, own)


BUILT_IN = vocabulary_of(())


@lru_cache(maxsize=1 << 15)
def classify(tail: str, vocabulary: Vocabulary = BUILT_IN) -> tuple[str, int]:
    """Return what a bracket or dash tail is: credit, version, neutral or other, with its markers.

    A phrase of staff that is the whole tail decides alone; one among other words adds to what those say.
    """
    words = words_of(tail)
    bits = vocabulary.own.get(words, 0)
    if not bits:
        if tail.lstrip().startswith(CREDITS) and say.CREDIT_LEAD.match(tail):
            return "credit", 0
        bits = say.said(vocabulary.tails, words.split(" "))
    markers = bits & ~say.NEUTRAL_BIT
    if markers:
        return "version", markers
    return ("neutral" if bits else "other"), 0


def parse_title(title: str, artist: str, album: str, number: int, vocabulary: Vocabulary = BUILT_IN) -> ParsedTitle:
    """Take a folded title apart, knowing its record's folded artist and album and its track number (or 0)."""
    title = _strip_prefix(_with_spaces(title[:MAX_PARSED].strip()), number)
    artist_found = other = ""
    core, is_guess = title, False
    if " - " in title:
        core, artist_found, other = _split_artist(title, artist, album)
        is_guess = bool(artist_found) and not album
    core, markers, version, credits, album_found = _take_tails(
        core, artist, album, vocabulary, guess_album=not album and " - " in core
    )
    if album_found and not is_guess:
        head, _, rest = title.partition(" - ")
        other = head if " - " in rest else title
    if "ft" in core or "feat" in core:
        core, credits = _split_credits(core, credits)
    core = "" if core.strip(" ()-.") in say.NO_TITLE and core.startswith("(") else core.strip()
    return ParsedTitle(core, markers, version, credits, artist_found, album_found, other, is_guess)


def _with_spaces(title: str) -> str:
    """Undo file-name spelling: `Some_Band_-_Some_Song`, `Some-Band---Some-Song`."""
    if "_" in title:
        title = title.replace("_", " ")
    if " " not in title and ("---" in title or title.count("-") > 3):
        title = title.replace("---", "\0").replace("-", " ").replace("\0", " - ").strip()
    return title


def _split_artist(title: str, artist: str, album: str) -> tuple[str, str, str]:
    """Read `Artist - Title`: (title, artist found, other reading).

    Without an artist the head is one; with one the head goes only when it repeats it. When neither artist nor album is
    known the head may as well be the title, so it stays as the other reading.
    """
    head, _, rest = title.partition(" - ")
    if not rest.strip():
        return title, "", ""
    if artist:
        return (rest, "", title) if _same_name(head, artist) else (title, "", "")
    return rest, head, title if album else head


def _take_tails(
    core: str, artist: str, album: str, vocabulary: Vocabulary, *, guess_album: bool
) -> tuple[str, int, str, str, str]:
    """Take the understood tails off: (core, markers, version words, credits, album found)."""
    markers, version, credits, album_found = 0, "", "", ""
    for _ in range(MAX_TAILS):
        rest, tail, bracket = _last_tail(core, vocabulary)
        if not rest:
            break
        kind, bits = classify_for(tail, album, vocabulary, may_be_album=guess_album and not bracket)
        if kind == "other" and bracket and " - " in core:  # `Title - Album (1958-1961)`: the bracket is the album's
            rest, _, tail = core.rpartition(" - ")
            kind, bits = classify_for(tail, album, vocabulary, may_be_album=guess_album)
            kind = kind if kind in {"album", "guess"} else "other"
        if kind == "other":
            if " - " in core and (opening := _opens_version(core)):
                rest, tail, kind, bits = core[: opening.start()], core[opening.end() :], "version", _LIVE
            elif bracket and _repeats(tail, artist):
                kind = "credit"
        if kind == "credit":
            credits = f"{credits},{named_by(tail)}".strip(",")
        elif kind == "version":
            markers |= bits
            version = f"{name_of_version(tail, bits)} {version}".strip()
        elif kind == "guess":
            album = album_found = tail
            guess_album = False
        elif kind == "other":
            break
        core = rest
    if "(" in core and ")" in core:
        core, bits, words, names = _take_brackets_inside(core, vocabulary)
        markers, version, credits = markers | bits, f"{words} {version}".strip(), f"{names},{credits}".strip(",")
    return core, markers, version, credits, album_found


def _opens_version(core: str) -> re.Match[str] | None:
    """Find the dash behind which everything is about the take."""
    found = say.OPENS_VERSION.search(core) if "live" in core or "recorded" in core else None
    return found if found and found.start() else None


def named_by(tail: str) -> str:
    """Return the names in a tail that credits somebody."""
    return say.CREDIT_LEAD.sub("", tail)


def name_of_version(tail: str, bits: int) -> str:
    """Return the words of a tail that names a version, nothing for one without a name of its own."""
    return words_of(tail) if bits & ~_UNNAMED else ""


def _repeats(tail: str, artist: str) -> bool:
    """Tell whether a bracket only says the artists again."""
    if not artist or tail.partition(" ")[0] not in artist:
        return False
    return fuzz.token_set_ratio(words_of(tail), words_of(artist)) >= SAME_CREDIT


def _take_brackets_inside(core: str, vocabulary: Vocabulary) -> tuple[str, int, str, str]:
    """Take versions and credits out of brackets with text behind them: (core, markers, version words, credits)."""
    markers, version, credits = 0, [], []
    for found in _BRACKET.finditer(core):
        kind, bits = classify(found[1].strip(), vocabulary)
        if kind == "other" or not core[: found.start()].strip():
            continue
        markers |= bits
        if kind == "version" and bits & ~_UNNAMED:
            version.append(words_of(found[1]))
        elif kind == "credit":
            credits.append(named_by(found[1].strip()))
        core = core.replace(found[0], " ", 1)
    return core, markers, " ".join(version), ",".join(credits)


def _split_credits(core: str, credits: str) -> tuple[str, str]:
    """Take `feat. Somebody` out of running text."""
    inside = say.CREDIT_INSIDE.search(core)
    if not inside or inside.start() == 0:
        return core, credits
    return core[: inside.start()], f"{core[inside.end() :].strip(' )(')},{credits}".strip(",")


def classify_for(tail: str, album: str, vocabulary: Vocabulary, *, may_be_album: bool) -> tuple[str, int]:
    """Classify a tail with what the record knows: its own album first, then the vocabulary, then a guess."""
    if album and tail == album:
        return "album", 0
    kind, bits = classify(tail, vocabulary)
    if kind == "other":
        if may_be_album:
            return "guess", 0
        if album and _same_name(tail, album):
            return "album", 0
    elif kind == "version" and not (vocabulary.own and words_of(tail) in vocabulary.own):
        if may_be_album and not say.said(say.SURE_VERSION, words_of(tail).split(" ")):
            return "guess", 0
        if album and fuzz.ratio(tail, album) >= SAME_VERSION_ALBUM:
            return "album", 0
    return kind, bits


SAME_VERSION_ALBUM = 92.0  # "Live at Leeds" on the album "Live at Leeds" is the album; "Live" on it is a version


def _same_name(left: str, right: str) -> bool:
    return bool(left) and bool(right) and fuzz.ratio(left, right, score_cutoff=SAME_NAME) > 0


def _strip_prefix(title: str, number: int) -> str:
    """Take off `013-`, `0D1-`, `12. `: a zero-padded prefix, or one that repeats the track number."""
    if title[:1] not in _DIGITS and title[1:2] not in _DIGITS:
        return title
    found = say.TRACK_PREFIX.match(title)
    if not found:
        return title
    prefix, rest = found[1], title[found.end() :]
    padded = prefix[0] == "0" and len(prefix) >= 2
    repeats = number > 0 and prefix.isdigit() and int(prefix) == number
    return rest if padded or repeats else title


def _last_tail(text: str, vocabulary: Vocabulary) -> tuple[str, str, bool]:
    """Split off the last bracket or dash tail: (rest, tail, was it a bracket). An empty rest means there is none."""
    text = text.rstrip(" -")
    opening = text.rfind("(")
    if text.endswith(")"):
        if text.find(")", opening) != len(text) - 1:
            opening = _matching_bracket(text)
        return (text[:opening].rstrip(), text[opening + 1 : -1].strip(), True) if opening > 0 else ("", "", False)
    if opening > 0 and ")" not in text[opening:]:
        tail = text[opening + 1 :].strip()
        if classify(tail, vocabulary)[0] in {"credit", "version"}:  # a bracket cut off before it closed
            return text[:opening].rstrip(), tail, True
    rest, dash, tail = text.rpartition(" - ")
    return (rest.rstrip(), tail.strip(), False) if dash and tail.strip() else ("", "", False)


def _matching_bracket(text: str) -> int:
    """Return where the bracket closed by the last letter opens; the first bracket when they do not balance."""
    depth = 0
    for position in range(len(text) - 1, -1, -1):
        depth += (text[position] == ")") - (text[position] == "(")
        if depth == 0:
            return position
    return text.find("(")


# Titles of words in which this is not found number nothing: a cheap look before `may_count`, for whole columns.
MAY_COUNT = rf"[^a-z ]|\b(?:[ivxlc]+|{'|'.join(sorted(say.COUNTING_WORDS))})\b"


def may_count(words: Iterable[str]) -> bool:
    """Tell whether any of some words may number a part: two titles that differ in none of those number the same."""
    for word in words:
        if word in say.COUNTING_WORDS or not (word.isalpha() and word.isascii()) or not word.strip("ivxlc"):
            return True
    return False


def part_numbers(words: str) -> str:
    """Return every number a title carries, parts and movements in Roman letters included: "no 2 in g" is "2"."""
    found = [str(int(digits[-9:])) for digits in say.NUMBER.findall(words)]
    numerals = {each.start(1): each[1] for say_so in (say.PART_WORD, say.LONE_ROMAN) for each in say_so.finditer(words)}
    found += [str(say.ROMAN[numeral]) for numeral in numerals.values() if numeral in say.ROMAN]
    if not words.isascii():
        found += [str(_kanji_value(run.replace(" ", ""))) for run in say.KANJI_NUMBER.findall(words)]
    return " ".join(sorted(found))


def number_other_parts(one: str, other: str) -> bool:
    """Tell whether two titles number different parts, so that neither's numbers are all among the other's.

    A number counts as often as it is said: "No. 2: III. Adagio" is not "No. 2: II. Adagio".
    """
    mine, yours = Counter(part_numbers(one).split()), Counter(part_numbers(other).split())
    return bool(mine - yours) and bool(yours - mine)


def _kanji_value(signs: str) -> int:
    """Return the value of a number in ideographs: 二十三 is 23, and so is 二三."""
    total, digit = 0, 0
    for sign in signs[:9]:
        if sign in say.KANJI_UNITS:
            total, digit = total + max(digit, 1) * say.KANJI_UNITS[sign], 0
        else:
            digit = digit * 10 + say.KANJI_DIGITS[sign]
    return total + digit


def numbers_a_part(words: str) -> bool:
    """Tell whether a title says in words which part of a song it is: "part 2", "vol iii", not just any number."""
    return say.SONG_PART.search(words) is not None


def are_strangers(one: str, other: str) -> bool:
    """Tell whether two artists have no word in common, not even one with a typo; articles do not count."""
    mine, yours = ([word for word in words.split(" ") if word not in say.ARTICLES] for words in (one, other))
    return not any(fuzz.ratio(word, theirs) >= SAME_NAME for word in mine for theirs in yours)
