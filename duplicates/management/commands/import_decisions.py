"""`manage.py import_decisions`: take over decisions that people put into a file, and name what contradicts them."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from duplicates.exceptions import DuplicatesError
from duplicates.management.operating import OperatorCommand
from duplicates.services.decision_files import Problem, import_decisions
from duplicates.services.edited_exports import analysis_named, import_edited_export, is_edited_export, sentence_of
from duplicates.services.lifecycle import get_analysis


class Command(OperatorCommand):
    """Parse, import, print the report."""

    help = (
        "Take over the decisions of a CSV file: pairs as export_decisions writes them, or the edited export of an "
        "analysis (is_canonical, resolution, not_duplicate). What contradicts a decision or a removal here, or was "
        "decided otherwise since, is named and left out. Exit code 0: taken over, conflicts or not; 1: refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path, help="The CSV file.")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would happen.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import and report."""
        path: Path = options["file"].expanduser()
        try:
            text = path.read_bytes().decode("utf-8")
            if is_edited_export(text):
                self._take_edited(text, dry_run=options["dry_run"])
                return
            report = import_decisions(text, actor=None, now=timezone.now(), dry_run=options["dry_run"])
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror or error}.") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{path} is not UTF-8 (byte {error.start:,}). Save it as UTF-8.") from error
        except DuplicatesError as error:
            raise CommandError(error.sentence) from error
        verb = "Would add" if options["dry_run"] else "Added"
        self.stdout.write(
            f"{report.rows:,} rows. {verb} {report.added:,}, of which {report.waiting:,} wait for a track; "
            f"{report.known:,} were known; {len(report.conflicts):,} conflicts; {len(report.unreadable):,} unreadable."
        )
        self._name([*report.conflicts, *report.unreadable])

    def _take_edited(self, text: str, *, dry_run: bool) -> None:
        analysis = get_analysis(analysis_named(text))
        report = import_edited_export(analysis, text, actor=None, now=timezone.now(), dry_run=dry_run)
        self.stdout.write(sentence_of(report, dry_run=dry_run))
        self._name(report.conflicts)

    def _name(self, problems: list[Problem]) -> None:
        for problem in sorted(problems, key=lambda one: one.line):
            self.stdout.write(f"  line {problem.line:,}: {problem.code} {problem.message}")
