"""Long work is cut so that no thread waits for another, and every record is in one run."""

import pytest

from duplicates.engine.parts import chunks_of
from duplicates.engine.threads import in_threads


@pytest.mark.parametrize(
    ("count", "size", "threads", "runs"),
    [
        pytest.param(0, 10, 2, [], id="nothing"),
        pytest.param(10, 10, 2, [(0, 10)], id="what one run holds is not cut"),
        pytest.param(11, 10, 2, [(0, 6), (6, 11)], id="one run for each thread"),
        pytest.param(50, 10, 2, [(0, 9), (9, 18), (18, 27), (27, 36), (36, 45), (45, 50)], id="no lone fifth run"),
        pytest.param(25, 10, 1, [(0, 9), (9, 18), (18, 25)], id="one thread"),
    ],
)
def test_every_thread_has_as_many_runs(count: int, size: int, threads: int, runs: list[tuple[int, int]]) -> None:
    assert chunks_of(count, size, threads) == runs


@pytest.mark.parametrize("ahead", [None, 0, 1, 7])
def test_results_come_in_the_order_of_the_pieces_however_many_are_under_way(ahead: int | None) -> None:
    assert list(in_threads(lambda n: n * n, range(20), 3, ahead=ahead)) == [n * n for n in range(20)]
