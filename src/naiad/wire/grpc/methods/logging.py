"""The logging extension."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from naiad.core.errors import InvalidRequest, Unsupported
from naiad.observe.logs.control import NO_FILE, SWITCHES, LogControl
from naiad.wire.grpc.methods.method import Method
from naiad.wire.ignored import warn_ignored
from naiad.wire.services import Services

_log = logging.getLogger("naiad.wire.grpc")

_KINDS = {
    **dict.fromkeys(SWITCHES, ("bool_param", "boolean")),
    "log_verbose_level": ("uint32_param", "int32"),
    "log_format": ("string_param", "string"),
}
"""Which field of a value each setting takes, and what the error calls it."""


def logging_methods(services: Services) -> dict[str, Method]:
    """Return the methods by name."""
    return {"LogSettings": partial(_settings, services.logs)}


def _settings(logs: LogControl, request: Any) -> Mapping[str, Any]:
    settings = logs.change(_read(request.settings))
    kinds = {"log_file": "string_param"} | {key: kind for key, (kind, _) in _KINDS.items()}
    return {"settings": {key: {kinds[key]: value} for key, value in settings.items()}}


def _read(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the change that is asked for. Raises Unsupported, InvalidRequest."""
    if "log_file" in settings:
        raise Unsupported(NO_FILE)
    warn_ignored(_log, "log", sorted(settings), tuple(_KINDS))
    change: dict[str, Any] = {}
    for key in sorted(settings):
        if key not in _KINDS:
            continue
        field, kind = _KINDS[key]
        if settings[key].WhichOneof("parameter_choice") != field:
            raise InvalidRequest(f"expect {kind} for '{key}'")
        change[key] = getattr(settings[key], field)
    return change
