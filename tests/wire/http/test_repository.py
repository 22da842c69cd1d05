"""The model repository extension as bytes: bodies that are wrong, clients that leave, paths that do not exist."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from naiad.backends.onnxruntime.backend import OnnxRuntimeBackend
from naiad.testing import RunningServer, running_server

MODELS = Path(__file__).parents[2] / "data" / "model_repository"
ONNX = (MODELS / "simple" / "1" / "model.onnx").read_bytes()
OUTSIDE = ("../../../../../../etc/hostname", "/etc/hostname", "../../simple/config.pbtxt")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(MODELS / "simple", folder / "simple")
    with running_server(str(folder), model_control_mode="explicit", load_model=("simple",)) as running:
        yield running


def post(server: RunningServer, path: str, body: Any = None, method: str = "POST") -> tuple[int, str, Any]:
    """Status, content type and body of an answer."""
    connection = HTTPConnection(server.address)
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection.request(method, path, raw)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, response.getheader("Content-Type") or "", json.loads(text) if text else None


def test_bodies_may_be_compressed(server: RunningServer) -> None:
    def status(path: str, body: bytes) -> int:
        connection = HTTPConnection(server.address)
        connection.request("POST", path, gzip.compress(body), {"Content-Encoding": "gzip"})
        found = connection.getresponse().status
        connection.close()
        return found

    config = json.dumps({"parameters": {"config": '{"backend": "onnxruntime"}'}}).encode()
    assert status("/v2/repository/models/simple/load", config) == 200
    assert status("/v2/repository/index", b'{"ready": true}') == 200
    assert status("/v2/repository/index", b'{"ready": 1}') == 400


def test_a_long_body_is_obeyed_as_a_short_one_is(server: RunningServer) -> None:
    """It is read beside the loop, and is no empty order when that is done."""
    wrong = {"parameters": {"config": '{"max_batch_sze": 1}' + " " * 2**18}}
    refusal = (400, {"error": "failed to load 'simple', failed to poll from model repository"})
    assert post(server, "/v2/repository/models/simple/load", wrong)[::2] in (refusal, (500, refusal[1]))
    padded = b'{"ready": 1' + b" " * 2**18 + b"}"
    assert post(server, "/v2/repository/index", padded)[0] == 400
    uploaded = {
        "config": '{"backend": "onnxruntime"}',
        "file:1/model.onnx": base64.b64encode(ONNX + bytes(2**18)).decode(),
    }
    assert post(server, "/v2/repository/models/up/load", {"parameters": uploaded})[0] != 200, (
        "no model, and not ignored"
    )


@pytest.mark.parametrize("action", ["load", "unload"])
@pytest.mark.parametrize("body", [None, b"", {}, {"parameters": {}}, {"other": 1}])
def test_an_empty_order_is_enough(server: RunningServer, action: str, body: Any) -> None:
    assert post(server, f"/v2/repository/models/simple/{action}", body) == (200, "application/json", None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "failed to parse the request JSON buffer: Missing a name for object member. at 1"),
        (b" ", "failed to parse the request JSON buffer: The document is empty. at 1"),
        ({"parameters": []}, "attempt to get members for non-object"),
        ({"parameters": None}, "attempt to get members for non-object"),
        ({"parameters": {"config": 1}}, "attempt to access JSON non-string as string"),
        ({"parameters": {"file:1/model.onnx": None}}, "attempt to access JSON non-string as string"),
        (
            {"parameters": {"file:1/model.onnx": "eA=="}},
            "failed to load 'simple', failed to poll from model repository",
        ),
        ({"parameters": {"x": "y"}}, "unexpected error on creating Triton parameter"),
    ],
)
def test_bodies_that_are_wrong(server: RunningServer, body: Any, words: str) -> None:
    expected = (500, "application/json", {"error": words})
    assert post(server, "/v2/repository/models/simple/load", body) == expected


@pytest.mark.parametrize("value", [1, "true", None, []])
def test_dependents_are_unloaded_or_not(server: RunningServer, value: Any) -> None:
    status, _, answer = post(
        server, "/v2/repository/models/simple/unload", {"parameters": {"unload_dependents": value}}
    )
    assert status == 500
    assert answer["error"].startswith("Unable to parse 'unload_dependents'")


def test_a_repository_cannot_be_named(server: RunningServer) -> None:
    expected = (501, "application/json", {"error": "'repository_name' specification is not supported"})
    for action in ("load", "unload"):
        assert post(server, f"/v2/repository/one/models/simple/{action}") == expected
    assert post(server, "/v2/repository/one/index")[0] == 200


@pytest.mark.parametrize("name", ["..", "%2e%2e", "%2F", "a%2Fb", "..%2F..%2Fetc", "%20"])
def test_names_that_lead_elsewhere(server: RunningServer, name: str) -> None:
    assert post(server, f"/v2/repository/models/{name}/load")[0] == 400
    assert post(server, f"/v2/repository/models/{name}/unload")[0] == (400 if name == "%20" else 200)  # of nothing


@pytest.mark.parametrize("name", ["%00", "a%00", "x" * 300, "a%0A", ".", "$(id)", "a;b", "%5C.."])
def test_names_that_no_model_has(server: RunningServer, name: str) -> None:
    """Names go nowhere but into a comparison: no path, no command."""
    assert post(server, f"/v2/repository/models/{name}/load")[0] == 500
    parameters = {"config": '{"backend": "onnxruntime"}', "file:1/model.onnx": base64.b64encode(ONNX).decode()}
    status, _, answer = post(server, f"/v2/repository/models/{name}/load", {"parameters": parameters})
    assert status == 400
    assert "may have letters, digits" in answer["error"]


def test_other_methods_and_paths(server: RunningServer) -> None:
    assert post(server, "/v2/repository/models/simple/load", method="GET")[0] == 405
    assert post(server, "/v2/repository/models/simple/reload")[0] == 404
    assert post(server, "/v2/repository/models/a/b/load")[0] == 404


@pytest.mark.parametrize("outside", OUTSIDE)
@pytest.mark.parametrize("complete", [True, False])
def test_a_configuration_names_no_file_outside(server: RunningServer, outside: str, complete: bool) -> None:
    """Labels are read back with classification, so that a label file is a way to read any file."""
    tensor = {"data_type": "TYPE_INT32", "dims": [16]}
    outputs = [{"name": "OUTPUT0", **tensor, "label_filename": outside}, {"name": "OUTPUT1", **tensor}]
    config: dict[str, Any] = {"backend": "onnxruntime", "max_batch_size": 8, "output": outputs}
    if complete:
        config["input"] = [{"name": name, **tensor} for name in ("INPUT0", "INPUT1")]
    status, _, answer = post(
        server, "/v2/repository/models/simple/load", {"parameters": {"config": json.dumps(config)}}
    )
    assert status in (400, 500)
    assert answer["error"].startswith(("load failed for model 'simple'", "failed to load 'simple'"))
    config = {"backend": "onnxruntime", "default_model_filename": outside}
    status, _, answer = post(
        server, "/v2/repository/models/simple/load", {"parameters": {"config": json.dumps(config)}}
    )
    assert (status, "must be a path inside" in answer["error"]) == (400, True)


def test_too_much_is_refused(tmp_path: Path) -> None:
    shutil.copytree(MODELS / "simple", tmp_path / "simple")
    options = {"model_control_mode": "explicit", "model_upload_max_size": 100}
    with running_server(str(tmp_path), **options) as server:
        parameters = {"config": '{"backend": "onnxruntime"}', "file:1/model.onnx": base64.b64encode(ONNX).decode()}
        status, _, answer = post(server, "/v2/repository/models/simple/load", {"parameters": parameters})
    assert status == 400
    assert "more than 100 bytes" in answer["error"]


def test_a_client_that_leaves_cancels_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(MODELS / "simple", tmp_path / "simple")
    begun, gate = threading.Event(), threading.Event()
    real = OnnxRuntimeBackend.load

    def slowly(self: Any, request: Any) -> Any:
        begun.set()
        assert gate.wait(60)
        return real(self, request)

    monkeypatch.setattr(OnnxRuntimeBackend, "load", slowly)
    with running_server(str(tmp_path), model_control_mode="explicit") as server:
        with socket.create_connection(("127.0.0.1", server.server.http_port)) as client:
            client.sendall(b"POST /v2/repository/models/simple/load HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            assert begun.wait(60)
            rows = post(server, "/v2/repository/index")[2]
            assert rows == [{"name": "simple", "version": "1", "state": "LOADING"}]
            assert post(server, "/v2/health/ready", method="GET")[0] == 400
        gate.set()
        assert post(server, "/v2/repository/models/simple/load")[0] == 200, "it comes after the first one"
        assert post(server, "/v2/health/ready", method="GET")[0] == 200
