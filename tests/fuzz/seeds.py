"""Where fuzzing begins: one valid example of each kind and some that once went wrong; small, so that it is quick."""

from __future__ import annotations

import struct
from pathlib import Path

import hpack
import orjson

from naiad.proto.pool import message_class

DATA = Path(__file__).parents[1] / "data" / "model_repository"
CORPUS = Path(__file__).parent / "corpus"
"""One folder for each target: what fuzzing once found."""

POST = b"POST /v2/models/simple/infer HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"


def _json() -> list[bytes]:
    inputs = [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 16], "data": list(range(16))}]
    texts = [{"name": "TEXT", "datatype": "BYTES", "shape": [2], "data": ["a", 'é\\"']}]
    tail = [{"name": "INPUT0", "datatype": "INT32", "shape": [2], "parameters": {"binary_data_size": 8}}]
    document = {
        "id": "1",
        "parameters": {"priority": 1, "timeout": 2, "sequence_id": "s", "own": 1.5},
        "inputs": inputs,
        "outputs": [{"name": "OUTPUT0", "parameters": {"binary_data": True, "classification": 1}}],
    }
    whole = [orjson.dumps(value) for value in (document, {"inputs": texts}, {"INPUT0": [1, 2], "TEXT": "x"})]
    # Where the first byte says that no header tells the length, the whole body is JSON.
    return [*(b"\xff" + body for body in whole), b"\xef" + orjson.dumps({"inputs": tail}) + bytes(8)]


def _grpc() -> list[bytes]:
    from google.protobuf import json_format

    held = {"name": "INPUT0", "datatype": "INT32", "shape": [2]}
    documents = [
        {"model_name": "simple", "id": "1", "inputs": [held], "raw_input_contents": ["AAAAAAAAAAA="]},
        {"model_name": "simple", "inputs": [{**held, "contents": {"int_contents": [1, 2]}}]},
        {"model_name": "simple", "parameters": {"timeout": {"int64_param": "5"}}, "outputs": [{"name": "OUTPUT0"}]},
    ]
    made = message_class("ModelInferRequest")
    return [json_format.ParseDict(document, made()).SerializeToString() for document in documents]


def _http() -> list[bytes]:
    chunked = (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n"
    )
    upgrade = POST.replace(b"Host", b"Connection: Upgrade\r\nUpgrade: h2c\r\nHost")
    plain = b"GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    expect = POST.replace(b"Host", b"Expect: 100-continue\r\nHost")
    return [b"\x06" + text for text in (POST * 2, chunked + POST, upgrade + plain, expect + chunked, b"\r\n" + POST)]


def _http2() -> list[bytes]:
    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload

    fields = [(":method", "POST"), (":scheme", "http"), (":path", "/s/m"), ("te", "trailers")]
    head = hpack.Encoder().encode(fields)
    request = frame(1, 4, 1, head) + frame(0, 1, 1, b"hello")
    padded = frame(1, 0x2C, 3, b"\x02\0\0\0\0\x10" + head + b"\0\0") + frame(0, 9, 3, b"\x01x\0")
    split = frame(1, 1, 5, head[:4]) + frame(9, 4, 5, head[4:]) + frame(3, 0, 5, bytes(4))
    control = frame(6, 0, 0, bytes(8)) + frame(4, 0, 0, struct.pack(">HI", 4, 10)) + frame(8, 0, 0, b"\0\0\0\x01")
    return [b"\x10" + text for text in (request, padded, split, control + request, frame(7, 0, 0, bytes(8)))]


def seeds(target: str) -> list[bytes]:
    """Return those of a target, and what was found before."""
    made = {
        "binary_tensor": [b"\x04\x01\x02\0" + bytes(8), b"\x0c\x01\x02\0\x01\0\0\0a\0\0\0\0", b"\x0d\x02\x01\0\0\0"],
        "json_infer": _json(),
        "grpc_message": _grpc(),
        "config_pbtxt": [path.read_bytes() for path in sorted(DATA.glob("*/config.pbtxt"))],
        "http_bytes": _http(),
        "http2_frames": _http2(),
        "shared_memory": [
            b'{"key":"/FUZZ","byte_size":4096,"ranges":[{"shared_memory_byte_size":16},{"shared_memory_offset":4090}]}',
            b'{"key":"FUZZ","offset":4096,"byte_size":64,"ranges":[{"shared_memory_byte_size":64}]}',
            b'{"key":"/no-such","offset":0,"byte_size":64}',
        ],
    }[target]
    return [*made, *(path.read_bytes() for path in sorted((CORPUS / target).glob("*")))]
