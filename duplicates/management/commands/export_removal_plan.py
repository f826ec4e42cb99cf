"""`manage.py export_removal_plan`: write CSV, M3U and a shell script of the files of removed tracks."""

import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from duplicates.console import named_analysis
from duplicates.exceptions import DuplicatesError
from duplicates.management.operating import OperatorCommand
from duplicates.services.removal_plan import SCRIPT_NAME, export_removal_plan


class Command(OperatorCommand):
    """Parse, export, say how much."""

    help = (
        "Write a removal plan for the files of tracks in quarantine: CSV, M3U and a POSIX shell script that only says "
        "what it would do unless it is told to delete. This command deletes no file. Exit code 0: written; 1: refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("folder", type=Path, help="Where to write; made when it is not there.")
        parser.add_argument("--analysis", metavar="ID|latest", default="", help="Only what was removed in this one.")
        parser.add_argument("--batch", type=uuid.UUID, metavar="ID", help="Only what was removed in one go.")
        parser.add_argument("--source", default="", metavar="NAME", help="Only tracks imported from this source.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the plan."""
        folder: Path = options["folder"].expanduser()
        try:
            analysis = named_analysis(options["analysis"]) if options["analysis"] else None
            plan = export_removal_plan(
                folder,
                actor=None,
                now=timezone.now(),
                analysis=analysis,
                batch_id=options["batch"],
                source=options["source"],
            )
        except DuplicatesError as error:
            raise CommandError(error.sentence) from error
        except OSError as error:
            raise CommandError(f"{folder} cannot be written: {error.strerror or error}.") from error
        self.stdout.write(f"{plan.tracks:,} removed tracks; {plan.in_script:,} files in the script.")
        for reason, count in sorted(plan.left_out.items()):
            self.stdout.write(f"  {count:>10,} left out: {reason}")
        self.stdout.write(f"Read {folder / SCRIPT_NAME}, then: sh {SCRIPT_NAME} (says what it would do)")
