"""ModelInfer: the call that is hot. ModelStreamInfer, the other that waits for a model, is in `stream.py`."""

from __future__ import annotations

import logging

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import NaiadError, Unsupported
from naiad.core.message import Answer, InferRequest
from naiad.core.trace import TracedDoor
from naiad.observe.trace.tracing import Tracing, read_caller
from naiad.protocol.grpc.infer_answer import encode
from naiad.protocol.grpc.infer_request import decode, parse_request
from naiad.protocol.grpc.known_messages import KnownMessages
from naiad.protocol.limits import Limits
from naiad.protocol.status import grpc_status
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.wire.forwarding import Forwarding
from naiad.wire.grpc.call import Call

_log = logging.getLogger("naiad.wire.grpc")

_DECOUPLED = "ModelInfer RPC doesn't support models with decoupled transaction policy"


def mistake(call: Call) -> str:
    """Note a mistake of ours, inside an `except`; returns what the caller is told. What it was is for the log alone."""
    _log.exception("%s failed", call.method)
    return "internal error"


def follow(tracing: Tracing, call: Call, request: InferRequest) -> None:
    """Trace a request if it is picked; called only while tracing is on."""
    caller = read_caller(call.metadata.get("traceparent"), call.metadata.get("tracestate"))
    tracing.follow(request, TracedDoor.GRPC, caller, call.begun_s)


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
        call.on_message = self._message
        call.on_end = self._end

    def _message(self, raw: bytes) -> None:
        if self._is_taken:
            withdraw = self._call.on_cancel
            self._finish("INTERNAL", "ModelInfer takes one message")
            if withdraw is not None:
                withdraw()
            return
        self._is_taken = True
        arrived_s = self._clock()
        try:
            request = self._known.recall(raw)
            if request is None:
                model, request = self._decode(raw)
            else:
                model = self._route(request.model_name, request.model_version)
            if self.forwarding is not None:
                self.forwarding.add_metadata(request, self._call.metadata)
            request.arrived_s = arrived_s
            if self._engine.tracing.is_on:
                follow(self._engine.tracing, self._call, request)
            sender = self._engine.submit(model, request, self._deliver)
        except NaiadError as error:
            self._finish(grpc_status(error), error.message)
            return
        except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
            self._finish("INTERNAL", mistake(self._call))
            return
        if not self._is_over:
            self._call.on_cancel = sender.cancel

    def _route(self, name: str, version: str) -> ServedModel:
        model = self._engine.route(name, version)
        if model.config.is_decoupled:
            raise Unsupported(_DECOUPLED, model=name)
        return model

    def _decode(self, raw: bytes) -> tuple[ServedModel, InferRequest]:
        message, contents = parse_request(raw)
        model = self._route(message.model_name, message.model_version)  # before anything in the request is judged
        request = decode(message, contents, self._limits, self._engine.memory)
        self._known.learn(raw, request)
        return model, request

    def _end(self) -> None:
        if not self._is_taken:
            self._finish("INTERNAL", "the call ended without a request message")

    def _deliver(self, answer: Answer, is_final: bool) -> None:
        del is_final  # there is one answer
        if self._is_over:
            return
        if isinstance(answer, NaiadError):
            self._finish(grpc_status(answer), answer.message)
            return
        self._call.answer(encode(answer))
        self._let_go()

    def _finish(self, status: str, message: str) -> None:
        self._call.finish(status, message)
        self._let_go()

    def _let_go(self) -> None:
        """Drop what points back here, so that nothing is left for the garbage collector."""
        self._is_over = True
        self._call.on_cancel = None
