"""Headers and metadata that become request parameters, on both doors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.settings.config import ServerSettings
from naiad.server.assembly import Assembly
from naiad.serving.model import ServedModel
from naiad.testing import RunningServer, running_server
from naiad.wire.forwarding import Forwarding

triton = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed")

SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"
PATTERN = "^(my-|x-sent|sequence_id|PRIORITY|triton_|key|inference-)"
DATA = {"shape": [1, 16], "datatype": "INT32", "data": [1] * 16}
BODY = {"inputs": [{"name": name, **DATA} for name in ("INPUT0", "INPUT1")]}
RESERVED = "Header '{}' is reserved for Triton usage and cannot be forwarded."


@pytest.fixture(scope="module", params=["http2", "aio"])
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with running_server(
        str(SIMPLE),
        grpc_transport=request.param,
        http_header_forward_pattern=PATTERN,
        grpc_header_forward_pattern=PATTERN,
        http_restricted_api=("inference:Key=secret",),
    ) as running:
        yield running


@pytest.fixture
def seen(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The parameters of every request that reaches the engine."""
    found: list[dict[str, Any]] = []
    submit = server.server.engine.submit

    def note(model: ServedModel, request: InferRequest, *more: Any, **how: Any) -> Any:
        found.append(request.parameters)
        return submit(model, request, *more, **how)

    monkeypatch.setattr(server.server.engine, "submit", note)
    return found


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url + "/v2/models/simple", headers={"key": "secret"}) as opened:
        yield opened


def test_http(client: httpx2.Client, seen: list[dict[str, Any]]) -> None:
    sent = {"My-Header": "1", "X-Sent": "yes", "Other": "no", "not-my-header": "no"}
    for _ in range(2):  # the second time from what the server remembers of the first
        assert client.post("/infer", json=BODY, headers=sent).status_code == 200
    assert client.post("/infer", json=BODY).status_code == 200
    assert seen == [{"My-Header": "1", "X-Sent": "yes"}] * 2 + [{}], (
        "names are as they were written, as Triton has them"
    )


def test_http_headers_come_after_the_parameters_of_the_body(client: httpx2.Client, seen: list[dict[str, Any]]) -> None:
    body = {**BODY, "parameters": {"my-header": 5, "mine": 1}}
    assert client.post("/infer", json=body, headers={"my-header": "header"}).status_code == 200
    assert client.post("/infer", json=body).status_code == 200
    assert seen == [{"my-header": "header", "mine": 1}, {"my-header": 5, "mine": 1}]


def test_values_need_not_be_ascii(client: httpx2.Client, seen: list[dict[str, Any]]) -> None:
    client.post("/infer", json=BODY, headers={b"my-a": "Größe".encode(), b"my-b": b"\xff"})  # type: ignore[dict-item]
    assert seen == [{"my-a": "Größe", "my-b": "ÿ"}]


@pytest.mark.parametrize("path", ["/generate", "/generate_stream"])
def test_generate(client: httpx2.Client, seen: list[dict[str, Any]], path: str) -> None:
    body = {"INPUT0": [1] * 16, "INPUT1": [1] * 16}
    client.post(path, json=body, headers={"My-Header": "1"})
    assert seen == [{"My-Header": "1"}]


def test_the_header_of_a_restriction_stays_here(client: httpx2.Client, seen: list[dict[str, Any]]) -> None:
    assert client.post("/infer", json=BODY).status_code == 200
    assert seen == [{}], "the pattern has 'key' in it"


@pytest.mark.parametrize("name", ["sequence_id", "Priority", "triton_anything"])
@pytest.mark.parametrize("path", ["/infer", "/generate", "/generate_stream"])
def test_reserved_http_headers(client: httpx2.Client, seen: list[dict[str, Any]], path: str, name: str) -> None:
    body = BODY if path == "/infer" else {"INPUT0": [1] * 16, "INPUT1": [1] * 16}
    answer = client.post(path, json=body, headers={name: "1"})
    assert (answer.status_code, answer.json()) == (400, {"error": RESERVED.format(name)})
    assert seen == []


def numbers() -> list[Any]:
    inputs = [triton.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
    for one in inputs:
        one.set_data_from_numpy(np.ones((1, 16), np.int32))
    return inputs


def test_grpc(server: RunningServer, seen: list[dict[str, Any]]) -> None:
    with triton.InferenceServerClient(server.grpc_address) as client:
        sent = {"my-header": "1", "other": "no"}
        for _ in range(2):
            client.infer("simple", numbers(), headers=sent)
        client.infer("simple", numbers(), parameters={"my-header": 5})
        with pytest.raises(triton.InferenceServerException) as caught:
            client.infer("simple", numbers(), headers={"sequence_id": "1"})
    assert seen == [{"my-header": "1"}] * 2 + [{"my-header": 5}]
    assert (caught.value.status(), caught.value.message()) == (
        "StatusCode.INVALID_ARGUMENT",
        RESERVED.format("sequence_id"),
    )


def test_grpc_stream(server: RunningServer, seen: list[dict[str, Any]]) -> None:
    """The metadata of the stream are those of all its requests."""
    import queue

    answers: queue.Queue[Any] = queue.Queue()
    with triton.InferenceServerClient(server.grpc_address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)), headers={"my-header": "1"})
        for number in range(2):
            client.async_stream_infer("simple", numbers(), parameters={"n": number})
            assert answers.get(timeout=30)[1] is None
        client.stop_stream()
        client.start_stream(lambda result, error: answers.put((result, error)), headers={"priority": "1"})
        client.async_stream_infer("simple", numbers())
        _, error = answers.get(timeout=30)
        client.stop_stream()
    assert seen == [{"n": 0, "my-header": "1"}, {"n": 1, "my-header": "1"}]
    assert RESERVED.format("priority") in str(error)


@pytest.mark.parametrize("name", ["sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers",
                                  "binary_data_output", "triton_x"])  # fmt: skip
def test_every_reserved_name(name: str) -> None:
    request = InferRequest("m")
    with pytest.raises(InvalidRequest, match="is reserved"):
        Forwarding(".*").add_metadata(request, {"ok": "1", name: "1"})
    with pytest.raises(InvalidRequest, match="is reserved"):
        Forwarding(".*").add_headers(request, {name.encode(): b"1"})


def test_metadata_that_are_not_text_are_left_out() -> None:
    request = InferRequest("m")
    Forwarding(".*").add_metadata(request, {"a-bin": "AAA=", "b": "1"})
    assert request.parameters == {"b": "1"}


@pytest.mark.parametrize("door", ["http", "grpc"])
def test_a_bad_pattern_stops_the_start(door: str) -> None:
    with pytest.raises(InvalidConfiguration, match=rf"--{door}-header-forward-pattern: '\(' is not a pattern"):
        Assembly((), ServerSettings.of(**{f"{door}_header_forward_pattern": "("}))  # type: ignore[arg-type]
