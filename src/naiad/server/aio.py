"""A server in a program of one's own, on the running event loop: `naiad.AsyncServer`. Its twin that blocks: `sync.py`.

Values, results, models and errors are the clients', so that a program reads the same whether its models run here or
elsewhere. A request takes the way that it takes from every door, `engine.route` and `engine.submit`; nothing becomes
bytes.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from naiad.client.aio import AsyncModel
from naiad.client.calls import scalar
from naiad.client.metadata import ModelMetadata, read_model
from naiad.client.result import Result
from naiad.client.values import from_tensors, to_tensors
from naiad.core.errors import AlreadyExists, DeadlineExceeded, InvalidConfiguration, LoadFailed, NotReady
from naiad.core.message import InferRequest, Parameter, RequestedOutput
from naiad.core.model.ensemble import Ensemble, Step
from naiad.core.settings.config import ServerSettings
from naiad.core.user_code.application import ApplicationEntry
from naiad.functions import Binding, Bindings, Tensor
from naiad.functions.binding import Function
from naiad.loading.fetching import LOCK, settings_for
from naiad.protocol.json.body import set_parameter
from naiad.repository import (
    EnsembleEntry,
    Entry,
    LineProgress,
    ModelEntry,
    entry_from_mapping,
    parse_reference,
    read_manifest,
)
from naiad.server.assembly import Assembly
from naiad.serving.model import ServedModel
from naiad.wire.in_process import InProcess

_log = logging.getLogger("naiad.server")

Source = str | Path | Mapping[str, Any] | ModelEntry | ApplicationEntry
"""A SOURCE or NAME=SOURCE as `naiad serve` takes it, a folder, or an entry of naiad.yaml: its keys, or as read."""


only_described: ContextVar[bool] = ContextVar("only_described", default=False)
"""A program is imported for the servers that it makes, which others will start."""


class AsyncServer:
    """Models by name, run in this program; ports are opened only where they are given.

        async with naiad.AsyncServer(["minilm=sentence-transformers/all-MiniLM-L6-v2"]) as server:
            result = await server.infer("minilm", {"text": "hello"})

    Every method raises NotReady before the start and after the end.
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
        """Say what to serve; nothing is loaded or opened yet. Raises InvalidConfiguration.

        manifest: a naiad.yaml with further models. lock: a naiad.lock; default: the one beside the manifest. offline:
        ask no network. Ports: 0 lets the system choose; None: shut. options: those of `naiad serve`, by the names of
        their flags, such as max_waiting=100.
        """
        entries: list[Entry] = [_entry(source) for source in _several(models)]
        if manifest is not None:
            entries += read_manifest(Path(manifest)).entries
            lock = lock or Path(manifest).parent / LOCK
        ports = {"http": http_port, "grpc": grpc_port, "metrics": metrics_port}
        doors = {f"allow_{door}": port is not None for door, port in ports.items()}
        numbers = {f"{door}_port": port for door, port in ports.items() if port is not None}
        self.entries: tuple[Entry, ...] = tuple(entries)
        """Models that come from files, and ensembles of models."""
        self.bindings = Bindings()
        """Models that are functions."""
        self.options = {**numbers, **options}
        """As given, by the names of `naiad serve`'s flags."""
        self._settings = ServerSettings.of(**doors | self.options)
        progress = LineProgress(logging.getLogger("naiad.download").info)
        self._fetching = settings_for(Path(lock) if lock else None, progress, is_offline=offline)
        self._assembly: Assembly | None = None
        """While it runs."""
        self._has_begun = False
        self._stop = asyncio.Event()
        self._known: dict[tuple[str, str], tuple[ServedModel, ModelMetadata]] = {}

    # from start to end

    async def start(self) -> None:
        """Load the models, then open the ports.

        Raises LoadFailed, which names every model that cannot be served and why, and InvalidConfiguration for an
        address that is taken; nothing is left running then.
        """
        if only_described.get():
            raise InvalidConfiguration(
                'it starts its server while it is imported; start it below `if __name__ == "__main__":`'
            )
        if self._has_begun:
            raise NotReady("this server has been started before; make another one")
        self._has_begun = True
        assembly = Assembly(self.entries, self._settings, self._fetching, self.bindings)
        try:
            _check_served(assembly, all_loaded=await assembly.load())
            await assembly.start()
        except BaseException:
            await assembly.stop()
            raise
        self._assembly = assembly

    async def close(self) -> None:
        """Answer what has been asked, for at most `drain_timeout_s`, then release everything.

        With `lame_duck_s`, ports go on taking requests for so long first.
        """
        assembly, self._assembly = self._assembly, None
        if assembly is not None:
            await assembly.leave()
            await assembly.stop()

    async def serve(self) -> None:
        """Answer over the network until SIGTERM, SIGINT or `stop`; `close` comes after.

        A server that was given no port gets those of `naiad serve`: HTTP 8000, gRPC 8001, metrics 8002, on loopback
        unless `host` says otherwise. Raises InvalidConfiguration for one that is taken.
        """
        await self.open_ports()
        loop, stop = asyncio.get_running_loop(), self._stop
        handled = []
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(RuntimeError, ValueError):  # signals are the main thread's
                loop.add_signal_handler(number, stop.set)
                handled.append(number)
        try:
            await stop.wait()
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    def check_ready(self) -> None:
        """Raise NotReady, which names every model that cannot answer and why, unless all can that should."""
        running = self._running
        if not running.overview.is_ready:
            reasons = running.catalog.reasons()
            listed = "; ".join(
                f"model '{name}' is not ready{': ' + reason if reason else ''}" for name, reason in reasons.items()
            )
            raise NotReady(listed or "the server is not ready", models=reasons)

    @property
    def drain_timeout_s(self) -> float:
        """How long `close` lets running requests finish."""
        return self._settings.drain_timeout_s

    def stop(self) -> None:
        """Let `serve` return; called on the loop's thread."""
        self._stop.set()

    async def open_ports(self) -> None:
        """Open the ports of `naiad serve`, if none was given. Raises InvalidConfiguration for one that is taken."""
        assembly = self._running
        if not assembly.doors.allowed:
            await assembly.start(ServerSettings.of(**self.options))
        for door in assembly.doors.allowed:
            _log.info("ready on %s", door.url)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # functions as models

    async def bind(
        self,
        name: str,
        function: Function | Sequence[Function],
        inputs: Sequence[Tensor] | None = None,
        outputs: Sequence[Tensor] | None = None,
        **options: Any,
    ) -> None:
        """Serve a function as a model: before the start, or now.

        function: takes a list of `naiad.functions.Request` and returns a list of dicts of arrays, one for each request;
        decorators of `naiad.functions` make it take arrays. It may be a coroutine function, a generator (its model is
        decoupled), a method or an object that can be called; several are several instances. inputs, outputs: read from
        its signature and hints where they are left out. Options:

        - version: 1 unless given; each that is bound is served
        - instances: how many threads, or loops, call the one function at the same time
        - max_batch_size: rows of a batch; 0: tensors have no batch dimension; default: 64, or 0 below `@sample`
        - decoupled: whether requests may have any number of answers; default: whether it is a generator
        - strict: whether outputs must be as declared, or are cast and passed on; True unless given
        - config: further fields in the names of config.pbtxt, such as {"dynamic_batching": {...}}
        - hang_timeout_s: what a call, or a step of a generator, may take before it is given up; 0: as long as it takes
        - warmup: requests, as dicts of arrays, that every instance answers before the model is ready

        Raises InvalidConfiguration, AlreadyExists for a name and version that is bound, LoadFailed if warm-up fails.
        """
        binding = Binding.of(name, function, inputs, outputs, **options)
        if self._assembly is None:
            self.bindings.add(binding)
        else:
            await self._assembly.control.bind(binding)

    async def unbind(self, name: str) -> None:
        """Serve the functions that were bound to that name no more. Raises NotFound."""
        if self._assembly is None:
            self.bindings.remove(name)
        else:
            await self._assembly.control.unbind(name)

    # models made of models

    def ensemble(
        self,
        name: str,
        steps: Sequence[Step],
        *,
        outputs: Sequence[str] = (),
        max_inflight_requests: int = 0,
        response_cache: bool = False,
    ) -> None:
        """Serve an ensemble from the start on; call it before that.

            server.ensemble("search", [
                naiad.Step("minilm", {"text": "query"}, {"embedding": "vector"}),
                naiad.Step("judge", {"text": "query"}, {"scores": "scores"}, when=naiad.When("query", is_given=True)),
            ])

        Its inputs are the tensors that steps read and none makes; outputs: default: those that steps make and none
        reads. max_inflight_requests: runs of one step at the same time; 0: no limit. response_cache: keep its answers,
        where the server has a cache. Raises InvalidConfiguration, AlreadyExists, and NotReady after the start.
        """
        if self._has_begun:
            raise NotReady("this server has been started; declare ensembles before that")
        if any(entry.name == name for entry in self.entries):
            raise AlreadyExists(f"there is a model '{name}' already; give the ensemble another name", name=name)
        ensemble = Ensemble(tuple(steps), max_inflight_requests)
        self.entries = (*self.entries, EnsembleEntry(name, ensemble, tuple(outputs), response_cache))

    # models; see `naiad.AsyncClient` and `naiad.client.AsyncModel`

    def model(self, name: str, version: str | int = "") -> AsyncModel:
        """Name a model, or one version of it; it is looked for when it is asked."""
        return AsyncModel(self, name, str(version))

    async def infer(
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
        """Run a model, its inputs as a mapping. timeout_s: None waits as long as it takes.

        Raises NotFound for a model that there is not, InvalidRequest for inputs that do not suit it, DeadlineExceeded,
        and what the model raises, as ModelFailed. Arrays that are given must not change before there is a result.
        """
        engine = self._running.engine
        model = engine.route(name, version)
        tensors, lone_outputs = to_tensors(inputs, self._metadata(model, name, version))
        request = InferRequest(name, version, request_id, {tensor.name: tensor for tensor in tensors})
        request.outputs = tuple(RequestedOutput(output) for output in outputs)
        for key, value in (parameters or {}).items():
            set_parameter(request, key, scalar(value))
        try:
            async with asyncio.timeout(timeout_s):
                answer = await engine.infer(request, model)
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer from model '{name}' within {timeout_s} s; allow more") from error
        values = from_tensors(answer.outputs, lone_outputs)
        return Result(values, answer.model_name, answer.model_version, answer.id, answer.parameters)

    async def model_metadata(self, name: str, version: str = "") -> ModelMetadata:
        """Inputs and outputs of a model."""
        return self._metadata(self._running.engine.route(name, version), name, version)

    async def is_model_ready(self, name: str, version: str = "") -> bool:
        """Whether a model takes requests; one that there is not does not."""
        return self._running.overview.is_model_ready(name, version)

    async def model_config(self, name: str, version: str = "") -> dict[str, Any]:
        """The configuration of a model, in the names of config.pbtxt."""
        return dict(self._running.overview.config(name, version))

    async def model_statistics(self, name: str, version: str = "") -> dict[str, Any]:
        """Counts and durations of a model, as the statistics extension of v2 gives them."""
        return {"model_stats": self._running.overview.statistics(name, version)}

    # doors

    @property
    def in_process(self) -> InProcess:
        """The doors without ports, for a program that owns the sockets: `.asgi` is an ASGI application, `.grpc` calls.

        Both are used on the event loop of the server.
        """
        return self._running.in_process

    @property
    def http_address(self) -> str:
        """host:port of the HTTP door. Raises NotReady where no http_port was given; so with the two below."""
        return self._address("http")

    @property
    def grpc_address(self) -> str:
        """host:port of the gRPC door."""
        return self._address("grpc")

    @property
    def metrics_address(self) -> str:
        """host:port of the metrics door."""
        return self._address("metrics")

    def _address(self, name: str) -> str:
        door = self._running.doors[name]
        if not door.settings.allow:
            raise NotReady(f"this server has no such port; give it {name}_port=0 to have one")
        return door.address

    @property
    def _running(self) -> Assembly:
        if self._assembly is None:
            what = "is closed" if self._has_begun else "has not been started"
            raise NotReady(f"this server {what}; use it inside `with`, or between start() and close()")
        return self._assembly

    def _metadata(self, model: ServedModel, name: str, version: str) -> ModelMetadata:
        """Give what is known of a model; read anew when another one serves under its name."""
        known = self._known.get((name, version))
        if known is None or known[0] is not model:
            known = model, read_model(self._running.overview.metadata(name, version))
            self._known[name, version] = known
        return known[1]


def _several(models: Source | Iterable[Source]) -> Iterable[Source]:
    if isinstance(models, str | bytes | Mapping) or not isinstance(models, Iterable):
        return [models]
    return models


def _entry(source: Source) -> ModelEntry | ApplicationEntry:
    if isinstance(source, ModelEntry | ApplicationEntry):
        return source
    if isinstance(source, Mapping):
        return entry_from_mapping(source)
    if isinstance(source, Path):  # a folder, whatever its name is like
        return ModelEntry(parse_reference(str(source.absolute())))
    if not isinstance(source, str):
        raise InvalidConfiguration(
            f"{source!r} is no source of a model; give a string, a Path, or a mapping of its keys"
        )
    return ModelEntry.from_source(source)


def _check_served(assembly: Assembly, *, all_loaded: bool) -> None:
    if all_loaded:
        return
    reasons = assembly.catalog.reasons()
    listed = "; ".join(f"model '{name}' cannot be served: {reason}" for name, reason in reasons.items())
    raise LoadFailed(listed or "not every model can be served; the log says why", models=reasons)
