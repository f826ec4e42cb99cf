"""The page of what clean-up came to: figures, weeks, kinds of work, and what follows from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.models.records import action_words
from duplicates.services.history import PERIODS, REMOVALS, CleanupHistory, Tally, Week, get_cleanup_history
from duplicates.services.history_advice import get_recommendations
from duplicates.services.outcomes import Outcomes
from library import admin_pages as pages

_TRENDS = {"improving": lazy("Improving"), "stable": lazy("Stable"), "declining": lazy("Declining")}
_RECENT = {"better": lazy("Better than before"), "as_usual": lazy("As usual"), "worse": lazy("Worse than before")}
CALLOUTS = {"good": "callout-good", "info": "", "warn": "callout-warn"}


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The history of one period; `wanted` is what the address says, read generously."""

    wanted: str
    now: datetime

    def context(self) -> dict[str, Any]:
        """Return everything the template needs."""
        history = get_cleanup_history(now=self.now, days=self._days())
        return {
            "periods": [(days, days == history.days) for days in PERIODS],
            "days": history.days,
            "figures": _figures(history),
            "weeks": [_week(week) for week in reversed(history.weeks)],
            "busiest": max((week.cleanup.actions for week in history.weeks), default=0),
            "kinds": [_kind(name, tally) for name, tally in history.by_action.items()],
            "advice": [(CALLOUTS[one.tone], one.sentence) for one in get_recommendations(history)],
            "facts": _facts(history),
            "outcomes": _outcomes(history.outcomes),
            "extremes": list(_extremes(history.outcomes)),
        }

    def _days(self) -> int:
        offered = {str(days): days for days in PERIODS}
        return offered.get(self.wanted, PERIODS[0])


def _figures(history: CleanupHistory) -> list[tuple[str, str]]:
    cleanup = history.cleanup
    return [
        (_("Actions"), pages.number(cleanup.actions)),
        (_("Groups"), pages.number(cleanup.groups)),
        (_("Tracks"), pages.number(cleanup.tracks)),
        (_("Plays moved"), pages.number(history.by_action.get(REMOVALS, Tally()).plays)),
        (_("Succeeded"), _share(cleanup.success_percent)),
        (_("Analyses"), pages.number(history.analyses.actions)),
    ]


def _facts(history: CleanupHistory) -> list[tuple[str, str]]:
    removals = history.by_action.get(REMOVALS, Tally())
    most, least = history.most_active_week, history.least_active_week
    return [
        (_("Actions a week"), pages.number(history.actions_per_week, 1)),
        (_("Most active week"), _span(most) if most else pages.UNKNOWN),
        (_("Least active week with any"), _span(least) if least else pages.UNKNOWN),
        (_("An action takes"), pages.duration(history.cleanup.mean_seconds)),
        (_("Groups an action"), pages.number(history.cleanup.groups_per_action, 1)),
        (_("Tracks a removal"), pages.number(removals.tracks_per_action, 1)),
        (_("Plays a removal"), pages.number(removals.plays_per_action, 1)),
        (_("Tracks removed a second"), pages.number(removals.tracks_per_second, 1)),
        (_("Removed one by one"), pages.number(history.single_removals)),
        (_("Removed as part of a plan"), pages.number(history.bulk_removals)),
    ]


def _outcomes(outcomes: Outcomes) -> list[tuple[str, str]]:
    """Return what became of the analyses together; nothing without any."""
    if not outcomes.analyses:
        return []
    return [
        (_("Analyses with clean-up"), _of(outcomes.with_cleanup, outcomes.analyses)),
        (_("Groups decided"), _of(outcomes.resolved, outcomes.groups)),
        (_("Duplicates gone"), _of(outcomes.eliminated, outcomes.duplicates)),
        (_("Groups decided of an analysis"), _share(outcomes.average_rate)),
        (_("Trend"), str(_TRENDS[outcomes.trend])),
        (_("The newest three"), str(_RECENT.get(outcomes.recent_performance or "", pages.UNKNOWN))),
        (_("Consistency of 100"), pages.number(outcomes.consistency)),
    ]


def _extremes(outcomes: Outcomes) -> Iterator[dict[str, str]]:
    """Yield the analyses that were cleaned up most and least, with the page of those that are kept."""
    for name, one in ((_("Cleaned up most"), outcomes.best), (_("Cleaned up least"), outcomes.worst)):
        if one is not None:
            url = reverse("admin:duplicates_duplicateanalysisresult_change", args=[one.analysis_id])
            yield {
                "name": name,
                "label": one.label,
                "url": url if one.is_kept else "",
                "rate": _share(one.rate),
                "groups": _of(one.resolved, one.groups),
            }


def _of(part: int, whole: int) -> str:
    return _("%(part)s of %(whole)s") % {"part": pages.number(part), "whole": pages.number(whole)}


def _week(week: Week) -> dict[str, Any]:
    tally = week.cleanup
    return {
        "span": _span(week),
        "actions": tally.actions,
        "actions_text": pages.number(tally.actions),
        "groups": pages.number(tally.groups),
        "tracks": pages.number(tally.tracks),
        "failed": pages.number(tally.failed),
    }


def _kind(name: str, tally: Tally) -> dict[str, str]:
    return {
        "name": action_words(name),
        "actions": pages.number(tally.actions),
        "failed": pages.number(tally.failed),
        "groups": pages.number(tally.groups),
        "tracks": pages.number(tally.tracks),
        "mean": pages.duration(tally.mean_seconds),
    }


def _span(week: Week) -> str:
    begins, ends = (date_format(localtime(at), "j M") for at in (week.begins_at, week.ends_at))
    return f"{begins} – {ends}"


def _share(percent: float | None) -> str:
    return pages.percent(None if percent is None else percent / 100)
