"""How long a run may take, and what a run that took longer is told."""

from django.utils.translation import gettext as _

from duplicates.exceptions import AnalysisTimeout
from duplicates.services.progress import AnalysisProgress
from duplicates.site_settings import site

# The default time limit holds for this many tracks; a larger library gets more in proportion.
TIMEOUT_SECONDS, TIMEOUT_TRACKS = 300, 100_000


def time_limit(tracks: int, wanted: int | None = None) -> float:
    """Return the seconds a run over so many tracks may take: as wanted, the setting, or in proportion to size."""
    explicit: int = wanted or site.ANALYSIS_TIMEOUT_SECONDS
    return float(explicit or TIMEOUT_SECONDS * max(1.0, tracks / TIMEOUT_TRACKS))


def too_late(progress: AnalysisProgress, spent: float) -> AnalysisTimeout:
    """Return the error of a run that is stopped after so many seconds; it says how long might do."""
    needed = spent + (progress.estimated_seconds_remaining or spent)
    return AnalysisTimeout(
        _(
            "The analysis was stopped after %(spent)s s at %(percentage)s %%. About %(needed)s s should do: give "
            "--timeout or raise REPRISE_ANALYSIS_TIMEOUT_SECONDS."
        )
        % {"spent": f"{spent:,.0f}", "percentage": f"{progress.percentage:.0f}", "needed": f"{needed * 1.5:,.0f}"}
    )
