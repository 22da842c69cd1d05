"""POST …/infer: the only route that is hot."""

from __future__ import annotations

from functools import partial

from naiad.core.client_memory import ClientMemory
from naiad.core.clock import Clock, monotonic
from naiad.core.errors import InvalidRequest, NaiadError, Unsupported
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.protocol.json import infer_answer
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.json.known_bodies import KnownBodies
from naiad.protocol.limits import Limits
from naiad.protocol.raw_request import decode_raw
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.worker import SHORT_BYTES, SHORT_ELEMENTS, Worker
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.answering import beside, is_long, most_read_bytes, note_unreadable, submit, take_body
from naiad.wire.http.compression import choose, deflate
from naiad.wire.http.events import streamer
from naiad.wire.http.exchange import Exchange
from naiad.wire.waiting import weight_of

_JSON = b"application/json"
_BINARY = b"application/octet-stream"
_HEADER_LENGTH = b"inference-header-content-length"
_SMALLEST_COMPRESSED_BYTES = 1024
"""Below this, compressing costs more than it saves on any network."""

_UNCOPIED_BYTES = 16 * 1024
"""From here on tensors are handed to the socket where they are."""

_SHORT_DEFLATED_ELEMENTS = 4096
"""Compressing a thousand numbers takes about a millisecond."""

_DECOUPLED = "HTTP end point doesn't support models with decoupled transaction policy"


class InferHandler:
    """Decodes, submits, and answers."""

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        forwarding: Forwarding | None = None,
        *,
        streams: bool = False,
        clock: Clock = monotonic,
    ) -> None:
        """streams: answer with events, as `generate_stream` does; for who takes decoupled models, too."""
        self._streams = streams
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
            if served.config.is_decoupled and not self._streams:
                raise Unsupported(_DECOUPLED, model=model)
            if (len(exchange.body) > SHORT_BYTES or b"content-encoding" in exchange.headers) and _is_long(exchange):
                self._read_beside(exchange, served, version, arrived_s)
                return
            request, binary_default = self._decode(exchange, served, version)
            self._submit(exchange, served, request, binary_default, arrived_s)
        except NaiadError as error:
            self._refuse(exchange, error, InferRequest(model, version, arrived_s=arrived_s))

    def _submit(
        self, exchange: Exchange, served: ServedModel, request: InferRequest, binary_default: bool, arrived_s: float
    ) -> None:
        exchange.body = b""
        if self._forwarding is not None:
            self._forwarding.add_headers(request, exchange.headers)
        request.arrived_s = arrived_s
        if self._streams:
            submit(self._engine, exchange, served, request, streamer(self._engine.worker, exchange), takes_one=False)
            return
        deliver = partial(_answer, self._engine.worker, exchange, request, binary_default)
        submit(self._engine, exchange, served, request, deliver)

    def _read_beside(self, exchange: Exchange, served: ServedModel, version: str, arrived_s: float) -> None:
        """Read a long request in a thread; go on when that is done."""

        def read() -> tuple[InferRequest, bool]:
            return self.read_long(exchange, served, version, self._engine.memory)

        def go_on(read: tuple[InferRequest, bool] | NaiadError) -> None:
            try:
                if isinstance(read, NaiadError):
                    raise read
                exchange.count(weight_of(read[0]))
                self._submit(exchange, self._engine.route(served.name, version, was_accepted=True), *read, arrived_s)
            except NaiadError as error:
                self._refuse(exchange, error, InferRequest(served.name, version, arrived_s=arrived_s))

        beside(self._engine.worker, exchange, most_read_bytes(exchange), read, go_on)

    def _refuse(self, exchange: Exchange, error: NaiadError, request: InferRequest) -> None:
        """Answer a request that cannot be read."""
        if self._engine.tracing.is_on:
            note_unreadable(self._engine.tracing, exchange, request, error)
        is_encoding = isinstance(error, Unsupported) and b"content-encoding" in exchange.headers
        accept = b"Accept-Encoding: gzip, deflate\r\n" if is_encoding else b""
        exchange.refuse(error, accept)

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

    def read_long(
        self, exchange: Exchange, served: ServedModel, version: str, memory: ClientMemory
    ) -> tuple[InferRequest, bool]:
        """Read a request in no call that takes long, for a thread; also whether it wants binary outputs.

        memory: where tensors may lie. Raises what decoding raises.
        """
        body = take_body(exchange, self._limits.body_bytes)
        length = exchange.headers.get(_HEADER_LENGTH)
        header_length = None if length is None and body else _parse_length(length or b"0", len(body))
        if header_length == 0:
            return decode_raw(served.config, version, body, self._limits), True
        parse = infer_json.parse_long
        return infer_json.decode(served.name, version, body, header_length, self._limits, memory, parse)


