"""Measures the history of clean-up: `python -m tests.benchmarks.history [RECORDS]` (default 1,000,000).

Fills a new database (SQLite, or the one DATABASE_URL names, which must be empty) with audit records spread over a year
and prints the CPU seconds of this process and the wall seconds of the history of 30, 90 and 365 days.
"""

import os
import sys
import tempfile

from tests.benchmarks.changes import say, timed

NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) SELECT {1} FROM n",
    "postgresql": "SELECT {1} FROM generate_series(1, {0}) AS n(i)",
}
MOMENT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (i * 31536000.0 / {0}) || ' seconds')",
    "postgresql": "now() - (i * 31536000.0 / {0}) * interval '1 second'",
}


def fill(records: int) -> int:
    """Write records of every kind of clean-up, one in twenty a failure; a fiftieth each of analyses made and gone."""
    from django.db import connection  # noqa: PLC0415 (needs Django to be set up)

    from duplicates.services.history import ANALYSES, CLEANUP  # noqa: PLC0415
    from duplicates.services.outcomes import FORGOTTEN  # noqa: PLC0415

    kinds = "".join(f" WHEN i % {len(CLEANUP)} = {place} THEN '{name}'" for place, name in enumerate(CLEANUP))
    ends = f"WHEN i % 50 = 7 THEN '{ANALYSES}' WHEN i % 50 = 8 THEN '{FORGOTTEN}'"
    values = {
        "created_at": MOMENT[connection.vendor].replace("{0}", str(records)),
        "user_name": "'mara'",
        "action": f"CASE {ends}{kinds} END",
        "subject_type": "'duplicateanalysisgroup'",
        "subject_id": "CAST(i AS text)",
        "subject_label": "'Harbour Lights by The Quiet Tide'",
        "was_successful": "(i % 20) <> 0",
        "counts": """'{"groups": 400, "resolved": 200, "duplicates": 500, "eliminated": 250}'""",
        "group_count": "1",
        "track_count": "2",
        "play_count": "30",
        "duration_seconds": "0.25",
        "message": "''",
    }
    rows = NUMBERS[connection.vendor].format(records, ", ".join(values.values()))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO duplicates_auditrecord ({', '.join(values)}) {rows}")
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE duplicates_auditrecord")
    return records


def measure(records: int) -> None:
    """Print the table on the empty database Django is set up for."""
    from django.db import connection  # noqa: PLC0415 (needs Django to be set up)
    from django.utils import timezone  # noqa: PLC0415

    from duplicates.services.history import PERIODS, get_cleanup_history  # noqa: PLC0415

    say(connection.vendor)
    timed(f"{records:,} audit records written", lambda: fill(records))
    now = timezone.now()
    for days in PERIODS:
        timed(f"history of {days} days", lambda days=days: get_cleanup_history(now=now, days=days).cleanup.actions)


def main() -> None:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/history.sqlite3")
        import django  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        from duplicates.models import AuditRecord  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        if AuditRecord.objects.exists():
            sys.exit("That database holds audit records. Name an empty one in DATABASE_URL.")
        measure(records)


if __name__ == "__main__":
    main()
