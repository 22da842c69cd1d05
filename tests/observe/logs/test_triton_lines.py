"""Log lines as Triton writes them; the patterns are those that its own tests of the log look for."""

from __future__ import annotations

import json
import logging
import re
import sys

import pytest

from naiad.observe.logs.triton_lines import TritonFormatter

DEFAULT = r'([EWI])(\d{4}) (\d\d:\d\d:\d\d\.\d{6}) (\d+) ([\w.]+):(\d+)\] (".*")'
ISO8601 = r'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([EWI]) (\d+) ([\w.]+):(\d+)\] (".*")'
FORGED = 'line one\nI0822 forged \x1b[31m\x85\u2028\x7f "quoted" é'


def record(level: int = logging.WARNING) -> logging.LogRecord:
    made = logging.LogRecord("naiad.x", level, "/some/where/file.py", 7, "model %s", (FORGED,), None)
    made.created = 1_724_330_096.123456
    return made


def test_default() -> None:
    line = TritonFormatter(has_iso_time=False).format(record())
    found = re.fullmatch(DEFAULT, line)
    assert found is not None
    assert found.groups()[:3] == ("W", "0822", "12:34:56.123456")
    assert found.groups()[4:6] == ("file.py", "7")
    assert json.loads(found[7]) == f"model {FORGED}"
    assert all(char.isprintable() for char in line)


def test_iso8601() -> None:
    found = re.fullmatch(ISO8601, TritonFormatter(has_iso_time=True).format(record()))
    assert found is not None
    assert found.groups()[:2] == ("2024-08-22T12:34:56Z", "W")


@pytest.mark.parametrize(
    ("level", "letter"), [(logging.DEBUG, "I"), (logging.INFO, "I"), (logging.ERROR, "E"), (logging.CRITICAL, "E")]
)
def test_letters(level: int, letter: str) -> None:
    assert TritonFormatter(has_iso_time=False).format(record(level))[0] == letter


@pytest.mark.parametrize("has_iso_time", [False, True])
def test_without_escapes_a_message_stands_as_it_is(has_iso_time: bool) -> None:
    """As with Triton's TRITON_SERVER_ESCAPE_LOG_MESSAGES=0: no quotes, and lines break."""
    line = TritonFormatter(has_iso_time=has_iso_time, escapes=False).format(record())
    assert line.endswith(f"file.py:7] model {FORGED}")


def test_a_traceback_is_on_the_same_line() -> None:
    made = record()
    try:
        int(FORGED)
    except ValueError:
        made.exc_info = sys.exc_info()
    line = TritonFormatter(has_iso_time=False).format(made)
    assert "\n" not in line
    assert "ValueError" in line
