"""What a run reads of the library comes with the revision it belongs to, even where there is nothing to read."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from duplicates.services import loading
from library.changes import count_changes_since, current_revision
from tests.duplicates.factories import TrackFactory

pytestmark = pytest.mark.django_db


def test_a_track_that_comes_right_after_an_empty_library_was_read_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_and_then_a_track(query: str) -> Iterator[Any]:
        TrackFactory()
        yield from ()

    monkeypatch.setattr(loading, "_rows", nothing_and_then_a_track)
    library = loading.load_library()

    assert (len(library.columns), count_changes_since(library.revision).added) == (0, 1)


def test_that_nothing_has_changed_is_read_with_the_revision_in_one_statement() -> None:
    TrackFactory()
    with CaptureQueriesContext(connection) as queries:
        changes = loading.load_changes(current_revision())

    assert (len(changes), changes.revision) == (0, current_revision())
    assert sum("library_libraryrevision" in query["sql"] for query in queries) == 2  # one of them the test's


def test_before_the_first_change_there_is_none() -> None:
    assert (len(loading.load_changes(0)), loading.load_changes(0).revision) == (0, 0)
