"""The trace extension over HTTP: the settings of the server and of single models."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from naiad.core.errors import MalformedBody, Unsupported
from naiad.core.settings.features import Feature
from naiad.observe.trace.settings import KEYS, NO_FILE, Change, level_change, parse_number
from naiad.observe.trace.tracing import Tracing
from naiad.protocol.limits import Limits
from naiad.wire.http.answering import read_document, reading_beside, safe, send_json
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.routes import Route, route
from naiad.wire.ignored import warn_ignored
from naiad.wire.services import Services

_log = logging.getLogger("naiad.wire.http")


def trace_routes(services: Services, limits: Limits) -> list[Route]:
    """Return the routes of the settings."""
    tracing = services.engine.tracing
    pattern = r"/v2(?:/models/(?P<model>[^/]+))?/trace/setting"
    get, change = safe(partial(_get, tracing=tracing)), safe(partial(_change, tracing=tracing, limits=limits))
    return [route(pattern, Feature.TRACE, GET=get, POST=reading_beside(services.engine.worker, limits, change))]


def _get(exchange: Exchange, tracing: Tracing, model: str = "") -> None:
    send_json(exchange, tracing.settings(model))


def _change(exchange: Exchange, tracing: Tracing, limits: Limits, model: str = "") -> None:
    tracing.settings(model)  # Triton looks at the model before the body
    send_json(exchange, tracing.change(model, _read(read_document(exchange, limits))))


def _read(document: Mapping[str, Any]) -> Change:
    """Return the change that a body asks for. Raises Unsupported, MalformedBody, InvalidRequest."""
    if "trace_file" in document:
        raise Unsupported(NO_FILE)
    warn_ignored(_log, "trace", document, KEYS)
    change: Change = {}
    for key, value in document.items():
        if key not in KEYS:
            continue
        if value is None:
            change[key] = None
        elif key == "trace_level":
            change |= level_change(_strings(value))
        else:
            change[key] = parse_number(key, _string(value))
    return change


def _strings(value: Any) -> list[str]:
    if type(value) is not list:
        raise MalformedBody("attempt to access JSON non-array as array")
    return [_string(one) for one in value]


def _string(value: Any) -> str:
    if type(value) is not str:
        raise MalformedBody("attempt to access JSON non-string as string")
    return value
