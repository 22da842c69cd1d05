"""Functions as models: bound to a server, asked in process, by Triton's clients and by our own."""

from __future__ import annotations

import asyncio
import logging
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from numpy.typing import NDArray

import naiad
from naiad.errors import (
    AlreadyExists,
    InvalidConfiguration,
    InvalidRequest,
    LoadFailed,
    ModelFailed,
    NaiadError,
    NotFound,
    NotReady,
)
from naiad.functions import Request, Tensor, batch, current_model, first_value, pad_batch, sample

X = [Tensor((-1,), np.float32, "x")]
Y = [Tensor((-1,), np.float32, "y")]


@batch
def double(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x * 2


@pytest.fixture
def server() -> Iterator[naiad.Server]:
    with naiad.Server(http_port=0, grpc_port=0, model_control_mode="explicit") as running:
        yield running


def over_http(server: naiad.Server, name: str, x: Any, **options: Any) -> Any:
    with triton_http.InferenceServerClient(server.http_address) as client:
        return client.infer(name, _inputs(triton_http, x), **options)


def over_grpc(server: naiad.Server, name: str, x: Any, **options: Any) -> Any:
    with triton_grpc.InferenceServerClient(server.grpc_address) as client:
        return client.infer(name, _inputs(triton_grpc, x), **options)


def _inputs(library: Any, x: Any) -> list[Any]:
    made = library.InferInput("x", list(x.shape), "FP32" if x.dtype == np.float32 else "BYTES")
    made.set_data_from_numpy(x)
    return [made]


@pytest.mark.parametrize("ask", [over_http, over_grpc])
def test_tritons_clients_ask_a_function(server: naiad.Server, ask: Callable[..., Any]) -> None:
    server.bind("double", double)
    answer = ask(server, "double", np.array([[1, 2], [3, 4]], np.float32))
    assert answer.as_numpy("OUTPUT_1").tolist() == [[2.0, 4.0], [6.0, 8.0]]


def test_bound_before_the_start() -> None:
    server = naiad.Server()
    server.bind("gone", double)
    server.unbind("gone")
    server.bind("double", double)
    with pytest.raises(AlreadyExists, match="version 1 is bound already"):
        server.bind("double", double)
    with server:
        assert server.infer("double", {"x": [1.0]}).OUTPUT_1.tolist() == [2.0]
        with pytest.raises(NotFound):
            server.infer("gone", {"x": [1.0]})


async def test_in_asyncio() -> None:
    async with naiad.AsyncServer() as server:
        await server.bind("double", double)
        assert (await server.infer("double", {"x": [1.0]})).value.tolist() == [2.0]
        await server.unbind("double")
        with pytest.raises(NotFound):
            await server.infer("double", {"x": [1.0]})


def test_an_undecorated_function_gets_requests(server: naiad.Server) -> None:
    seen: list[Request] = []

    def infer(requests: list[Request]) -> list[dict[str, Any]]:
        seen.extend(requests)
        return [{"y": request["x"] + 1, "z": request["x"]} for request in requests]

    server.bind("plus", infer, X, [*Y, Tensor((-1,), np.float32, "z")])
    answer = server.infer("plus", {"x": [1.0]}, request_id="r7", parameters={"k": 5}, outputs=["y"])
    assert (list(answer), answer.y.tolist()) == (["y"], [2.0])
    assert (seen[0].id, seen[0].parameters, seen[0].requested_output_names) == ("r7", {"k": 5}, ["y"])


def test_requests_share_a_batch_and_functions_know_their_model(server: naiad.Server) -> None:
    sizes: list[int] = []
    gate = threading.Event()

    @batch
    def slow(x: NDArray[np.float32]) -> NDArray[np.float32]:
        gate.wait(10)
        sizes.append(len(x))
        assert (current_model().name, current_model().max_batch_size) == ("slow", 8)
        return x

    server.bind("slow", slow, max_batch_size=8)
    with ThreadPoolExecutor(9) as pool:
        answers = [pool.submit(server.infer, "slow", {"x": [float(number)]}) for number in range(9)]
        gate.set()
        assert [answer.result(30).value.tolist() for answer in answers] == [[float(number)] for number in range(9)]
    assert sum(sizes) == 9
    assert max(sizes) <= 8
    with pytest.raises(LookupError, match="no model is being served here"):
        current_model()


def test_the_model_is_listed_described_and_counted(server: naiad.Server) -> None:
    server.bind(
        "double", double, max_batch_size=4, instances=2, config={"dynamic_batching": {"preserve_ordering": True}}
    )
    with naiad.Client(server.http_address) as client:
        assert [(entry.name, entry.state) for entry in client.index()] == [("double", "READY")]
        config = client.model("double").config()
        assert (config["backend"], config["max_batch_size"], config["instance_group"][0]["count"]) == ("function", 4, 2)
        assert config["dynamic_batching"]["preserve_ordering"] is True
        metadata = client.model("double").metadata()
        assert [(one.name, one.datatype, one.shape) for one in metadata.inputs] == [("x", "FP32", (-1, -1))]
        client.model("double")([1.0])
        assert client.model("double").statistics()["model_stats"][0]["inference_stats"]["success"]["count"] == 1


def test_load_and_unload_as_any_other_model(server: naiad.Server) -> None:
    server.bind("double", double)
    with triton_http.InferenceServerClient(server.http_address) as client:
        client.unload_model("double")
        with pytest.raises(NotFound, match="no available versions"):
            server.infer("double", {"x": [1.0]})
        client.load_model("double")
        assert server.infer("double", {"x": [1.0]}).value.tolist() == [2.0]
        with pytest.raises(Exception, match="its configuration is the program's"):
            client.load_model("double", config="{}")


def test_versions_stand_side_by_side(server: naiad.Server) -> None:
    server.bind("scale", double)
    server.bind("scale", batch(lambda x: x * 3), X, Y, version=3)
    assert server.infer("scale", {"x": [1.0]}).y.tolist() == [3.0]
    assert server.infer("scale", {"x": [1.0]}, version="1").OUTPUT_1.tolist() == [2.0]
    server.unbind("scale")
    with pytest.raises(NotFound):
        server.infer("scale", {"x": [1.0]})
    server.bind("scale", double)
    assert server.infer("scale", {"x": [1.0]}).value.tolist() == [2.0]


def test_requests_are_answered_while_functions_come_and_go(server: naiad.Server) -> None:
    """By the function that was bound when they came, or with the news that there is none."""
    over = threading.Event()

    def ask(number: int) -> list[Any]:
        found: list[Any] = []
        while not over.is_set():
            try:
                value = float(server.infer("model", {"x": [float(number)]}).y[0])
                found.append(value in (number * 2.0, number * 3.0))
            except (NotFound, NotReady):
                found.append(True)
        return found

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, number) for number in range(1, 5)]
        for turn in range(8):
            factor = np.float32(2 + turn % 2)
            server.bind("model", batch(lambda x, factor=factor: [x * factor]), X, Y)
            server.infer("model", {"x": [0.0]})
            server.unbind("model")
        over.set()
        found = [one for answers in asked for one in answers.result(30)]
    assert all(found)
    assert len(found) > 8


