"""One table of cases through every door; answers and errors are the same.

The doors: HTTP with JSON, HTTP with binary tensors, gRPC with typed contents, gRPC with raw contents, in-process.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import NaiadError
from naiad.core.message import InferRequest, RequestedOutput
from naiad.core.tensor import Array, Tensor
from naiad.proto.pool import message_class
from naiad.protocol import binary
from naiad.protocol.status import grpc_status, http_status
from naiad.testing import RunningServer, running_server

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"

KINDS = ["BOOL", "UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "UINT64", "INT64", "FP32", "FP64", "BYTES"]

INFER = "/inference.GRPCInferenceService/ModelInfer"


def echo_config() -> str:
    """A model whose outputs are its inputs, one for each datatype that all doors can carry."""
    rows = [f'name: "{kind}" data_type: {BY_NAME[kind].config_name} dims: [ -1 ]' for kind in KINDS]
    inputs = "".join(f"input {{ {row} optional: true }}\n" for row in rows)
    outputs = "".join(f"output {{ {row} }}\n" for row in rows)
    return f'backend: "identity"\nmax_batch_size: 4\n{inputs}{outputs}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models") / "echo"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(echo_config())
    with running_server(str(folder), str(REPOSITORY / "simple"), str(REPOSITORY / "simple_string")) as running:
        assert running.all_loaded
        yield running


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


def numbers(rows: int = 1, columns: int = 16, kind: str = "INT32") -> Array:
    return np.arange(rows * columns, dtype=BY_NAME[kind].numpy).reshape(rows, columns)


def strings(*values: bytes) -> Array:
    made = np.empty((1, len(values)), np.object_)
    made[0, :] = values
    return made


def simple(left: Array, right: Array, kind: str = "INT32", **more: Any) -> Case:
    return Case("simple", {"INPUT0": (kind, left), "INPUT1": (kind, right)}, **more)


DIGITS = strings(*(str(n).encode() for n in range(16)))

CASES: dict[str, Case] = {
    "numbers": simple(numbers(), numbers(), id="7", version="1"),
    "a batch": simple(numbers(8), numbers(8)),
    "some outputs": simple(numbers(), numbers(), classes={"OUTPUT1": 0}),
    "classes": simple(numbers(2), numbers(2), classes={"OUTPUT0": 3}),
    "strings": Case("simple_string", {"INPUT0": ("BYTES", DIGITS), "INPUT1": ("BYTES", DIGITS)}),
    "text of any kind": Case("echo", {"BYTES": ("BYTES", strings(b"", "Größe 水".encode(), b"\0"))}),
    "nothing at all": Case("echo", {"FP32": ("FP32", np.zeros((1, 0), np.float32))}),
    "truth": Case("echo", {"BOOL": ("BOOL", np.array([[True, False]]))}),
    "fractions": Case("echo", {"FP32": ("FP32", np.array([[0.1, -1e30]], np.float32))}),
    "parameters": simple(numbers(), numbers(), parameters={"mine": 1, "priority": 0, "timeout": 10**6}),
    **{
        f"limits of {kind}": Case(
            "echo", {kind: (kind, np.array([[np.iinfo(kind.lower()).min, np.iinfo(kind.lower()).max]], kind.lower()))}
        )
        for kind in KINDS
        if "INT" in kind
    },
    # and what is wrong
    "unknown model": Case("nope", {"x": ("INT32", numbers())}),
    "unknown version": simple(numbers(), numbers(), version="9"),
    "missing input": Case("simple", {"INPUT0": ("INT32", numbers())}, id="m"),
    "no inputs": Case("simple", {}),
    "unknown input": Case("simple", {name: ("INT32", numbers()) for name in ("INPUT0", "INPUT1", "INPUT2")}),
    "unknown output": simple(numbers(), numbers(), classes={"OUTPUT9": 0}),
    "other datatype": simple(numbers(kind="FP32"), numbers(kind="FP32"), "FP32", id="d"),
    "other shape": simple(numbers(columns=15), numbers(columns=15)),
    "no batch dimension": simple(numbers()[0], numbers()[0]),
    "too large a batch": simple(numbers(9), numbers(9)),
    "two batch sizes": simple(numbers(1), numbers(2)),
    "classes of strings": Case(
        "simple_string", {"INPUT0": ("BYTES", DIGITS), "INPUT1": ("BYTES", DIGITS)}, classes={"OUTPUT0": 1}
    ),
    "text that is no number": Case(
        "simple_string", {"INPUT0": ("BYTES", strings(*[b"x"] * 16)), "INPUT1": ("BYTES", DIGITS)}
    ),
}


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
    request.parameters = {key: value for key, value in case.parameters.items() if key not in ("priority", "timeout")}
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
        connection.request("POST", f"/v2/models/{case.model}{version}/infer", header + tail, lengths)
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
        setattr(message.parameters[key], "bool_param" if isinstance(value, bool) else "int64_param", value)
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


@pytest.mark.parametrize("name", CASES)
def test_every_door_gives_the_same(server: RunningServer, name: str) -> None:
    case = CASES[name]
    outcomes = {door: ask(server, case) for door, ask in DOORS.items()}
    told = {door: (one.tensors, one.model, one.error) for door, one in outcomes.items()}
    statuses: dict[str, set[Any]] = {"HTTP": set(), "gRPC": set()}
    for door, one in outcomes.items():
        statuses[door.split()[0]].add(one.status)
    inside = in_process(server, case)
    told["in-process"] = (inside.tensors, inside.model, inside.error)
    if inside.error:
        assert statuses == {"HTTP": {inside.status[0]}, "gRPC": {inside.status[1]}}
    assert told == dict.fromkeys(told, told["HTTP JSON"])


def test_the_table_has_answers_and_errors(server: RunningServer) -> None:
    answered = [name for name, case in CASES.items() if not over_http(server, case, is_binary=True).error]
    assert (len(answered), len(CASES) - len(answered)) == (18, 13)
