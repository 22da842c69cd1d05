"""The trace extension: the settings of the server and of single models."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from naiad.core.errors import InvalidRequest, Unsupported
from naiad.observe.trace.settings import KEYS, NO_FILE, Change, level_change, parse_number
from naiad.observe.trace.tracing import Tracing
from naiad.wire.grpc.methods.method import Method
from naiad.wire.ignored import warn_ignored
from naiad.wire.services import Services

_log = logging.getLogger("naiad.wire.grpc")


def trace_methods(services: Services) -> dict[str, Method]:
    """Return the methods by name."""
    return {"TraceSetting": partial(_settings, services.engine.tracing)}


def _settings(tracing: Tracing, request: Any) -> Mapping[str, Any]:
    tracing.settings(request.model_name)  # Triton looks at the model before the settings
    settings = tracing.change(request.model_name, _read(request.settings))
    return {
        "settings": {key: {"value": value if isinstance(value, list) else [value]} for key, value in settings.items()}
    }


def _read(settings: Mapping[str, Any]) -> Change:
    """Return the change that is asked for; a setting without values is cleared. Raises Unsupported, InvalidRequest."""
    if "trace_file" in settings:
        raise Unsupported(NO_FILE)
    warn_ignored(_log, "trace", sorted(settings), KEYS)
    change: Change = {}
    for key in sorted(settings):
        values = list(settings[key].value)
        if key not in KEYS:
            continue
        if not values:
            change[key] = None
        elif key == "trace_level":
            change |= level_change(values)
        elif len(values) > 1:
            raise InvalidRequest(f"expect only 1 value for '{key}'")
        else:
            change[key] = parse_number(key, values[0])
    return change
