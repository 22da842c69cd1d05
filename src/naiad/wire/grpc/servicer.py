"""What each RPC means: finds the method, answers it, or hands the call to the inference calls.

Knows no transport (`call.py`) and decides nothing of its own: inference is the engine's, everything else is read from
the same overview as over HTTP.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from naiad.core.errors import NaiadError
from naiad.protocol.grpc.known_messages import KnownMessages
from naiad.protocol.grpc.messages import encode, parse
from naiad.protocol.limits import Limits
from naiad.protocol.load_report import FORMAT
from naiad.protocol.status import grpc_status
from naiad.serving.worker import SHORT_BYTES, Worker
from naiad.wire.forwarding import Forwarding
from naiad.wire.grpc.call import GONE, Call
from naiad.wire.grpc.features import SERVICE
from naiad.wire.grpc.infer import InferCall, mistake
from naiad.wire.grpc.methods.logging import logging_methods
from naiad.wire.grpc.methods.method import Document, Method, Waited
from naiad.wire.grpc.methods.reading import reading_methods
from naiad.wire.grpc.methods.repository import repository_methods
from naiad.wire.grpc.methods.shared_memory import shared_memory_methods
from naiad.wire.grpc.methods.trace import trace_methods
from naiad.wire.grpc.reflection import REFLECTION, serve_reflection
from naiad.wire.grpc.request_log import noted
from naiad.wire.grpc.stream import StreamCall
from naiad.wire.load_reports import metadata_of
from naiad.wire.services import Services

_INFERENCE = (SERVICE + "ModelInfer", SERVICE + "ModelStreamInfer")
HEALTH = "/grpc.health.v1.Health/Check"

DELAY = "TRITONSERVER_SERVER_DELAY_GRPC_RESPONSE_SEC"
"""Seconds that every answer but those of inference comes later, for tests of clients' time limits; Triton's variable.
"""

_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"
"""HealthCheckResponse with its one field, `status`, set to 1 and 2."""


class Servicer:
    """Answers calls; an instance is the `Serve` that transports take."""

    def __init__(
        self, services: Services, limits: Limits, compression: str = "none", forwarding: Forwarding | None = None
    ) -> None:
        """compression: level of inference answers: none, low, medium, high. forwarding: of metadata to models."""
        self._forwarding = forwarding
        self._compression = "" if compression == "none" else compression
        self._engine = services.engine
        self._overview = services.overview
        self._logs = services.logs
        self._limits = limits
        self._known = KnownMessages(limits, services.memory)
        self._streams: set[StreamCall] = set()
        self._delay_s = _read_delay()
        methods = {
            **reading_methods(services),
            **repository_methods(services),
            **shared_memory_methods(services),
            **trace_methods(services),
            **logging_methods(services),
        }
        self._methods = {SERVICE + name: (name, method) for name, method in methods.items()}

    def __call__(self, call: Call) -> None:
        """Take a call whose headers have arrived."""
        if self._logs.is_verbose:
            call = noted(call)
        if call.method in _INFERENCE:
            self._infer(call)
        elif call.method in self._methods:
            _answer_once(call, self._engine.worker, *self._methods[call.method], self._delay_s)
        elif call.method == HEALTH:
            _once(
                call,
                self._delay_s,
                lambda _: _settle(call, lambda: _SERVING if self._overview.is_ready else _NOT_SERVING),
            )
        elif call.method in REFLECTION:
            serve_reflection(call)
        else:
            call.finish("UNIMPLEMENTED", f"there is no method {call.method}")

    def _infer(self, call: Call) -> None:
        if self._compression:
            call.compress(self._compression)
        if FORMAT in call.metadata:
            try:
                call.trailing = metadata_of(self._engine.load, call.metadata[FORMAT])
            except NaiadError as error:
                call.finish(grpc_status(error), error.message)
                return
        if self._engine.is_stopping:
            call.finish("UNAVAILABLE", GONE)
        elif call.method == _INFERENCE[0]:
            InferCall(call, self._engine, self._limits, self._known).forwarding = self._forwarding
        else:
            StreamCall(call, self._engine, self._limits, self._known, self._streams).forwarding = self._forwarding

    def _health(self) -> bytes:
        return _SERVING if self._overview.is_ready else _NOT_SERVING

    def end_streams(self) -> None:
        """End every stream that is still open; for a server that stops, after its requests have been answered."""
        for stream in list(self._streams):
            stream.end("UNAVAILABLE", GONE)


def _read_delay() -> float:
    text = os.environ.get(DELAY, "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _answer_once(call: Call, worker: Worker, name: str, method: Method, delay_s: float) -> None:
    """Answer a unary call, at once or when what its method waits for is done; worker: reads long messages."""

    def write(answer: Document | None) -> bytes:
        return b"" if answer is None else encode(f"{name}Response", answer)

    def make(message: Any) -> bytes | Waited:
        if isinstance(message, NaiadError):
            raise message
        made = method(message)
        return made if isinstance(made, asyncio.Future) else write(made)

    read = partial(parse, f"{name}Request")

    def take(raw: bytes) -> None:
        if len(raw) <= SHORT_BYTES:
            _settle(call, lambda: make(read(raw)), write)
            return
        call.on_message = call.on_end = None
        work = worker.submit(len(raw), partial(read, raw), lambda message: _settle(call, lambda: make(message), write))
        call.on_cancel = work.cancel

    _once(call, delay_s, take)


def _once(call: Call, delay_s: float, take: Callable[[bytes], None]) -> None:
    """Have the first message taken, which ends the call; delay_s: so much later than it comes."""

    def take_later(raw: bytes) -> None:
        call.on_message = call.on_end = None
        asyncio.get_running_loop().call_later(delay_s, take, raw)

    call.on_message = take_later if delay_s else take
    call.on_end = lambda: call.finish("INTERNAL", "the call ended without a request message")


def _settle(
    call: Call, make: Callable[[], bytes | Waited], write: Callable[[Document | None], bytes] | None = None
) -> None:
    """Send the message that `make` gives and end the call; a future is waited for."""
    try:
        made = make()
    except NaiadError as error:
        call.finish(grpc_status(error), error.message)
    except asyncio.CancelledError:
        call.finish("UNAVAILABLE", GONE)
    except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
        call.finish("INTERNAL", mistake(call))
    else:
        if isinstance(made, asyncio.Future):
            assert write is not None
            call.on_message = call.on_end = None
            made.add_done_callback(lambda done: _settle(call, lambda: write(done.result())))
        else:
            call.send(made)
            call.finish()
