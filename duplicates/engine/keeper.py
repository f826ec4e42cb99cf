"""Which member of each cluster to keep, and why.

A profile is an ordered list of rules; a rule gives every member a score and the higher score wins. The first rule on
which the winner beats the runner-up is the one that decided, and its sentence says by how much. When no rule tells two
members apart the lowest track id wins, so the same library always gives the same keepers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from duplicates.engine.records import KEEPER_SCHEMA

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# What each signal is worth under keep_canonical, in points of 100.
CANONICAL_POINTS = {"most_played": 40.0, "shortest_title": 30.0, "played_most_recently": 20.0, "added_first": 10.0}
# Two canonical totals closer than this many points are a tie: the rest is rounding.
CANONICAL_TIE = 1e-9
# A lead of fewer points than this is not worth a place in the sentence.
WORTH_SAYING = 0.5


@dataclass(frozen=True, slots=True)
class Members:
    """The members of all clusters as columns; row i belongs to cluster `cluster[i]`. Not known is NaN."""

    track_id: Ints
    cluster: Ints
    signals: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Choice:
    """The keeper of each cluster: its row among the members, the rule that decided and that decision as a sentence."""

    rows: Ints
    rules: list[str]
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class KeeperRule:
    """One thing to prefer. `sign` is +1 when more is better.

    `sentence` receives the winner's value and its margin over the next copy; `alone` is said where the next copy has no
    value; `noun` names the thing in a list.
    """

    name: str
    signal: str
    sign: int
    noun: str
    sentence: Callable[[float, float], str]
    alone: str


def span(seconds: float) -> str:
    """Return a stretch of time in its two largest units: 4 years 9 months."""
    rest, parts = int(seconds), []
    for unit, length in _UNITS:
        count, rest = divmod(rest, length)
        if count:
            parts.append(_counted(count, unit))
        elif parts:
            break
    return " ".join(parts[:2]) or "a moment"


_UNITS = (("year", 31_557_600), ("month", 2_629_800), ("day", 86_400), ("hour", 3_600), ("minute", 60))


def _counted(count: float, unit: str) -> str:
    return f"{count:,.0f} {unit}" if count == 1 else f"{count:,.0f} {unit}s"


def _played(mine: float, margin: float) -> str:
    times = {1: "once", 2: "twice"}.get(int(mine), f"{mine:,.0f} times")
    return f"played {times}, " + ("the next copy never" if margin == mine else f"{margin:,.0f} more than the next copy")


def _larger(mine: float, margin: float) -> str:
    size = f"{margin / 1e6:,.1f} MB" if margin >= 1e5 else f"{margin / 1e3:,.1f} kB"
    return f"its file is {size} larger than the next copy's"


RULES: dict[str, KeeperRule] = {
    rule.name: rule
    for rule in (
        KeeperRule("most_played", "play_count", 1, "plays", _played, "its plays are counted, the next copy's not"),
        KeeperRule(
            "shortest_title",
            "title_length",
            -1,
            "title length",
            lambda mine, margin: f"its title is {_counted(margin, 'letter')} shorter than the next copy's",
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
            "lossless",
            "lossless",
            1,
            "being lossless",
            lambda mine, margin: "it is lossless and the next copy is not",
            "it is lossless, which is not known of the next copy",
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
            lambda mine, margin: "it is marked as loved and the next copy is not",
            "it is marked as loved",
        ),
    )
}
PROFILES: dict[str, tuple[str, ...]] = {
    "keep_canonical": ("canonical",),
    "keep_most_played": ("most_played", "played_most_recently", "added_first"),
    "keep_best_quality": ("lossless", "highest_bit_rate", "largest_file", "most_played", "added_first"),
    "keep_oldest": ("added_first", "most_played"),
    "keep_shortest_title": ("shortest_title", "most_played", "added_first"),
}


def choose(track_ids: Ints, offsets: Ints, titles: pl.Series, keeper_columns: pl.DataFrame, *, profile: str) -> Choice:
    """Choose one keeper per cluster.

    `track_ids[offsets[c]:offsets[c + 1]]` are the members of cluster c and `titles` runs parallel to `track_ids`.
    Members without a row in `keeper_columns` count as not known everywhere. Raises ValueError for an unknown profile.
    """
    if profile not in PROFILES:
        raise ValueError(f"Unknown keeper profile {profile!r}. Choose from {', '.join(PROFILES)}.")
    members = _collect(track_ids, offsets, titles, keeper_columns)
    if profile == "keep_canonical":
        return _choose_canonical(members, offsets)
    return _choose_by_rules(members, offsets, [RULES[name] for name in PROFILES[profile]])


def _collect(track_ids: Ints, offsets: Ints, titles: pl.Series, keeper_columns: pl.DataFrame) -> Members:
    """Line the keeper columns up with the members."""
    wanted = pl.DataFrame({"track_id": track_ids})
    joined = wanted.join(
        keeper_columns.unique("track_id", keep="first"), on="track_id", how="left", maintain_order="left"
    )
    signals = {
        name: joined[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for name in KEEPER_SCHEMA
        if name != "track_id"
    }
    lengths = titles.fill_null("").str.len_chars().cast(pl.Float64).to_numpy()
    signals["title_length"] = np.where(lengths > 0, lengths, np.nan)  # a blank title is not a short one
    cluster = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return Members(track_ids, cluster, signals)


def _choose_by_rules(members: Members, offsets: Ints, rules: list[KeeperRule]) -> Choice:
    """Rank members by the rules in order; unknown values rank last."""
    scores = [_known_or_worst(members.signals[rule.signal] * rule.sign) for rule in rules]
    order = np.lexsort((members.track_id, *(-score for score in reversed(scores)), members.cluster))
    winners, seconds = order[offsets[:-1]], order[offsets[:-1] + 1]
    names: list[str] = []
    reasons: list[str] = []
    for winner, second in zip(winners.tolist(), seconds.tolist(), strict=True):
        deciding = next((r for r, s in zip(rules, scores, strict=True) if s[winner] > s[second]), None)
        names.append(deciding.name if deciding else "lowest_track_id")
        tied = rules[: rules.index(deciding)] if deciding else []
        equal = f"; equal in {' and '.join(rule.noun for rule in tied)}" if tied else ""
        reasons.append(_sentence(deciding, members, winner, second) + equal)
    return Choice(winners, names, reasons)


def _choose_canonical(members: Members, offsets: Ints) -> Choice:
    """Add up the canonical points; the signal with the widest lead over the runner-up decided."""
    parts = {name: give(members, offsets) * CANONICAL_POINTS[name] for name, give in _CANONICAL_SHARES.items()}
    total = np.sum(list(parts.values()), axis=0)
    tied = np.round(total / CANONICAL_TIE) * CANONICAL_TIE
    order = np.lexsort((members.track_id, -tied, members.cluster))
    winners, seconds = order[offsets[:-1]], order[offsets[:-1] + 1]
    leads = np.stack([part[winners] - part[seconds] for part in parts.values()])
    widest = leads.argmax(axis=0).tolist() if len(winners) else []
    names: list[str] = []
    reasons: list[str] = []
    for column, (winner, second) in enumerate(zip(winners.tolist(), seconds.tolist(), strict=True)):
        margin = float(total[winner] - total[second])
        decided = tied[winner] > tied[second]
        rule = RULES[list(parts)[widest[column]]] if decided else None
        names.append(rule.name if rule else "lowest_track_id")
        lead = _lead(margin, dict(zip(parts, leads[:, column].tolist(), strict=True))) if rule else ""
        reasons.append(_sentence(rule, members, winner, second) + lead)
    return Choice(winners, names, reasons)


def _lead(margin: float, leads: dict[str, float]) -> str:
    """Say by how many points the winner leads and, where several signals took part, what each of them gave or took."""
    points = "less than a point" if margin < WORTH_SAYING else _counted(max(round(margin), 1), "point")
    told = sorted((one for one in leads.items() if abs(one[1]) >= WORTH_SAYING), key=lambda one: -one[1])
    if len(told) < 2:
        return f"; ahead by {points}"
    shares = ", ".join(f"{RULES[name].noun} {lead:+.0f}".replace("-", "−") for name, lead in told)
    return f"; ahead by {points} ({shares})"


def _sentence(rule: KeeperRule | None, members: Members, winner: int, second: int) -> str:
    """Say why the winner was kept and by what margin."""
    if rule is None:
        return "Kept because it came into the library first; nothing else tells the copies apart"
    mine, other = float(members.signals[rule.signal][winner]), float(members.signals[rule.signal][second])
    return f"Kept because {rule.alone if np.isnan(other) else rule.sentence(mine, abs(mine - other))}"


def _known_or_worst(score: Floats) -> Floats:
    return np.where(np.isnan(score), -np.inf, score)


def _share_of_best(members: Members, offsets: Ints) -> Floats:
    """Return plays relative to the most played member of the cluster."""
    plays = np.nan_to_num(members.signals["play_count"])
    best = np.maximum.reduceat(plays, offsets[:-1]) if len(offsets) > 1 else plays
    return plays / np.maximum(best, 1.0)[members.cluster]


def _share_of_shortest(members: Members, offsets: Ints) -> Floats:
    """Return how close each title is to the shortest of its cluster; a blank title earns nothing."""
    lengths = np.where(np.isnan(members.signals["title_length"]), np.inf, members.signals["title_length"])
    shortest = np.minimum.reduceat(lengths, offsets[:-1]) if len(offsets) > 1 else lengths
    shortest = np.where(np.isinf(shortest), 0.0, shortest)
    share: Floats = shortest[members.cluster] / lengths
    return share


def _share_between(signal: str, *, newest_first: bool) -> Callable[[Members, Ints], Floats]:
    """Return a scale from 0 to 1 between the worst and the best date of a cluster; unknown dates earn nothing."""

    def share(members: Members, offsets: Ints) -> Floats:
        values = members.signals[signal] * (1.0 if newest_first else -1.0)
        if len(offsets) < 2:
            return values
        low = np.fmin.reduceat(values, offsets[:-1])[members.cluster]
        high = np.fmax.reduceat(values, offsets[:-1])[members.cluster]
        spread = np.where(high > low, high - low, 1.0)
        shares: Floats = np.where(high > low, (values - low) / spread, 1.0)
        return np.where(np.isnan(values), 0.0, shares)

    return share


_CANONICAL_SHARES: dict[str, Callable[[Members, Ints], Floats]] = {
    "most_played": _share_of_best,
    "shortest_title": _share_of_shortest,
    "played_most_recently": _share_between("last_played_at", newest_first=True),
    "added_first": _share_between("added_at", newest_first=False),
}