def test_strings_are_bytes_with_everything_in_them(server: naiad.Server) -> None:
    @batch
    def echo(x: str) -> tuple[str, str, str]:
        texts = np.array([[one.decode()] for one in x.ravel()], np.object_)  # type: ignore[attr-defined]
        return x, texts, np.array([["ä\x00b"]])  # type: ignore[return-value]

    server.bind("echo", echo)
    given = np.array([["grüß 水\x00\x00".encode()]], np.object_)
    answer = over_grpc(server, "echo", given)
    assert answer.as_numpy("OUTPUT_1").tolist() == answer.as_numpy("OUTPUT_2").tolist() == given.tolist()
    assert answer.as_numpy("OUTPUT_3").tolist() == [["ä\x00b".encode()]]


def test_bf16_comes_and_goes_as_float32(server: naiad.Server) -> None:
    @batch
    def half(x: Annotated[Any, Tensor((2,), "BF16")]) -> Annotated[Any, Tensor((2,), "BF16")]:
        assert x.dtype == np.float32
        return x / 2

    server.bind("half", half)
    assert server.infer("half", {"x": [1.0, 3.0]}).value.tolist() == [0.5, 1.5]


def test_a_function_may_use_its_own_buffer_again(server: naiad.Server) -> None:
    buffer = np.zeros((1, 1), np.float32)

    @batch
    def reusing(x: NDArray[np.float32]) -> NDArray[np.float32]:
        buffer[:] = x
        return buffer

    server.bind("reusing", reusing, max_batch_size=1)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: server.infer("reusing", {"x": [float(number)]}), range(64)))
    assert [answer.value.tolist() for answer in answers] == [[float(number)] for number in range(64)]


