"""What the logging extension reads and changes while the server runs: which levels are written, and how lines look.

The file cannot be changed: a client that could name files could overwrite any (CVE-2024-0087).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from naiad.core.errors import InvalidConfiguration, InvalidRequest, Unsupported
from naiad.observe.logs.lines import LogOptions, set_up_logging
from naiad.observe.logs.setting_changes import check_may_change

FORMATS = {"default": "default", "ISO8601": "iso8601"}
"""The extension's names of the formats that it knows, and ours."""

FIELDS = {
    "log_info": "info",
    "log_warning": "warning",
    "log_error": "error",
    "log_verbose_level": "verbose",
    "log_format": "format",
}
"""What can be changed: the extension's name, and the field of LogOptions."""

_log = logging.getLogger("naiad.observe")

SWITCHES = ("log_info", "log_warning", "log_error")
NO_FILE = "log file location can not be updated through network protocol"


class LogControl:
    """The log settings of one process, as its clients see them. Nothing happens before the first change."""

    def __init__(self, settings: LogOptions | None = None, *, may_change: bool = False) -> None:
        """settings: what logging was set up with. may_change: whether clients may change it."""
        self._now = settings or LogOptions()
        self._may_change = may_change
        self.is_verbose = self._now.verbose > 0
        """Whether the doors write a line for each request."""

    def settings(self) -> dict[str, Any]:
        """Return all six, in the order of the extension."""
        now = self._now
        return {
            "log_file": now.file,
            "log_info": now.info,
            "log_warning": now.warning,
            "log_error": now.error,
            "log_verbose_level": now.verbose,
            "log_format": "ISO8601" if now.format == "iso8601" else "default",
        }

    def change(self, change: dict[str, Any]) -> dict[str, Any]:
        """Change settings, whose values have the right types; returns all of them.

        Raises InvalidRequest for an unknown format, Unsupported where nothing may be changed or the log file cannot be
        opened again; then nothing has changed.
        """
        check_may_change("log", change, self._may_change)
        values = {FIELDS[key]: value for key, value in change.items()}
        if "format" in values:
            if values["format"] not in FORMATS:
                raise InvalidRequest(f"invalid argument for log_format, got: {values['format']}")
            values["format"] = FORMATS[values["format"]]
        if values:
            wanted = replace(self._now, **values)
            if self._now.error and not wanted.error:
                _log.warning("a client has turned off log messages of level error")
            _apply(wanted)
            self._now = wanted
            self.is_verbose = wanted.verbose > 0
        return self.settings()


def _apply(settings: LogOptions) -> None:
    """Set up logging anew, if it was set up by us: a program that has a server in it keeps its own handlers."""
    logger = logging.getLogger("naiad")
    if not logger.handlers:
        logger.setLevel(logging.DEBUG if settings.verbose else logging.INFO)
        return
    try:
        set_up_logging(settings)
    except InvalidConfiguration as error:
        raise Unsupported("the log file can no longer be opened, so no setting was changed") from error
