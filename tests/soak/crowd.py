"""Clients that behave well, and what all clients of a soak share: the server, the time, one source of chance."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import grpc
import orjson
from served import Served

from naiad.proto.pool import message_class

INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
PATIENCE_S = 20.0
"""A good request that waits longer counts as lost."""


def post(path: str, body: bytes, head: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


def http_request(numbers: list[int]) -> bytes:
    inputs = [{"name": f"INPUT{at}", "datatype": "INT32", "shape": [1, 16], "data": numbers} for at in range(2)]
    return post("/v2/models/simple/infer", orjson.dumps({"inputs": inputs}))


def grpc_request(numbers: list[int]) -> bytes:
    message = message_class("ModelInferRequest")(model_name="simple")
    for name in ("INPUT0", "INPUT1"):
        message.inputs.add(name=name, datatype="INT32", shape=[1, 16])
        message.raw_input_contents.append(struct.pack("<16i", *numbers))
    raw: bytes = message.SerializeToString()
    return raw


class WrongAnswer(Exception):
    """Somebody was not answered as promised."""


def require(holds: bool, what: object) -> None:
    if not holds:
        raise WrongAnswer(repr(what))


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


class Crowd:
    """What clients share until the time is over."""

    def __init__(self, running: Served, seconds: float, seed: int) -> None:
        self.running = running
        self.end_s = time.monotonic() + seconds
        self.choose = random.Random(seed)
        self.counts: Counter[str] = Counter()

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.end_s

    def numbers(self) -> list[int]:
        return [self.choose.randrange(-1000, 1000) for _ in range(16)]

    async def connect(self, port: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", port or self.running.http_port)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of one HTTP request on a connection of its own."""
        reader, writer = await self.connect()
        try:
            writer.write(request)
            return await asyncio.wait_for(read_answer(reader), PATIENCE_S)
        finally:
            writer.transport.abort()


Kind = Callable[[Crowd], Awaitable[None]]
"""One client, from its coming to the end of the time."""


async def good_http(crowd: Crowd) -> None:
    """Keeps its connection, sometimes sends several at a time."""
    reader, writer = await crowd.connect()
    while crowd.goes_on:
        sent = [crowd.numbers() for _ in range(crowd.choose.choice((1, 1, 5)))]
        writer.write(b"".join(map(http_request, sent)))
        for numbers in sent:
            status, answer = await asyncio.wait_for(read_answer(reader), PATIENCE_S)
            require(status == 200, answer)
            data = [row["data"] for row in orjson.loads(answer)["outputs"]]
            require(data == [[2 * value for value in numbers], [0] * 16], answer)
            crowd.counts["good over HTTP"] += 1
    writer.close()


async def good_grpc(crowd: Crowd) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{crowd.running.grpc_port}") as channel:
        infer = channel.unary_unary(INFER)
        while crowd.goes_on:
            numbers = crowd.numbers()
            _check_grpc(await infer(grpc_request(numbers), timeout=PATIENCE_S), numbers)
            crowd.counts["good over gRPC"] += 1


async def good_stream(crowd: Crowd) -> None:
    while crowd.goes_on:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{crowd.running.grpc_port}") as channel:
            call = channel.stream_stream(STREAM)(timeout=30)
            sent = [crowd.numbers() for _ in range(20)]
            for numbers in sent:
                await call.write(grpc_request(numbers))
            for numbers in sent:
                answer = message_class("ModelStreamInferResponse").FromString(await call.read())
                _check_grpc(answer.infer_response.SerializeToString(), numbers)
                crowd.counts["good over a stream"] += 1
            await call.done_writing()


async def good_text(crowd: Crowd) -> None:
    """One short text: must not wait for those who send thousands."""
    text = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["hello"]}]}
    while crowd.goes_on:
        status, answer = await crowd.ask(post("/v2/models/text/infer", orjson.dumps(text)))
        require(status == 200, answer)
        crowd.counts["good texts"] += 1


def _check_grpc(raw: bytes, numbers: list[int]) -> None:
    outputs = message_class("ModelInferResponse").FromString(raw).raw_output_contents
    require(struct.unpack("<16i", outputs[0]) == tuple(2 * value for value in numbers), raw)


GOOD: tuple[tuple[Kind, int], ...] = ((good_http, 3), (good_grpc, 2), (good_stream, 1), (good_text, 1))
