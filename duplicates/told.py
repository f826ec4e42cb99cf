"""Says in the reader's language what the matcher said, or a run wrote down, in English.

The matcher knows no languages, and what is stored is read by everybody. A sentence of theirs is looked up as it is and,
where it holds numbers, with the numbers taken out: "played 12 times, the next copy never" is the sentence "played %(a)s
times, the next copy never". One that is not among `SENTENCES` stays as it was written.
"""

import re

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as noop

from library.numbers import number

# What stands for a value: a stretch of time, a share, what is in brackets or quoted, a list of rules, a number.
_UNIT = r"\d+ (?:year|month|day|hour|minute)s?"
_VALUE = re.compile(
    rf"(?P<span>{_UNIT}(?: {_UNIT})?|a moment)|(?P<share>(?:over |under )?[\d.,]+ %)|(?P<quoted>(?<=“)[^”]+(?=”))"
    r"|(?P<named>(?<=differs \().+(?=\))|(?<=agrees: ).+(?=\.$))|(?P<number>\d[\d,]*(?:\.\d+)?)"
)
SENTENCES = (
    # why a keeper was chosen
    noop("Kept because it came into the library first; nothing else tells the copies apart"),
    noop("Kept because %(why)s"),
    noop("equal in %(rules)s"),
    noop("ahead by %(points)s"),
    noop("%(a)s point"),
    noop("%(a)s points"),
    noop("less than a point"),
    noop("played once, the next copy never"),
    noop("played twice, the next copy never"),
    noop("played %(a)s times, the next copy never"),
    noop("played %(a)s times, %(b)s more than the next copy"),
    noop("its file is %(a)s MB larger than the next copy's"),
    noop("its file is %(a)s kB larger than the next copy's"),
    noop("its format loses nothing"),
    noop("its codec keeps more of the sound than the next copy's"),
    noop("its title is %(a)s letter shorter than the next copy's"),
    noop("its title is %(a)s letters shorter than the next copy's"),
    noop("its title holds %(a)s addition less than the next copy's"),
    noop("its title holds %(a)s additions less than the next copy's"),
    noop("last played %(a)s after the next copy"),
    noop("added %(a)s earlier than the next copy"),
    noop("added %(a)s later than the next copy"),
    noop("it is lossless and the next copy is not"),
    noop("it has %(a)s kbit/s, %(b)s more than the next copy"),
    noop("it has %(a)s tag filled in, %(b)s more than the next copy"),
    noop("it has %(a)s tags filled in, %(b)s more than the next copy"),
    noop("it is exactly the one in iTunes and the next copy is not"),
    noop("rated %(a)s of %(b)s stars, %(c)s more than the next copy"),
    noop("it is marked as loved and the next copy is not"),
    noop("its album is complete in the library and the next copy's is not"),
    noop("it comes from a source you prefer to the next copy's"),
    noop("it lies in a folder you prefer to the next copy's"),
    # why two tracks are, or are not, a group
    noop("The evidence for the same song outweighs the evidence against it: %(a)s where %(b)s is needed."),
    noop("The two share a group through other members only; by themselves they reach %(a)s where %(b)s is needed."),
    noop(
        "The two agree well enough alone (%(a)s), but each agrees better with other tracks, and on average those two "
        "sets do not agree."
    ),
    noop(
        "The two agree well enough alone (%(a)s) and still share no group: either each agrees better with other "
        "tracks, or the two were never compared because too many tracks share what these two have in common."
    ),
    noop("The evidence for the same song is too weak: %(a)s where %(b)s is needed."),
    noop("Under the preset “%(a)s” these two are kept apart whatever else agrees: %(b)s."),
    noop(
        "The two were never compared: they share no word, letter run or length rare enough to bring them together, or "
        "other tracks share more with each of them."
    ),
    noop("There is too little to judge them by."),
    noop("Someone declared these two to be different; that decision outweighs all evidence."),
    noop("only the keeper has one"),
    noop("only the copy has one"),
    # what a run found out
    noop("%(a)s of %(b)s tracks have changed since the tables were learnt"),
    noop(
        "%(a)s track shares all it holds with more than %(b)s others; it was compared with exact copies of itself only."
    ),
    noop(
        "%(a)s tracks share all they hold with more than %(b)s others; they were compared with exact copies of "
        "themselves only."
    ),
    noop("The analysis stopped because of an internal error."),
    noop("An import had been applied only in part; import again to complete it, then refresh."),
    noop("The result, %(a)s groups, was found but could not be saved."),
    noop("The worker that ran this analysis died %(a)s times."),
    # stretches of time, one unit each
    noop("a moment"),
    noop("over %(share)s"),
    noop("under %(share)s"),
)
_UNITS = {
    "year": (noop("%(count)s year"), noop("%(count)s years")),
    "month": (noop("%(count)s month"), noop("%(count)s months")),
    "day": (noop("%(count)s day"), noop("%(count)s days")),
    "hour": (noop("%(count)s hour"), noop("%(count)s hours")),
    "minute": (noop("%(count)s minute"), noop("%(count)s minutes")),
}


