"""The same requests to a decoupled model at NVIDIA's own server and at ours, where `make test-triton` has set it up."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from repeat_model import Repeat

from naiad.proto.pool import message_class
from naiad.testing import running_server

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "differences.md"
SERVICE = "/inference.GRPCInferenceService/"

PYTHON_MODEL = """
import json
import numpy
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            self.answer(request, json.loads(request.parameters()), request.get_response_sender())

    def answer(self, request, wanted, sender):
        values = triton.get_input_tensor_by_name(request, "IN").as_numpy()
        for at, value in enumerate(values):
            response = triton.InferenceResponse([triton.Tensor("OUT", numpy.array([value], numpy.int32))])
            if wanted.get("error_at") == at:
                response = triton.InferenceResponse(error=triton.TritonError("broken"))
            if wanted.get("end_with_last") and at == len(values) - 1:
                sender.send(response, flags=triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
                return
            sender.send(response)
        sender.send(flags=triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""

CONFIG = """
name: "repeat"
backend: "python"
model_transaction_policy { decoupled: true }
input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
instance_group { kind: KIND_CPU }
"""

EMPTY = {"triton_enable_empty_final_response": True}

STREAMS: dict[str, tuple[list[int], dict[str, Any], tuple[tuple[str, str], ...]]] = {
    "three": ([1, 2, 3], {}, ()),
    "none": ([], {}, ()),
    "three and the end": ([1, 2, 3], EMPTY, ()),
    "none and the end": ([], EMPTY, ()),
    "the end not wanted": ([1], {"triton_enable_empty_final_response": False}, ()),
    "the end with the last": ([1, 2], {"end_with_last": True}, ()),
    "the end with the last, and wanted": ([1, 2], {"end_with_last": True, **EMPTY}, ()),
    "an error between": ([1, 2, 3], {"error_at": 1}, ()),
    "an error between, and the end": ([1, 2, 3], {"error_at": 1, **EMPTY}, ()),
    "an error at the end": ([1, 2], {"error_at": 1, "end_with_last": True}, ()),
    "another word for true": ([1, 2], {"error_at": 0}, (("triton_grpc_error", "True"),)),
}
"""Values, parameters, metadata. Not here: `triton_grpc_error: true`, at which the real server (2.51) sometimes dies."""

POSTS: dict[str, tuple[str, Any]] = {
    "infer": ("infer", {"inputs": [{"name": "IN", "datatype": "INT32", "shape": [1], "data": [1]}]}),
    "infer nonsense": ("infer", {"inputs": 5}),
    "infer another version": ("versions/9/infer", {}),
    "generate one": ("generate", {"IN": 5}),
    "generate one and the end": ("generate", {"IN": [5], "end_with_last": True}),
    "generate two": ("generate", {"IN": [5, 6]}),
    "generate none": ("generate", {"IN": []}),
    "generate an error": ("generate", {"IN": 5, "error_at": 0}),
    "a stream of two": ("generate_stream", {"IN": [5, 6]}),
    "a stream of none": ("generate_stream", {"IN": []}),
    "a stream with an error": ("generate_stream", {"IN": [5, 6, 7], "error_at": 1}),
    "a stream that begins with an error": ("generate_stream", {"IN": [5], "error_at": 0}),
}

STATUS_DIFFERS = {
    "generate two": "`generate` fails with 500 unless there is exactly one answer.",
    "generate none": "`generate` fails with 500 unless there is exactly one answer.",
    "generate an error": "A model's error has the same status over `generate` as over `infer`.",
    "a stream that begins with an error": "A model's error has the same status over `generate` as over `infer`.",
}
"""Requests whose words are equal and whose status is not, and the sentence of the page that says so."""


class Both:
    """A port of HTTP and a channel of gRPC for each server."""

    def __init__(self, theirs: tuple[str, Any], ours: tuple[str, Any]) -> None:
        self.servers = (theirs, ours)

    def post(self, path: str, document: Any) -> list[tuple[int, Any]]:
        return [post(f"http://{address}/v2/models/repeat/{path}", document) for address, _ in self.servers]

    def stream(self, raw: bytes, metadata: Any) -> list[list[Any]]:
        return [stream(channel, raw, metadata) for _, channel in self.servers]


def post(url: str, document: Any) -> tuple[int, Any]:
    """Status, and the body as JSON values, whatever the order of its keys."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(document).encode()), timeout=60) as answer:
            status, body = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read().decode()
    return status, [json.loads(line.removeprefix("data: ")) for line in body.split("\n\n") if line]


def stream(channel: Any, raw: bytes, metadata: Any) -> list[Any]:
    """Every message, and the status if it is not OK."""
    told: list[Any] = []
    call = channel.stream_stream(SERVICE + "ModelStreamInfer")(iter([raw]), timeout=60, metadata=metadata)
    try:
        told.extend(message_class("ModelStreamInferResponse").FromString(one) for one in call)
    except grpc.RpcError as error:
        told.append((error.code().name, error.details()))
    return told


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[Both]:
    repository = tmp_path_factory.mktemp("triton") / "models"
    (repository / "repeat" / "1").mkdir(parents=True)
    (repository / "repeat" / "config.pbtxt").write_text(CONFIG)
    (repository / "repeat" / "1" / "model.py").write_text(PYTHON_MODEL)
    with ExitStack() as stack:
        triton = stack.enter_context(real_triton(repository, repository.parent / "log"))
        theirs = stack.enter_context(grpc.insecure_channel(triton.grpc))
        running = stack.enter_context(running_server())

        async def add() -> None:
            running.server.engine.catalog.add(Repeat())

        running.run(add)
        ours = stack.enter_context(grpc.insecure_channel(running.grpc_address))
        yield Both(("{}:{}".format(*triton.http), theirs), (running.address, ours))


@pytest.mark.parametrize("name", STREAMS)
def test_streams(both: Both, name: str) -> None:
    values, parameters, metadata = STREAMS[name]
    made = message_class("ModelInferRequest")(model_name="repeat", id="a")
    made.inputs.add(name="IN", datatype="INT32", shape=[len(values)], contents={"int_contents": values})
    for key, value in parameters.items():
        setattr(made.parameters[key], "bool_param" if isinstance(value, bool) else "int64_param", value)
    theirs, ours = both.stream(made.SerializeToString(), metadata)
    assert ours == theirs


@pytest.mark.parametrize("name", POSTS)
def test_posts(both: Both, name: str) -> None:
    theirs, ours = both.post(*POSTS[name])
    assert ours[1] == theirs[1]
    assert (ours[0] == theirs[0]) is (name not in STATUS_DIFFERS), (ours[0], theirs[0])


def test_the_page_has_every_difference() -> None:
    page = " ".join(PAGE.read_text().split())
    assert {sentence for sentence in STATUS_DIFFERS.values() if sentence not in page} == set()
