"""What all handlers do around their own work: read the body, submit so that leaving cancels, answer errors.

Whatever happens, who asked is answered once, and nobody else notices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson

from naiad.core.errors import NaiadError
from naiad.core.message import Deliver, InferRequest
from naiad.core.trace import TracedDoor
from naiad.observe.trace.tracing import Tracing, read_caller
from naiad.protocol.status import http_status
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.wire.http.compression import inflate
from naiad.wire.http.exchange import Exchange

_log = logging.getLogger("naiad.wire.http")


def take_body(exchange: Exchange, most_bytes: int) -> bytes:
    """Return the body, decompressed; the exchange keeps none. Raises what `inflate` raises."""
    body, exchange.body = exchange.body, b""
    encoding = exchange.headers.get(b"content-encoding")
    return body if encoding is None else inflate(body, encoding.strip().lower(), most_bytes)


def submit(
    engine: Engine,
    exchange: Exchange,
    model: ServedModel,
    request: InferRequest,
    deliver: Deliver,
    *,
    takes_one: bool = True,
) -> None:
    """Send a request on its way; it is withdrawn when the client leaves before it is answered."""
    if engine.tracing.is_on:
        _follow(engine.tracing, exchange, request)
    sender = engine.submit(model, request, deliver, takes_one=takes_one)
    if not exchange.is_finished:
        exchange.on_abandon = sender.cancel


def _follow(tracing: Tracing, exchange: Exchange, request: InferRequest) -> None:
    traceparent, tracestate = (exchange.headers.get(name) for name in (b"traceparent", b"tracestate"))
    caller = None
    if traceparent is not None:
        caller = read_caller(traceparent.decode("latin-1"), (tracestate or b"").decode("latin-1"))
    tracing.follow(request, TracedDoor.HTTP, caller, exchange.begun_s)


def note_unreadable(tracing: Tracing, exchange: Exchange, request: InferRequest, error: NaiadError) -> None:
    """Trace a request that cannot be read; request: what is known of it."""
    tracing.note_unreadable(request, TracedDoor.HTTP, exchange.begun_s, error)


def answering_errors(handler: Callable[..., None], fail: Callable[[Exchange, NaiadError], None]) -> Callable[..., None]:
    """`handler`, with its errors of ours answered by `fail`."""

    def handle(exchange: Exchange, **arguments: str) -> None:
        try:
            handler(exchange, **arguments)
        except NaiadError as error:
            fail(exchange, error)

    return handle


def safe(handler: Callable[..., None]) -> Callable[..., None]:
    """`handler`, with its errors of ours answered as v2 does."""
    return answering_errors(handler, lambda exchange, error: exchange.fail(http_status(error), error.message))


def send_json(exchange: Exchange, document: Any) -> None:
    """Answer 200 with a document of plain values."""
    exchange.answer(200, orjson.dumps(document), b"application/json")


def internal_error(exchange: Exchange) -> None:
    """Answer 500 for a mistake of ours, inside an `except`; what it was is for the log alone."""
    _log.exception("%s %s failed", exchange.method.decode("latin-1"), exchange.url.decode("latin-1"))
    if exchange.is_streaming:
        exchange.end_stream()
    else:
        exchange.fail(500, "internal error")
