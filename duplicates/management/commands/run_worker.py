"""`manage.py run_worker`: one worker without a supervisor."""

from typing import Any

from duplicates.management.operating import OperatorCommand
from duplicates.worker import work


class Command(OperatorCommand):
    """Be one worker."""

    help = (
        "Run queued analyses and exports in this process until SIGTERM. Use run_workers instead: it restarts workers "
        "that died and takes up what they left behind."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until asked to stop."""
        work()