def _is_long(exchange: Exchange) -> bool:
    """Whether reading a request takes long: its JSON part is long, or it holds many strings."""
    headers, body = exchange.headers, exchange.body
    length = headers.get(_HEADER_LENGTH)
    if length is None or b"content-encoding" in headers:
        return is_long(exchange)
    try:
        header_length = _parse_length(length, len(body))
    except InvalidRequest:
        return False
    return header_length > SHORT_BYTES or b"BYTES" in body[:header_length]


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


def _answer(
    worker: Worker, exchange: Exchange, request: InferRequest, binary_default: bool, answer: Answer, is_final: bool
) -> None:
    del is_final  # there is one answer
    if isinstance(answer, NaiadError):
        exchange.refuse(answer)
        return
    accept = exchange.headers.get(b"accept-encoding")
    encoding = b"" if accept is None or accept == b"identity" else choose(accept)
    if encoding and (_elements(answer) > _SHORT_DEFLATED_ELEMENTS or exchange.body_bytes > SHORT_BYTES):
        _answer_beside(worker, exchange, request, answer, binary_default, encoding)
        return
    try:
        header, tail = infer_answer.encode(request, answer, binary_default, SHORT_ELEMENTS)
    except infer_answer.TakesLong:
        _answer_beside(worker, exchange, request, answer, binary_default, encoding)
    except NaiadError as error:
        exchange.refuse(error)
    else:
        if tail or encoding:
            exchange.answer(200, *_packed(header, tail, encoding))
        else:
            exchange.answer_json(header)


def _answer_beside(
    worker: Worker,
    exchange: Exchange,
    request: InferRequest,
    answer: InferResponse,
    binary_default: bool,
    encoding: bytes,
) -> None:
    """Write a long answer in a thread, and send it then."""
    write = partial(_write, request, answer, binary_default, encoding)
    beside(worker, exchange, _elements(answer) * 8, write, partial(_send, exchange))


def _elements(answer: InferResponse) -> int:
    return sum(tensor.data.size for tensor in answer.outputs)


_Packed = tuple[bytes, bytes, bytes, tuple[bytes | memoryview, ...]]
"""Body, content type, headers, tail; see `Exchange.answer`."""


def _write(request: InferRequest, answer: InferResponse, binary_default: bool, encoding: bytes) -> _Packed:
    """Return a long answer as it is sent; for a thread. Raises what `encode` raises."""
    return _packed(*infer_answer.encode(request, answer, binary_default), encoding)


def _packed(body: bytes, tail: tuple[bytes | memoryview, ...], encoding: bytes) -> _Packed:
    """Return an answer as it is sent; encoding: what to compress it with."""
    kind, headers = _JSON, b""
    if tail:
        kind = _BINARY
        headers = b"Inference-Header-Content-Length: %d\r\n" % len(body)
        if encoding or sum(map(len, tail)) < _UNCOPIED_BYTES:
            body, tail = b"".join((body, *tail)), ()
    if encoding and len(body) >= _SMALLEST_COMPRESSED_BYTES:
        body = deflate(body, encoding)
        headers += b"Content-Encoding: %b\r\n" % encoding
    return body, kind, headers, tail


def _send(exchange: Exchange, written: _Packed | NaiadError) -> None:
    if isinstance(written, NaiadError):
        exchange.refuse(written)
    else:
        exchange.answer(200, *written)
