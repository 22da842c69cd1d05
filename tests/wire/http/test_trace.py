"""Trace settings over HTTP, and what is traced of requests that come over it."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from stations import stations

from naiad.testing import RunningServer, running_server
from naiad.wire.http.http1.parts import Part

REPOSITORY = Path(__file__).parents[2] / "data" / "model_repository"
SETTINGS = "/v2/trace/setting"
OF_SIMPLE = "/v2/models/simple/trace/setting"
CLEARED = dict.fromkeys(("trace_level", "trace_rate", "trace_count", "log_frequency"))
NAMES = stations("HTTP_RECV", "HTTP_SEND")
ROW = list(range(16))
FILE = "trace file location can not be updated through network protocol"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    options = (f"triton,file={folder / 'trace.json'}",)
    with running_server(str(REPOSITORY / "simple"), trace_config=options, allow_setting_changes=True) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_started(server: RunningServer) -> Iterator[None]:
    yield
    for path in (OF_SIMPLE, SETTINGS):
        assert ask(server, "POST", path, CLEARED)[0] == 200


def ask(server: RunningServer, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body), headers)
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    return answer.status, json.loads(raw) if raw else None


def infer(server: RunningServer, identity: str, path: str = "infer", **changed: Any) -> int:
    inputs = [{"name": name, "datatype": "INT32", "shape": [1, 16], "data": ROW} for name in ("INPUT0", "INPUT1")]
    body = {"INPUT0": ROW, "INPUT1": ROW} if path.startswith("generate") else {"inputs": inputs}
    return ask(server, "POST", f"/v2/models/simple/{path}", {"id": identity, **body, **changed})[0]


def written(server: RunningServer, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The entries of every trace by request id, once all has been written; numbered files included."""
    return {entries[0].get("request_id", ""): entries for entries in all_written(server, folder)}


def all_moments(server: RunningServer, folder: Path) -> list[list[str]]:
    return [moments(entries) for entries in all_written(server, folder)]


def all_written(server: RunningServer, folder: Path) -> list[list[dict[str, Any]]]:
    server.run(lambda: asyncio.sleep(0))  # a trace is handed on just after the answer
    assert server.server.engine.tracing.flush()
    traces: dict[int, list[dict[str, Any]]] = {}
    for path in sorted(folder.iterdir()):
        for entry in json.loads(path.read_bytes()):
            traces.setdefault(entry["id"], []).append(entry)
    return [traces[identity] for identity in sorted(traces)]


def stamps(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry["timestamps"][0] for entry in entries if "timestamps" in entry]


def moments(entries: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in stamps(entries)]


def connections(server: RunningServer) -> set[Any]:
    return server.server.doors.http.listener._connections


def test_at_the_start_everything_is_off(server: RunningServer, folder: Path) -> None:
    expected = {
        "trace_level": ["OFF"],
        "trace_rate": "1000",
        "trace_count": "-1",
        "log_frequency": "0",
        "trace_file": str(folder / "trace.json"),
        "trace_mode": "triton",
    }
    assert ask(server, "GET", SETTINGS) == (200, expected)
    assert ask(server, "GET", OF_SIMPLE) == (200, expected)
    assert list(expected) == list(ask(server, "GET", SETTINGS)[1])


def test_a_models_values_come_before_the_servers(server: RunningServer) -> None:
    ask(server, "POST", OF_SIMPLE, {"trace_rate": "11"})
    ask(server, "POST", SETTINGS, {"trace_rate": "12", "trace_count": "13"})
    found = ask(server, "GET", OF_SIMPLE)[1]
    assert (found["trace_rate"], found["trace_count"]) == ("11", "13")
    assert ask(server, "POST", OF_SIMPLE, {"trace_rate": None})[1]["trace_rate"] == "12"


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"trace_rate": 3}, 500, "attempt to access JSON non-string as string"),
        ({"trace_rate": ["7"]}, 500, "attempt to access JSON non-string as string"),
        ({"trace_rate": "x"}, 400, "Unable to parse 'trace_rate', got: x"),
        (
            {"trace_level": ["TIMESTAMPS"], "trace_rate": "0"},
            400,
            "Attempting to set invalid trace setting :sample rate must be non-zero",
        ),
        ({"trace_count": "x"}, 400, "Unable to parse 'trace_count', got: x"),
        ({"log_frequency": "x"}, 400, "Unable to parse 'log_frequency', got: x"),
        ({"trace_level": "TIMESTAMPS"}, 500, "attempt to access JSON non-array as array"),
        ({"trace_level": [1]}, 500, "attempt to access JSON non-string as string"),
        ({"trace_level": ["OFF", "TENSORS"]}, 400, "Expect only one trace level 'OFF' is specified"),
        ({"trace_file": "/etc/passwd"}, 501, FILE),
        ({"trace_file": None}, 501, FILE),
        ({"trace_rate": "7", "trace_file": 5}, 501, FILE),
    ],
)
@pytest.mark.parametrize("path", [SETTINGS, OF_SIMPLE])
def test_what_is_refused_changes_nothing(
    server: RunningServer, path: str, change: dict[str, Any], status: int, message: str
) -> None:
    before = ask(server, "GET", path)
    assert ask(server, "POST", path, change) == (status, {"error": message})
    assert ask(server, "GET", path) == before


