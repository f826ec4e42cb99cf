"""Counts of many changes: kept for half a minute, while few are always counted anew."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from library import large_counts
from library.changes import ChangeCounts, current_revision
from library.large_counts import LargeCounts
from library.models import Track
from tests.factories import TrackFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass; three changes are many here."""
    now = [1_000.0]
    monkeypatch.setattr(large_counts.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(large_counts, "LARGE", 3)

    def pass_by(seconds: float) -> None:
        now[0] += seconds

    return pass_by


def test_many_are_counted_again_after_half_a_minute(wait: Callable[[float], None]) -> None:
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(3)
    assert counts.since_each([(start, "")]) == [ChangeCounts(added=3)]
    TrackFactory()

    wait(29)
    assert counts.since_each([(start, "")]) == [ChangeCounts(added=3)]
    wait(1)
    assert counts.since_each([(start, "")]) == [ChangeCounts(added=4)]


def test_few_are_always_counted(wait: Callable[[float], None]) -> None:
    counts, start = LargeCounts(), current_revision()
    for many in (1, 2):
        TrackFactory()

        assert counts.since_each([(start, "")]) == [ChangeCounts(added=many)]


def test_what_became_few_is_forgotten(wait: Callable[[float], None]) -> None:
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(3)
    counts.since_each([(start, "")])
    Track.objects.all().delete()
    wait(30)
    assert counts.since_each([(start, "")]) == [ChangeCounts()]

    TrackFactory()

    assert counts.since_each([(start, "")]) == [ChangeCounts(added=1)]


def test_equal_questions_are_one_and_what_is_known_is_no_query(wait: Callable[[float], None]) -> None:
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(3)

    with CaptureQueriesContext(connection) as queries:
        first = counts.since_each([(start, ""), (start, "analysis:1"), (start, "")])
        again = counts.since_each([(start, "analysis:1")])

    assert first == [ChangeCounts(added=3)] * 3
    assert again == first[:1]
    assert [query["sql"].count("AS place") for query in queries] == [2]


def test_who_asks_while_it_is_counted_anew_is_told_the_last_count(
    wait: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(3)
    counts.since_each([(start, "")])
    wait(31)
    meanwhile: list[ChangeCounts] = []
    count = large_counts.count_changes_since_each

    def ask_meanwhile(questions: list[tuple[int, str]]) -> list[ChangeCounts]:
        if questions:
            meanwhile.extend(counts.since_each([(start, "")]))
        return count(questions)

    monkeypatch.setattr(large_counts, "count_changes_since_each", ask_meanwhile)
    counts.since_each([(start, "")])

    assert meanwhile == [ChangeCounts(added=3)]


def test_only_so_many_are_kept(wait: Callable[[float], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_counts, "MOST_KEPT", 2)
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(3)

    for cause in "abcde":
        counts.since_each([(start, cause)])

    assert len(counts._kept) <= 2
