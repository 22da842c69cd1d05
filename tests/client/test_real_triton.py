"""Both clients against NVIDIA's own server, where `make test-triton` has set it up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from naiad.client import AsyncClient, Client
from naiad.core import errors

CONFIG = """
backend: "python"
max_batch_size: 8
input [{ name: "text" data_type: TYPE_STRING dims: [1] }, { name: "row" data_type: TYPE_INT32 dims: [4] }]
output [{ name: "loud" data_type: TYPE_STRING dims: [1] }, { name: "double" data_type: TYPE_INT32 dims: [4] }]
"""
MODEL = """
import numpy
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        text = triton.get_input_tensor_by_name(request, "text").as_numpy()
        row = triton.get_input_tensor_by_name(request, "row").as_numpy()
        loud = numpy.array([one.upper() for one in text.ravel()], dtype=object).reshape(text.shape)
        return triton.InferenceResponse([triton.Tensor("loud", loud), triton.Tensor("double", row * 2)])
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("triton")
    version = folder / "models" / "loud" / "1"
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text(CONFIG)
    (version / "model.py").write_text(MODEL)
    with real_triton(folder / "models", folder / "log") as triton:
        yield "{}:{}".format(*triton.http)


def test_infer(address: str) -> None:
    with Client(address) as client:
        model = client.model("loud")
        one = model(text="grüß\0", row=[1, 2, 3, 4])
        assert (one.loud.tolist(), one.double.tolist()) == (["grüß\0".encode().upper().decode()], [2, 4, 6, 8])
        two = model(["a", ""], np.arange(8).reshape(2, 4))
        assert (two.loud.tolist(), two.double.shape) == ([["A"], [""]], (2, 4))


def test_infer_async(address: str) -> None:
    async def run() -> list[Any]:
        async with AsyncClient(address) as client:
            model = client.model("loud")
            await model.metadata()
            results = await asyncio.gather(*(model(str(number), [number] * 4) for number in range(20)))
            return [int(result.double[0]) for result in results]

    assert asyncio.run(run()) == [2 * number for number in range(20)]


def test_what_it_says_of_itself(address: str) -> None:
    with Client(address) as client:
        assert (client.is_live(), client.is_ready(), client.metadata().name) == (True, True, "triton")
        assert [(one.name, one.state) for one in client.index()] == [("loud", "READY")]
        assert client.model("loud").config()["max_batch_size"] == 8
        assert client.model("loud").is_ready() is True
        assert client.model("loud").statistics()["model_stats"][0]["name"] == "loud"


def test_errors(address: str) -> None:
    with Client(address) as client:
        with pytest.raises(errors.NotFound, match="unknown model: 'nope'"):
            client.model("nope")("x")
        with pytest.raises(errors.InvalidRequest, match="expected 2 inputs but got 1"):
            client.model("loud")("x")
        with pytest.raises(errors.InvalidRequest, match="batch-size must be <= 8"):
            client.model("loud")(["x"] * 9, [[1] * 4] * 9)