@pytest.mark.parametrize("change", [{}, {"trace_mode": "opentelemetry"}, {"foo": "x"}, {"foo": None}])
def test_what_cannot_be_changed_is_ignored(server: RunningServer, change: dict[str, Any]) -> None:
    assert ask(server, "POST", SETTINGS, change) == ask(server, "GET", SETTINGS)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_model(server: RunningServer, method: str) -> None:
    answer = (400, {"error": "Request for unknown model : nope"})
    assert ask(server, method, "/v2/models/nope/trace/setting", {}) == answer


def test_other_paths_methods_and_bodies(server: RunningServer) -> None:
    assert ask(server, "GET", "/v2/models/simple/versions/1/trace/setting")[0] == 404
    assert ask(server, "PUT", SETTINGS)[0] == 405
    assert ask(server, "POST", SETTINGS, b"{")[0] == 500


def test_the_extensions_are_announced(server: RunningServer) -> None:
    assert ask(server, "GET", "/v2")[1]["extensions"][-3:] == ["statistics", "trace", "logging"]


def test_a_trace_has_every_station_in_order(server: RunningServer, folder: Path) -> None:
    ask(server, "POST", SETTINGS, {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
    assert infer(server, "whole") == 200
    entries = written(server, folder)["whole"]
    assert {**entries[0], "id": 0} == {"id": 0, "model_name": "simple", "model_version": 1, "request_id": "whole"}
    assert moments(entries) == NAMES
    times = [entry["timestamps"][0]["ns"] for entry in entries[1:]]
    assert times == sorted(times)


def test_tensors(server: RunningServer, folder: Path) -> None:
    ask(server, "POST", OF_SIMPLE, {"trace_level": ["TENSORS"], "trace_rate": "1"})
    assert infer(server, "tensors") == 200
    entries = written(server, folder)["tensors"]
    assert [(entry["activity"], entry["tensor"]["name"]) for entry in entries[1:]] == [
        ("TENSOR_QUEUE_INPUT", "INPUT0"),
        ("TENSOR_QUEUE_INPUT", "INPUT1"),
        ("TENSOR_BACKEND_OUTPUT", "OUTPUT0"),
        ("TENSOR_BACKEND_OUTPUT", "OUTPUT1"),
    ]
    data = ",".join(str(2 * value) for value in ROW)
    assert entries[3]["tensor"] == {"name": "OUTPUT0", "data": data, "shape": "1,16", "dtype": "INT32"}


def test_rate_and_count(server: RunningServer, folder: Path) -> None:
    settings = {"trace_level": ["TIMESTAMPS"], "trace_rate": "2", "trace_count": "2"}
    ask(server, "POST", SETTINGS, settings)
    for number in range(8):
        infer(server, f"rate{number}")
    found = [identity for identity in written(server, folder) if identity.startswith("rate")]
    assert found == ["rate1", "rate3"]
    assert ask(server, "GET", SETTINGS)[1]["trace_count"] == "0"
    assert not server.server.engine.tracing.is_on


def test_numbered_files(server: RunningServer, folder: Path) -> None:
    settings = {"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "log_frequency": "2", "trace_count": "3"}
    ask(server, "POST", SETTINGS, settings)
    for number in range(4):
        infer(server, f"numbered{number}")
    written(server, folder)
    ids = [[e["request_id"] for e in json.loads((folder / f"trace.json.{n}").read_bytes()) if "request_id" in e]
           for n in (0, 1)]  # fmt: skip
    assert ids == [["numbered0", "numbered1"], ["numbered2"]]


def test_generate_both_ways_and_a_failure(server: RunningServer, folder: Path) -> None:
    ask(server, "POST", SETTINGS, {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
    assert infer(server, "generated", "generate") == 200
    assert ask_events(server, "streamed") == 200
    assert infer(server, "refused", inputs=[]) == 400
    traces = written(server, folder)
    assert moments(traces["generated"]) == NAMES
    assert moments(traces["streamed"]) == NAMES
    assert moments(traces["refused"]) == [*NAMES[:3], *NAMES[-3:]]


@pytest.mark.parametrize(
    ("path", "body"), [("infer", b"{"), ("infer", b'{"inputs":7}'), ("generate", b"{"), ("generate", b"[]")]
)
def test_what_makes_no_sense_has_arrived(server: RunningServer, folder: Path, path: str, body: bytes) -> None:
    """Triton writes these two as well."""
    before = len(all_moments(server, folder))
    ask(server, "POST", SETTINGS, {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
    assert ask(server, "POST", f"/v2/models/nope/{path}", body)[0] == 404
    assert ask(server, "POST", f"/v2/models/simple/{path}", body)[0] >= 400
    assert all_moments(server, folder)[before:] == [NAMES[:2]]


def test_the_first_byte_and_the_last(server: RunningServer, folder: Path) -> None:
    """Whether the head is a new one, or has been seen before."""
    ask(server, "POST", SETTINGS, {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
    host, _, port = server.address.rpartition(":")
    for identity in ("pieces 1", "pieces 2"):
        inputs = [{"name": name, "datatype": "INT32", "shape": [1, 16], "data": ROW} for name in ("INPUT0", "INPUT1")]
        body = json.dumps({"id": identity, "inputs": inputs}).encode()
        head = b"POST /v2/models/simple/infer HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
        with socket.create_connection((host, int(port)), timeout=30) as client:
            server.run(lambda: until(lambda: len(connections(server)) == 1))
            (connection,) = connections(server)
            client.sendall(head)
            server.run(partial(until, lambda reader=connection._reader: reader.part is not Part.BETWEEN))
            between_ns = time.perf_counter_ns()
            client.sendall(body)
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        times = {one["name"]: one["ns"] for one in stamps(written(server, folder)[identity])}
        assert times["HTTP_RECV_START"] < between_ns < times["HTTP_RECV_END"] < times["REQUEST_START"]
        server.run(lambda: until(lambda: not connections(server)))


def ask_events(server: RunningServer, identity: str) -> int:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    body = {"id": identity, "INPUT0": ROW, "INPUT1": ROW}
    connection.request("POST", "/v2/models/simple/generate_stream", json.dumps(body))
    answer = connection.getresponse()
    assert answer.read().startswith(b"data: ")
    connection.close()
    return answer.status


def test_requests_to_unknown_models_are_not_counted(server: RunningServer) -> None:
    ask(server, "POST", SETTINGS, {"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "trace_count": "1"})
    body = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1], "data": [1]}]}
    assert ask(server, "POST", "/v2/models/nope/infer", body)[0] == 404
    assert ask(server, "GET", SETTINGS)[1]["trace_count"] == "1"


def test_a_client_that_leaves_ends_its_trace(tmp_path: Path) -> None:
    """The model waits for company that never comes; when the client goes, its request is withdrawn."""
    shutil.copytree(REPOSITORY / "simple", tmp_path / "simple")
    config = tmp_path / "simple" / "config.pbtxt"
    config.write_text(
        config.read_text() + "dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 60000000 }"
    )
    options = (f"triton,file={tmp_path / 'trace.json'}", "rate=1", "level=TIMESTAMPS")
    with running_server(str(tmp_path / "simple"), trace_config=options) as server:
        inputs = [{"name": name, "datatype": "INT32", "shape": [1, 16], "data": ROW} for name in ("INPUT0", "INPUT1")]
        connection = http.client.HTTPConnection(server.address, timeout=30)
        connection.request("POST", "/v2/models/simple/infer", json.dumps({"id": "left", "inputs": inputs}))
        model: Any = server.server.catalog.find("simple")
        server.run(lambda: until(lambda: model.statistics.count_pending() == 1))
        connection.close()
        server.run(model._scheduler.quiet)
    (entries,) = [json.loads((tmp_path / "trace.json").read_bytes())]
    assert moments(entries) == [*NAMES[:4], *NAMES[-3:]]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 — nothing tells of it
        await asyncio.sleep(0)
