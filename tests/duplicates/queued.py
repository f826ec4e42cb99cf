"""Analyses in the queue, at a moment the test chooses."""

from datetime import UTC, datetime, timedelta

from duplicates.choices import Trigger
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import lifecycle
from duplicates.services.options import AnalysisOptions

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def queue(search: str = "", *, minutes: int = 0) -> DuplicateAnalysisResult:
    wanted = AnalysisOptions(search=search)
    moment = NOW + timedelta(minutes=minutes)
    return lifecycle.queue_analysis(wanted, actor=None, trigger=Trigger.COMMAND, now=moment, force=True).analysis


def status_of(analysis: DuplicateAnalysisResult) -> str:
    return DuplicateAnalysisResult.objects.values_list("status", flat=True).get(pk=analysis.pk)
