"""Which member of each cluster to keep, and why.

A profile is an ordered list of rules (`keeper_rules`); a rule gives every member a value and the better value wins. The
first rule on which the winner beats the runner-up is the one that decided, and its sentence says by how much. When no
rule tells two members apart the lowest track id wins, so the same library always gives the same keepers.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from duplicates.engine.keeper_rules import (
    CANONICAL,
    CANONICAL_POINTS,
    NOTHING_DECIDED,
    RULES,
    KeeperRule,
    Wish,
    counted,
)
from duplicates.engine.keeper_signals import signal_of
from duplicates.engine.records import PROFILE_SCHEMA

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Two canonical totals closer than this many points are a tie: the rest is rounding.
CANONICAL_TIE = 1e-9
# A lead of fewer points than this is not worth a place in the sentence.
WORTH_SAYING = 0.5


@dataclass(frozen=True, slots=True)
class Choice:
    """The keeper of each cluster: its row among the members, the rule that decided and that decision as a sentence."""

    rows: Ints
    rules: list[str]
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class Scores:
    """One rule over all members: `value` as it is told, `score` as it is compared (more is better, never NaN).

    For the canonical rule `parts` holds the points of each signal, with the values they were given for.
    """

    rule: KeeperRule
    value: Floats
    score: Floats
    parts: dict[str, tuple[Floats, Floats]] | None = None


@dataclass(frozen=True, slots=True)
class Contest:
    """One rule between the winner and the runner-up of every cluster, as plain lists: they are read one by one.

    `rules` holds the rule that is named: for the canonical rule the signal with the widest lead, whose values `mine`
    and `other` are, too; `leads` says by how many points it leads.
    """

    rule: KeeperRule
    is_won: list[bool]
    is_known: list[bool]  # has the winner a value?
    rules: list[KeeperRule]
    mine: list[float]
    other: list[float]
    leads: list[str]


def choose(
    track_ids: Ints, offsets: Ints, titles: pl.Series, keeper_columns: pl.DataFrame, *, wishes: Sequence[Wish]
) -> Choice:
    """Choose one keeper per cluster.

    `track_ids[offsets[c]:offsets[c + 1]]` are the members of cluster c and `titles` runs parallel to `track_ids`.
    Members without a row in `keeper_columns` count as not known everywhere, and so does every member in a column of
    PROFILE_SCHEMA that is not there: a run loads no more than KEEPER_SCHEMA, which is all `keep_canonical` reads.
    """
    frame = _line_up(track_ids, titles, keeper_columns)
    cluster = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    all_scores = [_scores(wish, frame, offsets, cluster) for wish in wishes]
    order = np.lexsort((track_ids, *(-one.score for one in reversed(all_scores)), cluster))
    winners, seconds = order[offsets[:-1]], order[offsets[:-1] + 1]
    contests = [_contest(one, winners, seconds) for one in all_scores]
    told = [_tell(contests, cluster) for cluster in range(len(winners))]
    return Choice(winners, [rule for rule, _ in told], [reason for _, reason in told])


def _line_up(track_ids: Ints, titles: pl.Series, keeper_columns: pl.DataFrame) -> pl.DataFrame:
    """Return the keeper columns in the order of the members, with their titles."""
    wanted = pl.DataFrame({"track_id": track_ids})
    known = keeper_columns.unique("track_id", keep="first")
    frame = wanted.join(known, on="track_id", how="left", maintain_order="left").with_columns(title=titles)
    missing = (pl.lit(None, kind).alias(name) for name, kind in PROFILE_SCHEMA.items() if name not in frame.columns)
    return frame.with_columns(*missing)


def _scores(wish: Wish, frame: pl.DataFrame, offsets: Ints, cluster: Ints) -> Scores:
    rule = RULES[wish.rule]
    if rule.name == CANONICAL:
        return _canonical(rule, frame, offsets, cluster)
    value = signal_of(wish, frame)
    return Scores(rule, value, np.where(np.isnan(value), -np.inf, value * rule.sign))


def _canonical(rule: KeeperRule, frame: pl.DataFrame, offsets: Ints, cluster: Ints) -> Scores:
    """Add up the canonical points."""
    parts = {}
    for name, points in CANONICAL_POINTS.items():
        value = signal_of(Wish(name), frame)
        parts[name] = (_CANONICAL_SHARES[name](value, offsets, cluster) * points, value)
    total = np.sum([given for given, _ in parts.values()], axis=0)
    return Scores(rule, total, np.round(total / CANONICAL_TIE) * CANONICAL_TIE, parts)


def _contest(scores: Scores, winners: Ints, seconds: Ints) -> Contest:
    is_won = (scores.score[winners] > scores.score[seconds]).tolist()
    mine, other = scores.value[winners], scores.value[seconds]
    is_known, many = (~np.isnan(mine)).tolist(), len(winners)
    if scores.parts is None:
        return Contest(scores.rule, is_won, is_known, [scores.rule] * many, mine.tolist(), other.tolist(), [""] * many)
    names = list(scores.parts)
    leads = np.stack([points[winners] - points[seconds] for points, _ in scores.parts.values()], axis=1)
    widest = leads.argmax(axis=1)
    values = np.stack([value for _, value in scores.parts.values()])
    return Contest(
        scores.rule,
        is_won,
        is_known,
        [RULES[names[place]] for place in widest.tolist()],
        values[widest, winners].tolist(),
        values[widest, seconds].tolist(),
        _leads(mine - other, leads, names) if many else [],
    )


def _tell(contests: Sequence[Contest], at: int) -> tuple[str, str]:
    """Return the name of the rule that decided in one cluster, and its sentence with the margin."""
    tied: list[str] = []
    for contest in contests:
        if contest.is_won[at]:
            equal = f"; equal in {_listed(tied)}" if tied else ""
            rule = contest.rules[at]
            return rule.name, _sentence(rule, contest.mine[at], contest.other[at]) + contest.leads[at] + equal
        if contest.rule.noun and contest.is_known[at]:
            tied.append(contest.rule.noun)
    return NOTHING_DECIDED, "Kept because it came into the library first; nothing else tells the copies apart"


def _leads(margin: Floats, leads: Floats, names: Sequence[str]) -> list[str]:
    """Say for each cluster by how many points its winner leads, each distinct saying made once.

    `leads` is clusters x signals. Where several signals took part, it is said what each of them gave or took.
    """
    points = np.where(margin < WORTH_SAYING, 0, np.maximum(np.rint(margin), 1))
    order = np.argsort(-leads, axis=1, kind="stable")
    sorted_leads = np.take_along_axis(leads, order, axis=1)
    told = np.where(np.abs(sorted_leads) >= WORTH_SAYING, order, -1)
    sayings = np.column_stack([points, told, np.rint(sorted_leads)]).astype(np.int64)
    _, once, which = np.unique(_packed(sayings), return_index=True, return_inverse=True)
    many = leads.shape[1]
    said = [
        _lead(row[0], [*zip(row[1 : many + 1], row[many + 1 :], strict=True)], names) for row in sayings[once].tolist()
    ]
    return [said[place] for place in which.tolist()]


def _packed(sayings: Ints) -> Ints:
    """Return one number for each row of small numbers: points and places of signals."""
    packed = np.zeros(len(sayings), np.int64)
    for column in sayings.T:
        lowest = column.min()
        packed = packed * (column.max() - lowest + 1) + column - lowest
    return packed


def _lead(points: int, told: Sequence[tuple[int, int]], names: Sequence[str]) -> str:
    """Say by how many points a winner leads; `told` holds signals, -1 for none worth saying, and their points."""
    ahead = counted(points, "point") if points else "less than a point"
    shares = [f"{RULES[names[place]].noun} {lead:+d}".replace("-", "−") for place, lead in told if place >= 0]
    return f"; ahead by {ahead}" + (f" ({', '.join(shares)})" if len(shares) > 1 else "")


@lru_cache(maxsize=1 << 12)
def _sentence(rule: KeeperRule, mine: float, other: float) -> str:
    """Say why the winner was kept and by what margin."""
    return f"Kept because {rule.alone if math.isnan(other) else rule.sentence(mine, abs(mine - other))}"


def _listed(nouns: Sequence[str]) -> str:
    *most, last = nouns
    return f"{', '.join(most)} and {last}" if most else last


type _Share = Callable[[Floats, Ints, Ints], Floats]


def _share_of_best(plays: Floats, offsets: Ints, cluster: Ints) -> Floats:
    """Return plays relative to the most played member of the cluster."""
    known = np.nan_to_num(plays)
    best = np.maximum.reduceat(known, offsets[:-1]) if len(offsets) > 1 else known
    shares: Floats = known / np.maximum(best, 1.0)[cluster]
    return shares


def _share_of_shortest(lengths: Floats, offsets: Ints, cluster: Ints) -> Floats:
    """Return how close each title is to the shortest of its cluster; a blank title earns nothing."""
    known = np.where(np.isnan(lengths), np.inf, lengths)
    shortest = np.minimum.reduceat(known, offsets[:-1]) if len(offsets) > 1 else known
    shortest = np.where(np.isinf(shortest), 0.0, shortest)
    shares: Floats = shortest[cluster] / known
    return shares


def _share_between(*, newest_first: bool) -> _Share:
    """Return a scale from 0 to 1 between the worst and the best date of a cluster; unknown dates earn nothing."""

    def share(dates: Floats, offsets: Ints, cluster: Ints) -> Floats:
        values = dates * (1.0 if newest_first else -1.0)
        if len(offsets) < 2:
            return values
        low = np.fmin.reduceat(values, offsets[:-1])[cluster]
        high = np.fmax.reduceat(values, offsets[:-1])[cluster]
        spread = np.where(high > low, high - low, 1.0)
        shares: Floats = np.where(high > low, (values - low) / spread, 1.0)
        return np.where(np.isnan(values), 0.0, shares)

    return share


_CANONICAL_SHARES: dict[str, _Share] = {
    "most_played": _share_of_best,
    "shortest_title": _share_of_shortest,
    "played_most_recently": _share_between(newest_first=True),
    "added_first": _share_between(newest_first=False),
}
