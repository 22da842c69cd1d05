"""The server's log, for model code."""

from __future__ import annotations

import sys

from ..link import current


class Logger:
    """Lines go to the server's log with the model's name; VERBOSE ones where the server logs verbosely."""

    INFO, WARNING, ERROR, VERBOSE = "INFO", "WARNING", "ERROR", "VERBOSE"

    @staticmethod
    def log(message: str, level: str = INFO) -> None:
        """Log a line at a level."""
        _log(message, level)

    @staticmethod
    def log_info(message: str) -> None:
        """Log a line."""
        _log(message, Logger.INFO)

    @staticmethod
    def log_warn(message: str) -> None:
        """Log a warning."""
        _log(message, Logger.WARNING)

    @staticmethod
    def log_error(message: str) -> None:
        """Log an error."""
        _log(message, Logger.ERROR)

    @staticmethod
    def log_verbose(message: str) -> None:
        """Log a line that only a verbose log has."""
        _log(message, Logger.VERBOSE)


def _log(message: str, level: str) -> None:
    frame = sys._getframe(2)
    current().log(str(level), f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno} {message}")
