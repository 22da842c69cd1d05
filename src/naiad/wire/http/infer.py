"""POST …/infer: the only route that is hot."""

from __future__ import annotations

from functools import partial

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import InvalidRequest, NaiadError, Unsupported
from naiad.core.message import Answer, InferRequest
from naiad.protocol import infer_answer, infer_json
from naiad.protocol.known_bodies import KnownBodies
from naiad.protocol.limits import Limits
from naiad.protocol.raw_request import decode_raw
from naiad.protocol.status import http_status
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.answering import note_unreadable, submit, take_body
from naiad.wire.http.compression import choose, deflate
from naiad.wire.http.exchange import Exchange

_JSON = b"application/json"
_BINARY = b"application/octet-stream"
_HEADER_LENGTH = b"inference-header-content-length"
_SMALLEST_COMPRESSED_BYTES = 1024
"""Below this, compressing costs more than it saves on any network."""

_UNCOPIED_BYTES = 16 * 1024
"""From here on tensors are handed to the socket where they are."""

_DECOUPLED = "HTTP end point doesn't support models with decoupled transaction policy"


class InferHandler:
    """Decodes, submits, and answers."""

    def __init__(
        self, engine: Engine, limits: Limits, forwarding: Forwarding | None = None, clock: Clock = monotonic
    ) -> None:
        self._forwarding = forwarding
        self._engine = engine
        self._limits = limits
        self._known = KnownBodies(limits, engine.memory)
        self._clock = clock

    def __call__(self, exchange: Exchange, model: str, version: str = "") -> None:
        """Handle one request."""
        arrived_s = self._clock()
        try:
            served = self._engine.route(model, version)
            if served.config.is_decoupled:
                raise Unsupported(_DECOUPLED, model=model)
            request, binary_default = self._decode(exchange, served, version)
            exchange.body = b""
            if self._forwarding is not None:
                self._forwarding.add_headers(request, exchange.headers)
        except NaiadError as error:
            self._refuse(exchange, error, InferRequest(model, version, arrived_s=arrived_s))
            return
        request.arrived_s = arrived_s
        submit(self._engine, exchange, served, request, partial(_answer, exchange, request, binary_default))

    def _refuse(self, exchange: Exchange, error: NaiadError, request: InferRequest) -> None:
        """Answer a request that cannot be read."""
        if self._engine.tracing.is_on:
            note_unreadable(self._engine.tracing, exchange, request, error)
        is_encoding = isinstance(error, Unsupported) and b"content-encoding" in exchange.headers
        accept = b"Accept-Encoding: gzip, deflate\r\n" if is_encoding else b""
        exchange.fail(http_status(error), error.message, accept)

    def _decode(self, exchange: Exchange, served: ServedModel, version: str) -> tuple[InferRequest, bool]:
        model = served.name
        headers = exchange.headers
        body = take_body(exchange, self._limits.body_bytes) if b"content-encoding" in headers else exchange.body
        length = headers.get(_HEADER_LENGTH)
        if length is None and body:
            memory = self._engine.memory
            if not memory.regions or not self._known.may_know(body):
                return infer_json.decode(model, version, body, None, self._limits, memory)
            header_length = len(body)
        else:
            header_length = 0 if length is None else _parse_length(length, len(body))
        if header_length == 0:
            return decode_raw(served.config, version, body, self._limits), True
        known = self._known.recall(model, version, body, header_length)
        if known is None:
            known = infer_json.decode(model, version, body, header_length, self._limits, self._engine.memory)
            self._known.learn(*known, body, header_length)
        return known


def _parse_length(value: bytes, body_bytes: int) -> int:
    """Parse `Inference-Header-Content-Length`; messages as in Triton."""
    text = value.decode("latin-1").strip()
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit():
        raise InvalidRequest(f"Unable to parse Inference-Header-Content-Length, got: {text}")
    # Twelve digits are far past any int32; int() of a megabyte of digits would take minutes.
    length = int(text) if len(text) <= 12 else 2**40
    if not -(2**31) <= length < 2**31:
        raise InvalidRequest(
            "Unable to parse Inference-Header-Content-Length, value is out of range [ -2147483648, 2147483647 ], "
            f"got: {text}"
        )
    if not 0 <= length <= body_bytes:
        raise InvalidRequest(f"inference header size should be in range (0, {body_bytes}), got: {length}")
    return length


def _answer(exchange: Exchange, request: InferRequest, binary_default: bool, answer: Answer, is_final: bool) -> None:
    del is_final  # there is one answer
    if isinstance(answer, NaiadError):
        exchange.fail(http_status(answer), answer.message)
        return
    try:
        encoded = infer_answer.encode(request, answer, binary_default)
    except NaiadError as error:
        exchange.fail(http_status(error), error.message)
        return
    kind, headers, body, tail = _JSON, b"", encoded.header, encoded.tail
    accept = exchange.headers.get(b"accept-encoding")
    encoding = b"" if accept is None or accept == b"identity" else choose(accept)
    if tail:
        kind = _BINARY
        headers = b"Inference-Header-Content-Length: %d\r\n" % len(body)
        if encoding or sum(map(len, tail)) < _UNCOPIED_BYTES:
            body, tail = b"".join((body, *tail)), ()
    if encoding and len(body) >= _SMALLEST_COMPRESSED_BYTES:
        body = deflate(body, encoding)
        headers += b"Content-Encoding: %b\r\n" % encoding
    exchange.answer(200, body, kind, headers, tail)
