"""Log lines as Triton writes them, for what reads Triton's logs: a head of its own and the message as a JSON string.

Who turns the escaping off gets messages as they are, as in Triton: then a client can begin a line of its own.

    default   I0822 12:34:56.123456 123 file.py:99] "message"
    ISO8601   2024-08-22T12:34:56Z I 123 file.py:99] "message"

Times are UTC; the number before the file is the process.
"""

from __future__ import annotations

import logging
import time

from naiad.observe.logs.escaping import json_line


class TritonFormatter(logging.Formatter):
    """One line a record, whatever a client put into it, unless `escapes` is off."""

    def __init__(self, *, has_iso_time: bool, escapes: bool = True) -> None:
        super().__init__()
        self._has_iso_time = has_iso_time
        self._escapes = escapes

    def format(self, record: logging.LogRecord) -> str:
        """Render; a traceback is a part of the message."""
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        text = json_line(message) if self._escapes else message
        return f"{self._head(record)} {record.process} {record.filename}:{record.lineno}] {text}"

    def _head(self, record: logging.LogRecord) -> str:
        level, moment = _letter(record.levelno), time.gmtime(record.created)
        if self._has_iso_time:
            return time.strftime("%Y-%m-%dT%H:%M:%SZ ", moment) + level
        microseconds = int(record.created % 1 * 1e6)
        return level + time.strftime("%m%d %H:%M:%S", moment) + f".{microseconds:06d}"


def _letter(level: int) -> str:
    if level >= logging.ERROR:
        return "E"
    return "W" if level >= logging.WARNING else "I"
