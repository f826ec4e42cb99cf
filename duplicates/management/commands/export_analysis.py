"""`manage.py export_analysis`: write a completed analysis to a file or to standard output."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError
from django.utils import timezone

from duplicates.choices import ExportFormat
from duplicates.console import named_analysis
from duplicates.engine.keeper_rules import counted
from duplicates.exceptions import DuplicatesError
from duplicates.management.operating import OperatorCommand
from duplicates.services.exporting import export_analysis_results


class Command(OperatorCommand):
    """Parse, export, say how much."""

    help = (
        "Export a completed analysis with all its groups, or one whose result was found and could not be saved. Exit "
        "code 0: written; 1: refused or failed, with the reason last on standard error. A file appears only when it is "
        "complete."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "analysis", metavar="ANALYSIS_ID|latest", help="latest: the newest completed one of anyone."
        )
        parser.add_argument("--format", choices=ExportFormat.values, default=ExportFormat.JSON, help="Default: json.")
        parser.add_argument("--output", required=True, metavar="FILE|-", help="Where to write; - is standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the export."""
        members = 0

        def count(written: int) -> None:
            nonlocal members
            members = written

        try:
            analysis = named_analysis(options["analysis"])
            with _destination(options["output"]) as out:
                for block in export_analysis_results(analysis, options["format"], now=timezone.now(), written=count):
                    out.write(block)
        except DuplicatesError as error:
            raise CommandError(error.sentence) from error
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror or error}.") from error
        if analysis.is_readable:
            groups = f"{counted(analysis.groups_found, 'group')} with {counted(members, 'member')}"
            self.stderr.write(f"Wrote {groups} of analysis {analysis.pk}.")
        else:
            self.stderr.write(f"Wrote {members:,} members of groups of analysis {analysis.pk}, which is not saved.")


@contextmanager
def _destination(output: str) -> Iterator[IO[bytes]]:
    """Open standard output, or a file that takes its name only when everything is written."""
    if output == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(output)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as out:
            yield out
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
