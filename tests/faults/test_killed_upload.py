"""A worker killed while it imports a file sent here: nothing is half imported, the next one brings it to its end."""

import pytest

from tests.faults.support import House

ROWS = 30_000
_SEND = """
import sys
import django
django.setup()
from django.utils import timezone
from library.tasks import enqueue_upload
from library.uploads import import_upload, uploads_folder

file = uploads_folder() / "sent"
rows = (f"{n},Song {n} {'x' * 40},The Quiet Tide\\n" for n in range(int(sys.argv[1])))
file.write_text("id,title,artist\\n" + "".join(rows))
wish = {"id_column": "id", "source": "sent"}
row = import_upload(file, name="songs.csv", wish=wish, user=None, now=timezone.now(), enqueue=enqueue_upload)
print(row.pk.hex, row.status)
"""


def tracks(home: House) -> int:
    return int(home.rows("SELECT count(*) FROM library_track WHERE source = 'sent'")[0][0])


def the_import(home: House) -> tuple[str, int, int]:
    ((status, added, applied),) = home.rows("SELECT status, added_count, applied_entries FROM library_libraryimport")
    return status, added, applied


@pytest.mark.parametrize(
    ("place", "call", "left"),
    [
        pytest.param("library.uploads:_Told.advance", 2, ("reading", 0), id="while it reads"),
        pytest.param("library.applying:Application._move_mark", 4, ("applying", 1_500), id="while it applies"),
    ],
)
def test_a_file_whose_worker_is_killed_is_imported_once_by_the_next(
    house_to_clean: House, place: str, call: int, left: tuple[str, int]
) -> None:
    home = house_to_clean
    assert home.script(_SEND, str(ROWS)).split()[-1] == "queued"
    worker = home.paused_before(place, call)
    worker.kill()
    worker.wait(20)

    status, _, applied = the_import(home)
    assert (status, tracks(home)) == left
    assert applied == left[1]
    assert len(home.files("uploads")) == 1  # what the next worker needs

    home.supervisor()
    home.wait_until(lambda: the_import(home)[0], lambda seen: seen in ("completed", "failed"), 120)
    home.end_processes()

    assert the_import(home) == ("completed", ROWS, ROWS)
    assert tracks(home) == ROWS
    assert home.files("uploads") == home.files("imports") == []


def test_a_file_that_kills_worker_after_worker_is_refused_with_a_way_out(house_to_clean: House) -> None:
    home = house_to_clean
    home.script(_SEND, str(ROWS))
    for _ in range(3):
        worker = home.paused_before("library.uploads:_Told.advance", 1)
        worker.kill()
        worker.wait(20)
        home.script(_WAKE)

    home.supervisor()
    home.wait_until(lambda: the_import(home)[0], lambda seen: seen in ("completed", "failed"), 120)
    home.end_processes()

    ((error,),) = home.rows("SELECT error_message FROM library_libraryimport")
    assert the_import(home)[0] == "failed"
    assert "Several workers ended while they read it." in error
    assert tracks(home) == 0
    assert home.files("uploads") == home.files("imports") == []


# What the tick of a supervisor does; the workers here are started without one.
_WAKE = """
import django
django.setup()
from django.utils import timezone
from duplicates.services import workers
from library.tasks import enqueue_upload
workers.wake_for_uploads(now=timezone.now(), enqueue=enqueue_upload)
"""
