"""Measures a scrape of /metrics: `python -m tests.benchmarks.monitoring [TRACKS]` (default 1,000,000).

Fills a new database (SQLite, or the one DATABASE_URL names, which must be empty) with so many tracks, a tenth as many
groups, half of them decided, three members each and a fifth as many audit records of the last 30 days. Prints the CPU
seconds of this process and the wall seconds of all figures and of their parts.
"""

import os
import sys
import tempfile
from datetime import timedelta
from typing import Any

from tests.benchmarks.changes import say, timed
from tests.benchmarks.history import NUMBERS

MONTH = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (i * 2592000.0 / {0}) || ' seconds')",
    "postgresql": "now() - (i * 2592000.0 / {0}) * interval '1 second'",
}
PLAIN = {
    "CharField": "''",
    "TextField": "''",
    "JSONField": "'{}'",
    "BooleanField": "false",
    "FloatField": "0.97",
}


def insert(model: Any, rows: int, **values: str) -> None:
    """Insert rows numbered `i` from 1; what is neither given nor nullable gets a plain value."""
    from django.db import connection  # noqa: PLC0415 (needs Django to be set up)

    moment = MONTH[connection.vendor].replace("{0}", str(rows))
    columns = {}
    for field in model._meta.concrete_fields:
        if field.name in values:
            columns[field.column] = values[field.name].replace("{moment}", moment)
        elif not (field.null or field.primary_key or field.generated):
            kind = field.get_internal_type()
            columns[field.column] = moment if kind == "DateTimeField" else PLAIN.get(kind, "1")
    numbers = NUMBERS[connection.vendor].format(rows, ", ".join(columns.values()))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) {numbers}")


def fill(tracks: int) -> int:
    """Write everything a scrape looks at."""
    from django.db import connection  # noqa: PLC0415 (needs Django to be set up)

    from duplicates.models import (  # noqa: PLC0415
        AuditRecord,
        DuplicateAnalysisGroup,
        DuplicateAnalysisResult,
        DuplicateAnalysisTrack,
    )
    from library.models import Track  # noqa: PLC0415
    from tests.duplicates.factories import AnalysisFactory  # noqa: PLC0415

    groups = tracks // 10
    analysis = AnalysisFactory(groups_found=groups, duplicates_found=2 * groups)
    key = f"'{analysis.pk.hex if connection.vendor == 'sqlite' else analysis.pk}'"
    assert DuplicateAnalysisResult.objects.count() == 1
    insert(Track, tracks, source="'made up'", source_track_id="CAST(i AS text)", title="'Song ' || i")
    insert(
        DuplicateAnalysisGroup,
        groups,
        analysis=key,
        position="i",
        member_count="3",
        duplicate_count="2",
        remaining_count="3",
        identity="CAST(i AS text)",
        group_key="CAST(i AS text)",
        confidence="0.6 + (i % 40) / 100.0",
        is_resolved="(i % 2) = 0",
        resolution="CASE WHEN i % 2 = 1 THEN '' WHEN i % 20 = 0 THEN 'not_duplicates' ELSE 'deleted' END",
    )
    first = DuplicateAnalysisGroup.objects.order_by("pk").values_list("pk", flat=True)[0]
    insert(
        DuplicateAnalysisTrack,
        3 * groups,
        group=f"{first} + (i - 1) / 3",
        track="i",
        position="(i - 1) % 3",
        is_canonical="((i - 1) % 3) = 0",
    )
    action = "CASE i % 4 WHEN 0 THEN 'duplicates.removed' WHEN 1 THEN 'export.downloaded' ELSE 'groups.resolved' END"
    insert(
        AuditRecord,
        tracks // 5,
        created_at="{moment}",
        user_name="'mara' || (i % 20)",
        action=action,
        was_successful="true",
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return tracks


def measure(tracks: int) -> None:
    """Print the table on the empty database Django is set up for."""
    from django.db import connection  # noqa: PLC0415 (needs Django to be set up)
    from django.utils import timezone  # noqa: PLC0415

    from duplicates.services.history import count_periods  # noqa: PLC0415
    from duplicates.services.measured_precision import measure_precision  # noqa: PLC0415
    from duplicates.services.metrics import _reviewers, get_metrics  # noqa: PLC0415
    from duplicates.services.storage import get_storage  # noqa: PLC0415

    say(connection.vendor)
    timed(f"{tracks:,} tracks and what belongs to them written", lambda: fill(tracks))
    now = timezone.now()
    begins_at = now - timedelta(days=30)
    for _ in range(2):
        timed("all figures", lambda: get_metrics(now=now, days=30).activity().groups_decided)
    timed("days", lambda: len(count_periods(begins_at, now, days=1)))
    timed("reviewers", lambda: len(list(_reviewers(begins_at, now))))
    timed("precision", lambda: sum(one.decided for one in measure_precision()))
    timed("storage", lambda: get_storage().total.rows)


def main() -> None:
    tracks = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/monitoring.sqlite3")
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
