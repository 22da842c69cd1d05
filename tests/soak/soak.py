"""Good, broken, leaving and slow clients together: `python tests/soak/soak.py --seconds 30`.

Every good request must be answered right, whatever the others do; and when all of them have gone, the server must have
as many open files and threads as before, and hardly more memory. The log must hold no traceback.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import orjson

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fuzz"))

from mutation import mutated_by  # noqa: E402
from seeds import seeds  # noqa: E402
from served import Served, served  # noqa: E402

from naiad.proto.pool import message_class  # noqa: E402

MOST_GROWTH_MIB = 64
MORE_THREADS = 2
"""The model's own starts when a batch is first too slow for the event loop; the two models have one each."""
REST_S = 10.0
"""What the server gets to notice that everybody has gone."""
INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


def http_request(numbers: list[int]) -> bytes:
    inputs = [{"name": f"INPUT{at}", "datatype": "INT32", "shape": [1, 16], "data": numbers} for at in range(2)]
    body = orjson.dumps({"inputs": inputs})
    return b"POST /v2/models/simple/infer HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def grpc_request(numbers: list[int]) -> bytes:
    message = message_class("ModelInferRequest")(model_name="simple")
    for name in ("INPUT0", "INPUT1"):
        message.inputs.add(name=name, datatype="INT32", shape=[1, 16])
        message.raw_input_contents.append(struct.pack("<16i", *numbers))
    raw: bytes = message.SerializeToString()
    return raw


def require(holds: bool, what: object) -> None:
    if not holds:
        raise SystemExit(f"a good request was answered wrong: {what!r}")


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return await reader.readexactly(length)


class Crowd:
    """Clients of every kind, until the time is over."""

    def __init__(self, running: Served, seconds: float, seed: int) -> None:
        self.running = running
        self.end_s = time.monotonic() + seconds
        self.choose = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.junk = [data[1:] for data in seeds("http_bytes")]
        self.frames = [data[1:] for data in seeds("http2_frames")]

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.end_s

    def numbers(self) -> list[int]:
        return [self.choose.randrange(-1000, 1000) for _ in range(16)]

    async def connect(self, port: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", port or self.running.http_port)

    async def good_http(self) -> None:
        """Keeps its connection, sometimes sends several at a time."""
        reader, writer = await self.connect()
        while self.goes_on:
            sent = [self.numbers() for _ in range(self.choose.choice((1, 1, 5)))]
            writer.write(b"".join(map(http_request, sent)))
            for numbers in sent:
                answer = await asyncio.wait_for(read_answer(reader), 20)
                data = [row["data"] for row in orjson.loads(answer)["outputs"]]
                require(data == [[2 * value for value in numbers], [0] * 16], answer)
                self.counts["good over HTTP"] += 1
        writer.close()

    async def good_grpc(self) -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.running.grpc_port}") as channel:
            infer = channel.unary_unary(INFER)
            while self.goes_on:
                numbers = self.numbers()
                self.check(await infer(grpc_request(numbers), timeout=20), numbers)
                self.counts["good over gRPC"] += 1

    async def good_stream(self) -> None:
        while self.goes_on:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{self.running.grpc_port}") as channel:
                call = channel.stream_stream(STREAM)(timeout=30)
                sent = [self.numbers() for _ in range(20)]
                for numbers in sent:
                    await call.write(grpc_request(numbers))
                for numbers in sent:
                    answer = message_class("ModelStreamInferResponse").FromString(await call.read())
                    self.check(answer.infer_response.SerializeToString(), numbers)
                    self.counts["good over a stream"] += 1
                await call.done_writing()

    def check(self, raw: bytes, numbers: list[int]) -> None:
        outputs = message_class("ModelInferResponse").FromString(raw).raw_output_contents
        require(struct.unpack("<16i", outputs[0]) == tuple(2 * value for value in numbers), raw)

    async def broken(self) -> None:
        """Says what nobody can understand, over either door."""
        while self.goes_on:
            is_http = self.choose.random() < 0.7
            data = mutated_by(self.choose.randrange(2**32), self.junk if is_http else self.frames)
            greeting = b"" if is_http else b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
            await self.say(greeting + data, 0 if is_http else self.running.grpc_port)
            self.counts["broken"] += 1

    async def say(self, data: bytes, port: int) -> None:
        reader, writer = await self.connect(port)
        try:
            writer.write(data)
            await asyncio.wait_for(reader.read(65536), self.choose.random() / 10)
        except (TimeoutError, ConnectionError):
            pass
        writer.transport.abort()

    async def leaving(self) -> None:
        """Asks and is gone, in the middle of asking or of the answer."""
        while self.goes_on:
            _, writer = await self.connect()
            data = http_request(self.numbers()) * self.choose.choice((1, 50))
            writer.write(data[: self.choose.randrange(len(data) + 1)])
            await asyncio.sleep(self.choose.random() / 50)
            writer.transport.abort()
            self.counts["leaving"] += 1

    async def slow(self) -> None:
        """Sends a byte now and then, and does not read."""
        while self.goes_on:
            _, writer = await self.connect()
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a stream's
            data = http_request(self.numbers()) * self.choose.choice((1, 2000))
            writer.write(data[:-5])
            for at in range(5, 0, -1):
                await asyncio.sleep(self.choose.random())
                writer.write(data[-at : len(data) - at + 1])
            writer.transport.abort()
            self.counts["slow"] += 1


async def run(crowd: Crowd) -> None:
    kinds: list[tuple[Callable[[], Awaitable[None]], int]] = [
        (crowd.good_http, 3), (crowd.good_grpc, 2), (crowd.good_stream, 1), (crowd.broken, 4), (crowd.leaving, 3),
        (crowd.slow, 10),
    ]  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        for kind, count in kinds:
            for _ in range(count):
                tasks.create_task(kind())  # type: ignore[arg-type]  # they are coroutines


def check_rest(running: Served, before: tuple[int, int, float]) -> None:
    """When everybody has gone, everything is as it was."""
    end_s = time.monotonic() + REST_S
    while time.monotonic() < end_s and running.files() > before[0]:
        time.sleep(0.1)
    after = running.files(), running.threads(), running.memory_mib()
    print("open files, threads, MiB before:", before, "after:", after)
    if after[0] > before[0] or after[1] > before[1] + MORE_THREADS or after[2] > before[2] + MOST_GROWTH_MIB:
        raise SystemExit("something is left of clients that have gone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with served("--http-header-timeout-s=2", "--http-body-timeout-s=2", "--http-write-timeout-s=2") as running:
        asyncio.run(run(Crowd(running, 3.0, 0)))  # what is made once, and kept
        time.sleep(1.0)
        before = running.files(), running.threads(), running.memory_mib()
        crowd = Crowd(running, options.seconds, options.seed)
        asyncio.run(run(crowd))
        running.check_alive()
        check_rest(running, before)
    print(", ".join(f"{count} {kind}" for kind, count in sorted(crowd.counts.items())))


if __name__ == "__main__":
    main()
