"""`manage.py cleanup_history`: what was cleaned up, how well, and what follows, in a period or of one analysis."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from duplicates.api.history_serializers import history_as_json, impact_as_json
from duplicates.console import named_analysis
from duplicates.exceptions import DuplicatesError
from duplicates.management.operating import OperatorCommand
from duplicates.services.history import PERIODS, REMOVALS, CleanupHistory, Tally, get_cleanup_history
from duplicates.services.history_advice import Advice, get_recommendations
from duplicates.services.impact_advice import get_impact_advice
from duplicates.services.impact_summary import (
    ImpactSummary,
    NewAnalysisSuggestion,
    get_impact_summary,
    suggest_new_analysis,
)
from duplicates.services.library_changes import get_library_change_summary
from duplicates.services.outcomes import Outcome

UNKNOWN = "-"


class Command(OperatorCommand):
    """Parse, ask the services, print."""

    help = (
        "Show what was cleaned up in a period, how well, how far the analyses came, and what follows; or what clean-up "
        "has made of one analysis and whether a new one is worth while. Exit code 0: shown; 1: refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--days", type=int, default=PERIODS[0], help="So many days up to now (default: %(default)s)."
        )
        parser.add_argument(
            "--analysis", metavar="ID|latest", help="Only this analysis; latest: the newest completed one."
        )
        parser.add_argument(
            "--output", choices=("text", "json"), default="text", help="json: what the API answers (default: text)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the figures and what follows from them."""
        try:
            found, lines = self._of_analysis(options) if options["analysis"] else self._of_period(options)
        except DuplicatesError as error:
            raise CommandError(error.sentence) from error
        if options["output"] == "json":
            self.stdout.write(json.dumps(found, default=str, ensure_ascii=False, indent=2))
            return
        for line in lines:
            self.stdout.write(line)

    def _of_period(self, options: dict[str, Any]) -> tuple[dict[str, Any], Iterator[str]]:
        history = get_cleanup_history(now=timezone.now(), days=options["days"])
        advice = get_recommendations(history)
        return history_as_json(history, advice), _history_lines(history, advice)

    def _of_analysis(self, options: dict[str, Any]) -> tuple[dict[str, Any], Iterator[str]]:
        analysis = named_analysis(options["analysis"])
        summary = get_impact_summary(analysis)
        suggestion = suggest_new_analysis(summary, get_library_change_summary(analysis))
        advice = get_impact_advice(summary)
        return impact_as_json(summary, suggestion, advice), _impact_lines(summary, suggestion, advice)


def _history_lines(history: CleanupHistory, advice: list[Advice]) -> Iterator[str]:
    cleanup, outcomes = history.cleanup, history.outcomes
    removals = history.by_action.get(REMOVALS, Tally())
    yield f"Clean-up of the last {history.days} days"
    yield f"  actions: {cleanup.actions:,}, {history.actions_per_week:.1f} a week, {history.activity_trend}"
    yield f"  succeeded: {_plain(cleanup.success_percent, ' %')}; seconds each: {_plain(cleanup.mean_seconds)}"
    yield f"  groups: {cleanup.groups:,}, tracks: {cleanup.tracks:,}, plays moved: {removals.plays:,}"
    yield f"  tracks a removal: {_plain(removals.tracks_per_action)}, a second: {_plain(removals.tracks_per_second)}"
    yield f"Analyses: {outcomes.analyses:,}, {outcomes.with_cleanup:,} of them with clean-up"
    average = f"{_plain(outcomes.average_rate, ' %')} on average"
    yield f"  groups decided: {outcomes.resolved:,} of {outcomes.groups:,}, {average}"
    yield f"  duplicates gone: {outcomes.eliminated:,} of {outcomes.duplicates:,}"
    yield f"  best: {_run(outcomes.best)}; worst: {_run(outcomes.worst)}"
    recent = (outcomes.recent_performance or UNKNOWN).replace("_", " ")
    yield f"  trend: {outcomes.trend}; newest three: {recent}; consistency: {_plain(outcomes.consistency)}"
    yield from _advice_lines(advice)


def _impact_lines(summary: ImpactSummary, suggestion: NewAnalysisSuggestion, advice: list[Advice]) -> Iterator[str]:
    yield f"Groups decided: {summary.groups_resolved:,} of {summary.groups:,}, {summary.groups_resolved_percent:.1f} %"
    yield f"  in part: {summary.groups_partly:,}, open: {summary.groups_open:,}, lost: {summary.groups_lost:,}"
    gone = f"{summary.duplicates_eliminated:,} of {summary.duplicates:,}"
    yield f"  duplicates gone: {gone}, {summary.duplicates_eliminated_percent:.1f} %"
    yield f"  tracks left: {summary.tracks_remaining:,} of {summary.tracks:,}; keepers gone: {summary.keepers_gone:,}"
    freed = UNKNOWN if summary.bytes_freed is None else f"{summary.bytes_freed:,}"
    yield f"  plays kept: {summary.plays_kept:,}, bytes freed: {freed}"
    yield f"New analysis: {suggestion.timing.replace('_', ' ')}, confidence {suggestion.confidence}"
    for line in (*suggestion.reasons, *suggestion.benefits):
        yield f"  {line}"
    yield from _advice_lines(advice)


def _advice_lines(advice: list[Advice]) -> Iterator[str]:
    if advice:
        yield "What follows"
        yield from (f"  {one.sentence}" for one in advice)


def _run(one: Outcome | None) -> str:
    return UNKNOWN if one is None else f"{one.label}, {one.rate:.1f} %"


def _plain(value: float | None, unit: str = "") -> str:
    return UNKNOWN if value is None else f"{value:,.1f}{unit}"
