"""trism's names against a server, ours or NVIDIA's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from numpy.typing import NDArray

import naiad
from naiad.compat.trism import Inout, TritonLMModel, TritonModel
from naiad.core.errors import InvalidRequest, ModelFailed, NotFound
from naiad.functions import Tensor, batch, sample

PIECES = ["<think>", "so", "</th", "ink>gr", "üß", " 水"]


@batch
def echo(
    text: str, number: Annotated[NDArray[np.int32], (2,)], half: Annotated[Any, Tensor((2,), "BF16")] = None
) -> tuple[str, Annotated[NDArray[np.int32], (2,)], Annotated[Any, Tensor((2,), "BF16")]]:
    half = np.zeros((len(text), 2), np.float32) if half is None else half
    return text, number * 2, half  # type: ignore[return-value]


@sample
def talk(text_input: str, stream: bool, sampling_parameters: str, exclude_input_in_output: bool) -> Any:
    told = json.loads(sampling_parameters[0])
    assert (bool(stream[0]), bool(exclude_input_in_output[0])) == (True, True)  # type: ignore[index]
    if told.get("fail"):
        yield {"text_output": np.array([b"one"], np.object_)}
        raise ValueError("out of memory")
    for piece in [*PIECES, "", text_input[0].decode()]:  # type: ignore[attr-defined]
        yield {"text_output": np.array([piece.encode()], np.object_)}


@batch
def parrot(text_input: str) -> Any:
    return {"text_output": text_input}


@pytest.fixture(scope="module")
def server() -> Iterator[naiad.Server]:
    with naiad.Server(http_port=0, grpc_port=0) as running:
        text = [Tensor((1,), bytes, "text_output")]
        running.bind("echo", echo)
        running.bind("talk", talk, outputs=text)
        running.bind("parrot", parrot, outputs=text, decoupled=True)
        yield running


@pytest.fixture(params=[True, False], ids=["grpc", "http"])
def model(request: pytest.FixtureRequest, server: naiad.Server) -> Iterator[TritonModel]:
    with TritonModel("echo", 0, server.grpc_address if request.param else server.http_address, request.param) as made:
        yield made


def test_what_a_model_says_of_itself(model: TritonModel) -> None:
    assert (model.model, model.version) == ("echo", 0)
    assert model.inputs == [
        Inout("text", (-1, 1), np.object_),
        Inout("number", (-1, 2), np.int32),
        Inout("half", (-1, 2), np.float32),
    ]
    assert [one.name for one in model.outputs] == ["OUTPUT_1", "OUTPUT_2", "OUTPUT_3"]


@pytest.mark.parametrize("text", ["grüß 水", "a\0b", "end\0\0", "", "🔄"])
def test_strings_numbers_and_halves_come_back_whole(model: TritonModel, text: str) -> None:
    for given in (np.array([[text]], np.object_), np.array([[text.encode()]], np.object_), [[text]]):
        found = model.run([given, np.array([[1.9, -2.0]]), np.array([[0.5, 3.0]])])
        assert found["OUTPUT_1"].tolist() == [[text.encode()]]
        assert found["OUTPUT_2"].tolist() == [[2, -4]], "cast as astype does"
        assert (found["OUTPUT_3"].dtype, found["OUTPUT_3"].tolist()) == (np.float32, [[0.5, 3.0]])


def test_an_optional_input_may_be_left_out(model: TritonModel) -> None:
    for data in ([["x"]], [[1, 2]]), ([["x"]], [[1, 2]], None):
        assert model.run(list(data))["OUTPUT_3"].tolist() == [[0.0, 0.0]]


def test_what_goes_wrong_is_raised(model: TritonModel, server: naiad.Server) -> None:
    with pytest.raises(InvalidRequest, match="takes 3 inputs, got 4"):
        model.run([1, 2, 3, 4])
    with pytest.raises(InvalidRequest, match="number"):
        model.run([[["x"]], [[1, 2, 3]]])
    with pytest.raises(NotFound):
        TritonModel("nothing", 1, server.grpc_address)
    with pytest.raises(NotFound):
        TritonModel("echo", 7, server.http_address, grpc=False)


def said(server: naiad.Server, name: str, *args: Any, **options: Any) -> list[str]:
    async def run() -> list[str]:
        async with TritonLMModel(name, url=server.grpc_address) as model:
            return [piece async for piece in model.run(*args, **options)]

    return asyncio.run(run())


def test_text_comes_piece_by_piece(server: naiad.Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(server, "talk", "über") == [*PIECES, "über"]
    assert said(server, "talk", "über", {}, show_thinking=False) == ["gr", "üß", " 水", "über"]
    assert said(server, "parrot", "a\0") == ["a\0"]
    assert capsys.readouterr().out == ""


def test_an_error_of_a_stream_is_raised(server: naiad.Server) -> None:
    with pytest.raises(ModelFailed, match="out of memory"):
        said(server, "talk", "x", {"fail": True})
    with pytest.raises(InvalidRequest, match="no input 'text_input'; it has half, number, text"):
        said(server, "echo", "x")
    with pytest.raises(NotFound):
        said(server, "nothing", "x")


CONFIG = """
backend: "python"
max_batch_size: 8
input [{ name: "text" data_type: TYPE_STRING dims: [1] }, { name: "row" data_type: TYPE_INT32 dims: [4] }]
output [{ name: "same" data_type: TYPE_STRING dims: [1] }, { name: "double" data_type: TYPE_INT32 dims: [4] }]
"""
MODEL = """
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        text = triton.get_input_tensor_by_name(request, "text").as_numpy()
        row = triton.get_input_tensor_by_name(request, "row").as_numpy()
        return triton.InferenceResponse([triton.Tensor("same", text), triton.Tensor("double", row * 2)])
"""
TALKING = """
backend: "python"
model_transaction_policy { decoupled: true }
input [{ name: "text_input" data_type: TYPE_STRING dims: [1] }]
output [{ name: "text_output" data_type: TYPE_STRING dims: [1] }]
"""
TALKER = """
import numpy
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            text = triton.get_input_tensor_by_name(request, "text_input").as_numpy()[0].decode()
            sender = request.get_response_sender()
            for piece in text.split():
                made = numpy.array([piece.encode()], numpy.object_)
                sender.send(triton.InferenceResponse([triton.Tensor("text_output", made)]))
            sender.send(flags=triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""


def test_against_the_real_triton(tmp_path: Path, real_triton: Any) -> None:
    for name, config, code in (("echo", CONFIG, MODEL), ("talk", TALKING, TALKER)):
        version = tmp_path / "models" / name / "1"
        version.mkdir(parents=True)
        (version.parent / "config.pbtxt").write_text(config)
        (version / "model.py").write_text(code)

    async def talk(address: str) -> list[str]:
        async with TritonLMModel("talk", url=address) as model:
            return [piece async for piece in model.run("größer als 水")]

    with real_triton(tmp_path / "models", tmp_path / "log") as triton:
        grpc = triton.grpc
        for address, is_grpc in ((grpc, True), ("{}:{}".format(*triton.http), False)):
            with TritonModel("echo", 1, address, is_grpc) as model:
                found = model.run([[["grüß\0"]], [[1, 2, 3, 4]]])
                assert found["same"].tolist() == [["grüß\0".encode()]]
                assert found["double"].tolist() == [[2, 4, 6, 8]]
        assert asyncio.run(talk(grpc)) == ["größer", "als", "水"]
