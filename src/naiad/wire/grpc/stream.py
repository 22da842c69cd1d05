"""ModelStreamInfer: requests of one call, their answers in order, but for those of decoupled models."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Cancelled, DeadlineExceeded, Failed, NaiadError
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.protocol.grpc.infer_answer import encode_stream, encode_stream_error
from naiad.protocol.grpc.infer_request import Apart, Raws, decode, decode_apart, parse_request
from naiad.protocol.grpc.known_messages import KnownMessages
from naiad.protocol.grpc.large import takes_long
from naiad.protocol.limits import Limits
from naiad.protocol.status import grpc_status
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.outbox import Outbox
from naiad.serving.response_sender import ResponseSender
from naiad.serving.worker import SHORT_BYTES, Work
from naiad.wire.forwarding import Forwarding
from naiad.wire.grpc.call import Call
from naiad.wire.grpc.compression import Packed
from naiad.wire.grpc.infer import SHORT_ANSWER_BYTES, follow, mistake, takes_long_to_send
from naiad.wire.waiting import REQUEST_BYTES, weight_of

_FAIL_BY_STATUS = "triton_grpc_error"
"""Metadata: `true` ends a stream with the first error's status instead of telling of it in the stream."""


class _StreamedRequest:
    """A request of a stream: under way, and perhaps one in the line of those that are answered in order."""

    __slots__ = (
        "answers",
        "counted_bytes",
        "is_done",
        "is_in_line",
        "model_name",
        "request_id",
        "sender",
        "wants_empty_final",
        "was_taken_up",
    )

    def __init__(self, model_name: str, request_id: str, counted_bytes: int) -> None:
        self.model_name = model_name
        self.request_id = request_id
        self.counted_bytes = counted_bytes
        """What it adds to what waits for the connection, its answers among it while their turn has not come."""
        self.is_in_line = True
        """Whether it waits for those before it; requests to decoupled models do not."""
        self.wants_empty_final = False
        self.answers: deque[tuple[Answer, bool]] = deque()
        """Answers whose turn has not come."""
        self.is_done = False
        """The last answer is there."""
        self.sender: ResponseSender | None = None
        self.was_taken_up = False
        """The last answer came from the model, and not instead of it."""


