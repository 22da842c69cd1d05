"""How often a large tensor is copied on its way through this process: counted, so that nobody adds a copy unawares.

The backend gives back what it got, so everything that is made is alive at the end and shows in the peak of the memory
in use. What the transport hands over is made before; what the kernel copies does not count.
"""

from __future__ import annotations

import asyncio
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from naiad.proto.pool import message_class
from naiad.testing import RunningServer, running_server
from naiad.wire.grpc.http2.framing import codes
from naiad.wire.grpc.http2.framing.frames import frame

CONFIG = """
backend: "identity"
max_batch_size: 8
input  { name: "x" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }
"""
IMAGE = np.arange(3 * 224 * 224, dtype=np.float32).tobytes()
PIECE = 65_536
"""Bytes that come at a time."""
METADATA = [
    (":method", "POST"), (":scheme", "http"), (":path", "/inference.GRPCInferenceService/ModelInfer"),
    (":authority", "x"), ("te", "trailers"), ("content-type", "application/grpc"),
]  # fmt: skip


class Wire(asyncio.Transport):
    """Keeps what is written, as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Any] = []

    def write(self, data: Any) -> None:
        self.written.append(data)

    def writelines(self, pieces: Any) -> None:
        self.written.extend(pieces)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models") / "image"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    with running_server(str(folder)) as running:
        assert running.all_loaded
        yield running


def http_request() -> bytes:
    given = {"name": "x", "datatype": "FP32", "shape": [1, 3, 224, 224],
             "parameters": {"binary_data_size": len(IMAGE)}}  # fmt: skip
    header = orjson.dumps({"inputs": [given], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]})
    head = b"POST /v2/models/image/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: %d\r\n" % len(header)
    return head + b"Content-Length: %d\r\n\r\n" % (len(header) + len(IMAGE)) + header + IMAGE


def grpc_request(stream_id: int, block: bytes) -> bytes:
    made = message_class("ModelInferRequest")(model_name="image", raw_input_contents=[IMAGE])
    made.inputs.add(name="x", datatype="FP32", shape=[1, 3, 224, 224])
    message = made.SerializeToString()
    headers = frame(codes.HEADERS, codes.END_HEADERS, stream_id, block)
    return headers + frame(codes.DATA, codes.END_STREAM, stream_id, struct.pack(">BI", 0, len(message)) + message)


async def copies(connection: Any, wire: Wire, ask: Callable[[], bytes]) -> int:
    """Copies made for one request and its answer, when requests like it have come before."""

    async def exchange() -> int:
        raw = ask()
        pieces = [raw[at : at + PIECE] for at in range(0, len(raw), PIECE)]
        wire.written.clear()
        tracemalloc.start()
        try:
            for piece in pieces:
                connection.data_received(piece)
            while sum(map(len, wire.written)) < len(IMAGE):  # noqa: ASYNC110 - a transport tells nobody
                await asyncio.sleep(0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert IMAGE in b"".join(wire.written)
        return round(peak / len(IMAGE))

    for _ in range(12):  # heads and messages are known then, and the model runs on the loop
        await exchange()
    return await exchange()


def test_http_copies_a_tensor_once(server: RunningServer) -> None:
    """In: the pieces that came are joined. Out: the model's memory goes to the socket."""

    async def measure() -> int:
        wire = Wire()
        connection = server.server.doors.http.listener._connection()
        connection.connection_made(wire)
        try:
            return await copies(connection, wire, http_request)
        finally:
            connection.connection_lost(None)

    assert server.run(measure) == 1


def test_grpc_copies_a_tensor_twice(server: RunningServer) -> None:
    """In: the pieces that came are joined. Out: the message is put together, and goes to the socket as it is."""
    import hpack

    async def measure() -> int:
        wire, encoder = Wire(), hpack.Encoder()
        connection = server.server.doors.grpc.listener._connection()
        connection.connection_made(wire)
        window = struct.pack(">HIHI", 4, 2**31 - 1, 5, 2**24 - 1)
        connection.data_received(codes.PREFACE + frame(codes.SETTINGS, 0, 0, window))
        connection.data_received(frame(codes.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30)))
        ids = iter(range(1, 1000, 2))
        try:
            return await copies(connection, wire, lambda: grpc_request(next(ids), encoder.encode(METADATA)))
        finally:
            connection.connection_lost(None)

    assert server.run(measure) == 2