# kinds of functions


def streamed(server: naiad.Server, name: str, x: Any) -> list[Any]:
    """What Triton's client gets from a stream, and the error that ends it."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with triton_grpc.InferenceServerClient(server.grpc_address) as client:
        client.start_stream(lambda result, error: answers.put(error or result))
        client.async_stream_infer(name, _inputs(triton_grpc, x), enable_empty_final_response=True)
        found = []
        while True:
            answer = answers.get(timeout=30)
            if isinstance(answer, Exception):
                found.append(str(answer))
                break
            response = answer.get_response()
            if response.outputs:
                found.append(answer.as_numpy(response.outputs[0].name).tolist())
            if response.parameters["triton_final_response"].bool_param:
                break
        client.stop_stream()
    return found


@batch
def counting(x: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for number in range(int(x[0, 0])):
        yield np.full_like(x, number)


@batch
async def counting_later(x: NDArray[np.float32]) -> Any:
    for number in range(int(x[0, 0])):
        await asyncio.sleep(0)
        yield np.full_like(x, number)


@pytest.mark.parametrize("function", [counting, counting_later])
def test_a_generator_answers_any_number_of_times(server: naiad.Server, function: Any) -> None:
    server.bind("counting", function, X, Y)
    assert server.model("counting").config()["model_transaction_policy"] == {"decoupled": True}
    assert streamed(server, "counting", np.array([[3]], np.float32)) == [[[0.0]], [[1.0]], [[2.0]]]
    assert streamed(server, "counting", np.array([[0]], np.float32)) == []
    with naiad.Client(server.http_address) as client:
        assert [one.y for one in client.stream("counting", {"x": [2.0]})] == [0.0, 1.0]


@pytest.mark.parametrize("kind", ["generator", "asynchronous generator"])
def test_a_generator_that_raises_ends_its_stream_with_an_error(
    server: naiad.Server, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def steps(requests: Any) -> Any:
        yield [{"y": requests[0]["x"]}]
        raise ValueError("too far")

    async def later(requests: Any) -> Any:
        yield [{"y": requests[0]["x"]}]
        raise ValueError("too far")

    server.bind("steps", steps if kind == "generator" else later, X, Y)
    found = streamed(server, "steps", np.array([[1]], np.float32))
    assert found[0] == [[1.0]]
    assert "ValueError: too far" in found[1]
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("kind", ["generator", "asynchronous generator"])
def test_a_generator_is_closed_when_nobody_listens_any_more(server: naiad.Server, kind: str) -> None:
    closed = threading.Event()

    def endless(requests: Any) -> Any:
        try:
            while True:
                yield [{"y": requests[0]["x"]}]
                time.sleep(0.001)
        finally:
            closed.set()

    async def endless_later(requests: Any) -> Any:
        try:
            while True:
                yield [{"y": requests[0]["x"]}]
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    server.bind("endless", endless if kind == "generator" else endless_later, X, Y)
    with naiad.Client(server.http_address) as client:
        stream = client.stream("endless", {"x": [1.0]})
        assert next(stream).y == 1.0
        stream.close()  # type: ignore[attr-defined]
        assert closed.wait(30)


def test_streams_of_one_generator_go_on_together(server: naiad.Server) -> None:
    """The second begins and ends while the first is under way; no two steps run at the same time."""
    inside = threading.Lock()

    def steps(requests: Any) -> Any:
        for _ in range(int(requests[0]["x"][0, 0])):
            assert inside.acquire(blocking=False)
            inside.release()
            yield [{"y": requests[0]["x"]}]

    server.bind("steps", steps, X, Y, max_batch_size=1)
    with naiad.Client(server.http_address) as client:
        first = client.stream("steps", {"x": [1000.0]})
        next(first)
        assert len(list(client.stream("steps", {"x": [3.0]}))) == 3
        first.close()  # type: ignore[attr-defined]


def test_coroutines_wait_together(server: naiad.Server) -> None:
    """Each waits for the other; one after the other they would never end."""
    barrier: list[asyncio.Barrier] = []

    @batch
    async def meeting(x: NDArray[np.float32]) -> NDArray[np.float32]:
        if not barrier:
            barrier.append(asyncio.Barrier(4))
        await barrier[0].wait()
        return x

    server.bind("meeting", meeting, max_batch_size=1)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: server.infer("meeting", {"x": [float(number)]}), range(4)))
    assert [answer.value.tolist() for answer in answers] == [[0.0], [1.0], [2.0], [3.0]]


def test_several_functions_are_several_instances(server: naiad.Server) -> None:
    barrier = threading.Barrier(2)

    def meeting(requests: Any) -> Any:
        barrier.wait(30)
        return [{"y": request["x"]} for request in requests]

    server.bind("meeting", [meeting, lambda requests: meeting(requests)], X, Y, max_batch_size=1)
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(lambda _: server.infer("meeting", {"x": [1.0]}), range(2)))) == 2


def test_methods_and_objects_are_functions(server: naiad.Server) -> None:
    class Scale:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        @batch
        def infer(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
            return x * np.float32(self.factor)

        def __call__(self, requests: Any) -> Any:
            return [{"y": request["x"] * np.float32(self.factor)} for request in requests]

    server.bind("method", Scale(3).infer)
    server.bind("object", Scale(5), X, Y)
    assert server.infer("method", {"x": [1.0]}).value.tolist() == [3.0]
    assert server.infer("object", {"x": [1.0]}).value.tolist() == [5.0]


def test_a_sample_has_no_batch_dimension(server: naiad.Server) -> None:
    @sample
    def total(x: NDArray[np.float32]) -> Any:
        return x.sum(keepdims=True)

    server.bind("total", total, outputs=[Tensor((1,), np.float32, "sum")])
    assert over_http(server, "total", np.array([1, 2, 3], np.float32)).as_numpy("sum").tolist() == [6.0]


def test_pad_batch_works_with_batch(server: naiad.Server) -> None:
    seen: list[int] = []

    @batch
    @pad_batch
    def padded(x: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(len(x))
        return x * 2

    server.bind("padded", padded, max_batch_size=8, config={"dynamic_batching": {"preferred_batch_size": [4]}})
    answer = over_grpc(server, "padded", np.array([[1], [2], [3]], np.float32))
    assert answer.as_numpy("OUTPUT_1").tolist() == [[2.0], [4.0], [6.0]]
    assert seen == [4]


def test_what_goes_for_a_batch_is_asked_one_by_one_where_it_differs(server: naiad.Server) -> None:
    gate = threading.Event()

    @batch
    @first_value("t")
    def scaled(x: NDArray[np.float32], t: float) -> NDArray[np.float32]:
        gate.wait(10)
        return (x * t).astype(np.float32)

    server.bind("scaled", scaled, max_batch_size=8)
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(server.infer, "scaled", {"x": [1.0], "t": float(number)}) for number in range(5)]
        gate.set()
        assert [one.result(30).value.tolist() for one in asked] == [[float(number)] for number in range(5)]
    with pytest.raises(InvalidRequest, match="same value in every row"):
        server.infer("scaled", {"x": [[1.0], [2.0]], "t": [[1.0], [2.0]]})


# warm-up


def test_warm_up_runs_before_the_model_is_ready(server: naiad.Server) -> None:
    seen: list[Any] = []

    @batch
    def warmed(x: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(x.tolist())
        return x

    server.bind("warmed", warmed, instances=2, warmup=[{"x": np.ones((2, 1), np.float32)}])
    assert seen == [[[1.0], [1.0]]] * 2
    assert server.model("warmed").statistics()["model_stats"][0]["inference_count"] == 0


def test_a_model_whose_warm_up_fails_is_not_served(server: naiad.Server) -> None:
    def broken(requests: Any) -> Any:
        raise ValueError("no weights")

    with pytest.raises(LoadFailed, match=r"failed to run warmup sample .* no weights"):
        server.bind("broken", broken, X, Y, warmup=[{"x": np.ones((1, 1), np.float32)}])
    with pytest.raises(LoadFailed, match="warm-up has an input 'z'"):
        server.bind("broken", double, X, Y, warmup=[{"z": np.ones((1, 1), np.float32)}])
    server.bind("broken", double)
    assert server.infer("broken", {"x": [1.0]}).value.tolist() == [2.0]


# mistakes


def returns(value: Any) -> Callable[[Any], Any]:
    return lambda requests: value


Z = np.zeros((1, 1), np.float32)


def leaves(requests: Any) -> Any:
    sys.exit(3)


async def leaves_later(requests: Any) -> Any:
    sys.exit(3)


async def late(requests: Any) -> Any:
    return None


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (returns(None), r"returned None; a list with one dict of arrays for each request is needed"),
        (returns({"y": Z}), "returned a dict; a list"),
        (returns([]), "returned 0 results for 1 requests"),
        (returns([{"y": Z}] * 2), "returned 2 results for 1 requests"),
        (returns([None]), r"returned None for a request"),
        (returns([[Z]]), "returned a list for a request"),
        (returns([{"z": Z}]), "an output 'z'; the model has y"),
        (returns([{}]), "no output 'y', only nothing"),
        (returns([{"y": [1.0]}]), "a list for output 'y'; a numpy array is needed"),
        (returns([{"y": Z.astype(np.float64)}]), r"float64 for output 'y', which is declared as FP32; .*astype"),
        (returns([{"y": Z.astype(np.object_)}]), "object for output 'y', which is declared as FP32"),
        (returns([{"y": Z[0]}]), r"shape \[1\] for output 'y', which is declared as \[rows, -1\]"),
        (returns([{"y": np.zeros((3, 1), np.float32)}]), "3 rows of output 'y' for a request of 1"),
        (lambda requests: 1 / 0, "ZeroDivisionError: division by zero"),
        (leaves, "SystemExit: 3"),
        (leaves_later, "SystemExit: 3"),
        (late, "returned None; a list"),
    ],
)
def test_a_function_that_goes_wrong_costs_its_request_alone(
    server: naiad.Server, function: Any, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.bind("wrong", function, X, Y)
    server.bind("double", double)
    for ask in (over_http, over_grpc):
        with pytest.raises(Exception, match=error) as caught:
            ask(server, "wrong", np.ones((1, 1), np.float32))
        assert "Traceback" not in str(caught.value)
        assert __file__ not in str(caught.value)
    assert any(record.levelno >= logging.ERROR for record in caplog.records), "the operator learns of it"
    assert server.infer("double", {"x": [1.0]}).value.tolist() == [2.0]


def test_a_traceback_is_for_the_operator(server: naiad.Server, caplog: pytest.LogCaptureFixture) -> None:
    def deep(requests: Any) -> Any:
        raise RuntimeError("inner")

    server.bind("deep", deep, X, Y)
    with pytest.raises(ModelFailed, match="RuntimeError: inner"):
        server.infer("deep", {"x": [1.0]})
    assert "in deep" in caplog.text


@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "asynchronous generator"])
def test_a_call_that_hangs_is_given_up(server: naiad.Server, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    over = threading.Event()

    def stuck(requests: Any) -> Any:
        if requests[0]["x"][0, 0] < 0:
            over.wait(60)
        return [{"y": request["x"]} for request in requests]

    async def stuck_later(requests: Any) -> Any:
        if requests[0]["x"][0, 0] < 0:
            await asyncio.Event().wait()
        return [{"y": request["x"]} for request in requests]

    def steps(requests: Any) -> Any:
        yield stuck(requests)

    async def steps_later(requests: Any) -> Any:
        yield await stuck_later(requests)

    functions = {"function": stuck, "coroutine": stuck_later, "generator": steps, "asynchronous generator": steps_later}
    server.bind("stuck", functions[kind], X, Y, hang_timeout_s=0.05)
    for _ in range(3):
        found = streamed(server, "stuck", np.full((1, 1), -1, np.float32))
        assert "the function of model 'stuck' has not returned within 0.05 s" in found[0]
        assert streamed(server, "stuck", np.ones((1, 1), np.float32))[0] == [[1.0]]
    if kind in ("function", "generator"):
        assert "over.wait(60)" in caplog.text, "the operator sees where it hangs"
    over.set()


def test_a_model_of_which_many_calls_hang_refuses_requests(server: naiad.Server) -> None:
    over = threading.Event()

    def stuck(requests: Any) -> Any:
        over.wait(60)

    server.bind("stuck", stuck, X, Y, hang_timeout_s=0.01, max_batch_size=1)
    for _ in range(8):
        with pytest.raises(ModelFailed, match="has not returned"):
            server.infer("stuck", {"x": [1.0]})
    with pytest.raises(NotReady, match=r"8 calls .* hang"):
        server.infer("stuck", {"x": [1.0]})
    over.set()


def test_a_function_may_blame_the_caller(server: naiad.Server) -> None:
    def picky(requests: Any) -> Any:
        raise InvalidRequest("x must be positive")

    async def picky_later(requests: Any) -> Any:
        raise InvalidRequest("x must be positive")

    def each(requests: Any) -> Any:
        return [InvalidRequest("x must be positive") for _ in requests]

    for name, function in (("picky", picky), ("later", picky_later), ("each", each)):
        server.bind(name, function, X, Y)
        with pytest.raises(InvalidRequest, match="x must be positive"):
            server.infer(name, {"x": [1.0]})


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_one_bad_request_does_not_spoil_its_batch(server: naiad.Server, kind: str) -> None:
    gate = threading.Event()

    def strict(requests: Any) -> Any:
        gate.wait(10)
        if any(request["x"][0, 0] < 0 for request in requests):
            raise ValueError("negative")
        return [{"y": request["x"]} for request in requests]

    async def strict_later(requests: Any) -> Any:
        return strict(requests)

    server.bind("strict", strict if kind == "function" else strict_later, X, Y)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(server.infer, "strict", {"x": [float(number)]}) for number in (1, -1, 2, 3, -2, 4)]
        gate.set()
        found = [one.exception(30) or one.result().y.tolist() for one in asked]
    assert [one for one in found if not isinstance(one, NaiadError)] == [[1.0], [2.0], [3.0], [4.0]]
    assert [type(one) for one in found if isinstance(one, NaiadError)] == [ModelFailed, ModelFailed]


def test_outputs_as_they_come_where_strict_is_off(server: naiad.Server) -> None:
    server.bind(
        "loose", batch(lambda x: {"y": x.astype(np.float64)[:, :1]}), X, [Tensor((7,), np.float32, "y")], strict=False
    )
    answer = over_grpc(server, "loose", np.array([[1, 2]], np.float32)).as_numpy("y")
    assert (answer.dtype, answer.tolist()) == (np.float32, [[1.0]])


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("a/b", double), {}, "letters, digits and"),
        (("", double), {}, "letters, digits and"),
        (("m", 5, X, Y), {}, "give a function, or a list of functions, not 5"),
        ((double, "m"), {}, "the function comes second"),
        (("m", double, X[0], Y), {}, "inputs must be a list of Tensor"),
        (("m", double, X, [np.float32]), {}, "outputs must be a list of Tensor"),
        (("m", double), {"max_batch": 3}, "no option 'max_batch'; did you mean 'max_batch_size'"),
        (("m", [], X, Y), {}, "give a function"),
        (("m", double), {"version": 0}, "version must be at least 1"),
        (("m", double), {"max_batch_size": -1}, "must not be negative"),
        (("m", double), {"instances": 0}, "instances is for one function"),
        (("m", double, X, [Tensor((1,), np.int8, "y", optional=True)]), {}, "output 'y' cannot be optional"),
        (("m", double, X * 2, Y), {}, "two tensors are called 'x'"),
        (("m", counting), {"decoupled": False}, "its function is a generator"),
    ],
)
def test_what_cannot_be_bound_is_said_at_once(server: naiad.Server, arguments: Any, options: Any, error: str) -> None:
    with pytest.raises(InvalidConfiguration, match=error):
        server.bind(*arguments, **options)
    with pytest.raises(NotFound, match="no model 'm' is bound"):
        server.unbind("m")


def test_a_name_that_a_source_has_already(tmp_path: Path) -> None:
    folder = tmp_path / "double"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(
        'backend: "identity"\ninput { name: "x" data_type: TYPE_FP32 dims: [ 1 ] }\n'
        'output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] }'
    )
    with naiad.Server([folder]) as server:
        with pytest.raises(InvalidConfiguration, match="two or more repositories"):
            server.bind("double", double)
        assert server.infer("double", {"x": [1.0]}).y.tolist() == [1.0]


@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "asynchronous generator"])
def test_a_server_with_a_function_that_hangs_can_be_closed(kind: str) -> None:
    over, begun, cleaned = threading.Event(), threading.Event(), threading.Event()

    def stuck(requests: Any) -> Any:
        begun.set()
        over.wait(60)
        return [{"y": request["x"]} for request in requests]

    async def stuck_later(requests: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    def steps(requests: Any) -> Any:
        yield stuck(requests)

    async def steps_later(requests: Any) -> Any:
        yield await stuck_later(requests)

    functions = {"function": stuck, "coroutine": stuck_later, "generator": steps, "asynchronous generator": steps_later}
    server = naiad.Server(drain_timeout_s=0.05)
    server.bind("stuck", functions[kind], X, Y)
    server.start()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.infer, "stuck", {"x": [1.0]}, timeout_s=30)
        assert begun.wait(30)
        closing = threading.Thread(target=server.close)
        closing.start()
        if "coroutine" in kind or "asynchronous" in kind:
            assert cleaned.wait(30)
        else:
            over.set()
        closing.join(30)
        assert not closing.is_alive()
        assert isinstance(asked.exception(30) or asked.result(), NaiadError | naiad.client.Result)


# serve

PROGRAM = """
import numpy as np, logging, sys
from numpy.typing import NDArray
import naiad
from naiad.functions import batch
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")