def told(text: str) -> str:
    """Return a sentence in the reader's language; as it is where there is no translation."""
    if not text or (get_language() or "en").startswith("en"):
        return text
    direct = gettext(text)
    if direct == text and (why := re.fullmatch(r"Every track was matched: (.+)\.", text)):
        return gettext("Every track was matched: %(why)s.") % {"why": told(why[1])}
    return direct if direct != text else _with_values(text)


def told_reason(reason: str) -> str:
    """Return why a keeper was chosen, part by part: the deciding rule, what was equal, by how much it led."""
    if not reason.startswith("Kept because ") or told(reason) != reason:
        return told(reason)
    why, *more = reason.removeprefix("Kept because ").split("; ")
    return "; ".join((gettext("Kept because %(why)s") % {"why": told(why)}, *map(_told_more, more)))


def _told_more(part: str) -> str:
    if lead := re.fullmatch(r"ahead by ([^(]+?)(?: \((.+)\))?", part):
        return _lead(lead[1], lead[2] or "")
    if part.startswith("equal in "):
        rules = re.split(r", | and ", part.removeprefix("equal in "))
        return gettext("equal in %(rules)s") % {"rules": ", ".join(map(told, rules))}
    return told(part)


def _lead(points: str, shares: str) -> str:
    """Return by how many points a keeper led, and which signals gave them: "plays +40"."""
    said = gettext("ahead by %(points)s") % {"points": told(points)}
    signals = [one.rsplit(" ", 1) for one in shares.split(", ") if one]
    return said + (f" ({', '.join(f'{told(name)} {lead}' for name, lead in signals)})" if signals else "")


def _with_values(text: str) -> str:
    """Look a sentence up with its values taken out, and put them back as the reader writes them."""
    values: dict[str, str] = {}
    pattern, last = [], 0
    for match in _VALUE.finditer(text):
        name = chr(ord("a") + len(values))
        values[name] = _value(match)
        pattern += [text[last : match.start()].replace("%", "%%"), f"%({name})s"]
        last = match.end()
    sentence = "".join((*pattern, text[last:].replace("%", "%%")))
    translated = gettext(sentence)
    return text if translated == sentence else translated % values


def _value(match: re.Match[str]) -> str:
    said = match.group()
    if match.lastgroup == "span":
        return _span(said)
    if match.lastgroup == "share":
        return _share(said)
    if match.lastgroup == "number":
        return _number(said)
    return ", ".join(map(told, said.split(", ")))


def _span(said: str) -> str:
    if said == "a moment":
        return gettext("a moment")
    found = re.findall(r"(\d+) (\w+?)s?\b", said)
    return " ".join(gettext(_UNITS[unit][count != "1"]) % {"count": count} for count, unit in found)


def _share(said: str) -> str:
    word, _, rest = said.rpartition(" ")[0].rpartition(" ")
    share = f"{_number(rest)} %"
    return gettext(f"{word} %(share)s") % {"share": share} if word else share


def _number(said: str) -> str:
    _whole, _point, decimals = said.partition(".")
    return number(float(said.replace(",", "")), len(decimals))
