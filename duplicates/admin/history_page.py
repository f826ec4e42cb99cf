"""The page of what clean-up came to: figures, weeks, kinds of work, and what follows from them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from duplicates.models.records import action_words
from duplicates.services.history import PERIODS, REMOVALS, CleanupHistory, Tally, Week, get_cleanup_history
from duplicates.services.history_advice import get_recommendations
from library import admin_pages as pages

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
        (_("Tracks removed a second"), pages.number(removals.tracks_per_second, 1)),
        (_("Removed one by one"), pages.number(history.single_removals)),
        (_("Removed as part of a plan"), pages.number(history.bulk_removals)),
        (_("Groups decided of an analysis"), _share(history.average_rate)),
        (_("Consistency of 100"), pages.number(history.consistency)),
    ]


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
