"""Is anybody there to do the work? Told from what workers write anyway: the lease of a run proves its worker."""

from datetime import datetime, timedelta

from duplicates.models import DuplicateAnalysisResult

WORKER_COMMAND = "uv run manage.py db_worker"
# A free worker looks every second; after this long in the queue somebody should have come.
PATIENCE = timedelta(seconds=10)


def seems_unattended(waiting_since: datetime, *, now: datetime) -> bool:
    """Has something waited long although no worker holds a run? A guess: a worker busy with an export is not seen."""
    if now - waiting_since < PATIENCE:
        return False
    return not DuplicateAnalysisResult.objects.filter(lease_until__gt=now).exists()
