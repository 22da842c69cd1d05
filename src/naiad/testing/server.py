"""A real server, in a thread of this process, on ports that the system chose."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from naiad.core.config import ServerSettings
from naiad.repository import FetchSettings, ModelEntry
from naiad.server import Server

Value = TypeVar("Value")

_START_TIMEOUT_S = 120.0
"""Loading may include converting a checkpoint."""


class RunningServer:
    """The server that `running_server` yields."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop, all_loaded: bool) -> None:
        self.server = server
        self.all_loaded = all_loaded
        """Whether every model could be loaded; reasons are in the repository index."""
        self._loop = loop

    @property
    def address(self) -> str:
        """host:port of the v2 door."""
        return self.server.doors.http.address

    @property
    def url(self) -> str:
        """The v2 door's URL."""
        return self.server.doors.http.url

    @property
    def grpc_address(self) -> str:
        """host:port of the gRPC door."""
        return self.server.doors.grpc.address

    @property
    def metrics_url(self) -> str:
        """The metrics page's URL."""
        return f"{self.server.doors.metrics.url}/metrics"

    def run(self, make: Callable[[], Coroutine[Any, Any, Value]], timeout_s: float = 60.0) -> Value:
        """Run a coroutine on the server's loop and return what it gives."""
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(timeout_s)


@contextmanager
def running_server(
    *sources: str | ModelEntry, fetching: FetchSettings | None = None, **settings: Any
) -> Iterator[RunningServer]:
    """Serve sources on free loopback ports until the block ends; yields when all models are loaded or have failed.

    sources: as on the command line, or entries. settings: options, by the names of their flags:
    `allow_grpc=False`.
    """
    entries = [source if isinstance(source, ModelEntry) else ModelEntry.from_source(source) for source in sources]
    chosen = ServerSettings.of(**{"http_port": 0, "grpc_port": 0, "metrics_port": 0, **settings})
    import uvloop

    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="naiad-testing", daemon=True)
    thread.start()

    def call(coroutine: Coroutine[Any, Any, Value]) -> Value:
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result(_START_TIMEOUT_S)
        except BaseException:
            future.cancel()
            raise

    async def start() -> tuple[Server, bool]:
        server = Server(entries, chosen, fetching)
        try:
            await server.start()
            return server, await server.load()
        except BaseException:
            # The loop would be closed with what is still open, about which uvloop warns; where warnings are errors, it
            # then waits forever for what the warning kept from being closed.
            await server.stop()
            raise

    try:
        server, all_loaded = call(start())
        try:
            yield RunningServer(server, loop, all_loaded)
        finally:
            call(server.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
