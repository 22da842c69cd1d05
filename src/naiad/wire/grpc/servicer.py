"""What each RPC means: finds the method, answers it, or hands the call to the inference calls.

Knows no transport (`call.py`) and decides nothing of its own: inference is the engine's, everything else is read from
the same overview as over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from naiad.core.errors import NaiadError, NotFound, NotReady, Unsupported
from naiad.protocol.grpc.messages import encode, parse
from naiad.protocol.limits import Limits
from naiad.protocol.shared_memory import no_shared_memory
from naiad.protocol.status import grpc_status
from naiad.serving.engine import Engine
from naiad.serving.overview import Overview
from naiad.wire.grpc.call import Call
from naiad.wire.grpc.infer import InferCall, StreamCall, mistake

SERVICE = "/inference.GRPCInferenceService/"
_INFERENCE = (SERVICE + "ModelInfer", SERVICE + "ModelStreamInfer")
HEALTH = "/grpc.health.v1.Health/Check"

_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"
"""HealthCheckResponse with its one field, `status`, set to 1 and 2."""

_GONE = "GRPC server is shutting down and has stopped accepting new requests."

Method = Callable[[Any], Mapping[str, Any]]
"""Takes the request message, gives the answer as JSON values, or raises NaiadError."""


class Servicer:
    """Answers calls; an instance is the `Serve` that transports take."""

    def __init__(self, engine: Engine, limits: Limits, server_name: str) -> None:
        self._engine = engine
        self._limits = limits
        self._streams: set[StreamCall] = set()
        overview = Overview(engine, server_name)
        self._overview = overview
        methods = {**_readers(overview), **_refusals()}
        self._methods = {SERVICE + name: (name, method) for name, method in methods.items()}

    def __call__(self, call: Call) -> None:
        """Take a call whose headers have arrived."""
        if call.method in _INFERENCE:
            self._infer(call)
        elif call.method in self._methods:
            _answer_once(call, *self._methods[call.method])
        elif call.method == HEALTH:
            _once(call, lambda _: call.send(_SERVING if self._overview.is_ready else _NOT_SERVING))
        else:
            call.finish("UNIMPLEMENTED", f"there is no method {call.method}")

    def _infer(self, call: Call) -> None:
        if self._engine.is_stopping:
            call.finish("UNAVAILABLE", _GONE)
        elif call.method == _INFERENCE[0]:
            InferCall(call, self._engine, self._limits)
        else:
            StreamCall(call, self._engine, self._limits, self._streams)

    def end_streams(self) -> None:
        """End every stream that is still open; for a server that stops, after its requests have been answered."""
        for stream in list(self._streams):
            stream.end("UNAVAILABLE", _GONE)


def _answer_once(call: Call, name: str, method: Method) -> None:
    """Answer a unary call whose answer is known at once."""

    def answer(raw: bytes) -> None:
        call.send(encode(f"{name}Response", method(parse(f"{name}Request", raw))))

    _once(call, answer)


def _once(call: Call, answer: Callable[[bytes], None]) -> None:
    """Answer the first message and end the call."""

    def on_message(raw: bytes) -> None:
        try:
            answer(raw)
        except NaiadError as error:
            call.finish(grpc_status(error), error.message)
        except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
            call.finish("INTERNAL", mistake(call))
        else:
            call.finish()

    call.on_message = on_message
    call.on_end = lambda: call.finish("INTERNAL", "the call ended without a message")


def _readers(overview: Overview) -> dict[str, Method]:
    """Methods that read."""

    def index(request: Any) -> Mapping[str, Any]:
        if request.repository_name:
            raise Unsupported("'repository_name' specification is not supported")
        return {"models": overview.index(only_ready=request.ready)}

    return {
        "ServerLive": lambda _: {"live": overview.is_live},
        "ServerReady": lambda _: {"ready": overview.is_ready},
        "ModelReady": lambda request: {"ready": overview.is_model_ready(request.name, request.version)},
        "ServerMetadata": lambda _: overview.server,
        "ModelMetadata": lambda request: overview.metadata(request.name, request.version),
        "ModelConfig": lambda request: {"config": overview.config(request.name, request.version)},
        "ModelStatistics": lambda request: {"model_stats": overview.statistics(request.name, request.version)},
        "RepositoryIndex": index,
    }


def _refusals() -> dict[str, Method]:
    """Methods of features that are off: Triton's answers in that case, or a plain sentence where it has none."""

    def control(request: Any) -> Mapping[str, Any]:
        if request.repository_name:
            raise Unsupported("'repository_name' specification is not supported")
        raise NotReady("explicit model load / unload is not allowed if polling is enabled")

    def regions(kind: str, request: Any) -> Mapping[str, Any]:
        if request.name:
            raise NotFound(f"Unable to find {kind} shared memory region: '{request.name}'")
        return {}

    def no_memory(_: Any) -> Mapping[str, Any]:
        raise no_shared_memory()

    def no_tracing(_: Any) -> Mapping[str, Any]:
        raise Unsupported("tracing is not available on this server")

    def no_log_settings(_: Any) -> Mapping[str, Any]:
        raise Unsupported("log settings cannot be read or changed over the network; see --log-level and --log-format")

    return {
        "RepositoryModelLoad": control,
        "RepositoryModelUnload": control,
        "SystemSharedMemoryStatus": partial(regions, "system"),
        "CudaSharedMemoryStatus": partial(regions, "cuda"),
        "SystemSharedMemoryRegister": no_memory,
        "SystemSharedMemoryUnregister": no_memory,
        "CudaSharedMemoryRegister": no_memory,
        "CudaSharedMemoryUnregister": no_memory,
        "TraceSetting": no_tracing,
        "LogSettings": no_log_settings,
    }
