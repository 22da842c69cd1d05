"""POST …/generate and …/generate_stream: flat JSON in, flat JSON or server-sent events out.

The first answer decides the status of a stream; what goes wrong later arrives as an event (Triton, "Generate
Extension").
"""

from __future__ import annotations

from functools import partial

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Failed, InvalidRequest, NaiadError
from naiad.core.message import Answer, InferRequest
from naiad.protocol import generate
from naiad.protocol.json.pieces import parse_long_json
from naiad.protocol.limits import Limits
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.worker import SHORT_BYTES, Worker
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.answering import beside, note_unreadable, submit
from naiad.wire.http.events import encode, long_elements, streamer
from naiad.wire.http.exchange import Exchange
from naiad.wire.waiting import weight_of

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
        deliver = streamer(worker, exchange) if self._streams else partial(_answer, worker, exchange)
        submit(self._engine, exchange, served, request, deliver, takes_one=not self._streams)

    def _refuse(self, exchange: Exchange, error: NaiadError, request: InferRequest) -> None:
        """Answer a request that cannot be read."""
        if self._engine.tracing.is_on:
            note_unreadable(self._engine.tracing, exchange, request, error)
        exchange.refuse(error)


def _answer(worker: Worker, exchange: Exchange, answer: Answer, is_final: bool) -> None:
    """Answer with the one answer of the model."""
    del is_final
    has_wrong_number = isinstance(answer, Failed) and "responses" in answer.detail
    if (elements := long_elements(answer)) > 0:
        beside(worker, exchange, elements * 8, partial(encode, answer), partial(_send, exchange))
    else:
        _send(exchange, Failed(_ONE_ANSWER) if has_wrong_number else encode(answer))


def _send(exchange: Exchange, body: bytes | NaiadError) -> None:
    if isinstance(body, NaiadError):
        exchange.refuse(body)
    else:
        exchange.answer_json(body)
