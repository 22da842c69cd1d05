"""Nothing that one client sends or asks for holds up the others: the loop's thread computes for milliseconds at a time.

Measured is the processor time of single turns of the loop, which no other process disturbs, with bodies that would take
hundreds of milliseconds each. NAIAD_LARGEST=1: with the largest that the default limits let through.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import grpc
import numpy as np
import orjson
import pytest

from naiad.proto.pool import message_class
from naiad.protocol.limits import Limits
from naiad.testing import RunningServer, running_server

MOST_S = 0.020
"""Of processor time in one turn."""
SCALE = 1 if os.environ.get("NAIAD_LARGEST") else 16
"""What the largest legal bodies are divided by."""
NUMBERS = 2**24 // SCALE - 64
STRINGS = 10_485_760 // SCALE
WAIT_S = 60.0

CONFIG = """
backend: "identity"
input [ {{ name: "x" data_type: TYPE_{0} dims: [ -1 ] }} ]
output [ {{ name: "y" data_type: TYPE_{0} dims: [ -1 ] }} ]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    root = tmp_path_factory.mktemp("repository")
    for kind in ("FP32", "INT32", "STRING"):
        (root / kind / "1").mkdir(parents=True)
        (root / kind / "config.pbtxt").write_text(CONFIG.format(kind))
    with running_server(str(root), grpc_infer_response_compression_level="low", max_waiting_size=2**36) as running:
        yield running


