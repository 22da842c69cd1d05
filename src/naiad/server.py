"""Puts the parts together; starts, drains and stops the server. Signals are the command line's business.

The order of a stop: refuse new connections and requests, let running ones finish (bounded), close connections, release
the models.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from naiad.core.config import ServerSettings
from naiad.core.errors import InvalidConfiguration, NaiadError
from naiad.loading.plan import PlannedModel, plan
from naiad.observe.metrics import MetricsPage
from naiad.protocol.limits import Limits
from naiad.repository import FetchSettings, ModelEntry
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.wire.grpc.aio import AioListener
from naiad.wire.grpc.call import Serve
from naiad.wire.grpc.http2.listener import Http2Listener
from naiad.wire.grpc.http2.options import Http2Options
from naiad.wire.grpc.servicer import Servicer
from naiad.wire.http.api import http_router
from naiad.wire.http.listener import HttpListener
from naiad.wire.http.metrics import metrics_router

Loaded = TypeVar("Loaded")

_log = logging.getLogger("naiad.server")


class Server:
    """One server in this process, on the running event loop."""

    def __init__(
        self, entries: Sequence[ModelEntry], settings: ServerSettings, fetching: FetchSettings | None = None
    ) -> None:
        """entries: what to serve. fetching: how to fetch it; default: no lock file, no progress."""
        self.settings = settings
        self.catalog = Catalog()
        self.engine = Engine(self.catalog)
        self._entries = tuple(entries)
        self._origins: dict[str, ModelEntry] = {}
        """Which entry a model's name came from first."""
        self._ambiguous: set[str] = set()
        """Names that two entries claim; neither is served, so that the order of loading decides nothing."""
        self._fetching = fetching or FetchSettings()
        limits = Limits(body_bytes=settings.http_max_input_size)
        self._http = HttpListener(http_router(self.engine, limits, settings.server_name), limits)
        grpc_limits = Limits(body_bytes=settings.grpc_max_input_size)
        self._servicer = Servicer(self.engine, grpc_limits, settings.server_name)
        self._grpc = _grpc_listener(self._servicer, settings)
        page = MetricsPage(lambda: (model.statistics for model in self.catalog.models()))
        self._metrics = HttpListener(metrics_router(page.render), Limits(body_bytes=2**16))
        self._threads = ThreadPoolExecutor(settings.load_threads, thread_name_prefix="naiad-load")

    @property
    def http_port(self) -> int:
        """The port of the v2 door, once started."""
        return self._http.port

    @property
    def grpc_port(self) -> int:
        """The port of the gRPC door, once started."""
        return self._grpc.port

    @property
    def metrics_port(self) -> int:
        """The port of the metrics door, once started."""
        return self._metrics.port

    async def start(self) -> None:
        """Open the doors; models are not loaded yet. Raises InvalidConfiguration for an address that is taken."""
        settings = self.settings
        await self._http.open(settings.host, settings.http_port, "--http-port")
        try:
            await self._grpc.open(settings.host, settings.grpc_port, "--grpc-port")
            await self._metrics.open(settings.host, settings.metrics_port, "--metrics-port")
        except NaiadError:
            self._http.close()
            await self._grpc.close()
            raise
        _log.info("Started GRPCInferenceService at %s:%d", settings.host, self.grpc_port)
        _log.info("Started HTTPService at %s:%d", settings.host, self.http_port)
        _log.info("Started Metrics Service at %s:%d", settings.host, self.metrics_port)

    async def load(self) -> bool:
        """Load every entry; returns whether all of it can be served. One failure does not touch the others."""
        results = await asyncio.gather(*(self._load_entry(entry) for entry in self._entries))
        return all(results)

    async def stop(self) -> bool:
        """Drain and release everything; returns whether all running requests could be finished in time."""
        is_clean = True
        try:
            await asyncio.wait_for(self._drain(), self.settings.drain_timeout_s)
        except TimeoutError:
            is_clean = False
            _log.warning(
                "some requests were still running, or their answers not read, after %g s", self.settings.drain_timeout_s
            )
        self._http.close()
        await self._grpc.close()
        self._metrics.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for model in list(self.catalog.models()):
            await asyncio.get_running_loop().run_in_executor(None, model.close)
        return is_clean

    async def _drain(self) -> None:
        """Return when every request is answered and every answer sent."""
        self._http.stop_accepting()
        await self.engine.drain()
        self._servicer.end_streams()
        self._http.finish_connections()
        await self._http.wait_closed()

    async def _load_entry(self, entry: ModelEntry) -> bool:
        label = entry.name or entry.source.default_name
        try:
            planned = await self._in_thread(lambda: plan(entry, self._fetching, self.settings))
        except NaiadError as error:
            self._failed(label, "", error)
            return False
        results = await asyncio.gather(*(self._load_model(entry, model) for model in planned))
        return all(results)

    async def _claim(self, entry: ModelEntry, planned: PlannedModel) -> bool:
        """Whether the model's name is this entry's alone; takes an earlier claimant out of service if not."""
        first = self._origins.setdefault(planned.name, entry)
        if first is entry:
            return True
        if planned.name not in self._ambiguous:
            self._ambiguous.add(planned.name)
            for model in self.catalog.withdraw(planned.name):
                await model.drain()
                await self._in_thread(model.close)
            self._failed(planned.name, "", _ambiguous(planned.name, first, entry))
        return False

    async def _load_model(self, entry: ModelEntry, planned: PlannedModel) -> bool:
        if not await self._claim(entry, planned):
            return False
        self.catalog.announce(planned.name, planned.version)
        began_s = time.perf_counter()
        try:
            models = await self._in_thread(planned.load)
        except NaiadError as error:
            self._failed(planned.name, planned.version, error)
            return False
        if planned.name in self._ambiguous:
            for model in models:
                await self._in_thread(model.close)
            return False
        for model in models:
            self.catalog.add(model)
        _log.info(
            "successfully loaded '%s' version %s in %.2f s",
            planned.name,
            planned.version,
            time.perf_counter() - began_s,
        )
        return True

    def _failed(self, name: str, version: str, error: NaiadError) -> None:
        _log.error("failed to load '%s': %s", name, error.message)
        self.catalog.fail(name, version, error.message)

    async def _in_thread(self, call: Callable[[], Loaded]) -> Loaded:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _grpc_listener(serve: Serve, settings: ServerSettings) -> Http2Listener | AioListener:
    if settings.grpc_transport == "aio":
        return AioListener(serve, settings.grpc_max_input_size)
    return Http2Listener(serve, Http2Options(message_bytes=settings.grpc_max_input_size))


def _ambiguous(name: str, first: ModelEntry, second: ModelEntry) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"model '{name}' appears in two or more repositories: {first.source} and {second.source}. Neither is served; "
        "give one of them another name, as in NAME=SOURCE",
        model=name,
    )
