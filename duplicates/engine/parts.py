"""Works through a long stage in parts that are kept as they are finished.

A run that is killed in such a stage takes its finished parts from their checkpoints and loses the part under way, no
more. A stage of one part keeps nothing here: its own checkpoint follows at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import batched

from duplicates.engine.progress import Arrays, Checkpoints, Stage
from duplicates.engine.threads import in_threads

CHUNKS_PER_PART = 4  # about two seconds of work on one core
Chunk = tuple[int, int]  # start and end of a run of records or pairs


@dataclass(frozen=True, slots=True)
class Keeping[Result]:
    """Where the parts of a stage are kept, how results are put together into one, turned into arrays and read back."""

    stage: Stage
    checkpoints: Checkpoints
    join: Callable[[list[Result]], Result]
    to_arrays: Callable[[Result], Arrays]
    from_arrays: Callable[[Arrays], Result]

    def load(self, part: tuple[Chunk, ...]) -> Result | None:
        """Return a part that an earlier run finished."""
        arrays = self.checkpoints.load(self._name(part))
        return None if arrays is None else self.from_arrays(arrays)

    def save(self, part: tuple[Chunk, ...], results: list[Result]) -> Result:
        """Keep a finished part and return it."""
        result = self.join(results)
        self.checkpoints.save(self._name(part), self.to_arrays(result))
        return result

    def _name(self, part: tuple[Chunk, ...]) -> str:
        """Return the name of a part: it says which records or pairs it covers, so another cut is another part."""
        return f"{self.stage}-{part[0][0]}-{part[-1][1]}"


def chunks_of(count: int, size: int, threads: int = 1) -> list[Chunk]:
    """Cut so many records or pairs into runs of at most `size`, equally many and long for every thread.

    What one run holds is never cut.
    """
    if count > size:
        rounds = -(-count // (size * threads))
        size = -(-count // (rounds * threads))
    return [(start, min(start + size, count)) for start in range(0, count, size)]


def in_parts[Result](
    chunks: list[Chunk],
    work: Callable[[Chunk], Result],
    *,
    keeping: Keeping[Result] | None,
    threads: int,
    advance: Callable[[int], None],
) -> Iterator[Result]:
    """Yield the results of all chunks in order, those of a kept part as one; `advance` hears where each chunk ends."""
    parts = list(batched(chunks, CHUNKS_PER_PART))
    if keeping is None or len(parts) < 2:
        for (_, end), result in zip(chunks, in_threads(work, chunks, threads), strict=True):
            advance(end)
            yield result
        return
    done = 0
    while done < len(parts) and (kept := keeping.load(parts[done])) is not None:
        advance(parts[done][-1][1])
        yield kept
        done += 1
    results = in_threads(work, chunks[done * CHUNKS_PER_PART :], threads)
    for part in parts[done:]:
        finished = []
        for _, end in part:
            finished.append(next(results))
            advance(end)
        yield keeping.save(part, finished)
