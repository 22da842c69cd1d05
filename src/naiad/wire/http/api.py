"""The v2 routes that answer at once: health, metadata, config, statistics, repository index.

Paths, methods and status codes are Triton's (its http_server.cc); the order of the routes is the order of its tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from naiad.core.errors import InvalidRequest
from naiad.protocol.json_body import parse_json
from naiad.protocol.limits import Limits
from naiad.protocol.status import http_status
from naiad.serving.engine import Engine
from naiad.serving.overview import Overview
from naiad.wire.http.answering import answering_errors
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.generate import GenerateHandler
from naiad.wire.http.infer import InferHandler
from naiad.wire.http.openai import openai_routes
from naiad.wire.http.routes import Route, Router, route

_JSON = b"application/json"
_MODEL = r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[0-9]+))?"


def http_router(engine: Engine, limits: Limits, server_name: str) -> Router:
    """Make the router of the HTTP door: v2, then OpenAI's routes."""
    return Router([*v2_routes(engine, limits, server_name), *openai_routes(engine, limits)])


def v2_routes(engine: Engine, limits: Limits, server_name: str) -> list[Route]:
    """Return the routes in the order in which they are tried."""
    api = _Api(Overview(engine, server_name), limits)
    return [
        route(r"/v2/models/stats", GET=_safe(api.statistics)),
        route(_MODEL + "/infer", POST=InferHandler(engine, limits)),
        route(_MODEL + "/generate", POST=GenerateHandler(engine, limits)),
        route(_MODEL + "/generate_stream", POST=GenerateHandler(engine, limits, streams=True)),
        route(_MODEL + "/ready", GET=_safe(api.model_ready)),
        route(_MODEL + "/config", GET=_safe(api.config)),
        route(_MODEL + "/stats", GET=_safe(api.statistics)),
        route(_MODEL, GET=_safe(api.metadata)),
        route(r"/v2", GET=_safe(api.server)),
        route(r"/v2/health/live", GET=_safe(api.live)),
        route(r"/v2/health/ready", GET=_safe(api.ready)),
        route(r"/v2/repository(?:/(?P<repository>[^/]+))?/index", POST=_safe(api.index)),
    ]


def _safe(handler: Callable[..., None]) -> Callable[..., None]:
    return answering_errors(handler, lambda exchange, error: exchange.fail(http_status(error), error.message))


def _send(exchange: Exchange, document: Any) -> None:
    exchange.answer(200, orjson.dumps(document), _JSON)


class _Api:
    def __init__(self, overview: Overview, limits: Limits) -> None:
        self._overview = overview
        self._limits = limits
        self._server = orjson.dumps(overview.server)

    def live(self, exchange: Exchange) -> None:
        exchange.answer(200 if self._overview.is_live else 400)

    def ready(self, exchange: Exchange) -> None:
        exchange.answer(200 if self._overview.is_ready else 400)

    def server(self, exchange: Exchange) -> None:
        exchange.answer(200, self._server, _JSON)

    def model_ready(self, exchange: Exchange, model: str, version: str = "") -> None:
        if self._overview.is_model_ready(model, version):
            exchange.answer(200)
        else:
            exchange.fail(400, "Model version not ready")

    def metadata(self, exchange: Exchange, model: str, version: str = "") -> None:
        _send(exchange, self._overview.metadata(model, version))

    def config(self, exchange: Exchange, model: str, version: str = "") -> None:
        _send(exchange, self._overview.config(model, version))

    def statistics(self, exchange: Exchange, model: str = "", version: str = "") -> None:
        _send(exchange, {"model_stats": self._overview.statistics(model, version)})

    def index(self, exchange: Exchange, repository: str = "") -> None:
        del repository  # ignored, as in Triton
        only_ready: Any = False
        if exchange.body.strip():
            only_ready = parse_json(exchange.body, self._limits.json_depth).get("ready", False)
            if type(only_ready) is not bool:
                raise InvalidRequest("Invalid value for 'ready': expected a boolean")
        _send(exchange, self._overview.index(only_ready=only_ready))
