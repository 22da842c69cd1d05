"""A closed-loop HTTP load generator: each connection has one request in flight, the next follows when the answer is in.

Runs as a process of its own (`drive.py` starts it): reads prebuilt request bytes, asks for them in order, looks at
nothing but the status and Content-Length of an answer, keeps the bodies of the first few requests for checking, and
writes its figures to a file. It reaches more than 100,000 requests/s against a constant answer (`generator.py` shows
it), so what the table says is about the servers. Not covered: chunked answers, TLS, HTTP/2, pipelining.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import pickle
from pathlib import Path
from time import perf_counter

import uvloop

KEPT_BODIES = 16


class Run:
    """What all connections share: which request is next, what was measured, when to stop."""

    def __init__(self, requests: list[bytes], count: int, seconds: float) -> None:
        self.requests = requests
        self.count = count
        self.asked = 0
        self.latencies_s: list[float] = []
        self.bodies: dict[int, bytes] = {}
        self.lengths: dict[bytes, int] = {}
        """Content-Length by header block: servers repeat themselves, so most blocks are parsed once."""
        self.begun_s = perf_counter()
        self.until_s = self.begun_s + seconds
        self.ended_s = self.begun_s
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def finish(self, now: float) -> None:
        self.ended_s = now
        if not self.finished.done():
            self.finished.set_result(None)

    def fail(self, message: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(RuntimeError(message))

    def learn(self, head: bytes) -> int:
        """Check the status of a header block not seen before and answer its Content-Length."""
        lines = head.split(b"\r\n")
        if lines[0].split(b" ")[1:2] != [b"200"]:
            raise ValueError(head.decode("latin-1"))
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                if len(self.lengths) > 1000:  # header blocks that never repeat must not fill the memory
                    self.lengths.clear()
                return self.lengths.setdefault(head, int(value))
        raise ValueError("an answer without Content-Length: " + head.decode("latin-1"))


class Connection(asyncio.Protocol):
    """One client: sends a request, waits for the whole answer, sends the next."""

    __slots__ = ("index", "received", "run", "sent_s", "transport")

    def __init__(self, run: Run) -> None:
        self.run = run
        self.received = b""
        self.index = -1
        self.sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send_next(self, now: float) -> None:
        run = self.run
        if run.asked < run.count and now < run.until_s:
            self.index = run.asked % len(run.requests)
            run.asked += 1
            self.sent_s = now
            self.transport.write(run.requests[self.index])
            return
        self.index = -1
        if len(run.latencies_s) == run.asked:
            run.finish(now)

    def data_received(self, data: bytes) -> None:
        if self.received:
            data = self.received + data
        run = self.run
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self.received = data
            return
        head = data[:end]
        length = run.lengths.get(head)
        if length is None:
            try:
                length = run.learn(head)
            except ValueError as error:
                run.fail(f"{error}\n{data[end + 4 :][:500].decode('latin-1')}")
                return
        if len(data) - end - 4 < length:
            self.received = data
            return
        if self.received:
            self.received = b""
        now = perf_counter()
        run.latencies_s.append(now - self.sent_s)
        if self.index < KEPT_BODIES:
            run.bodies.setdefault(self.index, data[end + 4 :])
        self.send_next(now)

    def connection_lost(self, error: Exception | None) -> None:
        if self.index >= 0:
            self.run.fail(f"the server closed a connection: {error}")


def percentile_ms(latencies_s: list[float], share: float) -> float:
    """The latency in milliseconds below which `share` of the sorted latencies lie."""
    return latencies_s[min(len(latencies_s) - 1, int(share * len(latencies_s)))] * 1000


async def measure(options: argparse.Namespace, requests: list[bytes]) -> dict[str, object]:
    run = Run(requests, options.count or 2**62, options.seconds)
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(options.concurrency):
        _, connection = await loop.create_connection(lambda: Connection(run), "127.0.0.1", options.port)
        connections.append(connection)
    run.begun_s = perf_counter()
    run.until_s = run.begun_s + options.seconds
    for number, connection in enumerate(connections):
        if options.apart:
            await asyncio.sleep(options.apart if number else 0)
        connection.send_next(perf_counter())
    await asyncio.wait_for(run.finished, options.seconds + 60)
    latencies = sorted(run.latencies_s)
    return {
        "answers": len(latencies),
        "per_second": len(latencies) / (run.ended_s - run.begun_s),
        "p50_ms": percentile_ms(latencies, 0.50),
        "p99_ms": percentile_ms(latencies, 0.99),
        "mean_ms": sum(latencies) / len(latencies) * 1000,
        "bodies": {index: base64.b64encode(body).decode() for index, body in run.bodies.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requests", help="file with a pickled list of request bytes")
    parser.add_argument("figures", help="file to write what was measured to, as JSON")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="ask for no more after this")
    parser.add_argument("--apart", type=float, default=0.0, help="seconds from one client's begin to the next one's")
    parser.add_argument("--count", type=int, default=0, help="ask for no more than this; 0: no limit")
    options = parser.parse_args()
    requests = pickle.loads(Path(options.requests).read_bytes())
    Path(options.figures).write_text(json.dumps(uvloop.run(measure(options, requests))))


if __name__ == "__main__":
    main()
