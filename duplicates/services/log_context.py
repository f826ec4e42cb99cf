"""Which analysis the lines of the log belong to, whoever writes them: the run itself, the database, Django.

The id is bound for as long as a run is under way. The log's handler asks here for lines that do not say it themselves.
"""

import contextlib
import logging
import uuid
from collections.abc import Iterator
from contextvars import ContextVar

_analysis_id: ContextVar[str] = ContextVar("analysis_id", default="")


@contextlib.contextmanager
def lines_of(analysis_id: uuid.UUID) -> Iterator[None]:
    """Have every line that is logged inside the block, in this thread, carry the id of the analysis."""
    token = _analysis_id.set(str(analysis_id))
    try:
        yield
    finally:
        _analysis_id.reset(token)


class AnalysisIdFilter(logging.Filter):
    """Adds the id to the lines of a run; lets every line pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Fill in `analysis_id` where a run is under way and the line does not name one."""
        analysis_id = _analysis_id.get()
        if analysis_id and not hasattr(record, "analysis_id"):
            record.analysis_id = analysis_id
        return True
