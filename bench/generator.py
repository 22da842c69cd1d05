"""Shows that the load generator is not what limits the table: its rate against a server that answers a constant.

Run as a script with a port it is that server; `measure` starts it and asks.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from drive import measure_load, post
from server_process import Launch, free_port, running

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Constant(asyncio.Protocol):
    """Answers every piece of data with the same bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 — the point is not to look
        self.transport.write(ANSWER)


def measure(logs: Path, seconds: float) -> dict[int, float]:
    """Requests per second by concurrency against the constant server, which shares the machine."""
    port = free_port()
    launch = Launch([sys.executable, __file__, str(port)], port, "/")
    requests = [post("/", b'{"inputs":[]}' * 20)]
    with running(launch, logs / "generator.log"):
        return {c: measure_load(port, requests, c, seconds).per_second for c in (1, 8, 32)}


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1])))
