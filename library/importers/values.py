"""Reads single values in every spelling people's files have: lengths, dates, numbers, flags, codes.

Each reader returns None for what it cannot read, and the caller keeps the text; a wrong number would be worse than
none. No reader looks at the clock: two-digit years take `this_year` from the caller.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

LONGEST_DURATION_MS = 30 * 24 * 3600 * 1000  # a month; longer "lengths" are ids that strayed into the column
LARGEST_NUMBER = 2**31 - 1  # what a PostgreSQL integer holds
LARGEST_SIZE = 2**63 - 1  # and a big one
LARGEST_TRACK_NUMBER = 9_999
OLDEST_YEAR, NEWEST_YEAR = 1000, 2999
# Whole numbers from here on are milliseconds: 10,000 seconds are almost three hours, 10,000 ms a short jingle.
FIRST_MILLISECONDS = 10_000
# Decimals under this are minutes (4.503), others seconds (245.6): few songs run for 100 minutes.
FIRST_DECIMAL_SECONDS = 100

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan januar january janvier enero janeiro gennaio januari",
            "feb februar february février fevrier febrero fevereiro febbraio februari fév fev",
            "mar märz maerz march mars marzo março marco maart mär mrz",
            "apr april avril abril aprile avr abr",
            "may mai mayo maio maggio mei maj",
            "jun juni june juin junio junho giugno",
            "jul juli july juillet julio julho luglio juil",
            "aug august août aout agosto augustus ago",
            "sep sept september septembre septiembre setembro settembre set",
            "oct oktober october octobre octubre outubro ottobre okt out",
            "nov november novembre noviembre novembro",
            "dec dezember december décembre decembre diciembre dezembro dicembre dez déc dic",
        ),
        start=1,
    )
    for name in names.split()
}

_TRUE = "true yes y 1 t x explicit wahr ja vrai oui sí si verdadero verdadeiro sim vero sand igaz"
_FALSE = "false no n 0 f clean falsch nein faux non falso não nao nee"
TRUE_WORDS = frozenset(_TRUE.split())
FALSE_WORDS = frozenset(_FALSE.split())

_UNIT = {
    "h": r"(?:h|hr|hrs|hour|hours|std|stunden?|heures?)",
    "m": r"(?:m|min|mins|minutes?|minuten|minutos?|′|')",
    "s": r"(?:s|sec|secs|seconds?|sek|sekunden|secondes?|segundos?|″|\"|'')",
    "ms": r"(?:ms|msec|msecs|milliseconds?|millisekunden)",
}
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_CLOCK = re.compile(r"(?:(\d{1,3})\s*:\s*)?(\d{1,4})\s*:\s*([0-5]?\d)(?:[.,](\d{1,3}))?(?=$|\s)(.*)", re.DOTALL)
_UNITS = re.compile(
    rf"(?:{_NUMBER}\s*{_UNIT['h']})?[\s,-]*(?:{_NUMBER}\s*{_UNIT['m']})?[\s,-]*(?:{_NUMBER}\s*{_UNIT['s']})?\.?",
    re.IGNORECASE,
)
_MILLISECONDS = re.compile(rf"{_NUMBER}\s*{_UNIT['ms']}\.?", re.IGNORECASE)
_ISO_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?", re.IGNORECASE)
_DECIMAL = re.compile(r"(\d+)\s*[.,]\s*(\d+)")
_GROUPED = re.compile(r"\d{1,3}(?:[\s.,'’\u00a0\u202f]\d{3})+")
_WHOLE = re.compile(r"\d+")

_ISO_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?:[T ].*)?")
_DAY_FIRST = re.compile(r"(\d{1,2})\s*[-/.]\s*(\d{1,2})\s*[-/.]\s*(\d{4}|\d{2})")
_MONTH_YEAR = re.compile(r"(0?[1-9]|1[0-2])\s*[-/.]\s*(\d{4})")
_DAY_NAME_YEAR = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th)?\.?[\s-]*(?:de\s+)?([^\W\d]{3,})\.?[\s,-]*(?:de\s+)?'?(\d{4}|\d{2})"
)
_NAME_DAY_YEAR = re.compile(r"([^\W\d]{3,})\.?\s*(\d{1,2})(?:st|nd|rd|th)?\s*,?\s*'?(\d{4})")
_NAME_YEAR = re.compile(r"([^\W\d]{3,})\.?[\s,-]*(?:de\s+)?(\d{4})")
_PLAIN_YEAR = re.compile(r"['’`]?\s*(\d{4}|\d{1,2})")
_SPLIT_YEAR = re.compile(r"[\d\s]+")

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class ParsedDuration:
    """A length, and whether text stood behind it that is evidence of its own ("3:34 (live)")."""

    ms: int | None
    has_rest: bool = False


@dataclass(frozen=True, slots=True)
class ParsedDate:
    """A year, and the full date when all of it is known. A year of 0 was written for "not known"."""

    year: int | None
    full: date | None = None


def parse_duration(text: str, *, unit: str = "") -> ParsedDuration | None:
    """Return the length that `text` spells, or None. Zero is "not known", which is `ms=None`.

    `unit` is what the column's header promises ("ms" or "s"). Without it a whole number from 10,000 on is milliseconds,
    a smaller one seconds, and a decimal under 100 minutes (4.503): that is how each of them is written in practice.
    """
    text = text.strip()
    if text.isdigit() and text.isascii() and len(text) < 12:
        return _duration(_whole_duration(int(text), unit))
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds, fraction, rest = clock.groups()
        whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
        return _duration(whole * 1000 + int((fraction or "0").ljust(3, "0")), has_rest=bool(rest.strip()))
    plain = _plain_duration(text, unit)
    if plain is not None:
        return _duration(plain)
    spelled = _spelled_duration(text)
    return None if spelled is None else _duration(spelled)


def _duration(ms: float, *, has_rest: bool = False) -> ParsedDuration | None:
    if ms > LONGEST_DURATION_MS:
        return None
    return ParsedDuration(round(ms) or None, has_rest)


def _whole_duration(number: int, unit: str) -> int:
    in_milliseconds = unit == "ms" or (not unit and number >= FIRST_MILLISECONDS)
    return number if in_milliseconds else number * 1000


def _plain_duration(text: str, unit: str) -> float | None:
    """Read a bare number by the unit of its column, or by its size."""
    if unit != "s" and _GROUPED.fullmatch(text) and (digits := re.sub(r"\D", "", text)) and len(digits) > 4:
        return int(digits) if int(digits) >= FIRST_MILLISECONDS else None
    # Digits parted by a stray blank are one number only where it cannot be minutes and seconds.
    joined = re.sub(r"(?<=\d)\s+(?=\d)", "", text)
    if (joined != text and len(joined) < 5) or len(joined) > 24:
        return None
    if _WHOLE.fullmatch(joined):
        return _whole_duration(int(joined), unit)
    decimal = _DECIMAL.fullmatch(joined)
    return _decimal_duration(float(f"{decimal[1]}.{decimal[2]}"), unit) if decimal else None


def _decimal_duration(number: float, unit: str) -> float:
    if unit == "ms" or (not unit and number >= FIRST_MILLISECONDS):
        return number
    is_minutes = not unit and number < FIRST_DECIMAL_SECONDS
    return number * (60_000 if is_minutes else 1000)


def _spelled_duration(text: str) -> float | None:
    """Read lengths with units: `1m 58sec`, `3 min`, `225000 ms`, `PT3M45S`."""
    if not text or not any(character.isdigit() for character in text) or len(text) > 60:
        return None
    # Noise puts blanks inside ("2m 39s ec", "3m 4 0sec"); between a digit and a unit they never mean anything.
    tight = re.sub(r"\s+", "", text)
    for candidate in (text, tight):
        milliseconds = _MILLISECONDS.fullmatch(candidate)
        if milliseconds:
            return _decimal(milliseconds[1])
        match = _UNITS.fullmatch(candidate) or _ISO_DURATION.fullmatch(candidate)
        if match and any(match.groups()):
            hours, minutes, seconds = (_decimal(part) if part else 0.0 for part in match.groups())
            return ((hours * 60 + minutes) * 60 + seconds) * 1000
    return None


def _decimal(text: str) -> float:
    return float(text.replace(",", ".")) if len(text) < 20 else float("inf")


@lru_cache(maxsize=4096)  # a library has few release dates
def parse_date(text: str, *, this_year: int) -> ParsedDate | None:
    """Return the year, and the date where all of it is given, from any spelling; None for anything else.

    Two digits mean the century that puts the year nearest before next year: in 2026 '27 is 2027 and '28 is 1928. A
    single digit lost its leading zero on the way through a spreadsheet: 7 is 2007.
    """
    text = text.strip()
    if not text or len(text) > 40 or not any(character.isdigit() for character in text):
        return None
    plain = _PLAIN_YEAR.fullmatch(text)
    if plain and plain[1] in {"0", "0000"}:
        return ParsedDate(None)
    if plain:
        return _year_only(_full_year(plain[1], this_year))
    for pattern, read in _DATE_SPELLINGS:
        match = pattern.fullmatch(text)
        if match and (parts := read(match)) is not None:
            return _dated(*parts, this_year=this_year)
    if _SPLIT_YEAR.fullmatch(text) and len(joined := "".join(text.split())) == 4:
        return _year_only(int(joined))
    return None


def _dated(year: str, month: int, day: int | None, *, this_year: int) -> ParsedDate | None:
    found = _year_only(_full_year(year, this_year))
    if found is None or found.year is None or day is None:
        return found
    try:
        return ParsedDate(found.year, date(found.year, month, day))
    except ValueError:
        # "2004-02-31", "1999-00-00": the year is still right.
        return found


def _iso(match: re.Match[str]) -> tuple[str, int, int | None] | None:
    return match[1], int(match[2]), int(match[3]) if match[3] else None


def _day_first(match: re.Match[str]) -> tuple[str, int, int | None] | None:
    """Read 18.5.2015 and 5/18/2015. Where both orders are possible the day is not known, only the year."""
    first, second = int(match[1]), int(match[2])
    if first > 12 >= second:
        return match[3], second, first
    if second > 12 >= first:
        return match[3], first, second
    if "." in match[0] or first == second:
        return match[3], second, first
    return match[3], first, None


def _month_year(match: re.Match[str]) -> tuple[str, int, int | None] | None:
    return match[2], int(match[1]), None


def _day_name_year(match: re.Match[str]) -> tuple[str, int, int | None] | None:
    month = MONTHS.get(match[2].lower())
    return None if month is None else (match[3], month, int(match[1]))


def _name_day_year(match: re.Match[str]) -> tuple[str, int, int | None] | None:
    month = MONTHS.get(match[1].lower())
    return None if month is None else (match[3], month, int(match[2]))


def _name_year(match: re.Match[str]) -> tuple[str, int, int | None] | None:
    month = MONTHS.get(match[1].lower())
    return None if month is None else (match[2], month, None)


_DATE_SPELLINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, int, int | None] | None]], ...] = (
    (_ISO_DATE, _iso),
    (_DAY_FIRST, _day_first),
    (_MONTH_YEAR, _month_year),
    (_DAY_NAME_YEAR, _day_name_year),
    (_NAME_DAY_YEAR, _name_day_year),
    (_NAME_YEAR, _name_year),
)


def _year_only(year: int) -> ParsedDate | None:
    return ParsedDate(year) if OLDEST_YEAR <= year <= NEWEST_YEAR else None


def _full_year(digits: str, this_year: int) -> int:
    if len(digits) == 4:
        return int(digits)
    year = this_year - this_year % 100 + int(digits)
    return year if year <= this_year + 1 else year - 100


def parse_moment(text: str) -> datetime | None:
    """Return a moment in UTC from an ISO timestamp; one without a zone is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if OLDEST_YEAR <= moment.year <= NEWEST_YEAR else None


