"""The v2 routes of a running server, spoken to in plain HTTP: status codes and bodies are Triton's."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from naiad.testing import RunningServer, running_server

REPOSITORY = Path(__file__).parents[2] / "data" / "model_repository"
BROKEN = REPOSITORY.with_name("broken_repository")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(str(REPOSITORY), str(BROKEN)) as running:
        yield running


def ask(
    server: RunningServer, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    try:
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, raw, headers or {})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def ints(name: str, values: list[int], **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "INT32", "shape": [1, 16], "data": values, **more}


FIRST, SECOND = list(range(16)), [1] * 16
REQUEST = {"id": "7", "inputs": [ints("INPUT0", FIRST), ints("INPUT1", SECOND)]}
SUM = [value + 1 for value in FIRST]
DIFFERENCE = [value - 1 for value in FIRST]


def test_infer_json(server: RunningServer) -> None:
    answer = ask(server, "POST", "/v2/models/simple/infer", REQUEST)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {
        "id": "7",
        "model_name": "simple",
        "model_version": "1",
        "outputs": [
            {"name": "OUTPUT0", "datatype": "INT32", "shape": [1, 16], "data": SUM},
            {"name": "OUTPUT1", "datatype": "INT32", "shape": [1, 16], "data": DIFFERENCE},
        ],
    }


def test_infer_binary_both_ways_and_by_version(server: RunningServer) -> None:
    raw = np.array(FIRST, np.int32).tobytes()
    header = json.dumps(
        {
            "parameters": {"binary_data_output": True},
            "inputs": [
                {"name": "INPUT0", "datatype": "INT32", "shape": [1, 16], "parameters": {"binary_data_size": 64}},
                ints("INPUT1", SECOND),
            ],
        }
    ).encode()
    length = {"Inference-Header-Content-Length": str(len(header))}
    answer = ask(server, "POST", "/v2/models/simple/versions/1/infer", header + raw, length)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    at = int(answer.headers["inference-header-content-length"])
    assert [output["parameters"] for output in json.loads(answer.body[:at])["outputs"]] == [
        {"binary_data_size": 64}
    ] * 2
    assert np.frombuffer(answer.body[at:], np.int32).tolist() == SUM + DIFFERENCE


def test_compressed_request_and_answer(server: RunningServer) -> None:
    rows = {"inputs": [{**ints(name, [123456] * 128), "shape": [8, 16]} for name in ("INPUT0", "INPUT1")]}
    body = gzip.compress(json.dumps(rows).encode())
    headers = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    answer = ask(server, "POST", "/v2/models/simple/infer", body, headers)
    assert answer.status == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["outputs"][0]["shape"] == [8, 16]


def test_classification(server: RunningServer) -> None:
    outputs = [{"name": "OUTPUT0", "parameters": {"classification": 2}}]
    answer = ask(server, "POST", "/v2/models/simple/infer", {**REQUEST, "outputs": outputs})
    assert answer.json["outputs"] == [
        {"name": "OUTPUT0", "datatype": "BYTES", "shape": [1, 2], "data": ["16:15", "15:14"]}
    ]


def test_strings(server: RunningServer) -> None:
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [1, 16], "data": [str(value) for value in values]}
        for name, values in (("INPUT0", FIRST), ("INPUT1", SECOND))
    ]
    answer = ask(server, "POST", "/v2/models/simple_string/infer", {"inputs": inputs})
    assert answer.json["outputs"][0]["data"] == [str(value) for value in SUM]


MANY = [ints("INPUT0", FIRST), ints("INPUT1", SECOND)]


UNKNOWN = "[request id: <id_unknown>] "
COUNT = (
    UNKNOWN
    + "expected 2 inputs but got {} inputs for model 'simple'. Got input(s) [{}], but missing required input(s) "
)
PROVIDE = "Please provide all required input(s)."
SHAPE = (
    "unexpected shape for input '{}' for model 'simple'. Expected [-1,16], got [{}]. NOTE: Setting a non-zero max_ba"
)


def wide(rows: int) -> list[dict[str, Any]]:
    return [{**entry, "shape": [rows, 16], "data": FIRST * rows} for entry in MANY]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], COUNT.format(0, "") + "['INPUT0','INPUT1']. " + PROVIDE),
        ([MANY[0], {**MANY[1], "name": "Q"}], "unexpected inference input 'Q' for model 'simple'"),
        ([*MANY, {**MANY[1], "name": "Q"}], COUNT.format(3, "'Q','INPUT1','INPUT0'") + "[]. " + PROVIDE),
        (
            [MANY[0], {**MANY[1], "datatype": "FP32"}],
            UNKNOWN + "inference input 'INPUT1' data-type is 'FP32', but model 'simple' expects 'INT32'",
        ),
        ([MANY[0], {**MANY[1], "shape": [16]}], UNKNOWN + "input 'INPUT0' batch size does not match other inputs for"),
        ([{**entry, "shape": [1, 4, 4]} for entry in MANY], UNKNOWN + SHAPE.format("INPUT1", "1,4,4")),
        (wide(0), UNKNOWN + "input byte size mismatch for input 'INPUT1' for model 'simple'. Expected 64, got 0"),
        (
            [MANY[0], wide(0)[1]],
            UNKNOWN + "input byte size mismatch for input 'INPUT1' for model 'simple'. Expected 64",
        ),
        ([wide(0)[0], MANY[1]], UNKNOWN + "input 'INPUT0' batch size does not match other inputs for 'simple'"),
        (wide(9), UNKNOWN + "inference request batch-size must be <= 8 for 'simple'"),
        ([MANY[0], wide(2)[1]], UNKNOWN + "input 'INPUT0' batch size does not match other inputs for 'simple'"),
    ],
)
def test_inputs_that_do_not_suit_the_model(server: RunningServer, inputs: Any, message: str) -> None:
    answer = ask(server, "POST", "/v2/models/simple/infer", {"inputs": inputs})
    assert answer.error.startswith(message)
    assert answer.status == 400


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"inputs": MANY, "outputs": [{"name": "zz"}]}, 400, "unexpected inference output 'zz' for model 'simple'"),
        (
            {"inputs": [{**MANY[0], "data": [1]}, MANY[1]]},
            500,
            "Unable to parse 'data': Shape does not match true shape of 'data' field",
        ),
        (b'{"inputs"', 500, "failed to parse the request JSON buffer: "),
    ],
)
def test_refused_requests(server: RunningServer, body: Any, status: int, message: str) -> None:
    answer = ask(server, "POST", "/v2/models/simple/infer", body)
    assert answer.error.startswith(message)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/v2/", 404, "Not Found"),
        ("GET", "/v2/models", 404, "Not Found"),
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", "/v2/models/simple/infer", 405, "Method Not Allowed"),
        ("POST", "/v2/models/simple", 405, "Method Not Allowed"),
        ("GET", "/v2/models/nope", 404, "Request for unknown model: 'nope' is not found"),
        ("GET", "/v2/models/nope/config", 404, "Request for unknown model: 'nope' is not found"),
        ("GET", "/v2/models/simple/versions/7", 404, "Request for unknown model: 'simple' version 7 is not found"),
        ("GET", "/v2/models/nope/ready", 400, "Model version not ready"),
        ("GET", "/v2/models/simple/versions/7/ready", 400, "Model version not ready"),
        ("GET", "/v2/models/nope/stats", 400, "requested model 'nope' is not available"),
        (
            "GET",
            "/v2/models/simple/versions/7/stats",
            400,
            "requested model version is not available for model 'simple'",
        ),
        ("GET", "/v2/models/broken/ready", 400, "Model version not ready"),
    ],
)
def test_refused_paths(server: RunningServer, method: str, path: str, status: int, message: str) -> None:
    answer = ask(server, method, path)
    assert (answer.status, answer.error) == (status, message)


def test_a_wrong_method_is_told_the_right_one(server: RunningServer) -> None:
    assert ask(server, "PUT", "/v2/models/simple/infer").headers["allow"] == "POST"


def test_infer_on_an_unknown_model(server: RunningServer) -> None:
    answer = ask(server, "POST", "/v2/models/nope/infer", REQUEST)
    assert (answer.status, answer.error) == (404, "Request for unknown model: 'nope' is not found")


@pytest.mark.parametrize(
    ("length", "message"),
    [
        ("x", "Unable to parse Inference-Header-Content-Length, got: x"),
        ("-1", "inference header size should be in range (0, "),
        ("99999", "inference header size should be in range (0, "),
        ("99999999999", "Unable to parse Inference-Header-Content-Length, value is out of range"),
        ("9" * 5000, "Unable to parse Inference-Header-Content-Length, value is out of range"),
    ],
)
def test_header_lengths_that_cannot_be(server: RunningServer, length: str, message: str) -> None:
    answer = ask(server, "POST", "/v2/models/simple/infer", REQUEST, {"Inference-Header-Content-Length": length})
    assert answer.status == 400
    assert answer.error.startswith(message)


def test_unknown_compression(server: RunningServer) -> None:
    answer = ask(server, "POST", "/v2/models/simple/infer", REQUEST, {"Content-Encoding": "br"})
    assert (answer.status, answer.error) == (501, "Unsupported compression type")
    assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/health/live", 200),
        ("/v2/health/ready", None),
        ("/v2/models/simple/ready", 200),
        ("/v2/models/simple/versions/1/ready", 200),
        ("/v2/models/nope/ready", None),
    ],
)
def test_uptime_checks_send_head(server: RunningServer, path: str, status: int | None) -> None:
    answer, whole = ask(server, "HEAD", path), ask(server, "GET", path)
    assert (answer.status, answer.body) == (status or whole.status, b"")
    assert answer.status == whole.status
    assert answer.headers["content-length"] == str(len(whole.body))


def test_head_as_triton_has_it() -> None:
    with running_server(http_head=False) as running:
        assert ask(running, "HEAD", "/v2/health/live").status == 405


def test_health_and_server_metadata(server: RunningServer) -> None:
    assert ask(server, "GET", "/v2/health/live")[::2] == (200, b"")
    ready = ask(server, "GET", "/v2/health/ready")
    assert ready[::2] == (400, b""), "two models of the repository cannot be served yet"
    metadata = ask(server, "GET", "/v2").json
    assert metadata["name"] == "triton"
    assert "statistics" in metadata["extensions"]


def test_model_metadata_and_config(server: RunningServer) -> None:
    metadata = ask(server, "GET", "/v2/models/simple").json
    assert metadata["versions"] == ["1"]
    assert metadata["platform"] == "onnxruntime_onnx"
    assert metadata["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]}
    config = ask(server, "GET", "/v2/models/simple/config").json
    assert (config["name"], config["max_batch_size"], config["input"][0]["dims"]) == ("simple", 8, [16])
    assert config["instance_group"][0]["count"] == 2


def test_repository_index(server: RunningServer) -> None:
    index = {row["name"]: row for row in ask(server, "POST", "/v2/repository/index").json}
    assert index["simple"] == {"name": "simple", "version": "1", "state": "READY"}
    assert index["broken"]["state"] == "UNAVAILABLE"
    assert "nonesuch" in index["broken"]["reason"]
    ready = ask(server, "POST", "/v2/repository/index", {"ready": True}).json
    assert "broken" not in {row["name"] for row in ready}
    refused = ask(server, "POST", "/v2/repository/index", {"ready": 1})
    assert (refused.status, refused.error) == (400, "Invalid value for 'ready': expected a boolean")


def test_statistics_and_metrics_count_requests_and_rows_but_not_what_never_suited(server: RunningServer) -> None:
    def stats() -> dict[str, Any]:
        return dict(ask(server, "GET", "/v2/models/simple_int8/stats").json["model_stats"][0])

    before = stats()
    tensor = {"datatype": "INT8", "shape": [3, 16], "data": [1] * 48}
    rows = {"inputs": [{"name": "INPUT0", **tensor}, {"name": "INPUT1", **tensor}]}
    assert ask(server, "POST", "/v2/models/simple_int8/infer", rows).status == 200
    assert ask(server, "POST", "/v2/models/simple_int8/infer", {"inputs": []}).status == 400
    after = stats()
    assert after["inference_count"] - before["inference_count"] == 3
    assert after["execution_count"] - before["execution_count"] == 1
    for stage in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        assert after["inference_stats"][stage]["count"] - before["inference_stats"][stage]["count"] == 1
        assert after["inference_stats"][stage]["ns"] > before["inference_stats"][stage]["ns"]
    assert after["inference_stats"]["fail"]["count"] == before["inference_stats"]["fail"]["count"]
    assert [entry["batch_size"] for entry in after["batch_stats"]] == [3]

    page = metrics(server, "/metrics")
    assert page.headers["content-type"] == "text/plain; charset=utf-8"
    lines = page.body.decode().splitlines()
    assert "# TYPE nv_inference_request_success counter" in lines
    assert 'nv_inference_count{model="simple_int8",version="1"} 3' in lines
    assert 'nv_inference_request_failure{model="simple_int8",reason="OTHER",version="1"} 0' in lines
    assert 'naiad_request_duration_seconds_count{model="simple_int8",version="1"} 1' in lines


def metrics(server: RunningServer, path: str, method: str = "GET", body: bytes | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.server.metrics_port, timeout=30)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def test_other_paths_of_the_metrics_port(server: RunningServer) -> None:
    assert metrics(server, "/anything")[::2] == (200, b"")
    assert metrics(server, "/metrics", "POST").status == 405
    assert metrics(server, "/metrics", "POST", b"x").status == 405
