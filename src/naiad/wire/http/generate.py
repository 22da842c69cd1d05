"""POST …/generate and …/generate_stream: flat JSON in, flat JSON or server-sent events out.

The first answer decides the status of a stream; what goes wrong later arrives as an event (Triton, "Generate
Extension").
"""

from __future__ import annotations

from functools import partial
from typing import TypeGuard

import orjson

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Failed, InvalidRequest, NaiadError
from naiad.core.message import Answer, Deliver, InferRequest
from naiad.protocol import generate
from naiad.protocol.limits import Limits
from naiad.protocol.status import http_status
from naiad.serving.engine import Engine
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.answering import note_unreadable, submit
from naiad.wire.http.exchange import Exchange

_JSON = b"application/json"
_EVENTS = b"text/event-stream; charset=utf-8"
_ONE_ANSWER = (
    "generate expects model to produce exactly 1 response, use generate stream for model that generates various number "
    "of responses"
)


class GenerateHandler:
    """Decodes, submits, and answers once or as a stream."""

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        forwarding: Forwarding | None = None,
        *,
        streams: bool = False,
        clock: Clock = monotonic,
    ) -> None:
        self._forwarding = forwarding
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._streams = streams

    def __call__(self, exchange: Exchange, model: str, version: str = "") -> None:
        """Handle one request."""
        arrived_s = self._clock()
        try:
            if exchange.headers.get(b"content-encoding", b"").strip().lower() not in (b"", b"identity"):
                raise InvalidRequest("Unsupported content-encoding, only 'identity' is supported.")
            served = self._engine.route(model, version)
            request = generate.decode(served.config, version, exchange.body, self._limits)
            exchange.body = b""
            if self._forwarding is not None:
                self._forwarding.add_headers(request, exchange.headers)
        except NaiadError as error:
            if self._engine.tracing.is_on:
                known = InferRequest(model, version, arrived_s=arrived_s)
                note_unreadable(self._engine.tracing, exchange, known, error)
            exchange.fail(http_status(error), error.message)
            return
        request.arrived_s = arrived_s
        deliver = _streamer(exchange) if self._streams else partial(_answer, exchange)
        submit(self._engine, exchange, served, request, deliver, takes_one=not self._streams)


def _answer(exchange: Exchange, answer: Answer, is_final: bool) -> None:
    """Answer with the one answer of the model."""
    del is_final
    has_wrong_number = isinstance(answer, Failed) and "responses" in answer.detail
    body = Failed(_ONE_ANSWER) if has_wrong_number else _encode(answer)
    if isinstance(body, NaiadError):
        exchange.fail(http_status(body), body.message)
    else:
        exchange.answer(200, body, _JSON)


def _streamer(exchange: Exchange) -> Deliver:
    """Answer with an event for each answer of the model."""

    def deliver(answer: Answer, is_final: bool) -> None:
        body = _encode(answer)
        if is_final and _is_refusal(body) and not exchange.is_streaming and exchange.on_abandon is None:
            exchange.fail(http_status(body), body.message)  # before it was on its way: no stream begins
            return
        if not exchange.is_streaming:
            exchange.begin_stream(http_status(body) if isinstance(body, NaiadError) else 200, _EVENTS)
        if isinstance(body, NaiadError):
            body = orjson.dumps({"error": body.message})
        if body:
            exchange.push(generate.event(body))
        if is_final:
            exchange.end_stream()

    return deliver


def _is_refusal(body: bytes | NaiadError) -> TypeGuard[NaiadError]:
    return isinstance(body, NaiadError) and not isinstance(body, Failed)


def _encode(answer: Answer) -> bytes | NaiadError:
    """Return the answer's object; nothing for one that is empty."""
    if isinstance(answer, NaiadError):
        return answer
    if answer.is_empty:
        return b""
    try:
        return generate.encode(answer)
    except NaiadError as error:
        return error
