"""PyTriton's clients against a server, over both protocols."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import numpy as np
import pytest

from naiad.compat.pytriton.client import (
    AsyncioDecoupledModelClient,
    AsyncioModelClient,
    DecoupledModelClient,
    FuturesModelClient,
    ModelClient,
)
from naiad.compat.pytriton.client.exceptions import (
    PyTritonClientClosedError,
    PyTritonClientInferenceServerError,
    PyTritonClientInvalidUrlError,
    PyTritonClientModelDoesntSupportBatchingError,
    PyTritonClientQueueFullError,
    PyTritonClientTimeoutError,
    PyTritonClientValueError,
)
from naiad.compat.pytriton.client.links import TritonUrl
from naiad.compat.pytriton.model_config import ModelConfig

from .conftest import Running, X, Y

A, B = np.array([1, 2], np.float32), np.array([3, 5], np.float32)


@pytest.fixture(params=["http", "grpc"])
def url(request: pytest.FixtureRequest, running: Running) -> str:
    return str(getattr(running, request.param))


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: array.tolist() for name, array in answer.items()}


def test_samples_and_batches_by_position_and_by_name(url: str) -> None:
    with ModelClient(url, "AddSub") as client:
        assert plain(client.infer_sample(A, B)) == {"add": [4.0, 7.0], "sub": [-2.0, -3.0]}
        assert plain(client.infer_sample(INPUT_1=A, INPUT_2=B)) == {"add": [4.0, 7.0], "sub": [-2.0, -3.0]}
        assert plain(client.infer_batch(A[None], B[None])) == {"add": [[4.0, 7.0]], "sub": [[-2.0, -3.0]]}
        assert (client.is_batching_supported, client.model_config.max_batch_size) == (True, 128)
        assert [tensor.name for tensor in client.model_config.inputs] == ["INPUT_1", "INPUT_2"]
        assert client.model_config.outputs[0].shape == (-1,)


def test_a_model_without_a_batch_dimension(url: str) -> None:
    with ModelClient(url, "Total", "1", lazy_init=False) as client:
        assert plain(client.infer_sample(A)) == {"y": [3.0]}
        with pytest.raises(PyTritonClientModelDoesntSupportBatchingError, match="use infer_sample"):
            client.infer_batch(A)


def test_strings_arrive_whole(url: str) -> None:
    with ModelClient(url, "Shout") as client:
        assert client.infer_sample(np.array(["süden".encode()], np.object_))["loud"].tolist() == ["SÜDEN".encode()]
        assert client.infer_sample(np.array(["süden"]))["loud"].tolist() == ["SÜDEN".encode()]


def test_parameters_and_headers(url: str) -> None:
    with ModelClient(url, "AddSub") as client:
        assert client.infer_sample(A, B, parameters={"k": 1, "s": "t"}, headers={"X-Trace": "7"})
        for parameters in (["k"], {"k": 1.5}, {1: "k"}):
            with pytest.raises(PyTritonClientValueError):
                client.infer_sample(A, B, parameters=parameters)  # type: ignore[arg-type]


def test_what_cannot_be_asked(url: str, running: Running) -> None:
    with ModelClient(url, "AddSub") as client:
        with pytest.raises(PyTritonClientValueError, match="Provide input data"):
            client.infer_sample()
        with pytest.raises(PyTritonClientValueError, match="positional either keyword"):
            client.infer_sample(A, INPUT_2=B)
        with pytest.raises(PyTritonClientValueError, match="not a numpy array"):
            client.infer_batch([1.0], [2.0])  # type: ignore[arg-type]
        with pytest.raises(PyTritonClientValueError, match="takes 2 inputs, got 3"):
            client.infer_sample(A, B, A)
        with pytest.raises(PyTritonClientInferenceServerError, match="data-type is 'FP64'"):
            client.infer_sample(A.astype(np.float64), B)
    with ModelClient(url, "Countdown") as client, pytest.raises(PyTritonClientInferenceServerError, match="Decoupled"):
        client.infer_sample(A)
    with (
        DecoupledModelClient(running.grpc, "AddSub") as client,
        pytest.raises(PyTritonClientInferenceServerError, match="Use ModelClient"),
    ):
        client.infer_sample(A, B)


def test_an_error_of_the_function_comes_without_its_traceback(url: str) -> None:
    with ModelClient(url, "Broken") as client:
        with pytest.raises(PyTritonClientInferenceServerError, match="ValueError: no such luck") as caught:
            client.infer_sample(A)
        assert "Traceback" not in str(caught.value)


def test_a_model_that_does_not_come_in_time(url: str) -> None:
    with (
        ModelClient(url, "Missing", init_timeout_s=0.2) as client,
        pytest.raises(PyTritonClientTimeoutError, match=r"model Missing/<latest> .* timed out"),
    ):
        client.infer_sample(A)
    with pytest.raises(PyTritonClientTimeoutError):
        ModelClient(url, "Missing", lazy_init=False, init_timeout_s=0.2)


def test_a_server_that_is_not_there() -> None:
    for address in ("http://127.0.0.1:1", "grpc://127.0.0.1:1"):
        with ModelClient(address, "AddSub") as client, pytest.raises(PyTritonClientTimeoutError, match="the server"):
            client.wait_for_server(0.2)


def test_a_closed_client(url: str) -> None:
    client = ModelClient(url, "AddSub")
    client.infer_sample(A, B)
    client.close()
    client.close()
    with pytest.raises(PyTritonClientClosedError):
        client.infer_sample(A, B)


def test_a_client_of_an_existing_one_asks_nothing_again(url: str) -> None:
    with ModelClient(url, "AddSub") as first:
        first.infer_sample(A, B)
        with ModelClient.from_existing_client(first) as second:
            assert second._config is first._config
            assert plain(second.infer_sample(A, B))["add"] == [4.0, 7.0]


def test_restricted_requests_need_the_token(running: Running, url: str) -> None:
    token = running.triton.get_access_token()
    with ModelClient(url, "AddSub", access_token=token) as client:
        client.unload_model()
        client.load_model()
        assert client.infer_sample(A, B)
    with ModelClient(url, "AddSub") as client, pytest.raises(PyTritonClientInferenceServerError, match="restricted"):
        client.unload_model()


def test_decoupled(running: Running) -> None:
    with DecoupledModelClient(running.grpc, "Countdown") as client:
        three = np.array([3], np.float32)
        assert [plain(one) for one in client.infer_sample(three)] == [{"y": [3.0]}, {"y": [2.0]}, {"y": [1.0]}]
        assert plain(list(client.infer_batch(three[None]))[2]) == {"y": [[1.0]]}
        under_way = client.infer_sample(three)
        next(under_way)
        with pytest.raises(PyTritonClientInferenceServerError, match="already in progress"):
            client.infer_sample(three)
        under_way.close()
        assert len(list(client.infer_sample(three))) == 3
    with pytest.raises(PyTritonClientValueError, match="only supported for grpc"):
        DecoupledModelClient(running.http, "Countdown")


def test_asyncio(url: str) -> None:
    async def run() -> list[Any]:
        async with AsyncioModelClient(url, "AddSub", lazy_init=False) as client:
            answers = await asyncio.gather(*(client.infer_sample(A + number, B) for number in range(20)))
            assert (await client.model_config).batching
            copy = AsyncioModelClient.from_existing_client(client)
            answers.append(await copy.infer_sample(A, B))
            await copy.close()
            batch = await client.infer_batch(A[None], B[None])
            with pytest.raises(PyTritonClientValueError, match="Provide input data"):
                await client.infer_sample()
        with pytest.raises(PyTritonClientClosedError):
            await client.infer_sample(A, B)
        return [*(answer["add"].tolist() for answer in answers), batch["add"].tolist()]

    found = asyncio.run(run())
    assert found == [*([4.0 + number, 7.0 + number] for number in range(20)), [4.0, 7.0], [[4.0, 7.0]]]


def test_asyncio_waits_no_longer_than_it_was_told(url: str) -> None:
    async def run() -> None:
        async with AsyncioModelClient(url, "Missing", init_timeout_s=0.2) as client:
            await client.infer_sample(A)

    with pytest.raises(PyTritonClientTimeoutError, match="Missing"):
        asyncio.run(run())


def test_asyncio_decoupled(running: Running) -> None:
    async def run() -> list[Any]:
        async with AsyncioDecoupledModelClient(running.grpc, "Countdown") as client:
            return [plain(one) async for one in client.infer_sample(np.array([2], np.float32))]

    assert asyncio.run(run()) == [{"y": [2.0]}, {"y": [1.0]}]
    with pytest.raises(PyTritonClientValueError, match="only supported for grpc"):
        AsyncioDecoupledModelClient(running.http, "Countdown")


def test_futures(url: str) -> None:
    with FuturesModelClient(url, "AddSub", max_workers=4) as client:
        client.wait_for_model(30).result(30)
        answers = [client.infer_sample(A + number, B) for number in range(20)]
        assert [one.result(30)["add"].tolist() for one in answers] == [[4.0 + n, 7.0 + n] for n in range(20)]
        assert client.infer_batch(A[None], B[None]).result(30)["add"].tolist() == [[4.0, 7.0]]
        assert client.model_config().result(30).max_batch_size == 128
    with pytest.raises(PyTritonClientClosedError):
        client.infer_sample(A, B)
    for options in ({"max_workers": 0}, {"max_queue_size": 0}):
        with pytest.raises(ValueError, match="must be greater than 0"):
            FuturesModelClient(url, "AddSub", **options)  # type: ignore[arg-type]


def test_futures_that_find_no_room(running: Running) -> None:
    gate, begun = threading.Event(), threading.Event()

    def held(*_: Any, **__: Any) -> None:
        begun.set()
        gate.wait(30)

    client = FuturesModelClient(running.grpc, "AddSub", max_workers=1, max_queue_size=1, non_blocking=True)
    client._client.infer_sample = held  # type: ignore[assignment]
    first = client.infer_sample(A, B)
    assert begun.wait(30)
    second = client.infer_sample(A, B)
    with pytest.raises(PyTritonClientQueueFullError):
        client.infer_sample(A, B)
    gate.set()
    first.result(30)
    second.result(30)
    client.close()


def test_an_answer_that_takes_too_long(running: Running) -> None:
    def slow(requests: Any) -> Any:
        time.sleep(0.5)
        return [{"y": request["x"]} for request in requests]

    running.triton.bind("Slow", slow, [X], [Y])
    for address in (running.http, running.grpc):
        with ModelClient(address, "Slow", inference_timeout_s=0.05) as client:
            client.wait_for_model(10)
            with pytest.raises(PyTritonClientTimeoutError):
                client.infer_sample(A)


def test_a_stream_may_take_longer_than_one_answer_but_not_keep_silent(running: Running) -> None:
    """The limit counts between two answers."""

    def slow(requests: Any) -> Any:
        for _ in range(10):
            time.sleep(0.06)
            yield [{"y": request["x"]} for request in requests]
        time.sleep(0.8 if requests[0]["x"][0, 0] < 0 else 0)

    running.triton.bind("SlowStream", slow, [X], [Y], config=ModelConfig(decoupled=True))
    with DecoupledModelClient(running.grpc, "SlowStream", inference_timeout_s=0.5) as client:
        assert len(list(client.infer_sample(A))) == 10
        with pytest.raises(PyTritonClientTimeoutError, match="nothing came for"):
            list(client.infer_sample(-A))
    began_s = time.monotonic()

    async def leave() -> None:
        async with AsyncioDecoupledModelClient(running.grpc, "SlowStream") as client:
            async for _ in client.infer_sample(A):
                break

    asyncio.run(leave())
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("localhost", "http://localhost:8000"),
        ("localhost:9", "http://localhost:9"),
        ("grpc://10.0.0.1", "grpc://10.0.0.1:8001"),
        ("http://[::1]:8", "http://[::1]:8"),
    ],
)
def test_urls(given: str, meant: str) -> None:
    assert TritonUrl.from_url(given).with_scheme == meant


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host:x", "http://host/path"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(PyTritonClientInvalidUrlError):
        ModelClient(url, "m")
