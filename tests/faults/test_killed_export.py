"""A worker killed while it writes an export: the next one writes it, and its file is whole."""

import hashlib

import pytest

from tests.faults.support import House

_ASK = """
import sys
import django
django.setup()
from django.utils import timezone
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import exporting
from duplicates.tasks import enqueue_export

exporting.WRITTEN_AT_ONCE = 0
analysis = DuplicateAnalysisResult.objects.get(pk=sys.argv[1])
export = exporting.request_export(analysis, "json", actor=None, now=timezone.now(), enqueue=enqueue_export)
print(export.pk.hex)
"""
# Before this call it has written a block to its file.
AMID = "duplicates.services.exporting:_Progress.__call__"
LAST = "duplicates.services.export_claims:end"


def the_export(home: House) -> tuple[str, int, str, str] | None:
    rows = home.rows(
        "SELECT status, attempt, sha256, error_message FROM duplicates_duplicateanalysisexport ORDER BY created_at DESC"
    )
    return rows[0] if rows else None


@pytest.mark.parametrize(("place", "call"), [(AMID, 2), (LAST, 1)], ids=["amid", "before it is stamped"])
def test_an_export_whose_worker_is_killed_is_written_by_the_next(home: House, place: str, call: int) -> None:
    export_id = home.script(_ASK, home.newest_result()).split()[-1]
    worker = home.paused_before(place, call)
    worker.kill()
    worker.wait(20)
    assert len(home.files("exports")) >= 1  # what it had written

    home.supervisor()
    home.wait_until(lambda: the_export(home), lambda row: row is not None and row[0] in ("completed", "failed"), 120)

    row = the_export(home)
    assert row is not None
    assert row[:2] == ("completed", 2)
    (file,) = [path for path in home.files("exports") if path.name.startswith(export_id)]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == row[2]
