"""How many duplicates each run of one question found, as far back as the audit trail goes.

Analyses are cleaned up after a month; the records of their ends stay a year. So the trend is read from those, and
which question a run asked from the record of its start.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from duplicates.models import AuditRecord, DuplicateAnalysisResult
from duplicates.site_settings import site

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

RUNS_LOOKED_AT = 100
POINTS_SHOWN = 30
# What changes the order of a result, or follows the vocabulary by itself, makes no other question.
_NO_QUESTION = ("sort_by", "version_words")


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """How many duplicates the library held at one moment, as far as this question can tell."""

    at: datetime
    duplicates: int


def get_trend(analysis: DuplicateAnalysisResult, user: "AbstractBaseUser", *, now: datetime) -> list[TrendPoint]:
    """Return what the runs with the parameters of `analysis` found that this person may see, the oldest first.

    Two queries over an index, whatever the length of the trail.
    """
    since = now - timedelta(days=site.AUDIT_RETENTION_DAYS)
    seen = AuditRecord.objects.visible_to(user).filter(created_at__gt=since, created_at__lte=now)
    ended = seen.filter(action="analysis.completed").order_by("-created_at")[:RUNS_LOOKED_AT]
    ends = {subject: TrendPoint(at, found) for subject, at, found in ended.values_list(*_OF_AN_END)}
    started = AuditRecord.objects.filter(
        subject_type=DuplicateAnalysisResult._meta.model_name, subject_id__in=ends, action="analysis.queued"
    )
    wanted = _question(analysis.parameters)
    same = {
        subject
        for subject, after in started.values_list("subject_id", "after")
        if _question((after or {}).get("parameters", {})) == wanted
    }
    points = sorted((point for subject, point in ends.items() if subject in same), key=lambda point: point.at)
    return points[-POINTS_SHOWN:]


_OF_AN_END = ("subject_id", "created_at", "track_count")


def _question(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in _NO_QUESTION}
