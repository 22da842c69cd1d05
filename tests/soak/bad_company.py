"""Clients that are broken, leave, are slow, ask for too much, or want what they may not have."""

from __future__ import annotations

import asyncio
import gzip
import struct
import sys
from pathlib import Path

import orjson
from crowd import STREAM, Crowd, Kind, grpc_request, http_request, post, require

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))

from mutation import mutated_by
from seeds import seeds

JUNK = [data[1:] for data in seeds("http_bytes")]
FRAMES = [data[1:] for data in seeds("http2_frames")]
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
"""A client's preface and its empty SETTINGS."""
DATA, HEADERS, END_STREAM, END_HEADERS = 0, 1, 1, 4
NUMBERS = 500_000
TEXTS = 2_000
REFUSED = {403, 413, 429, 503}


def frame(kind: int, flags: int, payload: bytes) -> bytes:
    """A frame of stream 1."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, 1) + payload


def grpc_head(path: str) -> bytes:
    """HPACK fields that are not indexed."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "h", "te": "trailers"}
    fields["content-type"] = "application/grpc"
    made = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    return frame(HEADERS, END_HEADERS, made)


async def _say(crowd: Crowd, data: bytes, port: int, patience_s: float) -> None:
    """Say something, read what comes at once, and be gone."""
    reader, writer = await crowd.connect(port)
    try:
        writer.write(data)
        await asyncio.wait_for(reader.read(65536), patience_s)
    except (TimeoutError, ConnectionError):
        pass
    writer.transport.abort()


async def broken(crowd: Crowd) -> None:
    """Says what nobody can understand, over either door."""
    while crowd.goes_on:
        is_http = crowd.choose.random() < 0.7
        data = mutated_by(crowd.choose.randrange(2**32), JUNK if is_http else FRAMES)
        port = crowd.running.http_port if is_http else crowd.running.grpc_port
        await _say(crowd, (b"" if is_http else GREETING) + data, port, crowd.choose.random() / 10)
        crowd.counts["broken"] += 1


async def leaving(crowd: Crowd) -> None:
    """Asks and is gone, in the middle of asking or of the answer."""
    while crowd.goes_on:
        _, writer = await crowd.connect()
        data = http_request(crowd.numbers()) * crowd.choose.choice((1, 50))
        writer.write(data[: crowd.choose.randrange(len(data) + 1)])
        await asyncio.sleep(crowd.choose.random() / 50)
        writer.transport.abort()
        crowd.counts["leaving"] += 1


async def slow(crowd: Crowd) -> None:
    """Sends a byte now and then, and does not read."""
    while crowd.goes_on:
        _, writer = await crowd.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a stream's
        data = http_request(crowd.numbers()) * crowd.choose.choice((1, 2000))
        writer.write(data[:-5])
        for at in range(5, 0, -1):
            await asyncio.sleep(crowd.choose.random())
            writer.write(data[-at : len(data) - at + 1])
        writer.transport.abort()
        crowd.counts["slow"] += 1


async def silent_grpc(crowd: Crowd) -> None:
    """Opens a stream, asks much, and reads nothing, not even a PING."""
    while crowd.goes_on:
        _, writer = await crowd.connect(crowd.running.grpc_port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a stream's
        message = grpc_request(crowd.numbers())
        asked = frame(DATA, 0, b"\0" + struct.pack(">I", len(message)) + message)
        writer.write(GREETING + grpc_head(STREAM) + asked * crowd.choose.choice((1, 100)))
        await asyncio.sleep(2 * crowd.choose.random())
        writer.transport.abort()
        crowd.counts["silent over gRPC"] += 1


async def endless_trailer(crowd: Crowd) -> None:
    """Ends a chunked body and goes on with a trailer that has no end."""
    head = b"POST /v2/models/simple/infer HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: "
    while crowd.goes_on:
        await _say(crowd, head + b"a" * 300_000, crowd.running.http_port, 1.0)
        crowd.counts["endless trailers"] += 1
        await asyncio.sleep(crowd.choose.random() / 5)


async def inflated(crowd: Crowd) -> None:
    """Few bytes on the wire that become many numbers."""
    tensor = b'{"name":"INPUT0","shape":[%d],"datatype":"INT32","data":[' % NUMBERS + b"1," * (NUMBERS - 1) + b"1]}"
    small = gzip.compress(b'{"inputs":[' + tensor + b"]}")
    while crowd.goes_on:
        status, answer = await crowd.ask(post("/v2/models/simple/infer", small, "Content-Encoding: gzip\r\n"))
        require(status == 400 or status in REFUSED, answer)
        crowd.counts["inflated"] += 1
        await asyncio.sleep(crowd.choose.random())


async def many_texts(crowd: Crowd) -> None:
    """Thousands of texts in one request, again and again."""
    texts = {"inputs": [{"name": "text", "shape": [TEXTS], "datatype": "BYTES", "data": ["a"] * TEXTS}]}
    request = post("/v2/models/text/infer", orjson.dumps(texts))
    while crowd.goes_on:
        status, answer = await crowd.ask(request)
        require(status == 200 or status in REFUSED, answer[:200])
        crowd.counts["requests of many texts"] += 1


async def page(crowd: Crowd) -> None:
    """A web page of somebody else, in a browser on this machine."""
    foreign = "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\nContent-Type: text/plain\r\n"
    while crowd.goes_on:
        path = crowd.choose.choice(("repository/models/simple/unload", "logging", "models/simple/infer"))
        status, answer = await crowd.ask(post(f"/v2/{path}", b"{}", foreign))
        require(status == 403, answer)
        crowd.counts["foreign pages"] += 1
        await asyncio.sleep(crowd.choose.random() / 10)


async def reloading(crowd: Crowd) -> None:
    """Loads again what is served, and takes another model away and back."""
    while crowd.goes_on:
        for name, verb in (("simple", "load"), ("simple_string", "unload"), ("simple_string", "load")):
            status, answer = await crowd.ask(post(f"/v2/repository/models/{name}/{verb}", b"{}"))
            require(status == 200, answer)
            crowd.counts["loads and unloads"] += 1
        await asyncio.sleep(crowd.choose.random())


BAD: tuple[tuple[Kind, int], ...] = (
    (broken, 4), (leaving, 3), (slow, 10), (silent_grpc, 3), (endless_trailer, 1), (inflated, 1), (many_texts, 1),
    (page, 1), (reloading, 1),
)  # fmt: skip
