"""Measures a whole analysis beside its floor: `python -m tests.benchmarks.whole_run` on the library of DATABASE_URL.

The floor is what the database alone asks for: a bare SELECT of the columns that are read, and a bare COPY or
`executemany` of the very rows that were saved, into the same tables with the same indexes and taken back. Prints
processor and wall seconds of each stage, of the database's own process where it can be seen, and the longest time
between two chances to stop. Run by hand; nothing here is a test.
"""

import os
import resource
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402 (Django must be set up before)

from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack  # noqa: E402
from duplicates.services import loading  # noqa: E402
from duplicates.services.detection import DuplicateDetectionService  # noqa: E402
from duplicates.services.options import AnalysisOptions  # noqa: E402
from duplicates.services.progress import RunReporter  # noqa: E402
from library.copying import copy_rows  # noqa: E402

ENGINE = ("normalise", "candidates", "scoring", "clustering", "keeper")
TICKS = os.sysconf("SC_CLK_TCK")
Seconds = tuple[float, float, float]  # CPU of this process, CPU of the database's, wall


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def spent() -> Seconds:
    return time.process_time(), _server_seconds(), time.monotonic()


def _server_seconds() -> float:
    """Return the CPU seconds of this connection's server process; 0 where there is none or it is out of sight."""
    if connection.vendor != "postgresql" or connection.connection is None:
        return 0.0
    status = Path(f"/proc/{connection.connection.info.backend_pid}/stat")
    if not status.exists():
        return 0.0
    fields = status.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def difference(after: Seconds, before: Seconds) -> Seconds:
    return after[0] - before[0], after[1] - before[1], after[2] - before[2]


@contextmanager
def measured(name: str, table: dict[str, Seconds]) -> Iterator[None]:
    connection.ensure_connection()
    before = spent()
    yield
    table[name] = difference(spent(), before)


class Watch:
    """Listens to a run's reports: the seconds of each stage, and the longest time between two reports."""

    def __init__(self) -> None:
        self.stages: dict[str, Seconds] = {}
        self.gaps: dict[str, float] = {}
        self._stage, self._begun, self._reported = "", spent(), time.monotonic()

    @contextmanager
    def listening(self) -> Iterator[None]:
        begin, advance = RunReporter.begin, RunReporter.advance

        def begin_watched(reporter: RunReporter, stage: str, total: int) -> None:
            self._enter(str(stage))
            begin(reporter, stage, total)

        def advance_watched(reporter: RunReporter, done: int, **found: Any) -> None:
            gap = time.monotonic() - self._reported
            self.gaps[self._stage] = max(self.gaps.get(self._stage, 0.0), gap)
            advance(reporter, done, **found)
            self._reported = time.monotonic()

        RunReporter.begin, RunReporter.advance = begin_watched, advance_watched  # type: ignore[method-assign]
        try:
            yield
            self._enter("")
        finally:
            RunReporter.begin, RunReporter.advance = begin, advance  # type: ignore[method-assign]

    def _enter(self, stage: str) -> None:
        if self._stage:
            self.stages[self._stage] = difference(spent(), self._begun)
        else:
            self._reported = time.monotonic()
        self._stage, self._begun = stage, spent()


def run() -> tuple[DuplicateAnalysisResult, Watch]:
    watch = Watch()
    connection.ensure_connection()
    with watch.listening():
        ran = DuplicateDetectionService().find_duplicates_with_persistence(
            AnalysisOptions(preset="release"), force=True, time_limit_seconds=24 * 3600
        )
    return ran.analysis, watch


def bare_select() -> None:
    """Read what a run reads and let go of it."""
    query = f"SELECT {loading._TRACK_COLUMNS} FROM library_track t WHERE t.quarantined_at IS NULL ORDER BY t.id"
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(query)
        while cursor.fetchmany(loading.ROWS_PER_CHUNK):
            pass


def bare_write(analysis: DuplicateAnalysisResult, table: dict[str, Seconds]) -> None:
    """Write the rows of a saved analysis once more, as those of another, and take them back."""
    groups, members = DuplicateAnalysisGroup._meta, DuplicateAnalysisTrack._meta
    group_columns = [field.column for field in groups.concrete_fields]
    member_columns = [field.column for field in members.concrete_fields]
    group_rows = _rows(f"SELECT {', '.join(group_columns)} FROM {groups.db_table} WHERE analysis_id = %s", analysis)
    member_rows = _rows(
        f"SELECT {', '.join(f'm.{name}' for name in member_columns)} FROM {members.db_table} m "
        f"JOIN {groups.db_table} g ON g.id = m.group_id WHERE g.analysis_id = %s",
        analysis,
    )
    further = 10**9  # new ids, in the same order
    place = group_columns.index("analysis_id")
    parent = member_columns.index("group_id")
    other = DuplicateAnalysisResult.objects.get(pk=analysis.pk)
    other.pk, other.is_pinned = uuid.uuid4(), False
    with transaction.atomic():
        other.save(force_insert=True)
        key = connection.ops.adapt_unknown_value(other.pk) if connection.vendor == "postgresql" else other.pk.hex
        group_rows = [(row[0] + further, *row[1:place], key, *row[place + 1 :]) for row in group_rows]
        member_rows = [
            (row[0] + further, *row[1:parent], row[parent] + further, *row[parent + 1 :]) for row in member_rows
        ]
        with measured("bare write", table):
            _write(groups.db_table, group_columns, group_rows)
            _write(members.db_table, member_columns, member_rows)
            connection.check_constraints()
        transaction.set_rollback(True)


def _rows(query: str, analysis: DuplicateAnalysisResult) -> list[tuple[Any, ...]]:
    key = analysis.pk if connection.vendor == "postgresql" else analysis.pk.hex
    with connection.cursor() as cursor:
        cursor.execute(query, [key])
        return cursor.fetchall()


def _write(table: str, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    if connection.vendor == "postgresql":
        copy_rows(table, columns, rows)
        return
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)


def line(name: str, seconds: Seconds, gap: float | None = None) -> str:
    cpu, server, wall = seconds
    longest = "" if gap is None else f"{gap:9.2f}"
    return f"{name:20}{cpu:9.2f}{server:9.2f}{cpu + server:9.2f}{wall:9.2f}{longest}"


def main() -> None:
    say(f"{'':20}{'CPU':>9}{'server':>9}{'both':>9}{'wall':>9}{'longest':>9}")
    analysis, watch = run()
    for stage, seconds in watch.stages.items():
        say(line(stage, seconds, watch.gaps.get(stage)))
    table: dict[str, Seconds] = {}
    with measured("bare select", table):
        bare_select()
    bare_write(analysis, table)
    engine = sum(sum(watch.stages[stage][:2]) for stage in ENGINE)
    whole = sum(sum(seconds[:2]) for seconds in watch.stages.values())
    for name, seconds in table.items():
        say(line(name, seconds))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{analysis.tracks_analyzed:,} tracks, {analysis.groups_found:,} groups, peak {peak:,.0f} MB")
    say(f"whole / engine {whole / engine:.2f}")
    for stage, floor in (("load", "bare select"), ("saving", "bare write")):
        say(f"{stage} / {floor} {sum(watch.stages[stage][:2]) / sum(table[floor][:2]):.2f}")


if __name__ == "__main__":
    main()
