"""`--exit-on-error=false` without the repository: the doors open, and say that nothing can be asked for.

Where `make test-triton` has set up NVIDIA's own server, it is asked the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from naiad.proto.pool import message_class

from .test_serve import naiad, read_until

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

PORTS = ["--http-port=0", "--grpc-port=0", "--metrics-port=0"]
LOOPBACK = [f"--{door}-address=127.0.0.1" for door in ("http", "grpc", "metrics")]
SERVICE = "/inference.GRPCInferenceService/"
GONE = {"error": "Server not ready"}

HTTP: dict[str, tuple[str, bytes, int]] = {
    "/v2/health/live": ("GET", b"", 400),
    "/v2/health/ready": ("GET", b"", 400),
    "/v2": ("GET", b"", 200),
    "/v2/trace/setting": ("GET", b"", 200),
    "/v2/models/simple": ("GET", b"", 503),
    "/v2/models/simple/ready": ("GET", b"", 503),
    "/v2/models/simple/config": ("GET", b"", 503),
    "/v2/models/simple/stats": ("GET", b"", 503),
    "/v2/models/stats": ("GET", b"", 503),
    "/v2/models/simple/trace/setting": ("GET", b"", 503),
    "/v2/models/simple/infer": ("POST", b'{"inputs": []}', 503),
    "/v2/repository/index": ("POST", b"", 503),
    "/v2/repository/models/simple/load": ("POST", b"{}", 503),
    "/v2/repository/models/simple/unload": ("POST", b"{}", 503),
}
"""Path → method, body, status; beside 503 stand the same words."""

GRPC: dict[str, dict[str, Any]] = {
    "ModelReady": {"name": "simple"},
    "ModelMetadata": {"name": "simple"},
    "ModelStatistics": {},
    "RepositoryIndex": {},
    "RepositoryModelLoad": {"model_name": "simple"},
    "RepositoryModelUnload": {"model_name": "simple"},
    "ModelInfer": {"model_name": "simple"},
}


def check(http: tuple[str, int], grpc_address: str) -> None:
    connection = HTTPConnection(*http, timeout=30)
    found = {}
    for path, (method, body, _) in HTTP.items():
        connection.request(method, path, body)
        answer = connection.getresponse()
        raw = answer.read()
        found[path] = (answer.status, json.loads(raw) if answer.status == 503 else None)
    connection.close()
    assert found == {path: (status, GONE if status == 503 else None) for path, (_, _, status) in HTTP.items()}
    with grpc.insecure_channel(grpc_address) as channel:
        for method in ("ServerLive", "ServerReady"):
            assert channel.unary_unary(SERVICE + method)(b"", timeout=30) == b"", method
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=30) == b"\x08\x02"
        for method, fields in GRPC.items():
            message = message_class(f"{method}Request")(**fields).SerializeToString()
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(SERVICE + method)(message, timeout=30)
            assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, GONE["error"]), method


@pytest.mark.parametrize("mode", ["none", "explicit"])
def test_nothing_can_be_asked_for(tmp_path: Path, mode: str) -> None:
    """Also where another repository is there: as Triton."""
    (tmp_path / "other").mkdir()
    options = ["--exit-on-error=false", f"--model-control-mode={mode}", *PORTS, *LOOPBACK]
    repositories = ["--model-repository=missing", "--model-repository=other"]
    with naiad("triton", *repositories, *options, cwd=tmp_path) as process:
        lines, grpc_port = read_until(process, r"Started GRPCInferenceService at 127\.0\.0\.1:(\d+)")
        _, http_port = read_until(process, r"Started HTTPService at 127\.0\.0\.1:(\d+)")
        assert any(f"there is no folder {tmp_path / 'missing'}" in line for line in lines)
        check(("127.0.0.1", int(http_port[1])), f"127.0.0.1:{grpc_port[1]}")


@pytest.mark.parametrize("mode", ["none", "explicit"])
def test_triton_says_the_same(
    real_triton: Callable[..., AbstractContextManager[Any]], tmp_path: Path, mode: str
) -> None:
    options = ("--exit-on-error=false", f"--model-control-mode={mode}")
    with real_triton(tmp_path / "missing", tmp_path / "log", options) as triton:
        check(triton.http, triton.grpc)
