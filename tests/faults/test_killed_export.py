"""A worker killed, or frozen past its lease, amid the writing of an export: the next one writes it, and it is whole."""

import hashlib
import signal

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
def test_an_export_whose_worker_is_killed_is_written_by_the_next(
    home: House, earlier: str, place: str, call: int
) -> None:
    export_id = home.script(_ASK, earlier).split()[-1]
    worker = home.paused_before(place, call)
    worker.kill()
    worker.wait(20)
    assert len(contents(home, export_id)) == 1  # what it had written

    home.supervisor()
    home.wait_until(lambda: the_export(home), lambda row: row is not None and row[0] in ("completed", "failed"), 120)

    row = the_export(home)
    assert row is not None
    assert row[:2] == ("completed", 2)
    (written,) = contents(home, export_id).values()
    assert hashlib.sha256(written).hexdigest() == row[2]


@pytest.mark.parametrize(("place", "call"), [(AMID, 2), (LAST, 1)], ids=["amid", "before it is stamped"])
def test_a_writer_that_wakes_after_its_lease_changes_nothing(home: House, earlier: str, place: str, call: int) -> None:
    export_id = home.script(_ASK, earlier).split()[-1]
    late = home.paused_before(place, call)
    late.send_signal(signal.SIGSTOP)
    others = home.supervisor()
    home.wait_until(lambda: the_export(home), lambda row: row is not None and row[0] in ("completed", "failed"), 120)
    written, files = the_export(home), contents(home, export_id)
    others.terminate()
    others.wait(20)

    late.send_signal(signal.SIGCONT)
    late.send_signal(signal.SIGUSR1)
    late.terminate()  # which lets it finish what it is at
    late.wait(60)

    assert written is not None
    assert written[:2] == ("completed", 2)
    assert the_export(home) == written
    assert contents(home, export_id) == {name: data for name, data in files.items() if not name.endswith(".part")}


def contents(home: House, export_id: str) -> dict[str, bytes]:
    """Return what lies there of an export."""
    return {path.name: path.read_bytes() for path in home.files("exports") if path.name.startswith(export_id)}
