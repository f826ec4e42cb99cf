"""`manage.py run_workers`: keep workers alive that run queued analyses and exports."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from duplicates.management.operating import OperatorCommand
from duplicates.services.workers import is_database_prepared
from duplicates.worker import Supervisor, child_command

MOST_PROCESSES = 64


class Command(OperatorCommand):
    """Supervise."""

    help = (
        "Keep worker processes alive that run queued analyses and exports. SIGTERM and Ctrl-C hand running analyses "
        "back with their checkpoints; another worker, here or on another machine, goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--processes", type=int, default=1, metavar="N", help="How many workers (default 1).")
        parser.add_argument(
            "--grace", type=float, default=30.0, metavar="SECONDS", help="Time to hand back before a kill (default 30)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the numbers and supervise."""
        processes, grace = options["processes"], options["grace"]
        if not 1 <= processes <= MOST_PROCESSES:
            raise CommandError(f"--processes must lie between 1 and {MOST_PROCESSES}, not {processes}.")
        if not 0 <= grace <= 3600:
            raise CommandError(f"--grace must lie between 0 and 3600 seconds, not {grace:g}.")
        if not is_database_prepared():
            raise CommandError("The database is not prepared. Run: uv run manage.py migrate")
        Supervisor(processes, child_command(), grace_seconds=grace, say=self.stdout.write).run()
