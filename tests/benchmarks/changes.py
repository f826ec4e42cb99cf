"""Measures the change log: `python -m tests.benchmarks.changes [TRACKS]` (default 1,000,000).

Fills a new database (SQLite, or the one DATABASE_URL names, which must not exist) and prints the CPU seconds of this
process and the wall seconds of appending changes and of counting them since an analysis.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable

FEW = 100


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def timed(name: str, work: Callable[[], object]) -> None:
    cpu, wall = time.process_time(), time.monotonic()
    outcome = work()
    say(f"{name:58} {time.process_time() - cpu:8.3f} CPU s {time.monotonic() - wall:8.3f} s  {outcome}")


def measure(tracks: int) -> None:
    """Print the table on the empty database Django is set up for."""
    from django.db.models import F  # noqa: PLC0415 (needs Django to be set up)

    from duplicates.models import DuplicateAnalysisResult  # noqa: PLC0415
    from duplicates.services.library_changes import get_library_change_summary, touched_groups  # noqa: PLC0415
    from library.changes import current_revision  # noqa: PLC0415
    from library.models import Track  # noqa: PLC0415
    from tests.duplicates.factories import AnalysisFactory  # noqa: PLC0415

    def insert() -> int:
        rows = (Track(source="benchmark", source_track_id=str(n), title=f"Song {n}") for n in range(tracks))
        return len(Track.objects.bulk_create(rows, batch_size=2_000))

    def summary(analysis: DuplicateAnalysisResult) -> Callable[[], str]:
        return lambda: get_library_change_summary(analysis).sentence

    timed(f"{tracks:,} tracks added, each recorded", insert)
    analysis = AnalysisFactory(library_revision=current_revision(), library_track_count=tracks)
    timed("nothing changed since, counted", summary(analysis))
    few = Track.objects.filter(pk__in=Track.objects.order_by("pk").values("pk")[:FEW])
    timed(f"{FEW} tracks edited behind {tracks:,} changes", lambda: few.update(year=1999))
    timed(f"{FEW} changes counted among {tracks:,}", summary(analysis))
    timed("groups they touch", lambda: touched_groups(analysis).count())
    timed(f"{FEW} plays, which are no changes", lambda: few.update(play_count=F("play_count") + 1))
    timed(f"{tracks:,} tracks edited", lambda: Track.objects.update(genre="Rock"))
    timed(f"{tracks:,} changes counted", summary(analysis))
    timed("the same again", summary(analysis))
    few.update(year=2001)
    timed(f"the same after {FEW} more edits", summary(analysis))


def main() -> None:
    tracks = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/changes.sqlite3")
        import django  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        from library.models import Track  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        if Track.objects.exists():
            sys.exit("That database holds tracks. Name an empty one in DATABASE_URL.")
        measure(tracks)


if __name__ == "__main__":
    main()
