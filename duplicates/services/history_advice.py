"""What the history of clean-up suggests: rules over its figures, each with its limit beside it.

The limits are those of the reference (its "recommendations from patterns", "effectiveness" and "history").
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duplicates.services.history import REMOVALS, CleanupHistory, Tally
from library.numbers import number


class Tone(TextChoices):
    """How an advice is meant."""

    GOOD = "good", gettext_lazy("Good")
    INFO = "info", gettext_lazy("Worth knowing")
    WARN = "warn", gettext_lazy("Worth a look")


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing the figures say, and what to do about it. `code` is for machines."""

    code: str
    tone: Tone
    sentence: str


LOW_RATE, MODERATE_RATE = 30, 60  # percent of groups resolved, on average of the analyses
LEAST_CONSISTENCY = 50  # of 100
LONG_SINCE_ANALYSIS, LONG_SINCE_CLEANUP = timedelta(days=14), timedelta(days=7)
POOR_SUCCESS, FAIR_SUCCESS, GOOD_SUCCESS = 80, 90, 95  # percent of actions
SLOW_TRACKS, FAST_TRACKS = 0.5, 2.0  # a second
FEW_ACTIONS, MANY_ACTIONS = 1, 5  # a week
SINGLE_TO_BULK = 3
KEEPERS_AMONG_THE_GONE = 30  # percent
SLOW_SECONDS = 5.0  # an action on average
MANY_FAILURES = 10  # percent
REFRESH_AFTER = 20  # actions


def get_recommendations(history: CleanupHistory) -> list[Advice]:
    """Return what the figures suggest, in the order people read: what was done, how well, and what comes next."""
    return [advice for rule in _RULES for advice in rule(history)]


def _activity(history: CleanupHistory) -> Iterator[Advice]:
    if not history.cleanup.actions:
        sentence = _("Nothing was cleaned up in these %(days)s days.") % {"days": history.days}
        yield Advice("no_activity", Tone.INFO, sentence)
        return
    per_week = history.actions_per_week
    said = {"count": number(per_week, 1)}
    if per_week < FEW_ACTIONS:
        yield Advice("low_activity", Tone.INFO, _("Little is cleaned up: %(count)s actions a week.") % said)
    elif per_week > MANY_ACTIONS:
        yield Advice("high_activity", Tone.GOOD, _("Clean-up is steady work: %(count)s actions a week.") % said)
    if history.activity_trend == "increasing":
        yield Advice("activity_increasing", Tone.GOOD, _("More is cleaned up lately than before."))
    elif history.activity_trend == "decreasing":
        yield Advice("activity_decreasing", Tone.INFO, _("Less is cleaned up lately than before."))


def _idleness(history: CleanupHistory) -> Iterator[Advice]:
    idle = history.last_cleanup_at and history.ends_at - history.last_cleanup_at
    if idle and idle > LONG_SINCE_CLEANUP:
        sentence = _("The last clean-up is %(days)s days ago. Open groups are waiting.") % {"days": idle.days}
        yield Advice("idle", Tone.INFO, sentence)
    since = history.last_analysis_at and history.ends_at - history.last_analysis_at
    if since and since > LONG_SINCE_ANALYSIS:
        sentence = _("The last analysis is %(days)s days old. Run a new one.") % {"days": since.days}
        yield Advice("old_analysis", Tone.WARN, sentence)


def _success(history: CleanupHistory) -> Iterator[Advice]:
    success = history.cleanup.success_percent
    if success is None:
        return
    said = {"percent": f"{success:.0f}"}
    if success < POOR_SUCCESS:
        yield Advice("poor_success", Tone.WARN, _("Only %(percent)s %% of the actions succeed.") % said)
    elif success < FAIR_SUCCESS:
        yield Advice("fair_success", Tone.INFO, _("%(percent)s %% of the actions succeed.") % said)
    elif success >= GOOD_SUCCESS:
        yield Advice("good_success", Tone.GOOD, _("%(percent)s %% of the actions succeed.") % said)
    if 100 - success > MANY_FAILURES:
        sentence = _("More than %(percent)s %% are refused. The audit trail says why; often a refresh helps.")
        yield Advice("many_failures", Tone.WARN, sentence % {"percent": MANY_FAILURES})


