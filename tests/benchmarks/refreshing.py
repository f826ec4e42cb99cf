"""Measures a refresh after few changes: `python -m tests.benchmarks.refreshing LIBRARY.csv [CHANGED]` (default 100).

Fills a new database (SQLite, or the one DATABASE_URL names, which must be empty) with a generated library, runs an
analysis, edits so many tracks and refreshes. Prints the CPU seconds of this process and of its server process.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from itertools import batched
from pathlib import Path
from typing import Any


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def timed(name: str, work: Callable[[], Any]) -> Any:
    from tests.benchmarks.whole_run import difference, spent  # noqa: PLC0415 (needs Django to be set up)

    before = spent()
    outcome = work()
    own, server, wall = difference(spent(), before)
    say(f"{name:44} {own:8.2f} CPU s, server {server:6.2f} CPU s {wall:8.1f} s")
    return outcome


def fill(path: Path) -> None:
    """Write the generated library as tracks."""
    from library.models import Track  # noqa: PLC0415 (needs Django to be set up)
    from tests.benchmarks.engine import generated  # noqa: PLC0415

    names = ("title", "artist", "album", "duration_ms", "year", "track_number")
    rows = generated(path)[0].frame.select(names).iter_rows(named=True)
    for part in batched(enumerate(rows), 5_000):
        Track.objects.bulk_create(
            Track(
                source="benchmark",
                source_track_id=str(number),
                **{k: "" if v is None and k in names[:3] else v for k, v in row.items()},
            )
            for number, row in part
        )


def measure(path: Path, changed: int) -> None:
    """Print the table on the empty database Django is set up for."""
    from django.utils import timezone  # noqa: PLC0415 (needs Django to be set up)

    from duplicates.choices import Trigger  # noqa: PLC0415
    from duplicates.models import DuplicateAnalysisResult  # noqa: PLC0415
    from duplicates.services.lifecycle import queue_analysis  # noqa: PLC0415
    from duplicates.services.options import AnalysisOptions  # noqa: PLC0415
    from duplicates.services.refreshing import refresh_analysis  # noqa: PLC0415
    from duplicates.services.running import run_analysis  # noqa: PLC0415
    from duplicates.services.work_folder import index_bytes  # noqa: PLC0415
    from library.models import Track  # noqa: PLC0415

    def run(analysis: DuplicateAnalysisResult) -> DuplicateAnalysisResult:
        run_analysis(analysis.pk)
        analysis.refresh_from_db()
        say(
            f"  {analysis.status}, {analysis.groups_found:,} groups, {analysis.cpu_seconds} CPU s of the run, "
            f"{(analysis.peak_memory_bytes or 0) / 1e6:,.0f} MB, {analysis.phase_seconds}"
            f" {analysis.figures['notes']}"
        )
        return analysis

    if Track.objects.exists():
        sys.exit("This library already holds tracks: give DATABASE_URL an empty one.")
    timed("tracks written", lambda: fill(path))
    queued = queue_analysis(AnalysisOptions(), actor=None, trigger=Trigger.COMMAND, now=timezone.now())
    first = timed("full run", lambda: run(queued.analysis))
    say(f"  {index_bytes(first.pk) / 1e6:,.0f} MB left for a refresh")
    ids = list(Track.objects.order_by("pk").values_list("pk", flat=True))
    for one, other in zip(ids[:: len(ids) // changed][:changed], ids[1 :: len(ids) // changed], strict=False):
        Track.objects.filter(pk=one).update(title=Track.objects.get(pk=other).title)
    refresh = refresh_analysis(first, actor=None, now=timezone.now())
    second = timed(f"refresh after {changed} edits", lambda: run(refresh))
    refresh = refresh_analysis(second, actor=None, now=timezone.now())
    timed("the same again", lambda: run(refresh))


def main() -> None:
    path, changed = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/refreshing.sqlite3")
        os.environ.setdefault("REPRISE_ANALYSIS_TIMEOUT_SECONDS", "7200")
        os.environ["REPRISE_WORK_DIR"] = folder
        import django  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        call_command("migrate", verbosity=0)
        measure(path, changed)


if __name__ == "__main__":
    main()
