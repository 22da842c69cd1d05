"""The model repository extension over HTTP: the index; loading and unloading."""

from __future__ import annotations

from functools import partial
from typing import Any

from naiad.core.errors import InvalidRequest
from naiad.core.features import Feature
from naiad.protocol.json_body import parse_json
from naiad.protocol.limits import Limits
from naiad.serving.overview import Overview
from naiad.wire.http.answering import safe, send_json
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.routes import Route, route
from naiad.wire.services import Services


def repository_routes(services: Services, limits: Limits) -> list[Route]:
    """Return the routes below /v2/repository."""
    index = safe(partial(_index, overview=services.overview, limits=limits))
    return [route(r"/v2/repository(?:/(?P<repository>[^/]+))?/index", Feature.MODEL_REPOSITORY, POST=index)]


def _index(exchange: Exchange, overview: Overview, limits: Limits, repository: str = "") -> None:
    del repository  # ignored, as in Triton
    only_ready: Any = False
    if exchange.body.strip():
        only_ready = parse_json(exchange.body, limits.json_depth).get("ready", False)
        if type(only_ready) is not bool:
            raise InvalidRequest("Invalid value for 'ready': expected a boolean")
    send_json(exchange, overview.index(only_ready=only_ready))
