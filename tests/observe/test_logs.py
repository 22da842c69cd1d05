"""Log lines: one line each, whatever a client put into them."""

from __future__ import annotations

import json
import logging

from naiad.observe.logs import JsonFormatter, TextFormatter


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("naiad.x", logging.WARNING, __file__, 1, message, arguments, None)
    vars(made).update(extra)
    return made


FORGED = "line one\nINFO forged line\r\x1b[31m"


def test_text_is_one_line_and_shows_control_characters() -> None:
    line = TextFormatter().format(record("model %s", FORGED))
    assert "\n" not in line
    assert "\x1b" not in line
    assert r"line one\nINFO forged line\r\x1b[31m" in line
    assert " warning " in line


def test_json_is_one_object_with_the_extras() -> None:
    line = JsonFormatter().format(record("model %s", FORGED, request_id="7"))
    assert "\n" not in line
    entry = json.loads(line)
    assert entry["message"] == f"model {FORGED}"
    assert (entry["level"], entry["logger"], entry["request_id"]) == ("warning", "naiad.x", "7")
    assert entry["time"].endswith("Z")


def test_exceptions_are_kept() -> None:
    error = ValueError("inner")
    made = logging.LogRecord("n", logging.ERROR, __file__, 1, "failed", (), (ValueError, error, None))
    assert "ValueError: inner" in json.loads(JsonFormatter().format(made))["exception"]
    assert "ValueError: inner" in TextFormatter().format(made)
