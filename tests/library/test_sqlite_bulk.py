"""SQLite looks at rows again as soon as copies of rows it has looked at are written."""

import pytest
from django.db import IntegrityError, connection

from library.models import Playlist, PlaylistEntry
from library.sqlite_bulk import page_cache, unchecked_copies
from tests.factories import TrackFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL is set by who runs it"),
]


def set_to(name: str) -> int:
    with connection.cursor() as cursor:
        value: int = cursor.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def write_what_breaks_a_rule() -> None:
    """Write an entry of a playlist that is not there, at a place below the first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO library_playlistentry (playlist_id, track_id, position) VALUES (4711, %s, -1)",
            [TrackFactory().pk],
        )


def test_inside_it_takes_what_is_written_as_right() -> None:
    with unchecked_copies():
        write_what_breaks_a_rule()

    assert PlaylistEntry.objects.count() == 1
    PlaylistEntry.objects.all().delete()
    assert not Playlist.objects.exists()


def test_afterwards_it_looks_again_even_if_something_went_wrong() -> None:
    with pytest.raises(ZeroDivisionError), unchecked_copies():
        raise ZeroDivisionError

    assert (set_to("foreign_keys"), set_to("ignore_check_constraints")) == (1, 0)
    with pytest.raises(IntegrityError):
        write_what_breaks_a_rule()


def test_what_is_kept_in_memory_is_as_before_afterwards() -> None:
    before = set_to("cache_size")

    with page_cache(4_321):
        inside = set_to("cache_size")

    assert (inside, set_to("cache_size")) == (-4_321, before)
