"""A whole run, in a process of its own as in production, keeps below the ceiling it was let begin under."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from duplicates.engine.memory import budget
from duplicates.engine.settings import EngineSettings

ROOT = Path(__file__).parent.parent.parent
LEAST_MB = 256  # that REPRISE_ANALYSIS_MEMORY_MB accepts
TRACKS = 5_000
FILL = f"""
import django; django.setup()
from library.models import Track
Track.objects.bulk_create(
    Track(source="home", source_track_id=str(n), title=f"Song {{n % 4_000}} of the Sea", artist=f"The Tide {{n % 300}}",
          album=f"Low Water {{n % 900}}", duration_ms=180_000 + n % 4_000)
    for n in range({TRACKS})
)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux counts the peak of one run")
def test_a_run_keeps_below_the_least_ceiling_it_accepts(tmp_path: Path, prepared_sqlite: Path) -> None:
    shutil.copy(prepared_sqlite, tmp_path / "db.sqlite3")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "REPRISE_", "LOG_"))}
    environment = clean | {
        "DJANGO_ENV": "production",
        "DJANGO_SECRET_KEY": "x" * 60,
        "DJANGO_ALLOWED_HOSTS": "music.example.org",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "REPRISE_WORK_DIR": str(tmp_path / "work"),
        "REPRISE_ANALYSIS_MEMORY_MB": str(LEAST_MB),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    run("-c", FILL)
    found = json.loads(run("manage.py", "run_duplicate_analysis", "--output", "json"))

    assert (found["tracks_analyzed"], found["groups_found"]) == (TRACKS, 1_000)
    assert budget(TRACKS, EngineSettings()).needed_mb <= LEAST_MB
    assert 0 < found["peak_memory_bytes"] <= LEAST_MB * 1_000_000
