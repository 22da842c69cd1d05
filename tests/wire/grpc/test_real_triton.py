"""The same calls to NVIDIA's own server and to ours, where `make bench` has set it up.

Answers, statuses and words are equal but for those of DIFFERENT, and each of those has its reason on the page
docs/reference/differences.md.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.proto.pool import message_class
from naiad.testing import RunningServer, running_server
from naiad.wire.grpc.servicer import HEALTH, SERVICE

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / ".bench" / "env" / "triton"
FOUND = sorted(ENVIRONMENT.glob("lib/python3*/site-packages/pytriton/tritonserver/bin/tritonserver"))
PAGE = ROOT / "docs" / "reference" / "differences.md"
MODELS = {"simple": "simple", "text": "simple_string"}
"""Name here → folder of tests/data/model_repository."""

PYTHON_MODEL = """
import numpy
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        left, right = (triton.get_input_tensor_by_name(request, f"INPUT{n}").as_numpy() for n in (0, 1))
        outputs = [left.astype(int) + right.astype(int), left.astype(int) - right.astype(int)]
        if left.dtype == object:
            outputs = [numpy.array([str(one).encode() for one in made.ravel()], object).reshape(made.shape)
                       for made in outputs]
        else:
            outputs = [made.astype(left.dtype) for made in outputs]
        return triton.InferenceResponse([triton.Tensor(f"OUTPUT{n}", made) for n, made in enumerate(outputs)])
