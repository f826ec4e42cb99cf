"""Counts of a long log: made once and brought forward, and at every moment what a count from the beginning says."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from library import large_counts
from library.changes import ChangeCounts, count_changes_since_each, current_revision, recording
from library.large_counts import LargeCounts
from library.models import LibraryRevision, Track
from tests.factories import TrackFactory

pytestmark = pytest.mark.django_db
CLEAN_UP = "analysis:1"
STEPS = st.tuples(
    st.sampled_from(["add", "edit", "edit back", "remove", "restore", "delete", "edit all", "clean up", "ask", "mark"]),
    st.integers(0, 5),
)


@pytest.fixture
def three_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_counts, "SHORT", 2)
    monkeypatch.setattr(large_counts, "SIMPLY_READ", 2)


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass."""
    now = [1_000.0]
    monkeypatch.setattr(large_counts.time, "monotonic", lambda: now[0])

    def pass_by(seconds: float) -> None:
        now[0] += seconds

    return pass_by


def counted_parts(ask: Callable[[], object]) -> list[int]:
    """Return of each statement that counts how many ranges of the log it looks through."""
    with CaptureQueriesContext(connection) as queries:
        ask()
    return [many for query in queries if (many := query["sql"].count("AS first_id"))]


def take(step: str, at: int) -> None:
    tracks = list(Track.objects.order_by("pk"))
    chosen = Track.objects.filter(pk=tracks[at % len(tracks)].pk) if tracks else Track.objects.none()
    edits = {"edit": {"title": f"Renamed {at}"}, "edit back": {"title": "Harbour Lights"}, "restore": {}}
    if step == "add":
        TrackFactory(source_track_id=f"{timezone.now().timestamp()}-{at}")
    elif step in edits:
        chosen.update(**edits[step] or {"quarantined_at": None})
    elif step == "remove":
        chosen.update(quarantined_at=timezone.now())
    elif step == "delete":
        chosen.delete()
    elif step == "edit all":
        Track.objects.update(album=f"Album {at}")
    elif step == "clean up":
        with recording(CLEAN_UP):
            chosen.update(quarantined_at=timezone.now())


@given(steps=st.lists(STEPS, max_size=30))
@effort(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_they_say_at_every_moment_what_counting_from_the_beginning_says(
    three_are_many: None, steps: list[tuple[str, int]]
) -> None:
    counts, revisions = LargeCounts(), [current_revision()]
    for step, at in [*steps, ("ask", 0)]:
        take(step, at)
        if step == "mark":
            revisions.append(current_revision())
        elif step == "ask":
            questions = [(revision, cause) for revision in revisions[-1 - at :] for cause in ("", CLEAN_UP)]

            assert counts.since_each(questions) == count_changes_since_each(questions)


def test_a_long_log_is_read_once_and_then_what_came_after(three_are_many: None) -> None:
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(3)

    first = counted_parts(lambda: counts.since_each([(start, "")]))
    unchanged = counted_parts(lambda: counts.since_each([(start, "")]))
    TrackFactory()
    with CaptureQueriesContext(connection) as queries:
        answer = counts.since_each([(start, "")])

    assert (first, unchanged, answer) == ([1, 1], [], [ChangeCounts(added=4)])  # the first saw that there are too many
    statement = queries[-1]["sql"]
    among = (
        "AND track_id = ANY (ARRAY(SELECT" if connection.vendor == "postgresql" else "AND track_id IN (SELECT track_id"
    )
    assert statement.count("AS first_id") == statement.count(among) == 2


def test_a_short_one_is_simply_read(three_are_many: None) -> None:
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(2)

    asked = counted_parts(lambda: counts.since_each([(start, ""), (start, CLEAN_UP), (start, "")]))
    assert asked == [2]
    assert not counts._kept


def test_many_at_once_are_brought_forward_from_their_neighbours_where_much_has_changed(
    three_are_many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by itself would look at all that an import has changed."""
    monkeypatch.setattr("library.large_counts.SHORT", 8)
    monkeypatch.setattr("library.large_counts.FEW", 2)
    counts, questions = LargeCounts(), []
    answers: list[ChangeCounts] = []
    for _ in range(4):
        questions.append((current_revision(), ""))
        TrackFactory()
    counts.since_each(questions)
    TrackFactory.create_batch(3)

    statements = counted_parts(lambda: answers.extend(counts.since_each(questions)))

    assert answers == [ChangeCounts(added=number) for number in (7, 6, 5, 4)]
    assert {count.at for count in counts._kept.values()} == {current_revision()}
    assert len(statements) >= len(questions)  # not all of them in one, each with all three


def test_another_moment_is_counted_from_its_neighbour(three_are_many: None) -> None:
    counts, start = LargeCounts(), current_revision()
    track = TrackFactory()
    later = current_revision()
    TrackFactory.create_batch(3)
    track.delete()

    with CaptureQueriesContext(connection) as queries:
        answer = counts.since_each([(start, ""), (later, "")])

    whole = [query for query in queries if "AND track_id " not in query["sql"] and "AND TRUE" in query["sql"]]
    assert answer == [ChangeCounts(added=3), ChangeCounts(added=3, deleted=1)]
    assert len(whole) == 1


def test_who_was_stopped_finds_what_was_finished(three_are_many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(3)
    later = current_revision()
    TrackFactory.create_batch(3)
    count = large_counts.count_stretches
    patience = [3]

    def stop(*arguments: object, **named: object) -> object:
        patience[0] -= 1
        if not patience[0]:
            raise TimeoutError
        return count(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(large_counts, "count_stretches", stop)
    with pytest.raises(TimeoutError):
        counts.since_each([(start, ""), (later, "")])

    assert list(counts._kept) == [(later, "")]
    assert counts.since_each([(start, ""), (later, "")]) == [ChangeCounts(added=6), ChangeCounts(added=3)]


def test_after_a_copy_was_restored_all_is_counted_anew(three_are_many: None) -> None:
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(3)
    counts.since_each([(start, "")])

    Track.objects.all().delete()
    LibraryRevision.objects.update(value=start + 1)

    assert counts.since_each([(start, "")]) == count_changes_since_each([(start, "")])


def test_what_nobody_asked_for_in_an_hour_is_counted_anew(three_are_many: None, wait: Callable[[float], None]) -> None:
    """Compaction may take what it would be brought forward by."""
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(3)
    counts.since_each([(start, "")])

    wait(3_600)

    assert counted_parts(lambda: counts.since_each([(start, "")])) == [1, 1]


def test_only_so_many_are_kept(three_are_many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_counts, "MOST_KEPT", 2)
    counts, start = LargeCounts(), current_revision()
    TrackFactory.create_batch(3)

    for cause in "abcde":
        counts.since_each([(start, cause)])

    assert len(counts._kept) <= 2


def test_what_is_asked_beside_a_count_is_asked_once_for_each_revision(three_are_many: None) -> None:
    counts, start = LargeCounts(), current_revision()
    asked: list[int] = []

    def ask() -> int:
        asked.append(current_revision())
        return len(asked)

    def answers() -> list[int]:
        counts.since_each([(start, "")])
        return [counts.beside((start, ""), ask), counts.beside((start, ""), ask)]

    TrackFactory()
    assert answers() == [1, 2]  # the log is short
    TrackFactory.create_batch(2)
    assert answers() == [3, 3]
    TrackFactory()
    assert answers() == [4, 4]