class StreamCall:
    """One ModelStreamInfer: answers leave in the order of the requests; an error concerns its request alone.

    Those of decoupled models leave as they come, and hold nobody up.
    """

    def __init__(
        self,
        call: Call,
        engine: Engine,
        limits: Limits,
        known: KnownMessages,
        streams: set[StreamCall],
        clock: Clock = monotonic,
    ) -> None:
        """streams: the set in which the stream is noted while it is open."""
        self._known = known
        self._call = call
        self._engine = engine
        self._limits = limits
        self._streams = streams
        self._clock = clock
        self._fails_by_status = call.metadata.get(_FAIL_BY_STATUS, "") == "true"
        self.forwarding: Forwarding | None = None
        """Set by the servicer where metadata become parameters."""
        self._under_way: set[_StreamedRequest] = set()
        self._line: deque[_StreamedRequest] = deque()
        """Requests under way that are answered in order."""
        self._reading: Work | None = None
        """A long message that is being read in a thread."""
        self._unread: deque[tuple[bytes, float]] = deque()
        """Messages behind it, and when they came."""
        self._outbox = Outbox(engine.worker, self._end_if_complete)
        self._counted_bytes = 0
        """What this stream adds to what waits."""
        self._is_half_closed = False
        self._is_over = False
        streams.add(self)
        call.on_message = self._message
        call.on_end = self._end
        call.on_cancel = self._cancel

    def end(self, status: str = "OK", message: str = "") -> None:
        """End the stream, withdrawing what is still under way."""
        if not self._is_over:
            self._call.finish(status, message)
            self._cancel()

    def _message(self, raw: bytes) -> None:
        if self._is_over:
            return
        if len(self._under_way) + len(self._unread) >= self._limits.stream_requests:
            waiting = len(self._under_way) + len(self._unread)
            self.end("RESOURCE_EXHAUSTED", f"{waiting} requests of this stream are still waiting for answers")
            return
        account = self._call.account
        self._count(len(raw) + REQUEST_BYTES)
        if account.is_over:
            self.end("RESOURCE_EXHAUSTED", account.reason)
            return
        if self._reading is None:
            self._take(raw, self._clock())
        else:
            self._unread.append((raw, self._clock()))

    def _count(self, size: int) -> None:
        """Count more that waits, or less."""
        self._counted_bytes += size
        self._call.account.take(size)

    def _take(self, raw: bytes, arrived_s: float, *, has_waited: bool = False) -> None:
        """Take up the next message; those behind a long one wait until it is read, as requests keep their order."""
        message: Any = self._known.recall(raw)
        contents: Raws | None = None
        if message is None and len(raw) > SHORT_BYTES and takes_long(raw, SHORT_BYTES):
            read = partial(decode_apart, raw, self._limits, self._engine.memory)
            self._reading = self._engine.worker.submit(len(raw), read, partial(self._take_read, len(raw), arrived_s))
            return
        try:
            if message is None:
                message, contents = parse_request(raw)
        except NaiadError as error:
            self.end(grpc_status(error), error.message)
            return
        read_now = partial(self._read, raw, message, contents)
        streamed = _StreamedRequest(message.model_name, message.id, len(raw) + REQUEST_BYTES)
        self._take_up(streamed, self._route(message.model_name, message.model_version, has_waited), read_now, arrived_s)

    def _take_read(self, size: int, arrived_s: float, read: Apart | NaiadError) -> None:
        """Take up a long message that was read in a thread, and those that came behind it."""
        self._reading = None
        if isinstance(read, NaiadError):
            self.end(grpc_status(read), read.message)
            return
        weight = 0 if isinstance(read.request, NaiadError) else weight_of(read.request)
        self._count(weight)
        if self._call.account.is_over:
            self.end("RESOURCE_EXHAUSTED", self._call.account.reason)
            return
        streamed = _StreamedRequest(read.model_name, read.request_id, size + REQUEST_BYTES + weight)
        model = self._route(read.model_name, read.model_version, True)
        self._take_up(streamed, model, partial(self._forwarded, read.request), arrived_s)
        while self._unread and self._reading is None and not self._is_over:
            self._take(*self._unread.popleft(), has_waited=True)
        self._end_if_complete()

    def _take_up(
        self,
        streamed: _StreamedRequest,
        model: ServedModel | NaiadError,
        read: Callable[[], InferRequest],
        arrived_s: float,
    ) -> None:
        streamed.is_in_line = isinstance(model, NaiadError) or not model.config.is_decoupled
        self._under_way.add(streamed)
        if streamed.is_in_line:
            self._line.append(streamed)
        if isinstance(model, NaiadError):
            self._deliver(streamed, model, True)
        else:
            self._submit(streamed, model, read, arrived_s)

    def _route(self, name: str, version: str, has_waited: bool) -> ServedModel | NaiadError:
        """Return the model, or why there is none: an error of one request does not end the stream."""
        try:
            return self._engine.route(name, version, was_accepted=has_waited)
        except NaiadError as error:
            return error.with_traceback(None)  # which would refer to this frame, which refers to the error

    def _read(self, raw: bytes, message: Any, contents: Raws | None) -> InferRequest:
        """Decode a message; contents None: it is a request already, known from one like it."""
        request: InferRequest = message
        if contents is not None:
            request = decode(message, contents, self._limits, self._engine.memory)
            self._known.learn(raw, request)
        return self._forwarded(request)

    def _forwarded(self, request: InferRequest | NaiadError) -> InferRequest:
        """Return a request with what becomes parameters of the metadata. Raises what is wrong with it."""
        if isinstance(request, NaiadError):
            raise request
        if self.forwarding is not None:
            self.forwarding.add_metadata(request, self._call.metadata)
        return request

    def _submit(
        self, streamed: _StreamedRequest, model: ServedModel, read: Callable[[], InferRequest], arrived_s: float
    ) -> None:
        try:
            request = read()
            request.arrived_s = arrived_s
            streamed.wants_empty_final = request.wants_empty_final
            if self._engine.tracing.is_on:
                follow(self._engine.tracing, self._call, request)
            sender = self._engine.submit(model, request, partial(self._deliver, streamed), takes_one=False)
        except NaiadError as error:
            self._deliver(streamed, error, True)
            return
        except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
            self._deliver(streamed, Failed(mistake(self._call)), True)
            return
        if not streamed.is_done:
            streamed.sender = sender

    def _deliver(self, streamed: _StreamedRequest, answer: Answer, is_final: bool) -> None:
        if is_final:
            streamed.is_done = True
            streamed.was_taken_up = streamed.sender is not None
            streamed.sender = None
        if self._is_over:
            return
        if streamed.is_in_line:
            streamed.answers.append((answer, is_final))
            if streamed is not self._line[0]:
                weight = 0 if isinstance(answer, NaiadError) else weight_of(answer)
                streamed.counted_bytes += weight
                self._count(weight)
            self._send_those_whose_turn_it_is()
            return
        self._send(streamed, answer, is_final)
        if is_final and not self._is_over:
            self._under_way.discard(streamed)
            self._count(-streamed.counted_bytes)
            self._end_if_complete()

    def _send_those_whose_turn_it_is(self) -> None:
        line = self._line
        while line and not self._is_over:
            first = line[0]
            while first.answers and not self._is_over:
                self._send(first, *first.answers.popleft())
            if self._is_over or not first.is_done:
                return
            self._under_way.discard(line.popleft())
            self._count(-first.counted_bytes)
        self._end_if_complete()

    def _send(self, streamed: _StreamedRequest, answer: Answer, is_final: bool) -> None:
        if isinstance(answer, NaiadError):
            self._fail(streamed, answer, is_final)
            return
        if answer.is_empty and not streamed.wants_empty_final:
            return
        size = sum(tensor.data.nbytes for tensor in answer.outputs)
        if size > SHORT_ANSWER_BYTES and takes_long_to_send(answer, self._call):
            written = partial(self._send_written, streamed, is_final)
            self._outbox.put_long(size, partial(_write, self._call, answer, is_final), written)
        elif self._outbox.is_empty:
            self._send_short(streamed, answer, is_final)
        else:
            self._outbox.put(partial(self._send_short, streamed, answer, is_final))

    def _send_short(self, streamed: _StreamedRequest, answer: InferResponse, is_final: bool) -> None:
        try:
            message = encode_stream(answer, is_final=is_final)
        except Exception:  # noqa: BLE001 - the answers behind it in the line are sent, too
            self._fail_now(streamed, Failed(mistake(self._call)), is_final)
            return
        self._call.send(message)

    def _send_written(self, streamed: _StreamedRequest, is_final: bool, written: Packed | NaiadError) -> None:
        if isinstance(written, NaiadError):
            self._fail_now(streamed, written, is_final)
        else:
            self._call.send(written)

    def _fail(self, streamed: _StreamedRequest, error: NaiadError, is_final: bool) -> None:
        self._outbox.put(partial(self._fail_now, streamed, error, is_final))

    def _fail_now(self, streamed: _StreamedRequest, error: NaiadError, is_final: bool) -> None:
        if self._fails_by_status:
            self.end(grpc_status(error), error.message)
            return
        # Triton names the model once it has taken the request up; what is refused before that has the id alone.
        failed_late = isinstance(error, Failed | Cancelled | DeadlineExceeded)
        was_taken_up = failed_late or streamed.was_taken_up or not is_final
        model_name = streamed.model_name if was_taken_up else ""
        self._call.send(encode_stream_error(error.message, streamed.request_id, model_name, is_final=is_final))

    def _end(self) -> None:
        self._is_half_closed = True
        self._end_if_complete()

    def _end_if_complete(self) -> None:
        is_done = not self._under_way and self._reading is None and not self._unread and self._outbox.is_empty
        if self._is_half_closed and is_done and not self._is_over:
            self.end()

    def _cancel(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._streams.discard(self)
        for streamed in list(self._under_way):
            if streamed.sender is not None:
                streamed.sender.cancel()
        self._count(-self._counted_bytes)
        self._under_way.clear()
        self._line.clear()
        self._unread.clear()
        self._outbox.clear()
        if self._reading is not None:
            self._reading.cancel()
        self._call.on_cancel = None


def _write(call: Call, answer: InferResponse, is_final: bool) -> Packed:
    return call.pack(encode_stream(answer, is_final=is_final))
