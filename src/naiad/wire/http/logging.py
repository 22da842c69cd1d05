"""The logging extension over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from naiad.core.errors import MalformedBody, NotReady, Unsupported
from naiad.core.settings.features import Feature
from naiad.observe.logs.control import FIELDS, FORMATS, NO_FILE, SWITCHES, LogControl
from naiad.protocol.limits import Limits
from naiad.wire.http.answering import read_document, reading_beside, safe, send_json
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.routes import Route, route
from naiad.wire.ignored import warn_ignored
from naiad.wire.services import Services

_log = logging.getLogger("naiad.wire.http")


def logging_routes(services: Services, limits: Limits) -> list[Route]:
    """Return the one route."""
    logs = services.logs
    get, change = safe(partial(_get, logs=logs)), safe(partial(_change, logs=logs, limits=limits))
    return [
        route(r"/v2/logging", Feature.LOGGING, GET=get, POST=reading_beside(services.engine.worker, limits, change))
    ]


def _get(exchange: Exchange, logs: LogControl) -> None:
    send_json(exchange, logs.settings())


def _change(exchange: Exchange, logs: LogControl, limits: Limits) -> None:
    send_json(exchange, logs.change(_read(read_document(exchange, limits))))


def _read(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the change that a body asks for; null asks for none. Raises Unsupported, MalformedBody, NotReady."""
    warn_ignored(_log, "log", document, ("log_file", *FIELDS))
    change: dict[str, Any] = {}
    for key in ("log_file", *FIELDS):  # of several mistakes the first in this order is told
        value = document.get(key)
        if value is None:
            continue
        if key == "log_file":
            raise Unsupported(NO_FILE)
        if key in SWITCHES:
            change[key] = _boolean(value)
        elif key == "log_verbose_level":
            change[key] = _unsigned(value)
        elif key == "log_format":
            change[key] = _format(value)
    return change


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise MalformedBody("attempt to access JSON non-boolean as boolean")
    return value


def _unsigned(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:  # what Triton keeps it in
        raise MalformedBody("attempt to access JSON non-unsigned-integer as unsigned-integer")
    return value


def _format(value: Any) -> str:
    if type(value) is not str:
        raise MalformedBody("attempt to access JSON non-string as string")
    if value not in FORMATS:  # 503 and a flag's name, in Triton
        raise NotReady(f"invalid argument for --log_format, got: {value}")
    return value
