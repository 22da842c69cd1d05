"""A server in a program of one's own that is not asynchronous: `naiad.Server`. What it does is `aio.py`."""

from __future__ import annotations

import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from naiad.client.metadata import ModelMetadata
from naiad.client.result import Result
from naiad.client.sync import Model
from naiad.core.errors import NotReady
from naiad.core.message import Parameter
from naiad.core.model.ensemble import Step
from naiad.functions import Tensor
from naiad.functions.binding import Function
from naiad.server.aio import AsyncServer, Source
from naiad.server.loop_thread import LoopThread, without_waiting
from naiad.server.signals import stopping_signals

Value = TypeVar("Value")


class Server:
    """Models by name, run in this program, on a thread of the server's own; ports are opened only where they are given.

        with naiad.Server(["minilm=sentence-transformers/all-MiniLM-L6-v2"]) as server:
            result = server.infer("minilm", {"text": "hello"})

    Any thread may call; requests of several threads are run together. Every method raises NotReady before the start and
    after the end.
    """

    def __init__(
        self,
        models: Source | Sequence[Source] = (),
        *,
        manifest: str | Path | None = None,
        lock: str | Path | None = None,
        offline: bool = False,
        http_port: int | None = None,
        grpc_port: int | None = None,
        metrics_port: int | None = None,
        **options: Any,
    ) -> None:
        """See `AsyncServer`."""
        self._server = AsyncServer(
            models,
            manifest=manifest,
            lock=lock,
            offline=offline,
            http_port=http_port,
            grpc_port=grpc_port,
            metrics_port=metrics_port,
            **options,
        )
        self._thread: LoopThread | None = None
        """While it runs."""
        self._stop = threading.Event()

    @property
    def asynchronous(self) -> AsyncServer:
        """The server below, which `naiad serve` takes over."""
        return self._server

    def start(self) -> None:
        """See `AsyncServer.start`."""
        thread = LoopThread("naiad-server")
        try:
            thread.run(self._server.start())
        except BaseException:
            thread.close()
            raise
        self._thread = thread

    def close(self) -> None:
        """See `AsyncServer.close`."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.run(self._server.close())
            thread.close()

    def serve(self) -> None:
        """Answer over the network until SIGTERM, SIGINT or `stop`; see `AsyncServer.serve`.

        Signals are heard where this is called in the main thread.
        """
        self._run(self._server.open_ports())
        with stopping_signals():
            self._stop.wait()

    def stop(self) -> None:
        """Let `serve` return; from any thread."""
        self._stop.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def bind(
        self,
        name: str,
        function: Function | Sequence[Function],
        inputs: Sequence[Tensor] | None = None,
        outputs: Sequence[Tensor] | None = None,
        **options: Any,
    ) -> None:
        """See `AsyncServer.bind`."""
        bound = self._server.bind(name, function, inputs, outputs, **options)
        if self._thread is None:
            without_waiting(bound)
        else:
            self._run(bound)

    def unbind(self, name: str) -> None:
        """See `AsyncServer.unbind`."""
        unbound = self._server.unbind(name)
        if self._thread is None:
            without_waiting(unbound)
        else:
            self._run(unbound)

    def ensemble(
        self,
        name: str,
        steps: Sequence[Step],
        *,
        outputs: Sequence[str] = (),
        max_inflight_requests: int = 0,
        response_cache: bool = False,
    ) -> None:
        """See `AsyncServer.ensemble`."""
        self._server.ensemble(
            name,
            steps,
            outputs=outputs,
            max_inflight_requests=max_inflight_requests,
            response_cache=response_cache,
        )

    def model(self, name: str, version: str | int = "") -> Model:
        """Name a model, or one version of it; it is looked for when it is asked."""
        return Model(self, name, str(version))

    def infer(
        self,
        name: str,
        inputs: Mapping[str, Any],
        *,
        version: str = "",
        request_id: str = "",
        parameters: Mapping[str, Parameter | Sequence[str]] | None = None,
        outputs: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Result:
        """See `AsyncServer.infer`."""
        asked = self._server.infer(
            name,
            inputs,
            version=version,
            request_id=request_id,
            parameters=parameters,
            outputs=outputs,
            timeout_s=timeout_s,
        )
        return self._run(asked)

    def model_metadata(self, name: str, version: str = "") -> ModelMetadata:
        """See `AsyncServer.model_metadata`."""
        return self._run(self._server.model_metadata(name, version))

    def is_model_ready(self, name: str, version: str = "") -> bool:
        """See `AsyncServer.is_model_ready`."""
        return self._run(self._server.is_model_ready(name, version))

    def model_config(self, name: str, version: str = "") -> dict[str, Any]:
        """See `AsyncServer.model_config`."""
        return self._run(self._server.model_config(name, version))

    def model_statistics(self, name: str, version: str = "") -> dict[str, Any]:
        """See `AsyncServer.model_statistics`."""
        return self._run(self._server.model_statistics(name, version))

    @property
    def http_address(self) -> str:
        """See `AsyncServer.http_address`."""
        return self._server.http_address

    @property
    def grpc_address(self) -> str:
        """host:port of the gRPC door."""
        return self._server.grpc_address

    @property
    def metrics_address(self) -> str:
        """host:port of the metrics door."""
        return self._server.metrics_address

    def _run(self, asked: Coroutine[Any, Any, Value]) -> Value:
        thread = self._thread
        if thread is None:
            asked.close()
            raise NotReady("this server is not running; use it inside `with`, or between start() and close()")
        return thread.run(asked)
