"""Log lines for people and for machines."""

import json
import logging
import sys

from project.logs import JsonFormatter, TextFormatter


def record_of(message: str, **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "reprise.analysis", "levelname": "INFO", "msg": message, **extra})


def test_a_json_line_carries_the_analysis_id() -> None:
    line = json.loads(JsonFormatter().format(record_of("Analysis started", analysis_id="a1")))

    assert (line["message"], line["level"], line["analysis_id"]) == ("Analysis started", "INFO", "a1")


def test_a_json_line_keeps_the_traceback() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        line = json.loads(JsonFormatter().format(record_of("Failed", exc_info=sys.exc_info())))

    assert "ValueError: broken" in line["traceback"]


def test_a_text_line_names_the_analysis_or_the_logger() -> None:
    formatter = TextFormatter()

    assert "[a1] Started" in formatter.format(record_of("Started", analysis_id="a1"))
    assert "reprise.analysis: Started" in formatter.format(record_of("Started"))
