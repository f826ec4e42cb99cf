"""The rules by which a copy is kept, and the built-in profiles made of them: the one place that knows them.

A rule gives every copy a value and says in words what deciding by it means; a profile is an ordered list of rules. Read
it like a menu. Nothing here computes and nothing heavy is loaded, so that pages can name and check rules cheaply;
`keeper` evaluates them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

# What each signal is worth under the rule `canonical`, in points of 100.
CANONICAL_POINTS = {"most_played": 40.0, "shortest_title": 30.0, "played_most_recently": 20.0, "added_first": 10.0}
CANONICAL = "canonical"
NOTHING_DECIDED = "lowest_track_id"


@dataclass(frozen=True, eq=False, slots=True)
class KeeperRule:
    """One thing to prefer. `sign` is +1 when more is better. There is one of each, so they are equal by identity.

    `sentence` receives the winner's value and its margin over the next copy; `alone` is said where the next copy has no
    value; `noun` names the thing in a list of what was equal and is empty where that is not worth saying.
    """

    name: str
    signal: str
    sign: int
    noun: str
    sentence: Callable[[float, float], str]
    alone: str
    needs_list: bool = False  # what is preferred must be named


@dataclass(frozen=True, slots=True)
class Wish:
    """A rule as a profile asks for it; `prefer` lists sources or folders, the dearest first."""

    rule: str
    prefer: tuple[str, ...] = ()


def span(seconds: float) -> str:
    """Return a stretch of time in its two largest units: 4 years 9 months."""
    rest, parts = int(seconds), []
    for unit, length in _UNITS:
        count, rest = divmod(rest, length)
        if count:
            parts.append(counted(count, unit))
        elif parts:
            break
    return " ".join(parts[:2]) or "a moment"


_UNITS = (("year", 31_557_600), ("month", 2_629_800), ("day", 86_400), ("hour", 3_600), ("minute", 60))


def counted(count: float, unit: str) -> str:
    """Return a number with its unit: 1 point, 3 points."""
    return f"{count:,.0f} {unit}" if count == 1 else f"{count:,.0f} {unit}s"


def _played(mine: float, margin: float) -> str:
    times = {1: "once", 2: "twice"}.get(int(mine), f"{mine:,.0f} times")
    return f"played {times}, " + ("the next copy never" if margin == mine else f"{margin:,.0f} more than the next copy")


def _larger(mine: float, margin: float) -> str:
    size = f"{margin / 1e6:,.1f} MB" if margin >= 1e5 else f"{margin / 1e3:,.1f} kB"
    return f"its file is {size} larger than the next copy's"


def _plainly(sentence: str) -> Callable[[float, float], str]:
    return lambda mine, margin: sentence


def _encoded(mine: float, margin: float) -> str:
    return "its format loses nothing" if mine > 2 else "its codec keeps more of the sound than the next copy's"


_PROTECTED = "it is protected and the next copy is not"
RULES: dict[str, KeeperRule] = {
    rule.name: rule
    for rule in (
        KeeperRule("protected", "is_protected", 1, "", _plainly(_PROTECTED), _PROTECTED),
        # Weighs four signals against each other; see CANONICAL_POINTS. Its sentence is that of the signal that led.
        KeeperRule(CANONICAL, CANONICAL, 1, "plays, title and dates", _plainly(""), ""),
        KeeperRule("most_played", "play_count", 1, "plays", _played, "its plays are counted, the next copy's not"),
        KeeperRule(
            "shortest_title",
            "title_length",
            -1,
            "title length",
            lambda mine, margin: f"its title is {counted(margin, 'letter')} shorter than the next copy's",
            "it has a title and the next copy has none",
        ),
        KeeperRule(
            "cleanest_title",
            "title_clutter",
            -1,
            "cleanness of the title",
            lambda mine, margin: f"its title holds {counted(margin, 'addition')} less than the next copy's",
            "it has a title and the next copy has none",
        ),
        KeeperRule(
            "played_most_recently",
            "last_played_at",
            1,
            "last played",
            lambda mine, margin: f"last played {span(margin)} after the next copy",
            "it has been played at a known time and the next copy has not",
        ),
        KeeperRule(
            "added_first",
            "added_at",
            -1,
            "date added",
            lambda mine, margin: f"added {span(margin)} earlier than the next copy",
            "it says when it was added and the next copy does not",
        ),
        KeeperRule(
            "added_last",
            "added_at",
            1,
            "date added",
            lambda mine, margin: f"added {span(margin)} later than the next copy",
            "it says when it was added and the next copy does not",
        ),
        KeeperRule(
            "lossless",
            "lossless",
            1,
            "being lossless",
            _plainly("it is lossless and the next copy is not"),
            "it is lossless, which is not known of the next copy",
        ),
        KeeperRule(
            "codec_family", "codec_family", 1, "codec", _encoded, "its format is known and the next copy's is not"
        ),
        KeeperRule(
            "highest_bit_rate",
            "bit_rate_kbps",
            1,
            "bit rate",
            lambda mine, margin: f"it has {mine:,.0f} kbit/s, {margin:,.0f} more than the next copy",
            "its bit rate is known and the next copy's is not",
        ),
        KeeperRule(
            "largest_file", "size_bytes", 1, "file size", _larger, "its size is known and the next copy's is not"
        ),
        KeeperRule(
            "most_complete_tags",
            "tags_filled",
            1,
            "tags",
            lambda mine, margin: f"it has {counted(mine, 'tag')} filled in, {margin:,.0f} more than the next copy",
            "",
        ),
        KeeperRule(
            "in_itunes",
            "in_itunes",
            1,
            "iTunes match",
            _plainly("it is exactly the one in iTunes and the next copy is not"),
            "it is exactly the one in iTunes",
        ),
        KeeperRule(
            "highest_rating",
            "rating",
            1,
            "rating",
            lambda mine, margin: f"rated {mine / 20:g} of 5 stars, {margin / 20:g} more than the next copy",
            "it is rated and the next copy is not",
        ),
        KeeperRule(
            "loved",
            "loved",
            1,
            "loved",
            _plainly("it is marked as loved and the next copy is not"),
            "it is marked as loved",
        ),
        KeeperRule(
            "complete_album",
            "in_complete_album",
            1,
            "completeness of the album",
            _plainly("its album is complete in the library and the next copy's is not"),
            "its album is complete in the library",
        ),
        KeeperRule(
            "preferred_source",
            "preferred_source",
            1,
            "source",
            _plainly("it comes from a source you prefer to the next copy's"),
            "",
            needs_list=True,
        ),
        KeeperRule(
            "preferred_folder",
            "preferred_folder",
            1,
            "folder",
            _plainly("it lies in a folder you prefer to the next copy's"),
            "",
            needs_list=True,
        ),
    )
}
# Protected copies cannot be removed anyway, so they come first everywhere.
PROFILES: dict[str, tuple[str, ...]] = {
    "keep_canonical": ("protected", CANONICAL),
    "keep_most_played": ("protected", "most_played", "played_most_recently", "added_first"),
    "keep_itunes_version": ("protected", "in_itunes", "most_played", "played_most_recently", "added_first"),
    "keep_best_quality": (
        "protected",
        "lossless",
        "codec_family",
        "highest_bit_rate",
        "largest_file",
        "most_played",
        "added_first",
    ),
    "keep_oldest": ("protected", "added_first", "most_played"),
    "keep_shortest_title": ("protected", "shortest_title", "most_played", "added_first"),
}


def built_in(profile: str) -> tuple[Wish, ...]:
    """Return the rules of a built-in profile. Raises ValueError for an unknown one."""
    if profile not in PROFILES:
        raise ValueError(f"Unknown keeper profile {profile!r}. Choose from {', '.join(PROFILES)}.")
    return tuple(Wish(rule) for rule in PROFILES[profile])


def why_refused(wishes: Iterable[Wish]) -> str:
    """Return why a list of rules makes no profile, in a sentence; nothing when it does."""
    listed = list(wishes)
    if not listed:
        return "A profile needs at least one rule."
    for wish in listed:
        rule = RULES.get(wish.rule)
        if rule is None:
            return f"{wish.rule!r} is no keeper rule. Choose from {', '.join(RULES)}."
        if rule.needs_list and not wish.prefer:
            return f"{wish.rule} needs to be told which come first."
        if wish.prefer and not rule.needs_list:
            return f"{wish.rule} takes no list."
    names = [wish.rule for wish in listed]
    twice = next((name for name in names if names.count(name) > 1), "")
    return f"{twice} is there twice; only the first would ever decide." if twice else ""
