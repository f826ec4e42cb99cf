"""`manage.py explain_pair`: say why two tracks are, or are not, duplicates of each other."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from duplicates.choices import Preset
from duplicates.console import named_analysis
from duplicates.exceptions import DuplicatesError
from duplicates.management.operating import OperatorCommand


class Command(OperatorCommand):
    """Parse, explain, print."""

    help = (
        "Show step by step why two tracks are, or are not, duplicates. Exit code 0: explained, whatever the verdict; "
        "1: refused, with the reason on standard error."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("tracks", nargs=2, metavar="TRACK", help="The id of a track, or SOURCE:ID.")
        parser.add_argument("--preset", choices=Preset.values, help="Judge by this preset (default: recording).")
        parser.add_argument(
            "--analysis", metavar="ID|latest", help="Judge as this analysis did; latest: the newest completed one."
        )
        parser.add_argument("--output", choices=("text", "json"), default="text", help="How to print it.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain the pair."""
        # Loads the matcher, which --help need not.
        from duplicates import waterfall  # noqa: PLC0415
        from duplicates.services.explaining import explain_tracks, find_track  # noqa: PLC0415

        if options["analysis"] and options["preset"]:
            raise CommandError("An analysis has its own preset: give --analysis or --preset, not both.")
        try:
            analysis = named_analysis(options["analysis"]) if options["analysis"] else None
            left, right = (find_track(name) for name in options["tracks"])
            explained = explain_tracks(
                left, right, analysis=analysis, preset=options["preset"] or Preset.RECORDING.value
            )
        except DuplicatesError as error:
            raise CommandError(error.sentence) from error
        if options["output"] == "json":
            self.stdout.write(json.dumps(explained.as_json(), indent=2, ensure_ascii=False))
            return
        is_coloured = not options["no_color"] and (self.stdout.isatty() or options["force_color"])
        for line in waterfall.lines(explained, waterfall.COLOURED if is_coloured else waterfall.PLAIN):
            self.stdout.write(line)
