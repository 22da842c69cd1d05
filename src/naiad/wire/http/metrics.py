"""The metrics door: `GET /metrics`; any other path answers 200 with nothing, as Triton's does."""

from __future__ import annotations

from collections.abc import Callable

from naiad.core.settings.features import Feature
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.routes import Router, route
from naiad.wire.restrictions import Gate

_TEXT = b"text/plain; charset=utf-8"


def metrics_router(render: Callable[[], bytes], gate: Gate | None = None) -> Router:
    """Make the router of the metrics port."""

    def page(exchange: Exchange) -> None:
        exchange.answer(200, render(), _TEXT)

    def empty(exchange: Exchange) -> None:
        exchange.answer(200)

    return Router([route(r"/metrics", Feature.METRICS, GET=page), route(r".*", Feature.METRICS, GET=empty)], gate)
