"""Work on pieces of a library with several threads, results in the order of the pieces.

Most of the matcher's time is spent in libraries that let go of the interpreter, so threads share the cores without
copying anything. Which thread worked on what never shows in a result.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor


def in_threads[Piece, Result](
    work: Callable[[Piece], Result], pieces: Iterable[Piece], threads: int, *, ahead: int | None = None
) -> Iterator[Result]:
    """Yield the result of each piece in turn, at most `ahead` more under way than the one waited for.

    By default that is one for each thread: few results wait. Pieces of quite different size want more, since a thread
    would else wait for the largest. A single piece is worked on by the caller.

    An exception in a piece, or in the caller between two results, leaves no piece waiting.
    """
    if threads < 2 or (isinstance(pieces, Sized) and len(pieces) < 2):
        yield from map(work, pieces)
        return
    most = threads if ahead is None else ahead
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(work, piece))
                if len(waiting) > most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
