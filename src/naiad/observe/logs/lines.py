"""Log lines: readable in a terminal, one JSON object each elsewhere. Set up by the command line, never by an import."""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import LogSettings
from naiad.observe.logs.escaping import json_line, visible
from naiad.observe.logs.triton_lines import TritonFormatter

_LOGGER = "naiad"
"""The root of all loggers of ours."""

_LEVELS = ("debug", "info", "warning", "error")
_TABLE = "table_lines"
"""Attribute of a record with the lines that a formatter of Triton's prints instead of a message."""

_RESERVED = frozenset(vars(logging.makeLogRecord({})))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and whatever was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Render."""
        entry: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update({key: value for key, value in vars(record).items() if key not in _RESERVED})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json_line(entry)


class TextFormatter(logging.Formatter):
    """Time, level and message, with control characters made visible; below it the traceback, if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Render; lines of a traceback are indented, so that none can be taken for a line of the log."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        lines = [f"{clock} {record.levelname.lower():<7} {visible(record.getMessage())}"]
        if record.exc_info:
            lines += (f"  {visible(line)}" for line in self.formatException(record.exc_info).splitlines())
        return "\n".join(lines)


class TableFormatter(TritonFormatter):
    """Triton's lines; a table stands below an empty one, as Triton prints its tables."""

    def format(self, record: logging.LogRecord) -> str:
        """Render."""
        lines = vars(record).get(_TABLE)
        if lines is None:
            return super().format(record)
        return "\n".join([super().format(record).removesuffix('""'), *lines, ""])


class _Stderr(io.TextIOBase):
    """What sys.stderr is at the moment: while progress bars are drawn, something that prints above them."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which lines are written, how, and where to; in Triton's words."""

    info: bool = True
    warning: bool = True
    error: bool = True
    verbose: int = 0
    """1 or more: lines of level debug, too."""
    format: str = "auto"
    """auto, text, json, default or iso8601; the last two are Triton's."""
    file: str = ""
    """Empty: stderr."""
    escape: bool = True
    """Whether Triton's formats write messages as JSON strings; ours always keep a message in its line."""

    @classmethod
    def of(cls, settings: LogSettings) -> LogOptions:
        """Return what the options say; `--log-level` is the least level that is written."""
        least = _LEVELS.index(settings.level)
        return cls(
            info=settings.info and least <= _LEVELS.index("info"),
            warning=settings.warning and least <= _LEVELS.index("warning"),
            error=settings.error,
            verbose=max(settings.verbose, int(settings.level == "debug")),
            format=settings.format,
            file=settings.file,
            escape=settings.escape,
        )

    @property
    def resolved_format(self) -> str:
        """The format, with auto decided: text in a terminal, json elsewhere."""
        if self.format != "auto":
            return self.format
        return "text" if not self.file and sys.stderr.isatty() else "json"

    def wants(self, record: logging.LogRecord) -> bool:
        """Whether a line is written; used as the handler's filter."""
        if record.levelno >= logging.ERROR:
            return self.error
        if record.levelno >= logging.WARNING:
            return self.warning
        return self.info if record.levelno >= logging.INFO else self.verbose > 0


def set_up_logging(settings: LogOptions) -> None:
    """Write the lines of the `naiad` loggers as told, from now on; may be called again to change it.

    Raises InvalidConfiguration for a file that cannot be written.
    """
    handler = _handler(settings.file)
    handler.setFormatter(_formatter(settings))
    handler.addFilter(settings.wants)
    logger = logging.getLogger(_LOGGER)
    before = list(logger.handlers)
    logger.handlers[:] = [handler]
    for old in before:
        old.close()
    logger.setLevel(logging.DEBUG if settings.verbose else logging.INFO)
    logger.propagate = False


def log_table(logger: logging.Logger, rows: Sequence[Sequence[str]]) -> None:
    """Write a table at level info: whole in Triton's formats, a line for each row in the others.

    rows: the first is the heading.
    """
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    lines = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in shown]
    handler = next(iter(logging.getLogger(_LOGGER).handlers), None)
    if handler is None or not isinstance(handler.formatter, TritonFormatter):
        for line in lines:
            logger.info("%s", line)
        return
    rule = f"+{'+'.join('-' * (width + 2) for width in widths)}+"
    logger.info("", extra={_TABLE: [rule, lines[0], rule, *lines[1:], rule]}, stacklevel=2)


def _handler(file: str) -> logging.Handler:
    if not file:
        return logging.StreamHandler(_Stderr())
    from logging.handlers import WatchedFileHandler  # its siblings import sockets and pickle

    try:
        return WatchedFileHandler(file, encoding="utf-8")
    except OSError as error:
        raise InvalidConfiguration(f"--log-file: cannot write '{file}': {error.strerror or error}") from error


def _formatter(options: LogOptions) -> logging.Formatter:
    name = options.resolved_format
    if name == "text":
        return TextFormatter()
    if name == "json":
        return JsonFormatter()
    return TableFormatter(has_iso_time=name == "iso8601", escapes=options.escape)