class Turns:
    """Looks at every turn of a loop for what it computed."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self.longest_s = 0.0

    def __enter__(self) -> Self:
        self._server.run(self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.run(self._end)

    async def _begin(self) -> None:
        self._is_on = True
        self._last_s = time.thread_time()
        asyncio.get_running_loop().call_soon(self._look)

    async def _end(self) -> None:
        self._is_on = False

    def _look(self) -> None:
        now_s = time.thread_time()
        self.longest_s = max(self.longest_s, now_s - self._last_s)
        self._last_s = now_s
        if self._is_on:
            asyncio.get_running_loop().call_soon(self._look)


def infer_body(kind: str, count: int, data: bytes, more: bytes = b"") -> bytes:
    return b'{"inputs":[{"name":"x","shape":[%d],"datatype":"%b","data":[%b]}]%b}' % (
        count,
        b"BYTES" if kind == "STRING" else kind.encode(),
        data,
        more,
    )


def binary_body(kind: str, count: int, raw: bytes, **parameters: bool) -> tuple[bytes, dict[str, str]]:
    datatype = "BYTES" if kind == "STRING" else kind
    entry = {"name": "x", "shape": [count], "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}
    head = orjson.dumps({"inputs": [entry], "parameters": parameters})
    return head + raw, {"Inference-Header-Content-Length": str(len(head))}


def strings(count: int) -> bytes:
    return (struct.pack("<I", 2) + b"ab") * count


NESTED = 2**20 // SCALE

Case = tuple[str, bytes, dict[str, str]]


def numbers() -> Case:
    return "FP32", infer_body("FP32", NUMBERS, b"1," * (NUMBERS - 1) + b"1"), {}


def compressed(case: Case) -> Case:
    kind, body, headers = case
    return kind, gzip.compress(body, 1), {**headers, "Content-Encoding": "gzip"}


def nested() -> Case:
    return "FP32", infer_body("FP32", 2 * NESTED, b"[1,2]," * (NESTED - 1) + b"[1,2]"), {}


def texts() -> Case:
    return "STRING", infer_body("STRING", STRINGS // 2, b'"ab",' * (STRINGS // 2 - 1) + b'"ab"'), {}


def raw_texts() -> Case:
    return "STRING", *binary_body("STRING", STRINGS, strings(STRINGS))


def raw_texts_back() -> Case:
    return "STRING", *binary_body("STRING", STRINGS, strings(STRINGS), binary_data_output=True)


def raw_numbers_back_as_json() -> Case:
    return "FP32", *binary_body("FP32", NUMBERS, bytes(4 * NUMBERS))


def raw_numbers_back_compressed() -> Case:
    body, headers = binary_body("FP32", NUMBERS, bytes(4 * NUMBERS), binary_data_output=True)
    return "FP32", body, {**headers, "Accept-Encoding": "gzip"}


def blanks() -> Case:
    return "FP32", infer_body("FP32", 1, b"1", b" " * (60_000_000 // SCALE)), {}


def unknown_members() -> Case:
    return "FP32", infer_body("FP32", 1, b"1", b',"mine":[' + b"[]," * (2**21 // SCALE) + b"[]]"), {}


CASES: dict[str, Callable[[], Case]] = {
    "numbers": numbers,
    "compressed numbers": lambda: compressed(numbers()),
    "nested numbers": nested,
    "texts": texts,
    "compressed texts": lambda: compressed(texts()),
    "texts as bytes": raw_texts,
    "texts as bytes, both ways": raw_texts_back,
    "numbers as bytes, back as JSON": raw_numbers_back_as_json,
    "numbers as bytes, back compressed": raw_numbers_back_compressed,
    "compressed blanks": lambda: compressed(blanks()),
    "members that nobody knows": unknown_members,
}


@pytest.mark.parametrize("name", CASES)
def test_over_http(server: RunningServer, name: str) -> None:
    kind, body, headers = CASES[name]()
    connection = http.client.HTTPConnection(server.address, timeout=WAIT_S)
    with Turns(server) as turns:
        connection.request("POST", f"/v2/models/{kind}/infer", body, headers)
        answer = connection.getresponse()
        content = answer.read()
    connection.close()
    assert answer.status == 200, content[:200]
    assert turns.longest_s < MOST_S


def message(kind: str, count: int, contents: dict[str, Any] | None = None, raw: bytes = b"") -> bytes:
    tensor = {"name": "x", "datatype": "BYTES" if kind == "STRING" else kind, "shape": [count]}
    if contents is not None:
        tensor["contents"] = contents
    made = message_class("ModelInferRequest")(model_name=kind, inputs=[tensor], raw_input_contents=[raw] if raw else [])
    serialized: bytes = made.SerializeToString()
    return serialized


GRPC_STRINGS = STRINGS - 64

MESSAGES: dict[str, Callable[[], bytes]] = {
    "texts": lambda: message("STRING", GRPC_STRINGS, raw=strings(GRPC_STRINGS)),
    "numbers": lambda: message("FP32", NUMBERS, raw=bytes(4 * NUMBERS)),
    "typed numbers": lambda: message("INT32", NUMBERS, {"int_contents": np.zeros(NUMBERS, np.int32)}),
    "typed texts": lambda: message("STRING", STRINGS // 2, {"bytes_contents": [b"ab"] * (STRINGS // 2)}),
}


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", MESSAGES)
def test_over_grpc(server: RunningServer, name: str, compression: grpc.Compression) -> None:
    request = MESSAGES[name]()
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server.grpc_address, options=options) as channel, Turns(server) as turns:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        assert infer(request, timeout=WAIT_S, compression=compression)
    assert turns.longest_s < MOST_S


def test_over_a_grpc_stream_whose_answers_keep_their_order(server: RunningServer) -> None:
    count = STRINGS // 4
    long, short = message("STRING", count, raw=strings(count)), message("STRING", 1, raw=strings(1))
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server.grpc_address, options=options) as channel, Turns(server) as turns:
        stream = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        sizes = [len(answer) for answer in stream(iter([short, long, short, long, short]), timeout=WAIT_S)]
    assert [size > 10_000 for size in sizes] == [False, True, False, True, False]
    assert turns.longest_s < MOST_S


def test_a_watch_that_sees_nothing_would_be_no_watch(server: RunningServer) -> None:
    async def compute() -> None:
        began_s = time.thread_time()
        while time.thread_time() - began_s < 2 * MOST_S:
            pass

    with Turns(server) as turns:
        server.run(compute)
    assert turns.longest_s > MOST_S


def test_answers_of_a_connection_keep_their_order(server: RunningServer) -> None:
    """A long request is read in a thread; short ones behind it on the connection are answered after it."""
    bodies = [infer_body("FP32", count, b"1," * (count - 1) + b"1") for count in (1, 200_000, 2, 200_000, 3)]
    head = b"POST /v2/models/FP32/infer HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as sock:
        sock.sendall(b"".join(head % len(body) + body for body in bodies))
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as file:
            answers = file.read()
    assert [int(count) for count in re.findall(rb'"shape":\[(\d+)\]', answers)] == [1, 200_000, 2, 200_000, 3]


def test_default_limits_let_13_million_numbers_and_10_million_strings_through() -> None:
    limits = Limits()
    assert limits.body_bytes // len(b"1.25,") <= limits.json_values
    assert limits.string_elements >= 10_485_760
