"""A PostgreSQL server that goes down and comes up again under a run."""

import time
from pathlib import Path

import pytest
from django.conf import settings

from tests.faults.postgres import private_postgres
from tests.faults.support import house

SLOW = [pytest.param(stage, marks=pytest.mark.slow) for stage in ("load", "scoring")]


@pytest.mark.database
@pytest.mark.parametrize("stage", [*SLOW, "saving"])
def test_a_run_survives_a_restart_of_the_database(tmp_path: Path, stage: str) -> None:
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        pytest.skip("runs with the PostgreSQL tests")
    with private_postgres() as server, house(server.url, tmp_path) as home:
        home.manage("migrate", "-v0")
        home.make_library(300)
        undisturbed = home.groups(home.manage("run_duplicate_analysis").stdout.split()[-1])
        analysis_id = home.queue()
        home.worker_paused_at(stage, seconds=4)

        server.stop()
        time.sleep(1)
        server.start()
        home.supervisor()
        row = home.wait_for(analysis_id, "completed", "failed", seconds=120)

        assert row["status"] == "completed"
        assert home.groups(analysis_id) == undisturbed
