"""`manage.py export_decisions`: write the decisions that two tracks differ to a CSV file or to standard output."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from duplicates.management.operating import OperatorCommand
from duplicates.models import NotDuplicate
from duplicates.services.decision_files import export_decisions


class Command(OperatorCommand):
    """Parse, write, say how many."""

    help = "Write every decision that two tracks are not duplicates as CSV. Exit code 0: written; 1: refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--output", required=True, metavar="FILE|-", help="Where to write; - is standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file."""
        if options["output"] == "-":
            for block in export_decisions():
                self.stdout.write(block, ending="")
            return
        try:
            with Path(options["output"]).open("w", newline="", encoding="utf-8") as out:
                out.writelines(export_decisions())
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror or error}.") from error
        self.stderr.write(f"Wrote {NotDuplicate.objects.in_force().count():,} decisions.")
