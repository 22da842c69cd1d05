"""`Triton`: functions of the program as models of a server in the same program.

A `naiad.Server` below PyTriton's names. Where PyTriton's own behaviour is a fault, this does what its page promises:
`@pad_batch` trims, warm-up that fails is an error, two servers of one machine do not disturb each other, one function
may serve under two names.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from naiad.compat.pytriton.config import TritonConfig, TritonSecurityConfig, read_config
from naiad.compat.pytriton.exceptions import (
    PyTritonInvalidOperationError,
    PyTritonUnrecoverableError,
    PyTritonValidationError,
    translated,
)
from naiad.compat.pytriton.model_config import ModelConfig, Tensor
from naiad.compat.pytriton.unrecoverable import watched
from naiad.functions import Binding, Bindings
from naiad.server.aio import AsyncServer
from naiad.server.sync import Server

__all__ = [
    "DefaultTritonLifecyclePolicy",
    "RemoteTriton",
    "Triton",
    "TritonConfig",
    "TritonLifecyclePolicy",
    "TritonSecurityConfig",
    "VertextAILifecyclePolicy",
]

_log = logging.getLogger("naiad.compat")

Function = Callable[..., Any]


@dataclass
class TritonLifecyclePolicy:
    """When the server starts."""

    launch_triton_on_startup: bool = True
    """With the `with` block, or only with `run` or `serve`."""
    local_model_store: bool = False
    """Without effect: there is no store."""


DefaultTritonLifecyclePolicy = TritonLifecyclePolicy()
VertextAILifecyclePolicy = TritonLifecyclePolicy(launch_triton_on_startup=False, local_model_store=True)


class Triton:
    """A server that can be started, stopped and started again; models that were bound stay bound."""

    def __init__(
        self,
        *,
        config: TritonConfig | None = None,
        workspace: str | Path | None = None,
        triton_lifecycle_policy: TritonLifecyclePolicy | None = None,
        security_config: TritonSecurityConfig | None = None,
    ) -> None:
        """workspace: without effect, as nothing is written. Raises PyTritonValidationError."""
        del workspace
        vertex = VertextAILifecyclePolicy if config is not None and config.allow_vertex_ai else None
        self._policy = triton_lifecycle_policy or vertex or DefaultTritonLifecyclePolicy
        self._security = security_config or TritonSecurityConfig()
        with translated():
            self._arguments, self._entries = read_config(config, self._security)
        self._bindings = Bindings()
        self._server: Server | None = None
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        for warning in self._arguments.warnings:
            _log.warning("%s", warning)

    @property
    def asynchronous(self) -> AsyncServer:
        """The server below, not started, for `naiad serve` to take over."""
        return self._made().asynchronous

    def bind(
        self,
        model_name: str,
        infer_func: Function | Sequence[Function],
        inputs: Sequence[Tensor] | None = None,
        outputs: Sequence[Tensor] | None = None,
        model_version: int = 1,
        config: ModelConfig | None = None,
        strict: bool = False,
        trace_config: Sequence[str] | None = None,
    ) -> None:
        """Serve a function as a model, before the start or now; several functions are several instances.

        trace_config: without effect for one model; give it in TritonConfig. Raises PyTritonValidationError,
        PyTritonBadParameterError, PyTritonInvalidOperationError for a name and version that is bound, and
        PyTritonRuntimeError if warm-up fails.
        """
        if trace_config is not None:
            _log.warning("model '%s': trace_config has no effect here; give it in TritonConfig", model_name)
        functions = [infer_func] if callable(infer_func) else list(infer_func)
        if not all(map(callable, functions)):
            raise PyTritonValidationError("inference_fn has to be either callable or sequence of callables")
        guarded = [watched(function, partial(self._ended, model_name)) for function in functions]
        options = {**(config or ModelConfig()).options(), "version": int(model_version), "strict": strict}
        with translated(), self._lock:
            if self._server is not None:
                self._server.bind(model_name, guarded, inputs, outputs, **options)
            self._bindings.add(Binding.of(model_name, guarded, inputs, outputs, **options))

    def run(self) -> None:
        """Start, unless it runs, and return when all models are ready. Raises PyTritonRuntimeError."""
        with self._lock:
            if self._server is not None:
                return
            server = self._made()
            self._stopped.clear()
            with translated():
                server.start()
            self._server = server

    def serve(self, monitoring_period_s: float = 10.0) -> None:
        """Start, unless it runs, and wait for SIGINT, SIGTERM or `stop`; then stop."""
        del monitoring_period_s
        self.run()
        server = self._server
        if server is not None:
            server.serve()
        self.stop()

    def connect(self) -> None:
        """Start, unless it runs."""
        self.run()

    def stop(self) -> bool:
        """Answer what has been asked, and stop; whether it ran."""
        with self._lock:
            server, self._server = self._server, None
            if server is None:
                return False
            server.stop()
            server.close()
            self._stopped.set()
            return True

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._server is not None

    def is_connected(self) -> bool:
        """Whether it runs."""
        return self._server is not None

    @property
    def http_address(self) -> str:
        """host:port over HTTP, while it runs; not in PyTriton. Raises PyTritonInvalidOperationError."""
        return self._running.http_address

    @property
    def grpc_address(self) -> str:
        """host:port over gRPC, while it runs; not in PyTriton. Raises PyTritonInvalidOperationError."""
        return self._running.grpc_address

    @property
    def _running(self) -> Server:
        if self._server is None:
            raise PyTritonInvalidOperationError("the server does not run; use it inside `with`, or call run() first")
        return self._server

    def get_access_token(self) -> str | None:
        """The token that restricted requests need; None: none."""
        return self._security.access_token

    def __enter__(self) -> Self:
        if self._policy.launch_triton_on_startup:
            self.run()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _made(self) -> Server:
        server = Server(self._entries, **self._arguments.settings.values())
        for bindings in self._bindings.snapshot().values():
            for binding in bindings:
                server.asynchronous.bindings.add(binding)
        return server

    def _ended(self, model: str, error: PyTritonUnrecoverableError) -> None:
        _log.error("the function of model '%s' can answer no more, so the server stops: %s", model, error)
        threading.Thread(target=self.stop, name="naiad-stop", daemon=True).start()


class RemoteTriton:
    """Binding into a server of another process, which takes a shared file system in PyTriton; not offered here."""

    def __init__(self, *_: Any, **__: Any) -> NoReturn:
        raise PyTritonInvalidOperationError(
            "RemoteTriton is not offered here: serve the function in this program (Triton), on ports of its own, or as "
            "model.py in the other server's repository"
        )
