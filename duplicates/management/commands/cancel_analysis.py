"""`manage.py cancel_analysis`: stop a queued or running analysis, whichever machine runs it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from duplicates.exceptions import DuplicatesError
from duplicates.management.operating import OperatorCommand
from duplicates.services.detection import DuplicateDetectionService


class Command(OperatorCommand):
    """Cancel and say so."""

    help = (
        "Cancel a queued or running analysis at once. What it has found so far follows where that is kept; earlier "
        "results are untouched. Exit code 0: cancelled; 1: unknown, or over already."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("analysis", metavar="ANALYSIS_ID")

    def handle(self, *args: Any, **options: Any) -> None:
        """Cancel and say so."""
        try:
            asked = DuplicateDetectionService().cancel_analysis(options["analysis"])
        except DuplicatesError as error:
            raise CommandError(error.sentence) from error
        if not asked:
            raise CommandError(f"Analysis {options['analysis']} is over already.")
        self.stdout.write("Cancelled. Earlier results are untouched.")
