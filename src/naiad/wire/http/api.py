"""The routes of v2, and those that only tell: health, metadata, config, statistics.

Paths, methods and status codes are Triton's (its http_server.cc); the order of the routes is the order of its tests.
"""

from __future__ import annotations

import orjson

from naiad.core.settings.features import Feature
from naiad.core.user_code.application import RESERVED
from naiad.protocol.limits import Limits
from naiad.serving.overview import Overview
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.answering import safe, send_json
from naiad.wire.http.application import ApplicationHandler
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.explain import ExplainHandler
from naiad.wire.http.generate import GenerateHandler
from naiad.wire.http.infer import InferHandler
from naiad.wire.http.jobs.routes import job_routes
from naiad.wire.http.logging import logging_routes
from naiad.wire.http.repository import repository_routes
from naiad.wire.http.routes import Handler, Route, Router, route
from naiad.wire.http.serve import serve_routes
from naiad.wire.http.shared_memory import shared_memory_routes
from naiad.wire.http.texts import text_routes
from naiad.wire.http.trace import trace_routes
from naiad.wire.restrictions import Gate
from naiad.wire.services import Services

_JSON = b"application/json"
_PLAIN = b"text/plain"
"""Content type of an answer without a body, as in Triton."""
_MODEL = r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[0-9]+))?"


def http_router(
    services: Services,
    limits: Limits,
    gate: Gate | None = None,
    forwarding: Forwarding | None = None,
    *,
    answers_head: bool = True,
) -> Router:
    """Make the router of the HTTP door: v2, then the routes of other servers, or the application's.

    answers_head: the health routes take HEAD, too, which Triton's do not.
    """
    routes = v2_routes(services, limits, forwarding, answers_head)
    entry = services.application
    if entry is None:
        others = [*text_routes(services, limits), *serve_routes(services, limits)]
        return Router([*routes, *others], gate, services.logs)
    below = route(RESERVED + r"(?:/.*)?", Feature.METADATA)
    handler = ApplicationHandler(services.engine, entry.name, trusts_proxy=entry.settings.trusts_proxy)
    return Router([*routes, below], gate, services.logs, handler)


def v2_routes(
    services: Services, limits: Limits, forwarding: Forwarding | None = None, answers_head: bool = True
) -> list[Route]:
    """Return the routes in the order in which they are tried."""
    api = _Api(services.overview)
    engine = services.engine

    def health(pattern: str, handler: Handler) -> Route:
        methods = {"GET": safe(handler), "HEAD": safe(handler)} if answers_head else {"GET": safe(handler)}
        return route(pattern, Feature.HEALTH, **methods)

    return [
        route(r"/v2/models/stats", Feature.STATISTICS, GET=safe(api.statistics)),
        route(_MODEL + "/infer", Feature.INFERENCE, POST=InferHandler(engine, limits, forwarding)),
        route(_MODEL + "/generate", Feature.INFERENCE, POST=GenerateHandler(engine, limits, forwarding)),
        route(
            _MODEL + "/generate_stream",
            Feature.INFERENCE,
            POST=GenerateHandler(engine, limits, forwarding, streams=True),
        ),
        *job_routes(_MODEL, services, limits, forwarding),
        health(_MODEL + "/ready", api.model_ready),
        route(_MODEL + "/config", Feature.MODEL_CONFIG, GET=safe(api.config)),
        route(_MODEL + "/stats", Feature.STATISTICS, GET=safe(api.statistics)),
        route(_MODEL + "/explain", Feature.STATISTICS, GET=safe(ExplainHandler(engine.catalog))),
        route(_MODEL, Feature.METADATA, GET=safe(api.metadata)),
        route(r"/v2", Feature.METADATA, GET=safe(api.server)),
        health(r"/v2/health/live", api.live),
        health(r"/v2/health/ready", api.ready),
        *shared_memory_routes(services, limits),
        *repository_routes(services, limits),
        *trace_routes(services, limits),
        *logging_routes(services, limits),
    ]


class _Api:
    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._server = orjson.dumps(overview.server)

    def live(self, exchange: Exchange) -> None:
        exchange.answer(200 if self._overview.is_live else 400, content_type=_PLAIN)

    def ready(self, exchange: Exchange) -> None:
        exchange.answer(200 if self._overview.is_ready else 400, content_type=_PLAIN)

    def server(self, exchange: Exchange) -> None:
        exchange.answer(200, self._server, _JSON)

    def model_ready(self, exchange: Exchange, model: str, version: str = "") -> None:
        if self._overview.is_model_ready(model, version):
            exchange.answer(200, content_type=_PLAIN)
        else:
            exchange.fail(400, "Model version not ready")

    def metadata(self, exchange: Exchange, model: str, version: str = "") -> None:
        send_json(exchange, self._overview.metadata(model, version))

    def config(self, exchange: Exchange, model: str, version: str = "") -> None:
        send_json(exchange, self._overview.config(model, version))

    def statistics(self, exchange: Exchange, model: str = "", version: str = "") -> None:
        send_json(exchange, {"model_stats": self._overview.statistics(model, version)})
