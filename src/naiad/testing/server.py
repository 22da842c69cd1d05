"""A real server, in a thread of this process, on ports that the system chose."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from naiad.core.settings.config import ServerSettings
from naiad.repository import Entry, FetchSettings, ModelEntry
from naiad.server.assembly import Assembly
from naiad.server.loop_thread import LoopThread

Value = TypeVar("Value")

_START_TIMEOUT_S = 120.0
"""Loading may include converting a checkpoint."""


class RunningServer:
    """The server that `running_server` yields."""

    def __init__(self, server: Assembly, thread: LoopThread, all_loaded: bool) -> None:
        self.server = server
        self.all_loaded = all_loaded
        """Whether every model could be loaded; reasons are in the repository index."""
        self._thread = thread

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
        return self._thread.run(make(), timeout_s)


@contextmanager
def running_server(
    *sources: str | Entry, fetching: FetchSettings | None = None, **settings: Any
) -> Iterator[RunningServer]:
    """Serve sources on free loopback ports until the block ends; yields when all models are loaded or have failed.

    sources: as on the command line, or entries. settings: options, by the names of their flags:
    `allow_grpc=False`.
    """
    entries = [ModelEntry.from_source(source) if isinstance(source, str) else source for source in sources]
    chosen = ServerSettings.of(**{"http_port": 0, "grpc_port": 0, "metrics_port": 0, **settings})
    thread = LoopThread("naiad-testing")

    async def start() -> tuple[Assembly, bool]:
        server = Assembly(entries, chosen, fetching)
        try:
            await server.start()
            return server, await server.load()
        except BaseException:
            # The loop would be closed with what is still open, about which uvloop warns; where warnings are errors, it
            # then waits forever for what the warning kept from being closed.
            await server.stop()
            raise

    try:
        server, all_loaded = thread.run(start(), _START_TIMEOUT_S)
        try:
            yield RunningServer(server, thread, all_loaded)
        finally:
            thread.run(server.stop(), _START_TIMEOUT_S)
    finally:
        thread.close()
