"""Load reports with the answers of both doors, for who asks."""

from __future__ import annotations

import json
import socket
import struct
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx2
import pytest

from naiad.testing import RunningServer, running_server
from naiad.testing.checkpoints import tiny_checkpoint

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/dev.txt)")

from naiad.proto.pool import message_class  # noqa: E402

SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"
DATA = {"shape": [1, 16], "datatype": "INT32", "data": [1] * 16}
BODY = {"inputs": [{"name": name, **DATA} for name in ("INPUT0", "INPUT1")]}
ROUTES = {
    "/v2/models/simple/infer": BODY,
    "/v2/models/text/infer": {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]},
    "/v2/models/text/generate": {"text": "a"},
    "/v2/models/text/generate_stream": {"text": "a"},
    "/v1/embeddings": {"model": "text", "input": "a"},
    "/embed": {"inputs": "a"},
}
INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
ASKS = "endpoint-load-metrics-format"


@pytest.fixture(scope="module", params=["http2", "aio"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    text = tiny_checkpoint(tmp_path_factory.mktemp("text"))
    with running_server(str(SIMPLE), f"text={text}", grpc_transport=request.param) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url) as opened:
        yield opened


@pytest.mark.parametrize("path", ROUTES)
def test_every_way_to_infer_reports_to_who_asks(client: httpx2.Client, path: str) -> None:
    for _ in range(3):  # the second and the third have a known head
        answer = client.post(path, json=ROUTES[path], headers={ASKS: "JSON"})
        assert answer.status_code == 200, answer.text
        kind, _, document = answer.headers["endpoint-load-metrics"].partition(" ")
        assert kind == "JSON"
        assert json.loads(document)["named_metrics"].keys() == {"num_requests_waiting", "num_requests_running"}
        plain = client.post(path, json=ROUTES[path])
        assert "endpoint-load-metrics" not in plain.headers
        assert answer.content == plain.content or path.startswith("/v1/")


def test_the_other_forms_over_http(client: httpx2.Client) -> None:
    path = "/v2/models/simple/infer"
    text = client.post(path, json=BODY, headers={ASKS: "text"}).headers["endpoint-load-metrics"]
    assert text.startswith("TEXT cpu_utilization=")
    binary = client.post(path, json=BODY, headers={ASKS: "bin"}).headers["endpoint-load-metrics-bin"]
    assert b"num_requests_waiting" in b64decode(binary + "=" * (-len(binary) % 4))


def test_an_answer_that_is_an_error_reports_too(client: httpx2.Client) -> None:
    wrong = {"inputs": [{"name": "text", "shape": [1], "datatype": "INT32", "data": [1]}]}
    answer = client.post("/v2/models/text/infer", json=wrong, headers={ASKS: "text"})
    assert (answer.status_code, answer.headers["endpoint-load-metrics"][:5]) == (400, "TEXT ")


@pytest.mark.parametrize("path", ROUTES)
def test_a_form_that_there_is_not_is_refused(client: httpx2.Client, path: str) -> None:
    answer = client.post(path, json=ROUTES[path], headers={ASKS: "yaml"})
    assert answer.status_code == (422 if path == "/embed" else 400)  # as text-embeddings-inference has it
    assert f"{ASKS} must be text, json or bin, not 'yaml'" in answer.text


def messages() -> Iterator[bytes]:
    message = message_class("ModelInferRequest")(model_name="simple")
    for name in ("INPUT0", "INPUT1"):
        message.inputs.add(name=name, datatype="INT32", shape=[1, 16])
        message.raw_input_contents.append(bytes(64))
    yield message.SerializeToString()


def trailing(server: RunningServer, method: str, wanted: str | None) -> dict[str, Any]:
    """The metadata behind the answer. Raises grpc.RpcError."""
    metadata = None if wanted is None else [(ASKS, wanted)]
    with grpc.insecure_channel(server.grpc_address) as channel:
        if method == STREAM:
            call = channel.stream_stream(method)(messages(), metadata=metadata, timeout=30)
            assert len(list(call)) == 1
        else:
            answer, call = channel.unary_unary(method).with_call(next(messages()), metadata=metadata, timeout=30)
            assert answer
        return dict(call.trailing_metadata())


@pytest.mark.parametrize("method", [INFER, STREAM])
def test_grpc_reports_behind_the_answer(server: RunningServer, method: str) -> None:
    assert trailing(server, method, "text")["endpoint-load-metrics"].startswith("TEXT cpu_utilization=")
    assert trailing(server, method, "json")["endpoint-load-metrics"].startswith('JSON {"cpu_utilization":')
    assert b"num_requests_running" in b64decode(trailers_of(server, method)[b"endpoint-load-metrics-bin"] + b"===")
    assert not any(name.startswith("endpoint") for name in trailing(server, method, None))


def trailers_of(server: RunningServer, method: str) -> dict[bytes, bytes]:
    """What is sent behind an answer with the binary form, which grpcio's client keeps for its own balancing."""
    host, _, port = server.grpc_address.partition(":")
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    client.initiate_connection()
    path = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", method.encode()), (b":authority", host.encode())]
    client.send_headers(
        1, [*path, (b"te", b"trailers"), (b"content-type", b"application/grpc"), (ASKS.encode(), b"bin")]
    )
    (message,) = messages()
    client.send_data(1, struct.pack(">BI", 0, len(message)) + message, end_stream=True)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        while True:
            connection.sendall(client.data_to_send())
            for event in client.receive_data(connection.recv(65536)):
                if isinstance(event, h2.events.TrailersReceived):
                    return dict(event.headers)
                assert not isinstance(event, h2.events.StreamEnded), "the call ended without trailers"


@pytest.mark.parametrize("method", [INFER, STREAM])
def test_grpc_refuses_a_form_that_there_is_not(server: RunningServer, method: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        trailing(server, method, "yaml")
    assert refused.value.code().name == "INVALID_ARGUMENT"
    assert refused.value.details() == f"{ASKS} must be text, json or bin, not 'yaml'"
