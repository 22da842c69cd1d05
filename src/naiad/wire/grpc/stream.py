"""ModelStreamInfer: requests of one call, their answers in order, but for those of decoupled models."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Cancelled, DeadlineExceeded, Failed, NaiadError
from naiad.core.message import Answer, InferRequest
from naiad.protocol.grpc.infer_answer import encode_stream, encode_stream_error
from naiad.protocol.grpc.infer_request import Raws, decode, parse_request
from naiad.protocol.grpc.known_messages import KnownMessages
from naiad.protocol.limits import Limits
from naiad.protocol.status import grpc_status
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.response_sender import ResponseSender
from naiad.wire.forwarding import Forwarding
from naiad.wire.grpc.call import Call
from naiad.wire.grpc.infer import follow, mistake

_FAIL_BY_STATUS = "triton_grpc_error"
"""Metadata: `true` ends a stream with the first error's status instead of telling of it in the stream."""


class _StreamedRequest:
    """A request of a stream: under way, and perhaps one in the line of those that are answered in order."""

    __slots__ = ("answers", "is_done", "is_in_line", "model_name", "request_id", "sender", "wants_empty_final")

    def __init__(self, model_name: str, request_id: str, is_in_line: bool) -> None:
        self.model_name = model_name
        self.request_id = request_id
        self.is_in_line = is_in_line
        """Whether it waits for those before it; requests to decoupled models do not."""
        self.wants_empty_final = False
        self.answers: deque[tuple[Answer, bool]] = deque()
        """Answers whose turn has not come."""
        self.is_done = False
        """The last answer is there."""
        self.sender: ResponseSender | None = None


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
        arrived_s = self._clock()
        message: Any = self._known.recall(raw)
        contents: Raws | None = None
        try:
            if message is None:
                message, contents = parse_request(raw)
        except NaiadError as error:
            self.end(grpc_status(error), error.message)
            return
        if len(self._under_way) >= self._limits.stream_requests:
            self.end(
                "RESOURCE_EXHAUSTED", f"{len(self._under_way)} requests of this stream are still waiting for answers"
            )
            return
        model = self._route(message.model_name, message.model_version)
        in_line = isinstance(model, NaiadError) or not model.config.is_decoupled
        streamed = _StreamedRequest(message.model_name, message.id, in_line)
        self._under_way.add(streamed)
        if in_line:
            self._line.append(streamed)
        if isinstance(model, NaiadError):
            self._deliver(streamed, model, True)
        else:
            self._submit(streamed, model, partial(self._read, raw, message, contents), arrived_s)

    def _route(self, name: str, version: str) -> ServedModel | NaiadError:
        """Return the model, or why there is none: an error of one request does not end the stream."""
        try:
            return self._engine.route(name, version)
        except NaiadError as error:
            return error.with_traceback(None)  # which would refer to this frame, which refers to the error

    def _read(self, raw: bytes, message: Any, contents: Raws | None) -> InferRequest:
        """Decode a message; contents None: it is a request already, known from one like it."""
        request: InferRequest = message
        if contents is not None:
            request = decode(message, contents, self._limits, self._engine.memory)
            self._known.learn(raw, request)
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
            streamed.sender = None
        if self._is_over:
            return
        if streamed.is_in_line:
            streamed.answers.append((answer, is_final))
            self._send_those_whose_turn_it_is()
            return
        self._send(streamed, answer, is_final)
        if is_final and not self._is_over:
            self._under_way.discard(streamed)
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
        self._end_if_complete()

    def _send(self, streamed: _StreamedRequest, answer: Answer, is_final: bool) -> None:
        if isinstance(answer, NaiadError):
            self._fail(streamed, answer, is_final)
            return
        if answer.is_empty and not streamed.wants_empty_final:
            return
        try:
            message = encode_stream(answer, is_final=is_final)
        except Exception:  # noqa: BLE001 - the answers behind it in the line are sent, too
            self._fail(streamed, Failed(mistake(self._call)), is_final)
            return
        self._call.send(message)

    def _fail(self, streamed: _StreamedRequest, error: NaiadError, is_final: bool) -> None:
        if self._fails_by_status:
            self.end(grpc_status(error), error.message)
            return
        # Triton names the model once it has taken the request up; what is refused before that has the id alone.
        was_taken_up = isinstance(error, Failed | Cancelled | DeadlineExceeded) or not is_final
        model_name = streamed.model_name if was_taken_up else ""
        self._call.send(encode_stream_error(error.message, streamed.request_id, model_name, is_final=is_final))

    def _end(self) -> None:
        self._is_half_closed = True
        self._end_if_complete()

    def _end_if_complete(self) -> None:
        if self._is_half_closed and not self._under_way:
            self.end()

    def _cancel(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._streams.discard(self)
        for streamed in list(self._under_way):
            if streamed.sender is not None:
                streamed.sender.cancel()
        self._under_way.clear()
        self._line.clear()
        self._call.on_cancel = None
