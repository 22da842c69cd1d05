"""The doors as functions of the same shape: a case in, an outcome out.

HTTP with JSON, HTTP with binary tensors, gRPC with typed contents, gRPC with raw contents, in-process; the first four
over the network and, their bytes the same, through the doors without ports.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pytest

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import NaiadError
from naiad.core.message import InferRequest, RequestedOutput, SequenceStep
from naiad.core.tensor import Array, Tensor
from naiad.proto.pool import message_class
from naiad.protocol import binary
from naiad.protocol.sequence import SEQUENCE_KEYS
from naiad.protocol.status import grpc_status, http_status
from naiad.testing import RunningServer
from naiad.wire.grpc.in_process import CallFailed

INFER = "/inference.GRPCInferenceService/ModelInfer"

KINDS_OF_VALUE = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}
"""Type of a parameter's value → its field over gRPC."""


@dataclass(frozen=True)
class Case:
    """A request, in the words that all doors share."""

    model: str
    inputs: dict[str, tuple[str, Array]]
    """name → (datatype, array)."""
    version: str = ""
    id: str = ""
    classes: dict[str, int] = field(default_factory=dict)
    """Wanted outputs, and how many classes of each; empty = all outputs as they are."""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came back: tensors, or an error."""

    tensors: tuple[tuple[str, str, tuple[int, ...], tuple[Any, ...]], ...] = ()
    model: tuple[str, str, str] = ("", "", "")
    """Name, version, id."""
    error: str = ""
    status: tuple[int, str] | int | str = ""
    """In-process the pair; over HTTP and gRPC the half that they have."""


def plain(datatype: str, data: Array) -> tuple[Any, ...]:
    """Elements that can be compared, whichever door they came through."""
    values = data.ravel().tolist()
    if datatype == "BYTES":
        return tuple(value.encode() if isinstance(value, str) else bytes(value) for value in values)
    return tuple(values)


def found(name: str, datatype: str, data: Array) -> tuple[str, str, tuple[int, ...], tuple[Any, ...]]:
    return name, datatype, tuple(data.shape), plain(datatype, data)


def in_process(server: RunningServer, case: Case) -> Outcome:
    request = InferRequest(case.model, case.version, case.id)
    request.inputs = {name: Tensor(name, kind, data) for name, (kind, data) in case.inputs.items()}
    request.outputs = tuple(RequestedOutput(name, class_count=count) for name, count in case.classes.items())
    own = dict(case.parameters)
    request.priority, request.timeout_us = own.pop("priority", 0), own.pop("timeout", 0)
    step = SequenceStep(own.pop("sequence_id", 0), own.pop("sequence_start", False), own.pop("sequence_end", False))
    if case.parameters.keys() & SEQUENCE_KEYS:
        request.sequence = step
    request.parameters = own
    try:
        answer = server.run(lambda: server.server.engine.infer(request))
    except NaiadError as error:
        return Outcome(error=error.message, status=(http_status(error), grpc_status(error)))
    tensors = tuple(found(tensor.name, tensor.datatype, tensor.data) for tensor in answer.outputs)
    return Outcome(tensors, (answer.model_name, answer.model_version, answer.id))


Post = Callable[[RunningServer, str, bytes, dict[str, str]], tuple[int, dict[str, str], bytes]]
"""post(server, path, body, headers) → status, headers by their names in lower case, body."""


def post_http(
    server: RunningServer, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(server.address, timeout=60)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def post_asgi(
    server: RunningServer, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    pairs = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
    made = http_scope("POST", path, pairs)
    sent: list[Any] = []
    pieces = deque([body[:7], body[7:]])

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": pieces.popleft(), "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask() -> None:
        await server.server.in_process.asgi(made, receive, send)

    server.run(ask)
    start, *rest = sent
    found = {key.decode(): value.decode() for key, value in start["headers"]}
    return start["status"], found, b"".join(one["body"] for one in rest)


def http_scope(method: str, path: str, headers: list[tuple[bytes, bytes]], root: str = "") -> dict[str, Any]:
    """What an ASGI server says of a request."""
    raw, _, query = path.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "root_path": root,
        "headers": headers,
    }


def over_http(server: RunningServer, case: Case, *, is_binary: bool, post: Post = post_http) -> Outcome:
    document: dict[str, Any] = {"id": case.id, "parameters": {**case.parameters, "binary_data_output": is_binary}}
    tail = b""
    document["inputs"] = []
    for name, (kind, data) in case.inputs.items():
        entry: dict[str, Any] = {"name": name, "datatype": kind, "shape": list(data.shape)}
        if is_binary:
            raw = binary.encode(Tensor(name, kind, data))
            entry["parameters"] = {"binary_data_size": len(raw)}
            tail += raw
        else:
            entry["data"] = [value.decode() if isinstance(value, bytes) else value for value in data.ravel().tolist()]
        document["inputs"].append(entry)
    if case.classes:
        document["outputs"] = [
            {"name": name, "parameters": {"binary_data": is_binary, **({"classification": count} if count else {})}}
            for name, count in case.classes.items()
        ]
    header = json.dumps(document).encode()
    version = f"/versions/{case.version}" if case.version else ""
    lengths = {"Inference-Header-Content-Length": str(len(header))} if is_binary else {}
    path = f"/v2/models/{quote(case.model, '')}{version}/infer"
    status, headers, body = post(server, path, header + tail, lengths)
    json_bytes = int(headers.get("inference-header-content-length") or len(body))
    answer, at = json.loads(body[:json_bytes]), json_bytes
    if status != 200:
        return Outcome(error=answer["error"], status=status)
    tensors = []
    for output in answer["outputs"]:
        kind, shape = output["datatype"], tuple(output["shape"])
        if "data" in output:
            data = np.array(output["data"], BY_NAME[kind].numpy).reshape(shape)
        else:
            size = output["parameters"]["binary_data_size"]
            data = binary.decode(output["name"], kind, shape, body[at : at + size]).data
            at += size
        tensors.append(found(output["name"], kind, data))
    return Outcome(tuple(tensors), (answer["model_name"], answer["model_version"], answer.get("id", "")))


Ask = Callable[[RunningServer, bytes], bytes]
"""Sends the message of a ModelInfer; raises CallFailed."""


def ask_grpc(server: RunningServer, message: bytes) -> bytes:
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")
    try:
        with grpc.insecure_channel(server.grpc_address) as channel:
            return bytes(channel.unary_unary(INFER)(message, timeout=60))
    except grpc.RpcError as error:
        raise CallFailed(error.code().name, error.details()) from None


def ask_in_process(server: RunningServer, message: bytes) -> bytes:
    return server.run(lambda: server.server.in_process.grpc.ask(INFER, message, {}))


def over_grpc(server: RunningServer, case: Case, *, is_typed: bool, ask: Ask = ask_grpc) -> Outcome:
    message = message_class("ModelInferRequest")(model_name=case.model, model_version=case.version, id=case.id)
    for name, (kind, data) in case.inputs.items():
        entry = message.inputs.add(name=name, datatype=kind, shape=data.shape)
        if is_typed:
            entry.contents.SetInParent()
            getattr(entry.contents, BY_NAME[kind].contents_field).extend(data.ravel().tolist())
        else:
            message.raw_input_contents.append(binary.encode(Tensor(name, kind, data)))
    for name, count in case.classes.items():
        output = message.outputs.add(name=name)
        if count:
            output.parameters["classification"].int64_param = count
    for key, value in case.parameters.items():
        setattr(message.parameters[key], KINDS_OF_VALUE[type(value)], value)
    try:
        raw = ask(server, message.SerializeToString())
    except CallFailed as error:
        return Outcome(error=error.details, status=error.status)
    answer = message_class("ModelInferResponse").FromString(raw)
    tensors = [
        found(output.name, output.datatype, binary.decode(output.name, output.datatype, tuple(output.shape), raw).data)
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True)
    ]
    return Outcome(tuple(tensors), (answer.model_name, answer.model_version, answer.id))


DOORS: dict[str, Callable[[RunningServer, Case], Outcome]] = {
    "HTTP JSON": lambda server, case: over_http(server, case, is_binary=False),
    "HTTP binary": lambda server, case: over_http(server, case, is_binary=True),
    "gRPC typed": lambda server, case: over_grpc(server, case, is_typed=True),
    "gRPC raw": lambda server, case: over_grpc(server, case, is_typed=False),
    "HTTP JSON by ASGI": lambda server, case: over_http(server, case, is_binary=False, post=post_asgi),
    "HTTP binary by ASGI": lambda server, case: over_http(server, case, is_binary=True, post=post_asgi),
    "gRPC typed in process": lambda server, case: over_grpc(server, case, is_typed=True, ask=ask_in_process),
    "gRPC raw in process": lambda server, case: over_grpc(server, case, is_typed=False, ask=ask_in_process),
}
