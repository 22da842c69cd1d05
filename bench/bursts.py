"""An open-loop HTTP load generator: so many requests in every period, whether or not earlier ones have been answered.

A process of its own, as `load.py`; `drive.py` starts it. Each request takes a connection that is free, and a new one
where none is. Latencies count from the moment at which a request should be sent, so that a generator that is held up
hides nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import deque
from contextlib import suppress
from pathlib import Path
from time import perf_counter

import uvloop

GIVE_UP_S = 10.0
"""After the last request; what is still unanswered then counts as answered then."""


class Connection(asyncio.Protocol):
    """One request at a time; back among the free ones with its answer."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._received = b""
        self.due_s = -1.0
        """Of the request that it has; negative: none."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, due_s: float) -> None:
        self.due_s = due_s
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self._run.fail(self._received[:300].decode("latin-1"))
            return
        self._received = b""
        self._run.answered(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self.due_s >= 0:
            self._run.fail(f"the server closed a connection: {error}")


class Run:
    """The connections, and what was measured."""

    def __init__(self, request: bytes, port: int) -> None:
        self.request = request
        self.latencies: list[tuple[float, float]] = []
        """(when it was due, how long it took), seconds."""
        self._port = port
        self._free: deque[Connection] = deque()
        self._all: list[Connection] = []
        self._begun_s = perf_counter()
        self._over = asyncio.Event()
        """All have been answered, or one wrongly."""
        self._missing = 0
        """Unanswered ones, once all have been sent."""
        self._error = ""

    async def measure(self, size: int, period_s: float, seconds: float) -> None:
        """Send all bursts, then wait for the answers. Raises RuntimeError for one that is no 200."""
        for _ in range(2 * size):
            await self._connect()
        self._begun_s = perf_counter()
        bursts = round(seconds / period_s)
        for number in range(bursts):
            due_s = number * period_s
            await asyncio.sleep(max(0.0, self._begun_s + due_s - perf_counter()))
            for _ in range(size):
                if not self._free:
                    await self._connect()
                self._free.popleft().send(due_s)
        self._missing = bursts * size - len(self.latencies)
        if self._missing:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), GIVE_UP_S)
        if self._error:
            raise RuntimeError(self._error)
        now = perf_counter() - self._begun_s
        self.latencies += [(one.due_s, now - one.due_s) for one in self._all if one.due_s >= 0]

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._port)
        self._all.append(connection)
        self._free.append(connection)

    def answered(self, connection: Connection) -> None:
        self.latencies.append((connection.due_s, perf_counter() - self._begun_s - connection.due_s))
        connection.due_s = -1.0
        self._free.append(connection)
        self._missing -= 1
        if not self._missing:
            self._over.set()

    def fail(self, message: str) -> None:
        self._error = self._error or message
        self._over.set()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without Content-Length: " + head.decode("latin-1"))


async def measure(options: argparse.Namespace, request: bytes) -> list[tuple[float, float]]:
    run = Run(request, options.port)
    await run.measure(options.size, options.period, options.seconds)
    return run.latencies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("request", help="file with the bytes of the request")
    parser.add_argument("figures", help="file to write what was measured to, as JSON")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--size", type=int, default=50, help="requests of one burst")
    parser.add_argument("--period", type=float, default=0.1, help="seconds from one burst to the next")
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    request = Path(options.request).read_bytes()
    Path(options.figures).write_text(json.dumps(uvloop.run(measure(options, request))))


if __name__ == "__main__":
    main()
