"""Headers that become parameters, by Triton's own server and by ours: the same names for the same pattern."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from naiad.core.message import InferRequest
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.exchange import Headers

CONFIG = """
name: "told" backend: "python"
input { name: "x" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "parameters" data_type: TYPE_STRING dims: [ 1 ] }
"""
MODEL = """
import numpy
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        told = [numpy.array([request.parameters().encode()], object) for request in requests]
        return [pb.InferenceResponse([pb.Tensor("parameters", one)]) for one in told]
"""
NAMES = ("X-Tenant", "x-user", "Other")
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "INT32", "shape": [1], "data": [1]}]})


def forwarded_by_triton(address: tuple[str, int]) -> set[str]:
    connection = http.client.HTTPConnection(*address, timeout=60)
    connection.request("POST", "/v2/models/told/infer", BODY, dict.fromkeys(NAMES, "value"))
    (told,) = json.loads(connection.getresponse().read())["outputs"][0]["data"]
    connection.close()
    return set(json.loads(told)) & set(NAMES)


def forwarded_here(pattern: str) -> set[str]:
    headers = Headers({name.lower().encode(): b"value" for name in NAMES})
    for name in NAMES:
        if name != name.lower():
            headers.note_written(name.lower().encode(), name.encode())
    request = InferRequest("told")
    Forwarding(pattern).add_headers(request, headers)
    return set(request.parameters)


@pytest.mark.parametrize("pattern", ["^x-", "(?-i)^X-", "^x-(?-i:T)", "(?-i)tenant"])
def test_the_same_headers_are_forwarded(tmp_path: Path, real_triton: Any, pattern: str) -> None:
    (tmp_path / "models" / "told" / "1").mkdir(parents=True)
    (tmp_path / "models" / "told" / "config.pbtxt").write_text(CONFIG)
    (tmp_path / "models" / "told" / "1" / "model.py").write_text(MODEL)
    option = (f"--http-header-forward-pattern={pattern}",)
    with real_triton(tmp_path / "models", tmp_path / "log", option) as server:
        theirs = forwarded_by_triton(server.http)
    assert forwarded_here(pattern) == theirs