def parse_whole(text: str, *, largest: int = LARGEST_NUMBER) -> int | None:
    """Return a whole number from 0 to `largest`, or None."""
    text = text.strip()
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        return None
    number = int(text)
    return number if number <= largest else None


@lru_cache(maxsize=4096)
def parse_position(text: str) -> int | None:
    """Return a track or disc number from `7`, `007`, `7/12` or `7 of 12`. `A1` and `0D1` are no numbers."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*(?:(?:/|of|von)\s*\d{0,9}\s*)?", text)
    return parse_whole(match[1], largest=LARGEST_TRACK_NUMBER) if match else None


@lru_cache(maxsize=256)
def parse_flag(text: str) -> bool | None:
    """Return what a yes-or-no word says, in the languages exports come in."""
    word = text.strip().lower()
    if word in TRUE_WORDS:
        return True
    return False if word in FALSE_WORDS else None


def parse_rating(text: str) -> int | None:
    """Return a rating from 0 to 100. Up to 5 it counts stars, as does a row of them."""
    text = text.strip()
    stars = text.rstrip("☆")
    number = len(stars) if text and not stars.strip("★*") else parse_whole(text, largest=100)
    if number is None:
        return None
    return number * 20 if number <= 5 else number


def parse_isrc(text: str) -> str | None:
    """Return the twelve characters of a recording code, upper case without hyphens."""
    if _ISRC.fullmatch(text):
        return text
    code = re.sub(r"[\s\-.]", "", text).upper().removeprefix("ISRC")
    return code if _ISRC.fullmatch(code) else None


def parse_uuid(text: str) -> str | None:
    """Return a MusicBrainz id in lower case, also from its web address."""
    code = text.strip().lower().rpartition("/")[2]
    return code if _UUID.fullmatch(code) else None
