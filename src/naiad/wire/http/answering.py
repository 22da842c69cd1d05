"""What all handlers do around their own work: read the body, submit so that leaving cancels, answer errors.

Whatever happens, who asked is answered once, and nobody else notices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from naiad.core.errors import NaiadError
from naiad.core.message import Deliver, InferRequest
from naiad.core.trace import TracedDoor
from naiad.observe.trace.tracing import Tracing, read_caller
from naiad.protocol.json.body import as_object, parse_json
from naiad.protocol.json.pieces import parse_in_pieces
from naiad.protocol.limits import Limits
from naiad.protocol.load_report import FORMAT
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.worker import SHORT_BYTES, Worker
from naiad.wire.http.compression import EITHER_WINDOW, inflate
from naiad.wire.http.exchange import Exchange
from naiad.wire.inflating import inflates_beyond
from naiad.wire.load_reports import lines_of

Result = TypeVar("Result")

_log = logging.getLogger("naiad.wire.http")

_LOAD_FORMAT = FORMAT.encode()


def take_body(exchange: Exchange, most_bytes: int) -> bytes:
    """Return the body, decompressed; the exchange keeps none. Raises what `inflate` raises."""
    body, exchange.body = exchange.body, b""
    encoding = exchange.headers.get(b"content-encoding")
    return body if encoding is None else inflate(body, encoding.strip().lower(), most_bytes)


def is_long(exchange: Exchange) -> bool:
    """Whether the body, decompressed, is longer than what is read on the loop."""
    encoding = exchange.headers.get(b"content-encoding")
    if encoding is None or encoding.strip() == b"identity" or len(exchange.body) > SHORT_BYTES:
        return len(exchange.body) > SHORT_BYTES
    return inflates_beyond(exchange.body, EITHER_WINDOW, SHORT_BYTES)


def most_read_bytes(exchange: Exchange) -> int:
    """How large the body may be when it is read: zlib makes a thousand bytes of one at most."""
    return len(exchange.body) * (1000 if b"content-encoding" in exchange.headers else 1)


def beside(
    worker: Worker,
    exchange: Exchange,
    size: int,
    do: Callable[[], Result],
    done: Callable[[Result | NaiadError], None],
) -> None:
    """Do in a thread what takes long, then go on with its outcome; withdrawn when the client leaves.

    size: bytes that are worked on.
    """

    def go_on(outcome: Result | NaiadError) -> None:
        exchange.on_abandon = None
        try:
            done(outcome)
        except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
            internal_error(exchange)

    exchange.on_abandon = worker.submit(size, do, go_on).cancel


def read_document(exchange: Exchange, limits: Limits, otherwise: str = "") -> dict[str, Any]:
    """Return the body, a JSON object. Raises what `inflate` and `parse_json` raise."""
    if isinstance(exchange.document, NaiadError):
        raise exchange.document
    if exchange.document is not None:
        return as_object(exchange.document, otherwise)
    return parse_json(take_body(exchange, limits.body_bytes), limits, otherwise)


def has_document(exchange: Exchange) -> bool:
    """Whether there is a body, read already or not."""
    return bool(exchange.body) or exchange.document is not None


def reading_beside(worker: Worker, limits: Limits, handler: Callable[..., None]) -> Callable[..., None]:
    """`handler`, for which `read_document` has done its work in a thread where the body is long."""

    def handle(exchange: Exchange, **arguments: str) -> None:
        if not is_long(exchange):
            handler(exchange, **arguments)
            return

        def go_on(document: Any) -> None:
            exchange.document = document
            handler(exchange, **arguments)

        def read() -> Any:
            return parse_in_pieces(take_body(exchange, limits.body_bytes), limits)

        beside(worker, exchange, most_read_bytes(exchange), read, go_on)

    return handle


def submit(
    engine: Engine,
    exchange: Exchange,
    model: ServedModel,
    request: InferRequest,
    deliver: Deliver,
    *,
    takes_one: bool = True,
) -> None:
    """Send a request on its way; it is withdrawn when the client leaves before it is answered.

    Raises InvalidRequest for a load report in a form that there is not.
    """
    if _LOAD_FORMAT in exchange.headers:
        exchange.late_lines = lines_of(engine.load, exchange.headers[_LOAD_FORMAT])
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
    return answering_errors(handler, lambda exchange, error: exchange.refuse(error))


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
