"""What is fuzzed: each target takes any bytes and returns; an exception that leaves it is a finding.

A target says more than "no crash": answers do not depend on how bytes are cut, decoding and encoding are inverse, only
errors of ours come out, and none has status 500 but those of Triton's contract. Run by `fuzz.py` for long and by
`test_targets.py` for a moment.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from naiad.core.datatypes import TABLE
from naiad.core.errors import InvalidConfiguration, MalformedBody, NaiadError
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.modelconfig import GpuKind, check_servable, finish, parse_pbtxt, prepare, print_pbtxt
from naiad.proto.pool import message_class
from naiad.protocol import binary, generate
from naiad.protocol.grpc import infer_request
from naiad.protocol.grpc.large import split
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.json.body import parse_json
from naiad.protocol.limits import Limits
from naiad.protocol.raw_request import decode_raw
from naiad.protocol.shared_memory import range_of_json, read_registration
from naiad.protocol.status import grpc_status, http_status
from naiad.serving.shared_memory.registry import SharedMemory
from naiad.serving.validation import RequestCheck

WIRE = Path(__file__).parents[1] / "wire"
sys.path += [str(WIRE / "http"), str(WIRE / "grpc" / "http2")]  # for their transports made of lists

from door import Door  # noqa: E402
from peer import Side  # noqa: E402

from naiad.wire.grpc.http2.framing.codes import GOAWAY  # noqa: E402
from naiad.wire.grpc.http2.framing.settings import Http2Limits  # noqa: E402

LIMITS = Limits(body_bytes=2**20, json_values=2**14, string_elements=2**12, string_bytes=2**16, chunks=64, pipelined=4)
SIMPLE = ModelConfig(
    "simple",
    max_batch_size=8,
    inputs=(TensorConfig("INPUT0", "INT32", (16,)), TensorConfig("TEXT", "BYTES", (-1,), optional=True)),
    outputs=(TensorConfig("OUTPUT0", "INT32", (16,)),),
)
_CHECK = RequestCheck(SIMPLE)
HTTP_STATUSES = {400, 404, 500, 501, 503}


class FindingError(AssertionError):
    """Something that must not be."""


def require(holds: bool, what: object) -> None:
    if not holds:
        raise FindingError(what)


def judge(error: NaiadError) -> None:
    """What may come out of a decoder."""
    status = http_status(error)
    require(status in HTTP_STATUSES, (status, error))
    require(status != 500 or isinstance(error, MalformedBody), f"500 that is not in the contract: {error!r}")
    require(len(error.message) < 100_000, f"a message of {len(error.message)} characters")
    require(bool(grpc_status(error)), error)


def check_request(request: InferRequest) -> None:
    """What was decoded goes on to the checks of a model, and its tensors are what they say."""
    for tensor in request.inputs.values():
        require(tensor.data.size == int(np.prod(tensor.data.shape, dtype=object)), tensor)
        binary.encode(tensor)
    _CHECK.rows(request)


def binary_tensor(data: bytes) -> None:
    """Datatype, number of dimensions and dimensions first; what is left are the bytes."""
    if len(data) < 2:
        return
    row, rank = TABLE[data[0] % len(TABLE)], data[1] % 4
    shape = tuple(int.from_bytes(data[at : at + 2], "little") for at in range(2, 2 + 2 * rank, 2))
    raw = data[2 + 2 * rank :]
    try:
        tensor = binary.decode("x", row.name, shape, raw, InferRequest("m"), LIMITS)
    except NaiadError as error:
        judge(error)
        return
    require(tensor.data.shape == shape, "another shape")
    if not shape:
        return  # what such a tensor holds is not looked at: no model takes one
    require(binary.encode(tensor) == raw, "encoding does not give the bytes back")


def json_infer(data: bytes) -> None:
    """The first byte says where the JSON part ends, in 256ths of the body; 255: no header says so."""
    if not data:
        return
    where, body = data[0], data[1:]
    length = None if where == 255 else len(body) * where // 254
    try:
        check_request(infer_json.decode("simple", "", body, length, LIMITS)[0])
    except NaiadError as error:
        judge(error)
    whole = _decoded(body, length, parse_json)
    for size in (1, 7, 64):
        require(_decoded(body, length, partial(infer_json.parse_long, piece_bytes=size)) == whole, "depends on the cut")
    for config in (SIMPLE, ModelConfig("one", inputs=(TensorConfig("x", "FP32", (-1,)),))):
        try:
            check_request(generate.decode(config, "", body, LIMITS))
        except NaiadError as error:
            judge(error)
        try:
            decode_raw(config, "", body, LIMITS)
        except NaiadError as error:
            judge(error)


def _decoded(body: bytes, length: int | None, parse: Callable[[bytes, Limits], dict[str, Any]]) -> object:
    """What a body is decoded to, or refused with, in a form that can be compared."""
    try:
        request, binary_default = infer_json.decode("simple", "", body, length, LIMITS, parse=parse)
    except NaiadError as error:
        return type(error), error.message
    inputs = [
        (
            one.name,
            one.datatype,
            one.data.shape,
            one.data.dtype,
            one.data.tolist() if one.data.dtype == object else one.data.tobytes(),
        )
        for one in request.inputs.values()
    ]
    request.inputs = {}
    return repr(request), binary_default, inputs


def grpc_message(data: bytes) -> None:
    """Our splitter and protobuf must agree about every message."""
    made = message_class("ModelInferRequest")
    rest, contents = split(data)
    try:
        whole = made.FromString(data)
    except Exception as error:  # noqa: BLE001 — protobuf's own class is private to it
        require(type(error).__name__ == "DecodeError", error)
        whole = None
    try:
        message, raws = infer_request.parse_request(data)
    except MalformedBody:
        require(whole is None, "we refuse what protobuf takes")
        return
    require(whole is not None, "we take what protobuf refuses")
    if contents:
        require([bytes(view) for view in contents] == list(whole.raw_input_contents), "other raw contents")
        outer = made.FromString(rest)
        del whole.raw_input_contents[:]
        require(outer.SerializeToString(deterministic=True) == whole.SerializeToString(deterministic=True), "rest")
    try:
        check_request(infer_request.decode(message, raws, LIMITS))
    except NaiadError as error:
        judge(error)


def config_pbtxt(data: bytes) -> None:
    """Whatever is accepted can be printed and read again."""
    try:
        document = parse_pbtxt(data)
        again = parse_pbtxt(print_pbtxt(document))
        require(again == document, "printing and reading gives another document")
        check_servable(finish(prepare(document, "m", ["1/model.onnx"]), gpu_kind=GpuKind.GPU))
    except InvalidConfiguration as error:
        require(len(error.message) < 100_000, "an endless message")


def http_bytes(data: bytes) -> None:
    """The first byte is the size of the pieces; answers must not depend on it."""
    if not data:
        return
    size, data = data[0] + 1, data[1:]
    whole, cut = _answered(data, len(data) or 1), _answered(data, size)
    require(whole == cut, (whole, cut))


def _answered(data: bytes, size: int) -> bytes:
    door = Door(LIMITS, dispatch=lambda exchange: exchange.answer(200, _seen(exchange)))
    sent = door.send(data, size) if data else b""
    # 100 Continue is only for those who wait; who has sent the body already need not be told.
    return sent.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")


def _seen(exchange: object) -> bytes:
    names = ("method", "url", "headers", "body", "keep_alive")
    return repr([getattr(exchange, name) for name in names]).encode()


def http2_frames(data: bytes) -> None:
    """After the greeting any bytes; the first one is the size of the pieces, and what we say must not depend on it."""
    if not data:
        return
    size, data = data[0] + 1, _whole_frames(data[1:])
    whole, cut = _framed(data, len(data) or 1), _framed(data, size)
    require(whole == cut, (whole, cut))


def _whole_frames(data: bytes) -> bytes:
    """Without a last frame that is not whole: how much of it is judged depends on how it came, rightly."""
    at = 0
    while at + 9 <= len(data) and (end := at + 9 + int.from_bytes(data[at : at + 3], "big")) <= len(data):
        at = end
    return data[:at]


def _framed(data: bytes, size: int) -> tuple[object, object]:
    side = Side(Http2Limits(streams=3))
    side.begin()
    for at in range(0, len(data), size):
        side.connection.receive(data[at : at + size])
    said = side.sent()
    # What comes in one piece with the end is still refused frame by frame; what comes after it is not read.
    last = next((at for at, frame in enumerate(said) if frame.kind == GOAWAY), len(said))
    return said[: last + 1], [(taken.head, taken.body, taken.has_ended, taken.is_reset) for taken in side.taken]


def shared_memory(data: bytes) -> None:
    """A body that registers a region, and ranges of it to read and write; the file is 8,192 bytes long."""
    path = Path(f"/dev/shm/naiad-fuzz-{os.getpid()}")  # noqa: S108 — where POSIX shared memory lies
    if not path.exists():
        path.write_bytes(bytes(8192))
        atexit.register(path.unlink, missing_ok=True)
    memory = SharedMemory(is_allowed=True)
    try:
        document = parse_json(data.replace(b"FUZZ", path.name.encode()), LIMITS)
        memory.register("r", *read_registration(document))
    except NaiadError as error:
        require(
            http_status(error) != 500 or isinstance(error, MalformedBody) or "Unable to open" in error.message, error
        )
        return
    ranges = document.get("ranges")
    for at in ranges if isinstance(ranges, list) else []:
        try:
            wanted = range_of_json({"shared_memory_region": "r", **(at if isinstance(at, dict) else {})}, memory)
            require(len(memory.read(*wanted)) == wanted.byte_size, wanted)
            memory.reserve(*wanted).write(memoryview(bytes(min(wanted.byte_size, 8192))))
        except NaiadError as error:
            judge(error)
    memory.close()
    require(path.stat().st_size == 8192, "the client's file has another size")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "binary_tensor": binary_tensor,
    "json_infer": json_infer,
    "grpc_message": grpc_message,
    "config_pbtxt": config_pbtxt,
    "http_bytes": http_bytes,
    "http2_frames": http2_frames,
    "shared_memory": shared_memory,
}
