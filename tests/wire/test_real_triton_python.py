"""The same model.py in NVIDIA's own server and in ours: answers, and the words of errors but for their tracebacks."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from naiad.testing import running_server

from .python_models import put

MODEL = """
    import json
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            do = json.loads(requests[0].parameters()).get("do", "answer")
            return getattr(self, do)(requests)

        def answer(self, requests):
            return [self.response("y", request.inputs()[0].as_numpy() * 2) for request in requests]

        def response(self, name, data):
            return pb_utils.InferenceResponse([pb_utils.Tensor(name, data)])

        def more(self, requests):
            outputs = [pb_utils.Tensor(name, requests[0].inputs()[0].as_numpy()) for name in "zy"]
            return [pb_utils.InferenceResponse(outputs)]

        def raises(self, requests):
            raise ValueError("no")

        def raises_tritons(self, requests):
            raise pb_utils.TritonModelException("no")

        def gives_no_list(self, requests):
            return 5

        def gives_too_few(self, requests):
            return []

        def gives_another_type(self, requests):
            return ["answer"]

        def gives_no_name(self, requests):
            return [self.response("", np.ones(1, np.int32))]

        def fails(self, requests):
            return [pb_utils.InferenceResponse(error=pb_utils.TritonError("no such thing"))]

        def fails_with_outputs(self, requests):
            tensor = pb_utils.Tensor("y", np.ones(1, np.int32))
            return [pb_utils.InferenceResponse([tensor], pb_utils.TritonError("no such thing"))]

        def tells(self, requests):
            request = requests[0]
            told = [request.request_id(), request.correlation_id(), request.flags(), request.timeout(),
                    sorted(request.requested_output_names()), request.inputs()[0].name(),
                    list(request.inputs()[0].shape()),
                    request.inputs()[0].is_cpu(), request.is_cancelled(),
                    [np.dtype(pb_utils.triton_to_numpy_type(number)).name for number in range(1, 14)],
                    [pb_utils.numpy_to_triton_type(kind) for kind in (np.int8, np.float16, np.object_, np.bool_)],
                    str(pb_utils.triton_string_to_numpy("TYPE_STRING")),
                    bytes(pb_utils.serialize_byte_tensor(np.array([b"a", "b"], object))).hex(),
                    [one.decode() for one in pb_utils.deserialize_bytes_tensor(bytes.fromhex("0100000061"))]]
            return [pb_utils.InferenceResponse(error=pb_utils.TritonError(json.dumps(told, default=str)))]
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, real_triton: Callable[..., Any]) -> Iterator[list[str]]:
    """The addresses of both servers."""
    folder = tmp_path_factory.mktemp("both")
    put(folder / "models", "m", MODEL, "instance_group { kind: KIND_CPU }\n")
    with real_triton(folder / "models", folder / "log") as triton, running_server(str(folder / "models")) as running:
        yield [f"{triton.http[0]}:{triton.http[1]}", running.address]


def post(address: str, **fields: Any) -> tuple[int, Any]:
    inputs = [{"name": "x", "datatype": "INT32", "shape": [2], "data": [1, 2]}]
    body = json.dumps({"inputs": inputs, **fields}).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"http://{address}/v2/models/m/infer", body), timeout=30
        ) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def without_traceback(told: tuple[int, Any]) -> tuple[int, Any]:
    status, document = told
    return status, {key: one.partition("\n\nAt:")[0] if key == "error" else one for key, one in document.items()}


@pytest.mark.parametrize(
    "do",
    [
        "answer", "more", "raises", "raises_tritons", "gives_no_list", "gives_too_few", "gives_another_type",
        "gives_no_name", "fails", "fails_with_outputs", "tells",
    ],
)  # fmt: skip
def test_answers_are_the_same(both: list[str], do: str) -> None:
    theirs, ours = (
        without_traceback(post(one, id="r", parameters={"do": do, "sequence_id": 7, "sequence_start": True}))
        for one in both
    )
    assert ours == theirs
