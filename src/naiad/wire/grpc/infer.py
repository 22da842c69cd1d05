"""ModelInfer: the call that is hot. ModelStreamInfer, the other that waits for a model, is in `stream.py`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Exhausted, NaiadError, Unsupported
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.trace import TracedDoor
from naiad.observe.trace.tracing import Tracing, read_caller
from naiad.protocol.grpc.infer_answer import encode
from naiad.protocol.grpc.infer_request import Apart, decode, decode_apart, parse_request
from naiad.protocol.grpc.known_messages import KnownMessages
from naiad.protocol.grpc.large import takes_long
from naiad.protocol.limits import Limits
from naiad.protocol.status import grpc_status
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.worker import SHORT_BYTES
from naiad.wire.forwarding import Forwarding
from naiad.wire.grpc.call import Call
from naiad.wire.grpc.compression import Packed
from naiad.wire.waiting import REQUEST_BYTES, weight_of

_log = logging.getLogger("naiad.wire.grpc")

SHORT_ANSWER_BYTES = 256 * 1024
"""Elements of an answer that is written on the loop, whatever they are; a string counts as its pointer's 8 bytes."""
_COPIED_BYTES = 16 * 1024 * 1024
"""Above it even copying numbers takes long."""

Result = TypeVar("Result")

_DECOUPLED = "ModelInfer RPC doesn't support models with decoupled transaction policy"


def mistake(call: Call) -> str:
    """Note a mistake of ours, inside an `except`; returns what the caller is told. What it was is for the log alone."""
    _log.exception("%s failed", call.method)
    return "internal error"


def follow(tracing: Tracing, call: Call, request: InferRequest) -> None:
    """Trace a request if it is picked; called only while tracing is on."""
    caller = read_caller(call.metadata.get("traceparent"), call.metadata.get("tracestate"))
    tracing.follow(request, TracedDoor.GRPC, caller, call.begun_s)


def takes_long_to_send(answer: InferResponse, call: Call) -> bool:
    """Whether an answer above SHORT_ANSWER_BYTES takes long to write: strings, compressed ones, very large ones."""
    size = sum(tensor.data.nbytes for tensor in answer.outputs)
    return bool(call.encoding) or size > _COPIED_BYTES or any(tensor.datatype == "BYTES" for tensor in answer.outputs)


def write(call: Call, answer: InferResponse) -> Packed:
    """Write a long answer; for a thread. Raises Failed."""
    return call.pack(encode(answer))


class InferCall:
    """One ModelInfer."""

    __slots__ = (
        "_call",
        "_clock",
        "_counted_bytes",
        "_engine",
        "_is_over",
        "_is_taken",
        "_is_writing",
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
        self._counted_bytes = 0
        """What this request adds to what waits."""
        self._is_writing = False
        """The answer is there, and is being written in a thread."""
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
        # Written out, here and where the call ends, because every request pays for it.
        account, self._counted_bytes = self._call.account, len(raw) + REQUEST_BYTES
        account.bytes += self._counted_bytes
        account.waiting.bytes += self._counted_bytes
        if account.bytes > account.most_bytes or account.waiting.bytes > account.waiting.most_bytes:
            self._finish("RESOURCE_EXHAUSTED", account.reason)
            return
        try:
            request = self._known.recall(raw)
            if request is not None:
                model = self._route(request.model_name, request.model_version)
            elif len(raw) > SHORT_BYTES and takes_long(raw, SHORT_BYTES):
                self._read_beside(raw, arrived_s)
                return
            else:
                model, request = self._decode(raw)
            self._submit(model, request, arrived_s)
        except NaiadError as error:
            self._finish(grpc_status(error), error.message)
        except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
            self._finish("INTERNAL", mistake(self._call))

    def _submit(self, model: ServedModel, request: InferRequest, arrived_s: float) -> None:
        if self.forwarding is not None:
            self.forwarding.add_metadata(request, self._call.metadata)
        request.arrived_s = arrived_s
        if self._engine.tracing.is_on:
            follow(self._engine.tracing, self._call, request)
        sender = self._engine.submit(model, request, self._deliver)
        if not self._is_over and not self._is_writing:
            self._call.on_cancel = sender.cancel

    def _read_beside(self, raw: bytes, arrived_s: float) -> None:
        """Read a long message in a thread; go on when that is done."""
        self._beside(
            len(raw), partial(decode_apart, raw, self._limits, self._engine.memory), partial(self._go_on, arrived_s)
        )

    def _beside(self, size: int, do: Callable[[], Result], done: Callable[[Result | NaiadError], None]) -> None:
        """Do in a thread what takes long, then go on; withdrawn when the client leaves."""
        work = self._engine.worker.submit(size, do, done)

        def withdraw() -> None:
            work.cancel()
            self._let_go()

        self._call.on_cancel = withdraw

    def _go_on(self, arrived_s: float, read: Apart | NaiadError) -> None:
        self._call.on_cancel = None
        if isinstance(read, NaiadError):
            self._finish(grpc_status(read), read.message)
            return
        try:
            model = self._route(read.model_name, read.model_version, was_accepted=True)
            request = read.checked()
            self._count(weight_of(request))
            self._submit(model, request, arrived_s)
        except NaiadError as error:
            self._finish(grpc_status(error), error.message)
        except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
            self._finish("INTERNAL", mistake(self._call))

    def _count(self, size: int) -> None:
        """Count more that waits. Raises Exhausted."""
        account = self._call.account
        self._counted_bytes += size
        account.take(size)
        if account.is_over:
            raise Exhausted(account.reason)

    def _route(self, name: str, version: str, *, was_accepted: bool = False) -> ServedModel:
        model = self._engine.route(name, version, was_accepted=was_accepted)
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
        call, size = self._call, 0
        for tensor in answer.outputs:
            size += tensor.data.nbytes
        if size > SHORT_ANSWER_BYTES and takes_long_to_send(answer, call):
            self._is_writing = True
            self._beside(size, partial(write, call, answer), self._send)
            return
        call.answer(encode(answer))
        self._let_go()

    def _send(self, written: Packed | NaiadError) -> None:
        """Send an answer that was written in a thread."""
        if isinstance(written, NaiadError):
            self._finish(grpc_status(written), written.message)
        else:
            self._call.answer(written)
            self._let_go()

    def _finish(self, status: str, message: str) -> None:
        self._call.finish(status, message)
        self._let_go()

    def _let_go(self) -> None:
        """Drop what points back here, so that nothing is left for the garbage collector."""
        self._is_over = True
        account = self._call.account
        account.bytes -= self._counted_bytes
        account.waiting.bytes -= self._counted_bytes
        self._counted_bytes = 0
        self._call.on_cancel = None
