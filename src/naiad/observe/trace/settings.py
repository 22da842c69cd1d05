"""The values of trace settings: what the network and the command line may write, and how a text becomes a value.

Keys, defaults and the words of errors are Triton's. Who has which values is `sampling`'s business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from naiad.core.errors import InvalidRequest

KEYS = ("trace_level", "trace_rate", "trace_count", "log_frequency")
"""Settings that can be changed while the server runs."""

NO_FILE = "trace file location can not be updated through network protocol"
"""A client that could name files could overwrite any (CVE-2024-0100)."""

LEVELS = ("TIMESTAMPS", "TENSORS")
OFF = "OFF"

_MOST_UNSIGNED, _MOST_SIGNED = 2**32 - 1, 2**31 - 1
_INTEGER = re.compile(r"\s*[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class TraceValues:
    """One complete set of values."""

    level: tuple[str, ...] = ()
    """Members of LEVELS in their order; empty = off."""
    rate: int = 1000
    """One request of so many; 0 = only those whose caller traces (OpenTelemetry)."""
    count: int = -1
    """How many more; -1 = no end."""
    log_frequency: int = 0
    """Traces in one numbered file; 0 = all in one file."""

    def document(self) -> dict[str, Any]:
        """Return the values as the network shows them."""
        return {
            "trace_level": list(self.level) or [OFF],
            "trace_rate": str(self.rate),
            "trace_count": str(self.count),
            "log_frequency": str(self.log_frequency),
        }


Change = dict[str, Any]
"""Key of KEYS → value of TraceValues' field, or None to have none of its own."""

FIELDS = {"trace_level": "level", "trace_rate": "rate", "trace_count": "count", "log_frequency": "log_frequency"}


def parse_level(names: list[str]) -> tuple[str, ...]:
    """Return the levels among names; other words say nothing. Raises InvalidRequest for OFF with others."""
    if OFF in names and len(names) > 1:
        raise InvalidRequest("Expect only one trace level 'OFF' is specified")
    return tuple(level for level in LEVELS if level in names)


def level_change(names: list[str]) -> Change:
    """Return the change that a list of levels asks for: none where there is no known one, as in Triton."""
    level = parse_level(names)
    return {"trace_level": level} if level or OFF in names else {}


def parse_number(key: str, text: str) -> int:
    """Return the number that a text is. Raises InvalidRequest, in Triton's words."""
    least, most = (-1, _MOST_SIGNED) if key == "trace_count" else (0, _MOST_UNSIGNED)
    if not _INTEGER.fullmatch(text):
        raise InvalidRequest(f"Unable to parse '{key}', got: {text}")
    value = int(text) if len(text) <= 32 else 2**64  # int() of a megabyte of digits would take minutes
    if key == "trace_count" and -_MOST_SIGNED <= value < least:
        raise InvalidRequest(f"Unable to parse '{key}'. Expecting value >= -1, got: {value}")
    if not least <= value <= most:
        raise InvalidRequest(f"Unable to parse '{key}', value is out of range [ {least}, {most} ], got: {text}")
    return value
