"""How log lines look: one line of text for people, one JSON object for machines.

Both carry the fields given through `extra=` and, while an analysis runs, its id, so that one run can be followed
through every process that touched it.
"""

import json
import logging
from typing import Any

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """Write a record as one JSON object: time, level, logger, message, its extra fields, and a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_extra_fields(record),
        }
        line.pop("request", None)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Write a record as `time LEVEL [analysis id] message`."""

    def format(self, record: logging.LogRecord) -> str:
        analysis_id = getattr(record, "analysis_id", None)
        self._style._fmt = (
            f"%(asctime)s %(levelname)s [{analysis_id}] %(message)s"
            if analysis_id
            else "%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        return super().format(record)


def logging_configuration(*, level: str, style: str) -> dict[str, Any]:
    """Return Django's LOGGING: everything to standard error, tracebacks of failed requests included."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"()": "project.logs.TextFormatter"},
            "json": {"()": "project.logs.JsonFormatter"},
        },
        "filters": {"analysis": {"()": "duplicates.services.log_context.AnalysisIdFilter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": style, "filters": ["analysis"]}},
        "root": {"handlers": ["stderr"], "level": level},
        # Django brings handlers of its own that hide tracebacks when DEBUG is off; the root handler replaces them.
        "loggers": {"django": {"handlers": [], "level": "INFO", "propagate": True}},
    }
