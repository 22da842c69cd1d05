"""Answers that come one by one, through both clients, from a model that gives as many as it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import naiad
from naiad.client.calls import Options
from naiad.client.events import Events, stream
from naiad.client.metadata import ModelMetadata, TensorMetadata
from naiad.core import errors
from naiad.testing import RunningServer, running_server

CONFIG = """
backend: "square"
max_batch_size: 8
input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
model_transaction_policy { decoupled: true }
"""
FAILS = CONFIG + 'parameters { key: "CUSTOM_FAIL_COUNT" value { string_value: "1" } }\n'

Ask = Callable[..., list[Any]]


def ask_sync(server: RunningServer, *given: Any, **options: Any) -> list[Any]:
    with naiad.Client(server.address) as client:
        return list(client.stream(*given, **options))


def ask_async(server: RunningServer, *given: Any, **options: Any) -> list[Any]:
    async def run() -> list[Any]:
        async with naiad.AsyncClient(server.address) as client:
            return [result async for result in client.stream(*given, **options)]

    return asyncio.run(run())


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param


@pytest.fixture(scope="module")
def square(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    repository = tmp_path_factory.mktemp("models")
    for name, config in {"square": CONFIG, "fails": FAILS}.items():
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "config.pbtxt").write_text(config)
    with running_server(str(repository)) as running:
        yield running


def test_answers_come_one_by_one(ask: Ask, square: RunningServer) -> None:
    results = ask(square, "square", {"IN": [3]}, request_id="a", parameters={"seen": True})
    assert [(result.OUT.tolist(), result.OUT.dtype, result.id) for result in results] == [([[3]], np.int32, "a")] * 3
    assert {(result.model_name, result.model_version) for result in results} == {("square", "1")}
    assert ask(square, "square", {"IN": [0]}) == []


def test_an_error_is_raised_when_it_comes(square: RunningServer) -> None:
    with naiad.Client(square.address) as client:
        answers = client.stream("fails", {"IN": [2]})
        assert next(answers).OUT.tolist() == [[2]]
        with pytest.raises(errors.Failed, match="simulated failure"):
            next(answers)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (("nope", {"IN": [1]}), errors.NotFound, "unknown model: 'nope'"),
        (("square", {"X": [1]}), errors.InvalidRequest, "has no input 'X'"),
        (("square", {"IN": [-1]}), errors.InvalidRequest, "IN must be from 0 to 10000, it is -1"),
        (("fails", {"IN": [1]}), errors.Failed, "simulated failure"),
    ],
)
def test_a_stream_that_does_not_begin_is_an_error(
    ask: Ask, square: RunningServer, given: Any, error: Any, words: str
) -> None:
    with pytest.raises(error, match=words):
        ask(square, *given)


def ask_for(shape: tuple[int, ...], value: Any, datatype: str = "INT32") -> Events:
    tensors = (TensorMetadata("x", datatype, shape),)
    return stream(ModelMetadata("m", ("1",), "", tensors, tensors), "/m", {"x": value}, Options())


@pytest.mark.parametrize(("shape", "value"), [((-1, 2), [[1, 2]]), ((-1,), [1, 2]), ((-1, -1), [[1, 2]])])
def test_a_tensor_whose_shape_follows_from_its_elements_can_be_sent(shape: Any, value: Any) -> None:
    assert ask_for(shape, value).content == b'{"x":[1,2],"parameters":{}}'


@pytest.mark.parametrize(
    ("shape", "value", "datatype"),
    [((-1, -1), [[1], [2]], "INT32"), ((-1,), [1.0], "BF16"), ((-1,), [b"\xff"], "BYTES")],
)
def test_what_events_cannot_carry_is_refused(shape: Any, value: Any, datatype: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"input 'x' .* use a gRPC stream"):
        ask_for(shape, value, datatype)


def test_texts_and_several_variable_dimensions_come_back() -> None:
    texts = ask_for((-1,), ["a"], "BYTES")
    event = 'data: {"model_name":"m","x":["é","b"],"tokens":2}'
    result = texts.read(event, "here")
    assert result is not None
    assert (result.x.tolist(), dict(result.parameters)) == (["é", "b"], {"tokens": 2})
    flat = ask_for((-1, -1), [[1, 2]]).read('data: {"model_name":"m","x":[1,2]}', "here")
    assert flat is not None
    assert flat.x.tolist() == [1, 2]
    assert texts.read("", "here") is None
    with pytest.raises(errors.Failed, match="does not follow the v2 protocol"):
        texts.read("data: {", "here")