"""

RAW = np.arange(16, dtype=np.int32).tobytes()
FULL = {"int_contents": list(range(16))}
WORDS = [b"1"] * 16
STRING = b"\1\0\0\0" + b"7"


def tensor(name: str, datatype: str = "INT32", shape: tuple[int, ...] = (1, 16), **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def numbers(**more: Any) -> dict[str, Any]:
    """A request that is right, but for what is said."""
    return {"inputs": [tensor("INPUT0"), tensor("INPUT1")], "raw_input_contents": [RAW, RAW], **more}


def typed(*contents: dict[str, Any] | None, datatype: str = "INT32", **more: Any) -> dict[str, Any]:
    inputs = [
        tensor(f"INPUT{n}", datatype, **({} if one is None else {"contents": one})) for n, one in enumerate(contents)
    ]
    return {"inputs": inputs, **more}


def parameter(key: str, kind: str, value: Any) -> dict[str, Any]:
    return numbers(parameters={key: {kind: value} if kind else {}})


def classes(kind: str, value: Any) -> dict[str, Any]:
    return numbers(outputs=[{"name": "OUTPUT0", "parameters": {"classification": {kind: value}}}])


def strings(first: Any, *, is_raw: bool = False, **more: Any) -> dict[str, Any]:
    if is_raw:
        inputs = [tensor("INPUT0", "BYTES"), tensor("INPUT1", "BYTES")]
        return {"model_name": "text", "inputs": inputs, "raw_input_contents": [first, STRING * 16], **more}
    return typed({"bytes_contents": first}, {"bytes_contents": WORDS}, datatype="BYTES", model_name="text", **more)


INFER: dict[str, dict[str, Any]] = {
    "raw": numbers(id="a"),
    "typed": typed(FULL, FULL, id="b"),
    "strings": strings(WORDS),
    "raw strings": strings(STRING * 16, is_raw=True),
    "one output": numbers(outputs=[{"name": "OUTPUT1"}]),
    "classes": classes("int64_param", 2),
    "a version": numbers(model_version="1"),
    "short": numbers(raw_input_contents=[RAW, RAW[:8]], id="a"),
    "long": numbers(raw_input_contents=[RAW, RAW + RAW]),
    "one missing": numbers(raw_input_contents=[RAW]),
    "one too many": numbers(raw_input_contents=[RAW] * 3),
    "short and typed": typed(FULL, {"int_contents": [1]}),
    "raw and typed": typed(FULL, None, raw_input_contents=[RAW, RAW]),
    "no data": typed(None, None),
    "other field": typed(FULL, {"fp32_contents": [1.0] * 16}),
    "no contents": typed(FULL, {}),
    "unknown datatype": typed(FULL, FULL, datatype="FP8"),
    "unsigned for INT8": typed({"uint_contents": [1] * 16}, {"uint_contents": [1] * 16}, datatype="INT8"),
    "same input twice": {"inputs": [tensor("INPUT0", contents=FULL)] * 2},
    "same output twice": numbers(outputs=[{"name": "OUTPUT0"}] * 2),
    "unknown output": numbers(outputs=[{"name": "X"}]),
    "unknown model": numbers(model_name="nope"),
    "no model": numbers(model_name=""),
    "no inputs": {},
    "version -1": numbers(model_version="-1"),
    "version -2": numbers(model_version="-2"),
    "version x": numbers(model_version="x"),
    "version 9": numbers(model_version="9"),
    "reserved parameter": parameter("triton_x", "bool_param", True),
    "empty final response": parameter("triton_enable_empty_final_response", "bool_param", True),
    "empty final response 1": parameter("triton_enable_empty_final_response", "int64_param", 1),
    "sequence_id true": parameter("sequence_id", "bool_param", True),
    "sequence_start 1": parameter("sequence_start", "int64_param", 1),
    "priority text": parameter("priority", "string_param", "1"),
    "priority -1": parameter("priority", "int64_param", -1),
    "priority unsigned": parameter("priority", "uint64_param", 1),
    "timeout text": parameter("timeout", "string_param", "1"),
    "timeout unsigned": parameter("timeout", "uint64_param", 1),
    "timeout -1": parameter("timeout", "int64_param", -1),
    "no value": parameter("mine", "", None),
    "fraction": parameter("mine", "double_param", 0.5),
    "unsigned": parameter("mine", "uint64_param", 1),
    "classes text": classes("string_param", "2"),
    "classes -2": classes("int64_param", -2),
    "few strings": strings(WORDS[:3], id="s"),
    "many strings": strings([b"1"] * 17),
    "few raw strings": strings(STRING * 3, is_raw=True),
    "a length cut": strings(STRING * 15 + b"\1\0", is_raw=True),
    "a string cut": strings(STRING * 15 + b"\7\0\0\0a", is_raw=True),
}

OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ModelReady": ("ModelReady", {"name": "simple"}),
    "ModelReady, unknown": ("ModelReady", {"name": "nope"}),
    "ModelReady, version x": ("ModelReady", {"name": "simple", "version": "x"}),
    "ServerLive": ("ServerLive", {}),
    "ServerReady": ("ServerReady", {}),
    "ModelMetadata, unknown": ("ModelMetadata", {"name": "nope"}),
    "ModelMetadata, version 9": ("ModelMetadata", {"name": "simple", "version": "9"}),
    "ModelConfig, unknown": ("ModelConfig", {"name": "nope"}),
    "ModelStatistics, unknown": ("ModelStatistics", {"name": "nope"}),
    "ModelStatistics, version 9": ("ModelStatistics", {"name": "simple", "version": "9"}),
    "RepositoryIndex": ("RepositoryIndex", {}),
    "RepositoryIndex of a repository": ("RepositoryIndex", {"repository_name": "x"}),
    "RepositoryModelLoad": ("RepositoryModelLoad", {"model_name": "simple"}),
    "RepositoryModelLoad from a repository": ("RepositoryModelLoad", {"repository_name": "x"}),
    "RepositoryModelUnload": ("RepositoryModelUnload", {"model_name": "simple"}),
    "SystemSharedMemoryStatus": ("SystemSharedMemoryStatus", {}),
    "SystemSharedMemoryStatus, unknown": ("SystemSharedMemoryStatus", {"name": "x"}),
    "CudaSharedMemoryStatus, unknown": ("CudaSharedMemoryStatus", {"name": "x"}),
    "TraceSetting": ("TraceSetting", {}),
    "LogSettings": ("LogSettings", {}),
}

STREAM = ("raw", "short", "unknown model", "no data", "empty final response", "typed")

DIFFERENT = {
    "one too many": "More raw contents than inputs are an error.",
    "same output twice": "An output that is named twice is an error.",
    "unknown datatype": "An unknown datatype is named, with those that there are.",
    "version -1": "Version `-1` means the highest that is ready.",
    "timeout -1": "A negative `timeout` is an error.",
    "ModelReady, unknown": "`ModelReady` for an unknown model is NOT_FOUND.",
}
"""Calls that are answered otherwise here, and the sentence of the page that says so."""


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A channel to the real server."""
    if not FOUND:
        pytest.skip("no Triton here; make bench sets one up in .bench")
    repository = tmp_path_factory.mktemp("triton")
    for name, folder in MODELS.items():
        config = (ROOT / "tests" / "data" / "model_repository" / folder / "config.pbtxt").read_text()
        (repository / name / "1").mkdir(parents=True)
        config = config.replace('platform: "onnxruntime_onnx"', 'backend: "python"')
        (repository / name / "config.pbtxt").write_text(config.replace(f'name: "{folder}"', f'name: "{name}"', 1))
        (repository / name / "1" / "model.py").write_text(PYTHON_MODEL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = FOUND[0].parents[1]
    command = [
        str(FOUND[0]), f"--model-repository={repository}", f"--backend-directory={home / 'backends'}",
        "--grpc-address=127.0.0.1", f"--grpc-port={port}", "--allow-http=false", "--allow-metrics=false",
    ]  # fmt: skip
    search = f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}"
    variables = os.environ | {"PATH": search, "LD_LIBRARY_PATH": str(home / "external_libs")}
    with subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL) as process:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
            yield channel
        process.terminate()


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A channel to our server with the same models."""
    repository = tmp_path_factory.mktemp("naiad")
    for name, folder in MODELS.items():
        shutil.copytree(ROOT / "tests" / "data" / "model_repository" / folder, repository / name)
        config = repository / name / "config.pbtxt"
        config.write_text(config.read_text().replace(f'name: "{folder}"', f'name: "{name}"', 1))
    running: RunningServer
    with running_server(str(repository)) as running:
        assert running.all_loaded
        with grpc.insecure_channel(running.grpc_address) as channel:
            yield channel


def ask(channel: Any, method: str, fields: dict[str, Any]) -> Any:
    """The answer as a message, or status and words."""
    raw = message_class(f"{method}Request")(**fields).SerializeToString()
    try:
        answer = channel.unary_unary(SERVICE + method)(raw, timeout=60)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return message_class(f"{method}Response").FromString(answer)


@pytest.mark.parametrize("name", INFER)
def test_inference(triton: Any, ours: Any, name: str) -> None:
    fields = {"model_name": "simple", **INFER[name]}
    theirs = ask(triton, "ModelInfer", fields)
    assert (ask(ours, "ModelInfer", fields) == theirs) is (name not in DIFFERENT), theirs


@pytest.mark.parametrize("name", OTHERS)
def test_everything_else(triton: Any, ours: Any, name: str) -> None:
    theirs = ask(triton, *OTHERS[name])
    assert (ask(ours, *OTHERS[name]) == theirs) is (name not in DIFFERENT), theirs


def test_a_stream(triton: Any, ours: Any) -> None:
    def answers(channel: Any) -> list[Any]:
        fields = [{"model_name": "simple", **INFER[name]} for name in STREAM]
        raws = [message_class("ModelInferRequest")(**one).SerializeToString() for one in fields]
        received = channel.stream_stream(SERVICE + "ModelStreamInfer")(iter(raws), timeout=60)
        return [message_class("ModelStreamInferResponse").FromString(raw) for raw in received]

    # Triton runs what is sent together side by side; an error that is found early may overtake an answer.
    def in_order(messages: list[Any]) -> list[bytes]:
        return sorted(message.SerializeToString(deterministic=True) for message in messages)

    assert in_order(answers(ours)) == in_order(answers(triton))


def test_health(triton: Any, ours: Any) -> None:
    assert ours.unary_unary(HEALTH)(b"", timeout=60) == triton.unary_unary(HEALTH)(b"", timeout=60)


def test_the_page_has_every_difference() -> None:
    page = " ".join(PAGE.read_text().split())
    assert [sentence for sentence in DIFFERENT.values() if sentence not in page] == []
