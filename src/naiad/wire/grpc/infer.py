"""ModelInfer: the call that is hot. ModelStreamInfer, the other that waits for a model, is in `stream.py`."""

from __future__ import annotations

import logging

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import NaiadError
from naiad.core.message import Answer, InferRequest, InferResponse, Respond
from naiad.protocol.grpc.infer_answer import encode
from naiad.protocol.grpc.infer_request import decode, parse_request
from naiad.protocol.grpc.known_messages import KnownMessages
from naiad.protocol.limits import Limits
from naiad.protocol.status import grpc_status
from naiad.serving.engine import Engine
from naiad.serving.model import Cancel
from naiad.serving.single import NO_ANSWER, SingleAnswer
from naiad.wire.forwarding import Forwarding
from naiad.wire.grpc.call import Call
from naiad.wire.grpc.following import follow

_log = logging.getLogger("naiad.wire.grpc")

_DECOUPLED = "ModelInfer RPC doesn't support models with decoupled transaction policy"


def mistake(call: Call) -> str:
    """Note a mistake of ours, inside an `except`; returns what the caller is told. What it was is for the log alone."""
    _log.exception("%s failed", call.method)
    return "internal error"


class InferCall:
    """One ModelInfer."""

    __slots__ = (
        "_call",
        "_clock",
        "_engine",
        "_is_over",
        "_is_taken",
        "_known",
        "_limits",
        "_single",
        "_withdraw",
        "forwarding",
    )

    def __init__(
        self, call: Call, engine: Engine, limits: Limits, known: KnownMessages, clock: Clock = monotonic
    ) -> None:
        self._call = call
        self._engine = engine
        self._limits = limits
        self._known = known
        self._clock = clock
        self.forwarding: Forwarding | None = None
        """Set by the servicer where metadata become parameters."""
        self._is_taken = False
        self._is_over = False
        self._withdraw: Cancel | None = None
        self._single: SingleAnswer | None = None
        call.on_message = self._message
        call.on_end = self._end

    def _message(self, raw: bytes) -> None:
        if self._is_taken:
            self._cancel()
            self._finish("INTERNAL", "ModelInfer takes one message")
            return
        self._is_taken = True
        arrived_s = self._clock()
        try:
            request = self._known.recall(raw)
            if request is None:
                request = self._decode(raw)
            elif self._engine.catalog.has_decoupled:
                self._engine.refuse_decoupled(request.model_name, request.model_version, _DECOUPLED)
            if self.forwarding is not None:
                self.forwarding.add_metadata(request, self._call.metadata)
            request.arrived_s = arrived_s
            respond: Respond = self._respond
            if self._engine.tracing.is_on:
                respond = follow(self._engine.tracing, self._call, request, respond)
            withdraw = self._engine.submit(request, respond)
        except NaiadError as error:
            self._finish(grpc_status(error), error.message)
            return
        except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
            self._finish("INTERNAL", mistake(self._call))
            return
        if not self._is_over:
            self._withdraw = withdraw
            self._call.on_cancel = self._cancel

    def _decode(self, raw: bytes) -> InferRequest:
        message, contents = parse_request(raw)
        if self._engine.catalog.has_decoupled:  # before anything in the request is judged
            self._engine.refuse_decoupled(message.model_name, message.model_version, _DECOUPLED)
        try:
            request = decode(message, contents, self._limits, self._engine.memory)
        except NaiadError as error:
            raise self._engine.first_error(error, message.model_name, message.model_version) from None
        self._known.learn(raw, request)
        return request

    def _cancel(self) -> None:
        self._is_over = True
        if self._withdraw is not None:
            self._withdraw()

    def _end(self) -> None:
        if not self._is_taken:
            self._finish("INTERNAL", "the call ended without a message")

    def _respond(self, answer: Answer, is_last: bool) -> None:
        if self._is_over:
            self._let_go()
            return
        if not is_last or self._single is not None:
            self._single = self._single or SingleAnswer()
            one = self._single.take(answer, is_last)
            if one is None:
                return
            answer = one
        if isinstance(answer, NaiadError):
            self._finish(grpc_status(answer), answer.message)
        elif answer.is_empty:
            self._finish("INTERNAL", NO_ANSWER)
        else:
            self._send(answer)

    def _send(self, answer: InferResponse) -> None:
        try:
            message = encode(answer)
        except Exception:  # noqa: BLE001 - the others of the batch are answered, too
            self._finish("INTERNAL", mistake(self._call))
            return
        self._call.send(message)
        self._finish("OK", "")

    def _finish(self, status: str, message: str) -> None:
        self._is_over = True
        self._call.finish(status, message)
        self._let_go()

    def _let_go(self) -> None:
        """Drop what points back here, so that nothing is left for the garbage collector."""
        call = self._call
        call.on_message = call.on_end = call.on_cancel = self._withdraw = None
