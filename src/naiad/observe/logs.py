"""Log lines: readable in a terminal, one JSON object each elsewhere. Set up by the command line, never by an import."""

from __future__ import annotations

import io
import json
import logging
import sys
import time

_RESERVED = frozenset(vars(logging.makeLogRecord({})))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and whatever was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Render; text from requests is escaped by JSON itself, so it cannot forge a line."""
        entry: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update({key: value for key, value in vars(record).items() if key not in _RESERVED})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """Time, level and message, with control characters made visible."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one line (and the traceback, if there is one)."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        message = "".join(char if char.isprintable() else repr(char)[1:-1] for char in record.getMessage())
        line = f"{clock} {record.levelname.lower():<7} {message}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Stderr(io.TextIOBase):
    """What sys.stderr is at the moment: while progress bars are drawn, something that prints above them."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def set_up_logging(level: str, log_format: str) -> bool:
    """Send the `naiad` loggers to stderr; returns whether as text. log_format: auto is text in a terminal."""
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(TextFormatter() if is_text else JsonFormatter())
    logger = logging.getLogger("naiad")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return is_text