def _speed(history: CleanupHistory) -> Iterator[Advice]:
    removals = history.by_action.get(REMOVALS, Tally())
    pace = removals.tracks_per_second
    if pace is not None and pace < SLOW_TRACKS:
        sentence = _("Removals are slow: %(pace)s tracks a second.") % {"pace": number(pace, 2)}
        yield Advice("slow_removals", Tone.WARN, sentence)
    elif pace is not None and pace > FAST_TRACKS:
        sentence = _("Removals are fast: %(pace)s tracks a second.") % {"pace": number(pace)}
        yield Advice("fast_removals", Tone.GOOD, sentence)
    mean = history.cleanup.mean_seconds
    if mean is not None and mean > SLOW_SECONDS:
        sentence = _("An action takes %(seconds)s seconds on average. Look at the load of the database.")
        yield Advice("slow_actions", Tone.WARN, sentence % {"seconds": number(mean, 1)})


def _habits(history: CleanupHistory) -> Iterator[Advice]:
    if history.single_removals > SINGLE_TO_BULK * history.bulk_removals and history.single_removals > SINGLE_TO_BULK:
        sentence = _(
            "%(single)s removals were made one by one, %(bulk)s as part of a plan. A plan over a filter is faster."
        )
        said = {"single": number(history.single_removals), "bulk": number(history.bulk_removals)}
        yield Advice("mostly_single", Tone.INFO, sentence % said)
    if history.gone and 100 * history.keepers_gone > KEEPERS_AMONG_THE_GONE * history.gone:
        sentence = _(
            "%(keepers)s of %(gone)s tracks that went were those to be kept. Another keeper profile may fit better."
        )
        said = {"keepers": number(history.keepers_gone), "gone": number(history.gone)}
        yield Advice("keepers_go", Tone.WARN, sentence % said)


def _results(history: CleanupHistory) -> Iterator[Advice]:
    outcomes = history.outcomes
    rate = outcomes.average_rate
    if rate is None:
        return
    said = {"percent": f"{rate:.0f}"}
    if rate < LOW_RATE:
        yield Advice("low_rate", Tone.WARN, _("On average %(percent)s %% of an analysis's groups are decided.") % said)
    elif rate < MODERATE_RATE:
        sentence = _("On average %(percent)s %% of an analysis's groups are decided; the rest comes again each time.")
        yield Advice("moderate_rate", Tone.INFO, sentence % said)
    if outcomes.trend == "declining":
        yield Advice("rate_declining", Tone.WARN, _("Fewer groups of the newer analyses are decided."))
    elif outcomes.trend == "improving":
        yield Advice("rate_improving", Tone.GOOD, _("More groups of the newer analyses are decided."))
    if outcomes.consistency is not None and outcomes.consistency < LEAST_CONSISTENCY:
        yield Advice("inconsistent", Tone.INFO, _("Some analyses are cleaned up to the end and others not at all."))
    if 2 * outcomes.with_cleanup < outcomes.analyses:
        yield Advice("unused_analyses", Tone.INFO, _("Nothing was decided in more than half of the analyses."))


def _refresh(history: CleanupHistory) -> Iterator[Advice]:
    since = history.last_analysis_at
    if history.cleanup.actions > REFRESH_AFTER and (since is None or since < (history.last_cleanup_at or since)):
        sentence = _("%(count)s actions: a refresh shows what is left.") % {"count": number(history.cleanup.actions)}
        yield Advice("refresh", Tone.INFO, sentence)


_RULES: tuple[Callable[[CleanupHistory], Iterator[Advice]], ...] = (
    _activity,
    _success,
    _speed,
    _results,
    _habits,
    _idleness,
    _refresh,
)
