"""The five doors as functions of the same shape: a case in, an outcome out.

HTTP with JSON, HTTP with binary tensors, gRPC with typed contents, gRPC with raw contents, in-process.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

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


def over_http(server: RunningServer, case: Case, *, is_binary: bool) -> Outcome:
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
    connection = http.client.HTTPConnection(server.address, timeout=60)
    try:
        lengths = {"Inference-Header-Content-Length": str(len(header))} if is_binary else {}
        connection.request("POST", f"/v2/models/{quote(case.model, '')}{version}/infer", header + tail, lengths)
        response = connection.getresponse()
        body = response.read()
        json_bytes = int(response.headers.get("Inference-Header-Content-Length") or len(body))
    finally:
        connection.close()
    answer, at = json.loads(body[:json_bytes]), json_bytes
    if response.status != 200:
        return Outcome(error=answer["error"], status=response.status)
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


def over_grpc(server: RunningServer, case: Case, *, is_typed: bool) -> Outcome:
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")
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
        with grpc.insecure_channel(server.grpc_address) as channel:
            raw = channel.unary_unary(INFER)(message.SerializeToString(), timeout=60)
    except grpc.RpcError as error:
        return Outcome(error=error.details(), status=error.code().name)
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
}
