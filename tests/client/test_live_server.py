"""The clients against our own server, with a real model behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from naiad.client import AsyncClient, Client
from naiad.core import errors
from naiad.testing import RunningServer

pytestmark = pytest.mark.weights


@pytest.fixture
def client(live_server: RunningServer) -> Iterator[Client]:
    with Client(live_server.address) as opened:
        yield opened


def test_text_to_embedding(client: Client) -> None:
    model = client.model("all-MiniLM-L6-v2")
    one, many = model(text="hello world"), model(["hello world", "good morning"])
    assert (one.embedding.shape, many.value.shape, one.embedding.dtype) == ((384,), (2, 384), np.float32)
    assert np.allclose(one.embedding, many.embedding[0], atol=1e-6)
    assert dict(one.parameters) == {}


def test_a_long_text_is_cut_and_the_answer_says_so(client: Client) -> None:
    assert client.model("all-MiniLM-L6-v2")("word " * 5000).parameters["truncated"] is True


def test_tensors(client: Client) -> None:
    result = client.model("simple")(np.arange(16), [1] * 16, request_id="one")
    assert (result.OUTPUT0.tolist(), result.id) == (list(range(1, 17)), "one")
    strings = client.model("simple_string").infer({"INPUT0": [str(n) for n in range(16)], "INPUT1": ["1"] * 16})
    assert strings.OUTPUT1.tolist() == [str(n) for n in range(-1, 15)]


def test_the_async_twin(live_server: RunningServer) -> None:
    async def run() -> list[Any]:
        async with AsyncClient(live_server.address) as client:
            model = client.model("all-MiniLM-L6-v2")
            return await asyncio.gather(*(model(text=f"text {n}") for n in range(20)))

    assert {result.embedding.shape for result in asyncio.run(run())} == {(384,)}


def test_what_it_says_of_itself(client: Client) -> None:
    assert (client.is_live(), client.is_ready()) == (True, True)
    assert {one.name: one.state for one in client.index()}["simple"] == "READY"
    assert [(one.name, one.shape) for one in client.model("all-MiniLM-L6-v2").metadata().inputs] == [("text", (-1,))]
    assert client.model("simple").config()["max_batch_size"] == 8
    assert client.model("simple").is_ready()
    assert client.model("simple").statistics()["model_stats"][0]["name"] == "simple"


def test_errors_are_typed(client: Client) -> None:
    with pytest.raises(errors.NotFound, match="unknown model: 'nope'"):
        client.model("nope")("x")
    with pytest.raises(errors.NotFound):
        client.model("simple", version=7)([0] * 16, [1] * 16)
    with pytest.raises(errors.InvalidRequest, match="expected 2 inputs but got 1"):
        client.model("simple")([0] * 16)
    with pytest.raises(errors.InvalidRequest, match="batch-size must be <= 8"):
        client.model("simple")([[0] * 16] * 9, [[1] * 16] * 9)
    with pytest.raises(errors.InvalidRequest, match="did you mean 'prompt_name'"):
        client.model("all-MiniLM-L6-v2")("x", parameters={"promptname": "q"})
