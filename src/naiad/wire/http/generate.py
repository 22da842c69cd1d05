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
from naiad.protocol.json_pieces import parse_long_json
from naiad.protocol.limits import Limits
from naiad.protocol.status import http_status
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.outbox import Outbox
from naiad.serving.worker import SHORT_BYTES, SHORT_ELEMENTS, Worker
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.answering import beside, note_unreadable, submit
from naiad.wire.http.exchange import Exchange
from naiad.wire.waiting import weight_of

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
            decode = partial(generate.decode, served.config, version, exchange.body, self._limits)
            if len(exchange.body) > SHORT_BYTES:
                go_on = partial(self._go_on, exchange, served, version, arrived_s)
                beside(self._engine.worker, exchange, len(exchange.body), partial(decode, parse_long_json), go_on)
            else:
                self._submit(exchange, served, decode(), arrived_s)
        except NaiadError as error:
            self._refuse(exchange, error, InferRequest(model, version, arrived_s=arrived_s))

    def _go_on(
        self,
        exchange: Exchange,
        served: ServedModel,
        version: str,
        arrived_s: float,
        request: InferRequest | NaiadError,
    ) -> None:
        """Take up a long request that has been read in a thread."""
        try:
            if isinstance(request, NaiadError):
                raise request
            exchange.count(weight_of(request))
            self._submit(exchange, self._engine.route(served.name, version, was_accepted=True), request, arrived_s)
        except NaiadError as error:
            self._refuse(exchange, error, InferRequest(served.name, version, arrived_s=arrived_s))

    def _submit(self, exchange: Exchange, served: ServedModel, request: InferRequest, arrived_s: float) -> None:
        exchange.body = b""
        if self._forwarding is not None:
            self._forwarding.add_headers(request, exchange.headers)
        request.arrived_s = arrived_s
        worker = self._engine.worker
        deliver = _streamer(worker, exchange) if self._streams else partial(_answer, worker, exchange)
        submit(self._engine, exchange, served, request, deliver, takes_one=not self._streams)

    def _refuse(self, exchange: Exchange, error: NaiadError, request: InferRequest) -> None:
        """Answer a request that cannot be read."""
        if self._engine.tracing.is_on:
            note_unreadable(self._engine.tracing, exchange, request, error)
        exchange.fail(http_status(error), error.message)


def _answer(worker: Worker, exchange: Exchange, answer: Answer, is_final: bool) -> None:
    """Answer with the one answer of the model."""
    del is_final
    has_wrong_number = isinstance(answer, Failed) and "responses" in answer.detail
    if (elements := _long_elements(answer)) > 0:
        beside(worker, exchange, elements * 8, partial(_encode, answer), partial(_send, exchange))
    else:
        _send(exchange, Failed(_ONE_ANSWER) if has_wrong_number else _encode(answer))


def _send(exchange: Exchange, body: bytes | NaiadError) -> None:
    if isinstance(body, NaiadError):
        exchange.fail(http_status(body), body.message)
    else:
        exchange.answer_json(body)


def _long_elements(answer: Answer) -> int:
    """Elements of an answer that takes long to write, 0 of any other."""
    elements = 0 if isinstance(answer, NaiadError) else sum(tensor.data.size for tensor in answer.outputs)
    return elements if elements > SHORT_ELEMENTS else 0


def _streamer(worker: Worker, exchange: Exchange) -> Deliver:
    """Answer with an event for each answer of the model."""
    outbox = Outbox(worker)

    def deliver(answer: Answer, is_final: bool) -> None:
        if (elements := _long_elements(answer)) > 0:
            outbox.put_long(elements * 8, partial(_encode, answer), partial(send, is_final))
        else:
            outbox.put(lambda: send(is_final, _encode(answer)))

    def send(is_final: bool, body: bytes | NaiadError) -> None:
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
