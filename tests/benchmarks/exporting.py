"""Measures exports: `python -m tests.benchmarks.exporting [MEMBERS]` (1,000,000).

Fills a new SQLite database, or the empty one that DATABASE_URL names, with one analysis whose groups have two members,
and writes it in each format to nowhere. Prints members per processor second and the peak of memory. No test.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from itertools import batched
from typing import Any

GROUPS_A_BATCH = 5_000


def fill(members: int) -> Any:
    """Write an analysis with members that all say something different."""
    from django.utils import timezone  # noqa: PLC0415

    from duplicates.choices import AnalysisStatus  # noqa: PLC0415
    from duplicates.engine.settings import EngineSettings  # noqa: PLC0415
    from duplicates.engine.shipped import shipped_model  # noqa: PLC0415
    from duplicates.models import DuplicateAnalysisResult  # noqa: PLC0415

    now = timezone.now()
    analysis = DuplicateAnalysisResult.objects.create(
        status=AnalysisStatus.COMPLETED,
        created_at=now,
        started_at=now,
        parameters_fingerprint="0" * 64,
        learnt_tables=shipped_model(EngineSettings()).to_bytes(),
    )
    for numbers in batched(range(members // 2), GROUPS_A_BATCH):
        write_groups(analysis, numbers, now)
    return analysis


def write_groups(analysis: Any, numbers: tuple[int, ...], now: Any) -> None:
    """Write one batch of groups with their members."""
    from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack  # noqa: PLC0415

    groups = DuplicateAnalysisGroup.objects.bulk_create(
        DuplicateAnalysisGroup(
            analysis=analysis,
            position=number + 1,
            group_key=f"{number:032x}",
            identity=f"{number:032x}",
            title=f"Harbour Lights {number}",
            artist="The Quiet Tide",
            member_count=2,
            duplicate_count=1,
            remaining_count=2,
            confidence=0.97,
            average_similarity=0.97,
            cohesion=1.0,
            keeper_track_id=2 * number,
            keeper_rule="most_played",
            keeper_reason="Kept because played 36 times, 14 more than the next copy",
        )
        for number in numbers
    )
    DuplicateAnalysisTrack.objects.bulk_create(
        [
            DuplicateAnalysisTrack(
                group=group,
                track_id=2 * number + place,
                position=place,
                source="radio",
                source_track_id=f"row {number} {place}",
                title=f"Harbour Lights {number}",
                artist="The Quiet Tide",
                album="Low Water",
                genre="Rock",
                duration_ms=215_000 + place,
                year=1998,
                play_count=number % 40,
                last_played_at=now,
                added_at=now,
                format="FLAC",
                bit_rate_kbps=900,
                size_bytes=24_000_000,
                is_canonical=place == 0,
                similarity=0.97,
                match_weight=5.0,
                evidence=number % 500,
                matches_keeper=True,
            )
            for group, number in zip(groups, numbers, strict=True)
            for place in (0, 1)
        ]
    )


def measure(analysis: Any, members: int) -> None:
    """Write the export in each format and print what it took."""
    from django.utils import timezone  # noqa: PLC0415

    from duplicates.choices import ExportFormat  # noqa: PLC0415
    from duplicates.services.exporting import export_analysis_results  # noqa: PLC0415

    for export_format in ExportFormat.values:
        before, cpu = peak_memory(), time.process_time()
        size = sum(map(len, export_analysis_results(analysis, export_format, now=timezone.now())))
        cpu = time.process_time() - cpu
        sys.stdout.write(
            f"{members:,} members as {export_format}: {cpu:.1f} CPU s, {members / cpu:,.0f} a CPU s, "
            f"{size / 1e6:.0f} MB, peak {peak_memory():.0f} MB ({before:.0f} before)\n"
        )


def peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("members", nargs="?", type=int, default=1_000_000)
    members = parser.parse_args().members
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/library.sqlite3")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
        import django  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415
        from django.db import connection  # noqa: PLC0415

        django.setup()
        call_command("migrate", verbosity=0)
        connection.close()  # a connection is not shared with a child
        child = os.fork()  # the memory of filling is not that of exporting
        if child == 0:
            fill(members)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit("The database could not be filled.")
        from duplicates.models import DuplicateAnalysisResult  # noqa: PLC0415

        measure(DuplicateAnalysisResult.objects.get(), members)


if __name__ == "__main__":
    main()
