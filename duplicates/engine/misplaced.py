"""Values that stand in the wrong column: a length behind a title, a price, a copyright line, a shifted row.

Spreadsheets and scraped lists glue columns together or push them one to the right. What is recognisable by its shape is
taken out of the title here and handed to the field it belongs to; names cannot be told by their shape, so those are
found later, pair by pair, by looking for one record's names among all the words of the other.
"""

import re
from typing import NamedTuple

# `$ 1.29`, `( C ) 2014 Somebody Records`, `2015 Interscope Records`: from here on a title is a price tag.
NOTICE = re.compile(
    r"\s(?:\$ ?\d+[.,]\d\d\b|\(\s*[cp]\s*\)\s*(?:19|20)\d\d\b|"
    r"(?:19|20)\d\d (?=[^-]*\b(?:records?|recordings?|music|entertainment|inc|llc|ltd|limited|corporation|group|"
    r"productions?)\b))"
)
CLOCK = re.compile(r"(?:^|\s)(\d{1,2}):([0-5]\d)(?=\s|$)")
MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
DATE = re.compile(
    rf"(?:^|\s)(?:\d{{1,2}}-(?:{MONTH})-(?P<short>\d\d)|(?:{MONTH})[a-z]* \d{{1,2}} ?, (?P<long>(?:19|20)\d\d))(?=\s|$)"
)
# A title without any of these holds no value that `free_title` would take out: two looks for whole columns, the second
# for what the first one finds, since it takes five times as long.
MAY_HOLD_VALUES = (
    r"[0-9]:[0-9]|\$.?[0-9]|[0-9]-[^\x00-\x60]|, [0-9]|\( ?[cp] ?\)|\( [cp]|[12][0-9].[0-9] [^\x00-\x60]| , "
)
SEEMS_TO_HOLD_VALUES = (
    rf"\s\d{{1,2}}:[0-5]\d|\s\$ ?\d|\d-(?:{MONTH})-\d|[a-z] \d{{1,2}} ?, (?:19|20)|\(\s*[cp]\s*\)\s*(?:19|20)"
    r"|\s(?:19|20)\d\d [^-]*\b(?:record|music|entertainment|inc|llc|ltd|limited|corporation|group|production)"
    r"|[a-z] , music|, [^ ]+ , "
)
_NOTICE_SIGN = re.compile(r"\$|\( ?[cp] ?\)|(?:19|20)\d\d [a-z]")
_LIST_END = re.compile(r"[a-z] , music\b|, \w+ , \w+$")
_WORD = re.compile(r"[^\W_]+")
_MINUTES = re.compile(r"^(\d{1,3}) ?m[a-z]* ?(\d{1,2}) ?s(?:ec)?$")
_DECIMAL = re.compile(r"^\d{1,7}(?:\.\d{1,3})?$")
NUMBERS_ONLY = re.compile(r"^[\d.,:' ]+(?:m[\d ]+s(?:ec)?)?$")
LETTERS = re.compile(r"[^\W\d]{4}")
# Words that follow a title when its genre column slid into it.
GENRES = frozenset(
    re.findall(
        r"[a-z]+",
        """pop rock country rap hip hop r b soul funk dance electronic electronica music alternative indie metal punk
        folk
        blues jazz classical reggae latin world soundtrack singer songwriter vocal house techno trance dubstep ambient
        adult
        contemporary hardcore gangsta east coast west southern dirty underground teen urban cowboy honky tonk
        traditional
        grunge hard lo fi french garage and disco gospel christian holiday children new age easy listening""",
    )
)


class Freed(NamedTuple):
    """A title without what did not belong to it, and that: a length in ms and a year, 0 when there was none."""

    title: str
    duration_ms: int = 0
    year: int = 0


def free_title(title: str) -> Freed:
    """Take price tags, copyright lines, lengths and dates out of a folded title."""
    clock = CLOCK.search(title, 1) if ":" in title else None
    date = DATE.search(title, 1) if "-" in title or "," in title else None
    notice = NOTICE.search(title, 1) if _NOTICE_SIGN.search(title) else None
    cuts = [found.start() for found in (clock, date, notice) if found]
    listed = " , " in title and _LIST_END.search(title)
    if not cuts and not listed:
        return Freed(title)
    duration = (int(clock[1]) * 60 + int(clock[2])) * 1000 if clock else 0
    year = int(date["long"] or date["short"]) if date else 0
    kept = title[: min(cuts, default=len(title))].rstrip()
    return Freed(_without_genre_list(kept) or title, duration, year)


def _without_genre_list(title: str) -> str:
    """Take genres off the end of a title whose columns ran together: `Pop , Music , Rock`, `R&B / Soul`."""
    end = len(title)
    for word in reversed(list(_WORD.finditer(title))):
        if word[0] not in GENRES or not word.start():
            break
        end = word.start()
    return title[:end].rstrip(" ,/&-")


def length_among(text: str) -> int:
    """Return a length found in text nobody could read, in ms; 0 when there is none."""
    clock = CLOCK.search(text)
    return (int(clock[1]) * 60 + int(clock[2])) * 1000 if clock else 0


def length_of(text: str) -> int:
    """Return a bare length in ms, however written: `4m 31sec`, `02:59`, `298`, `240440`, `4.233` minutes; else 0."""
    if clock := CLOCK.search(text):
        return (int(clock[1]) * 60 + int(clock[2])) * 1000
    if found := _MINUTES.match(text):
        return (int(found[1]) * 60 + int(found[2])) * 1000
    if not _DECIMAL.match(text):
        return 0
    value = float(text)
    if "." in text:
        return round(value * 60_000)
    return int(value) if value >= 10_000 else int(value) * 1000


def is_displaced(unparsed: str) -> bool:
    """Tell whether a row slid sideways: words stand where a length, year or number should."""
    return LETTERS.search(unparsed) is not None


def is_number_like(text: str) -> bool:
    """Tell whether a value is only digits and their punctuation; in a displaced row that is no title."""
    return NUMBERS_ONLY.match(text) is not None


def without_genres(words: str) -> str:
    """Take genre words off the end of a title, as long as something is left."""
    parts = words.split(" ")
    keep = len(parts)
    while keep > 1 and parts[keep - 1] in GENRES:
        keep -= 1
    return " ".join(parts[:keep])
