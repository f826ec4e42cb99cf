"""`manage.py import_library PATH`: brings a library in, and says what became of every entry."""

import argparse
import io
import json
import logging
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from library.importers.csv_columns import MAPPABLE_FIELDS, parse_mapping
from library.importing import ImportRefused, import_library
from library.importing import logger as import_logger
from library.models import ImportStatus, LibraryImport
from library.reconciliation import as_json, report_lines

EPILOG = f"""fields for --map: {", ".join(MAPPABLE_FIELDS)}

exit codes: 0 imported, whatever was left out is in the report; 1 refused or cut short, the reason is the last line of
standard error."""


class Command(BaseCommand):
    help = (
        "Import an iTunes library (XML), a CSV of tracks or a folder of audio files; or update what one brought before."
    )
    # The other checks load every page and serializer of the site; an import needs none of them and must stay small.
    requires_system_checks = ["configuration"]

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=EPILOG,
            **kwargs,
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("path", metavar="PATH", help="File or folder; .gz files are read as they are.")
        parser.add_argument(
            "--format",
            choices=["auto", "itunes", "csv", "audio"],
            default="auto",
            help="What PATH holds (default: auto, found out from the content).",
        )
        parser.add_argument(
            "--source",
            metavar="NAME",
            default="",
            help="Which library this is; an import of the same name updates it. Default: the iTunes library's id, else "
            "the name of the file or folder.",
        )
        parser.add_argument(
            "--map",
            nargs="+",
            metavar="FIELD=COLUMN",
            action="extend",
            default=[],
            help="Which CSV column holds a field, such as title=song_name. Usual headers are recognised unasked.",
        )
        parser.add_argument(
            "--id-column",
            metavar="COL",
            default="",
            help="CSV column that names each track for good. Default: a Track URI, else the content of the row.",
        )
        parser.add_argument(
            "--catalog", action="store_true", help="Load it as the iTunes reference catalogue, not as library tracks."
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would happen and change nothing.")
        parser.add_argument(
            "--keep-partial", action="store_true", help="Of a damaged file, import what is readable before the fault."
        )
        parser.add_argument(
            "--prune", action="store_true", help="Remove tracks of this source that are not in it any more."
        )
        parser.add_argument(
            "--prune-last-copies",
            action="store_true",
            help="With --prune: also those that were kept when their duplicates were removed.",
        )
        parser.add_argument(
            "--output", choices=["text", "json"], default="text", help="How the report is printed (default: text)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Titles come in every script, terminals do not.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            mapping = parse_mapping(options["map"])
            with _one_voice(), _stopping_politely(_Bars()) as progress:
                row = import_library(
                    path=_home_filled_in(options["path"]),
                    format=options["format"],
                    source=options["source"],
                    mapping=mapping,
                    id_column=options["id_column"],
                    catalog=options["catalog"],
                    dry_run=options["dry_run"],
                    keep_partial=options["keep_partial"],
                    prune=options["prune"],
                    prune_last_copies=options["prune_last_copies"],
                    now=timezone.now(),
                    progress=progress,
                )
        except (ImportRefused, ValueError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped. Run an import again: it completes first what was begun.") from error
        except (DatabaseError, sqlite3.Error, OSError, MemoryError) as error:
            sentence = str(error).strip() or type(error).__name__
            raise CommandError(f"The import was cut short: {sentence}. {_what_was_done()}") from error
        self._print(row, options["output"])

    def _print(self, row: LibraryImport, output: str) -> None:
        if output == "json":
            self.stdout.write(json.dumps(as_json(row), ensure_ascii=False, indent=2))
        else:
            self.stdout.write("\n".join(report_lines(row)))
        if row.status == ImportStatus.PARTIAL:
            self.stderr.write(self.style.WARNING(f"Kept what was readable before the fault. {row.error_message}"))


def _home_filled_in(path: str) -> Path:
    """Return the path with its `~` replaced, which no shell does within quotes, and Windows never."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # the home of a user there is not
        return Path(path)


def _what_was_done() -> str:
    """Say in what state an import that broke off has left the library. A database without tables raises again."""
    if LibraryImport.objects.filter(status=ImportStatus.APPLYING).exists():
        return "Import again: what was begun is completed first."
    return f"Nothing was changed. Its working files lie in {settings.WORK_DIR}, set by REPRISE_WORK_DIR."


class _Bars:
    """Shows each stage as a bar on a terminal and nothing anywhere else; stops at the first request to."""

    def __init__(self) -> None:
        self.is_stopping = False
        self._bar: Any = None

    def stage(self, name: str, total: int | None) -> None:
        self.close()
        if sys.stderr.isatty():
            from tqdm import tqdm  # noqa: PLC0415 (a few megabytes that only a terminal needs)

            self._bar = tqdm(desc=name, total=total, unit=" entries", leave=False)

    def advance(self, entries: int) -> None:
        if self._bar is not None:
            self._bar.update(entries)
        if self.is_stopping:
            raise KeyboardInterrupt

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextmanager
def _one_voice() -> Iterator[None]:
    """Keep log lines from the terminal, where bars show how far the import is; warnings still come."""
    previous = import_logger.level
    if sys.stderr.isatty():
        import_logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        import_logger.setLevel(previous)


@contextmanager
def _stopping_politely(bars: _Bars) -> Iterator[_Bars]:
    """Let the first interrupt finish the batch at hand; the second one stops at once."""

    def ask(signal_number: int, frame: FrameType | None) -> None:
        if bars.is_stopping:
            raise KeyboardInterrupt
        bars.is_stopping = True

    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)} if is_main else {}
    try:
        yield bars
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        bars.close()
