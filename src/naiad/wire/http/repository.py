"""The model repository extension over HTTP: the index; loading and unloading."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import orjson

from naiad.core.errors import InvalidRequest, MalformedBody, NaiadError, NotReady, Unsupported
from naiad.core.settings.features import Feature
from naiad.protocol.json.body import read_boolean
from naiad.protocol.limits import Limits
from naiad.protocol.status import http_status
from naiad.serving.control import LoadParameters, ModelControl
from naiad.serving.overview import Overview
from naiad.wire.http.answering import has_document, internal_error, read_document, reading_beside, safe
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.routes import Handler, Route, route
from naiad.wire.services import Services

_REPOSITORY = r"/v2/repository(?:/(?P<repository>[^/]+))?"
_MODEL = _REPOSITORY + r"/models/(?P<model>[^/]+)"


def repository_routes(services: Services, limits: Limits) -> list[Route]:
    """Return the routes below /v2/repository."""
    feature = Feature.MODEL_REPOSITORY

    def post(pattern: str, handler: Handler, **given: Any) -> Route:
        safely = safe(partial(handler, limits=limits, **given))
        return route(pattern, feature, POST=reading_beside(services.engine.worker, limits, safely))

    return [
        post(_REPOSITORY + "/index", _index, overview=services.overview),
        post(_MODEL + "/load", _load, control=services.control),
        post(_MODEL + "/unload", _unload, control=services.control),
    ]


def _index(exchange: Exchange, overview: Overview, limits: Limits, repository: str = "") -> None:
    del repository  # ignored, as in Triton
    only_ready: Any = False
    if has_document(exchange):
        only_ready = read_document(exchange, limits).get("ready", False)
        if type(only_ready) is not bool:
            raise InvalidRequest("Invalid value for 'ready': expected a boolean")
    _answer_when_done(exchange, asyncio.ensure_future(overview.index(only_ready=only_ready)))


def _load(exchange: Exchange, control: ModelControl, limits: Limits, model: str, repository: str = "") -> None:
    _refuse_repository_name(repository)
    config: str | None = None
    files: dict[str, str | bytes] = {}
    for key, value in _parameters(exchange, limits).items():
        if type(value) is not str:
            raise MalformedBody("attempt to access JSON non-string as string")
        if key == "config":
            config = value
        elif key.startswith("file:"):
            files[key.removeprefix("file:")] = value
        else:
            raise MalformedBody("unexpected error on creating Triton parameter", parameter=key)
    _answer_when_done(exchange, control.load(model, LoadParameters(config, files)))


def _unload(exchange: Exchange, control: ModelControl, limits: Limits, model: str, repository: str = "") -> None:
    _refuse_repository_name(repository)
    dependents = _parameters(exchange, limits).get("unload_dependents", False)
    wanted = read_boolean("unload_dependents", dependents)
    _answer_when_done(exchange, control.unload(model, unload_dependents=wanted))


def _refuse_repository_name(repository: str) -> None:
    if repository:
        raise Unsupported("'repository_name' specification is not supported")


def _parameters(exchange: Exchange, limits: Limits) -> dict[str, Any]:
    if not has_document(exchange):
        return {}
    parameters = read_document(exchange, limits).get("parameters", {})
    if type(parameters) is not dict:
        raise MalformedBody("attempt to get members for non-object")
    return parameters


def _answer_when_done(exchange: Exchange, future: asyncio.Future[Any]) -> None:
    """Answer once the work is done; should the client have left by then, the answer goes nowhere."""
    future.add_done_callback(partial(_answer, exchange))


def _answer(exchange: Exchange, future: asyncio.Future[Any]) -> None:
    try:
        document = future.result()
    except NaiadError as error:
        exchange.fail(http_status(error), error.message)
    except asyncio.CancelledError:
        exchange.fail(http_status(NotReady("")), "Server exiting")
    except Exception:  # noqa: BLE001 — whatever happens, who asked is answered
        internal_error(exchange)
    else:
        exchange.answer(200, b"" if document is None else orjson.dumps(document), b"application/json")