@batch
def double(x: NDArray[np.float32]) -> NDArray[np.float32]:
    print("called", flush=True)
    return x * 2

with naiad.Server(http_port=0) as server:
    server.bind("double", double)
    server.serve()
print("over", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_serves_until_a_signal(number: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("ready on "))
        with naiad.Client(line.split()[2]) as client:
            assert client.model("double")([1.0]).value.tolist() == [2.0]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "called" in out
    assert out.endswith("over\n")


def test_serve_returns_when_it_is_told_to_stop() -> None:
    with naiad.Server(http_port=0) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        server.stop()
        thread.join(30)
        assert not thread.is_alive()


async def test_serve_in_asyncio_opens_the_ports_of_naiad_serve_if_there_are_none() -> None:
    async with naiad.AsyncServer(grpc_port=0) as server:
        await server.bind("double", double)
        serving = asyncio.ensure_future(server.serve())
        await asyncio.sleep(0)
        server.stop()
        await serving


def test_four_trivial_models_are_ready_soon() -> None:
    began_s = time.perf_counter()
    with naiad.Server(http_port=0, grpc_port=0) as server:
        for number in range(4):
            server.bind(f"double{number}", double)
        assert all(server.is_model_ready(f"double{number}") for number in range(4))
    assert time.perf_counter() - began_s < 5.0, "well under this even on a busy machine"
