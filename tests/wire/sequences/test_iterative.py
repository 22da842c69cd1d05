"""Iterative sequences: one request runs again and again, with whatever else is there, and is answered each time."""

from __future__ import annotations

import json
import queue
import socket
import urllib.error
import urllib.request
from typing import Any

import numpy as np
import pytest

from naiad.testing import RunningServer

grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)")

RESCHEDULED = "Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE"


def post(server: RunningServer, path: str, document: Any) -> tuple[int, list[Any]]:
    request = urllib.request.Request(f"{server.url}/v2/models/{path}", json.dumps(document).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, body = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read().decode()
    return status, [json.loads(line.removeprefix("data: ")) for line in body.split("\n\n") if line]


def streamed(server: RunningServer, model: str, *values: int, **place: Any) -> list[tuple[str, Any]]:
    """Requests with these values on one stream: id and value of each answer, or the first error."""
    told: queue.Queue[Any] = queue.Queue()
    found: list[tuple[str, Any]] = []
    with grpc.InferenceServerClient(str(server.grpc_address)) as client:
        client.start_stream(callback=lambda result, error: told.put((result, error)))
        for number, value in enumerate(values):
            tensor = grpc.InferInput("INPUT", [1, 1], "INT32")
            tensor.set_data_from_numpy(np.array([[value]], np.int32))
            client.async_stream_infer(model, [tensor], request_id=str(number), **place)
        while len(found) < sum(values):
            result, error = told.get(timeout=30)
            if error is not None:
                return [*found, ("error", error.message())]
            found.append((result.get_response().id, int(result.as_numpy("OUTPUT")[0][0])))
        client.stop_stream()
    return found


@pytest.mark.parametrize("model", ["iterative", "iterative_oldest", "iterative_one"])
def test_a_request_gets_as_many_answers_as_it_has_runs(server: RunningServer, model: str) -> None:
    assert streamed(server, model, 3) == [("0", 2), ("0", 1), ("0", 0)]


@pytest.mark.parametrize("model", ["iterative", "iterative_oldest", "iterative_one"])
def test_several_requests_at_once_do_not_mix(server: RunningServer, model: str) -> None:
    """More than there are places: the others wait."""
    values = [3, 1, 4, 1, 5, 2, 6]
    found = streamed(server, model, *values)
    by_request = [[value for name, value in found if name == str(number)] for number in range(len(values))]
    assert by_request == [list(range(value - 1, -1, -1)) for value in values]


def test_a_request_may_bring_its_id(server: RunningServer) -> None:
    for _ in range(2):
        assert streamed(server, "iterative", 2, sequence_id=9, sequence_start=True) == [("0", 1), ("0", 0)]
    ((_, error),) = streamed(server, "iterative", 2, sequence_id=10)
    assert "must specify the START flag on the first request of the sequence" in error


def test_generate_stream_gives_an_event_for_each_answer(server: RunningServer) -> None:
    status, events = post(server, "iterative/generate_stream", {"INPUT": 3})
    assert (status, [event["OUTPUT"] for event in events]) == (200, [2, 1, 0])


def test_generate_takes_exactly_one_answer(server: RunningServer) -> None:
    status, (answer,) = post(server, "iterative/generate", {"INPUT": 1})
    assert (status, answer["OUTPUT"]) == (200, 0)
    status, (answer,) = post(server, "iterative/generate", {"INPUT": 2})
    assert status == 500
    assert "generate expects model to produce exactly 1 response" in answer["error"]


@pytest.mark.parametrize(
    ("model", "place"),
    [("not_iterative", {"sequence_id": 1, "sequence_start": True, "sequence_end": True}), ("dynamic", {})],
)
def test_a_model_that_is_not_configured_for_it_says_so(server: RunningServer, model: str, place: Any) -> None:
    ((_, error),) = streamed(server, model, 2, **place)
    assert RESCHEDULED in error
    assert streamed(server, model, 1, **place) == [("0", 0)]


def test_without_the_configuration_a_sequence_needs_its_parameters(server: RunningServer) -> None:
    ((_, error),) = streamed(server, "not_iterative", 2)
    assert "must specify a non-zero or non-empty correlation ID" in error


def test_who_leaves_ends_its_sequence_and_the_next_gets_the_place(server: RunningServer) -> None:
    host, _, port = server.address.rpartition(":")
    body = json.dumps({"INPUT": 10_000}).encode()
    head = f"POST /v2/models/iterative_slow/generate_stream HTTP/1.1\r\nHost: {server.address}\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as leaving:
        leaving.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert leaving.recv(1 << 16).startswith(b"HTTP/1.1 200")
    status, events = post(server, "iterative_slow/generate_stream", {"INPUT": 2})
    assert (status, [event["OUTPUT"] for event in events]) == (200, [1, 0])
