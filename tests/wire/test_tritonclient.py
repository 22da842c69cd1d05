"""Triton's own Python client against our server: what it sends and expects is the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from naiad.testing import RunningServer

http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed (requirements/dev.txt)")
aio = pytest.importorskip("tritonclient.http.aio", reason="tritonclient[http] is not installed (requirements/dev.txt)")
utils = pytest.importorskip("tritonclient.utils", reason="tritonclient is not installed (requirements/dev.txt)")


pytestmark = pytest.mark.weights

TEXTS = ["hello world", "", "Größe 水\0"]


@pytest.fixture
def client(live_server: RunningServer) -> Iterator[Any]:
    with http.InferenceServerClient(live_server.address) as opened:
        yield opened


def numbers(module: Any, *, binary: bool) -> list[Any]:
    inputs = [module.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
    inputs[0].set_data_from_numpy(np.arange(16, dtype=np.int32)[None], binary_data=binary)
    inputs[1].set_data_from_numpy(np.ones((1, 16), np.int32), binary_data=binary)
    return inputs


def strings(module: Any, *, binary: bool) -> list[Any]:
    inputs = [module.InferInput(name, [1, 16], "BYTES") for name in ("INPUT0", "INPUT1")]
    inputs[0].set_data_from_numpy(np.array([[str(n).encode() for n in range(16)]], object), binary_data=binary)
    inputs[1].set_data_from_numpy(np.array([[b"1"] * 16], object), binary_data=binary)
    return inputs


def texts(module: Any, *, binary: bool) -> list[Any]:
    inputs = [module.InferInput("text", [len(TEXTS)], "BYTES")]
    inputs[0].set_data_from_numpy(np.array([text.encode() for text in TEXTS], object), binary_data=binary)
    return inputs


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_simple(client: Any, binary_in: bool, binary_out: bool) -> None:
    outputs = [http.InferRequestedOutput(name, binary_data=binary_out) for name in ("OUTPUT0", "OUTPUT1")]
    result = client.infer("simple", numbers(http, binary=binary_in), outputs=outputs, request_id="one")
    assert result.as_numpy("OUTPUT0").tolist() == [list(range(1, 17))]
    assert result.as_numpy("OUTPUT1").tolist() == [list(range(-1, 15))]
    assert result.get_response()["id"] == "one"


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_simple_compressed_both_ways(client: Any, algorithm: str) -> None:
    result = client.infer(
        "simple",
        numbers(http, binary=True),
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    assert result.as_numpy("OUTPUT0").tolist() == [list(range(1, 17))]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_simple_string(client: Any, binary_in: bool, binary_out: bool) -> None:
    outputs = [http.InferRequestedOutput(name, binary_data=binary_out) for name in ("OUTPUT0", "OUTPUT1")]
    result = client.infer("simple_string", strings(http, binary=binary_in), outputs=outputs)
    assert [int(value) for value in result.as_numpy("OUTPUT0").ravel()] == list(range(1, 17))
    assert [int(value) for value in result.as_numpy("OUTPUT1").ravel()] == list(range(-1, 15))


@pytest.mark.parametrize("binary", [True, False])
def test_minilm(client: Any, binary: bool) -> None:
    embedding = client.infer("all-MiniLM-L6-v2", texts(http, binary=binary)).as_numpy("embedding")
    assert (embedding.shape, embedding.dtype) == ((3, 384), np.float32)
    assert np.allclose(np.linalg.norm(embedding, axis=1), 1.0, atol=1e-5)


def test_async_infer(client: Any) -> None:
    """The sync client's own way to have several requests under way."""
    waiting = [client.async_infer("simple", numbers(http, binary=True)) for _ in range(8)]
    assert all(one.get_result().as_numpy("OUTPUT0").tolist() == [list(range(1, 17))] for one in waiting)


def test_the_asyncio_client(live_server: RunningServer) -> None:
    async def run() -> list[Any]:
        async with aio.InferenceServerClient(live_server.address) as opened:
            results = await asyncio.gather(
                opened.infer("simple", numbers(aio, binary=True)),
                opened.infer("simple_string", strings(aio, binary=True)),
                opened.infer("all-MiniLM-L6-v2", texts(aio, binary=True)),
            )
            return [results[0].as_numpy("OUTPUT0"), results[1].as_numpy("OUTPUT0"), results[2].as_numpy("embedding")]

    added, joined, embedding = asyncio.run(run())
    assert added.tolist() == [list(range(1, 17))]
    assert [int(value) for value in joined.ravel()] == list(range(1, 17))
    assert embedding.shape == (3, 384)


def test_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("simple")
    assert not client.is_model_ready("nope")
    assert client.get_server_metadata()["name"] == "triton"
    metadata = client.get_model_metadata("simple")
    assert (metadata["name"], metadata["versions"]) == ("simple", ["1"])
    assert metadata["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]}
    assert client.get_model_config("simple")["max_batch_size"] == 8


def test_index_and_statistics(client: Any) -> None:
    ready = {row["name"] for row in client.get_model_repository_index() if row["state"] == "READY"}
    assert {"simple", "simple_string", "all-MiniLM-L6-v2"} <= ready
    before = success_count(client)
    client.infer("simple", numbers(http, binary=True))
    assert success_count(client) == before + 1


def success_count(client: Any) -> int:
    (row,) = client.get_inference_statistics("simple")["model_stats"]
    return int(row["inference_stats"]["success"]["count"])


@pytest.mark.parametrize(
    ("model", "status", "words"),
    [("nope", "404", "unknown model: 'nope'"), ("simple_string", "400", "data-type is 'INT32'")],
)
def test_errors_arrive_as_its_exception(client: Any, model: str, status: str, words: str) -> None:
    with pytest.raises(utils.InferenceServerException, match=words) as caught:
        client.infer(model, numbers(http, binary=True))
    assert caught.value.status() == status
