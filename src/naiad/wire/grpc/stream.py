"""ModelStreamInfer: requests of one call, their answers in order, but for those of decoupled models."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Cancelled, DeadlineExceeded, Failed, NaiadError
from naiad.core.message import Answer, InferRequest, Respond
from naiad.protocol.grpc.infer_answer import encode_stream, encode_stream_error
from naiad.protocol.grpc.infer_request import Raws, decode, parse_request
from naiad.protocol.grpc.known_messages import KnownMessages
from naiad.protocol.limits import Limits
from naiad.protocol.status import grpc_status
from naiad.serving.engine import Engine
from naiad.wire.forwarding import Forwarding
from naiad.wire.grpc.call import Call
from naiad.wire.grpc.following import follow
from naiad.wire.grpc.infer import mistake
from naiad.wire.grpc.place import Place

_FAIL_BY_STATUS = "triton_grpc_error"
"""Metadata: `true` ends a stream with the first error's status instead of telling of it in the stream."""


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
        self._under_way: set[Place] = set()
        self._line: deque[Place] = deque()
        """Those under way that are answered in order."""
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
        request = self._known.recall(raw)
        try:
            message, contents = (None, ()) if request is not None else parse_request(raw)
        except NaiadError as error:
            self.end(grpc_status(error), error.message)
            return
        if len(self._under_way) >= self._limits.stream_requests:
            self.end("RESOURCE_EXHAUSTED", f"{len(self._under_way)} requests of this stream wait for their answers")
            return
        place = self._take_place(message if request is None else request)
        try:
            if request is None:
                request = self._decode(message, contents)
                self._known.learn(raw, request)
            if self.forwarding is not None:
                self.forwarding.add_metadata(request, self._call.metadata)
            request.arrived_s = arrived_s
            place.wants_empty_final = request.wants_empty_final
            respond: Respond = partial(self._respond, place)
            if self._engine.tracing.is_on:
                respond = follow(self._engine.tracing, self._call, request, respond)
            cancel = self._engine.submit(request, respond)
        except NaiadError as error:
            self._respond(place, error, True)
            return
        except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
            self._respond(place, Failed(mistake(self._call)), True)
            return
        if not place.is_done:
            place.cancel = cancel

    def _decode(self, message: Any, contents: Raws) -> InferRequest:
        try:
            return decode(message, contents, self._limits, self._engine.memory)
        except NaiadError as error:
            raise self._engine.first_error(error, message.model_name, message.model_version) from None

    def _take_place(self, message: Any) -> Place:
        engine = self._engine
        may_be = engine.catalog.has_decoupled
        is_decoupled = may_be and engine.is_decoupled(message.model_name, message.model_version)
        place = Place(message.model_name, message.id, not is_decoupled)
        self._under_way.add(place)
        if place.is_in_line:
            self._line.append(place)
        return place

    def _respond(self, place: Place, answer: Answer, is_last: bool) -> None:
        if is_last:
            place.is_done = True
            place.cancel = None
        if self._is_over:
            return
        if place.is_in_line:
            place.answers.append((answer, is_last))
            self._send_those_whose_turn_it_is()
            return
        self._send(place, answer, is_last)
        if is_last and not self._is_over:
            self._under_way.discard(place)
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

    def _send(self, place: Place, answer: Answer, is_last: bool) -> None:
        if isinstance(answer, NaiadError):
            self._fail(place, answer, is_last)
            return
        if answer.is_empty and not place.wants_empty_final:
            return
        try:
            message = encode_stream(answer, is_final=is_last)
        except Exception:  # noqa: BLE001 - the others of the batch are answered, too
            self._fail(place, Failed(mistake(self._call)), is_last)
            return
        self._call.send(message)

    def _fail(self, place: Place, error: NaiadError, is_last: bool) -> None:
        if self._fails_by_status:
            self.end(grpc_status(error), error.message)
            return
        # Triton names the model once it has taken the request up; what is refused before that has the id alone.
        was_taken_up = isinstance(error, Failed | Cancelled | DeadlineExceeded) or not is_last
        model_name = place.model_name if was_taken_up else ""
        self._call.send(encode_stream_error(error.message, place.request_id, model_name, is_final=is_last))

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
        for place in list(self._under_way):
            if place.cancel is not None:
                place.cancel()
        self._under_way.clear()
        self._line.clear()
        self._call.on_message = self._call.on_end = self._call.on_cancel = None
