"""Instance groups at NVIDIA's own server and at ours: what the configuration endpoint says of them."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from naiad.testing import running_server

PYTHON_MODEL = """
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [triton.InferenceResponse([]) for _ in requests]
"""

PORTS = """
input { name: "x" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_INT32 dims: [ 1 ] }
"""

GROUPS = {
    "none": "",
    "empty": "instance_group { }",
    "auto": "instance_group { kind: KIND_AUTO count: 2 }",
    "model": "instance_group { kind: KIND_MODEL }",
    "several": 'instance_group [ { count: 2 }, { name: "own" kind: KIND_CPU }, { } ]',
    "passive": "instance_group [ { passive: true }, { } ]",
    "policy": 'instance_group { host_policy: "somewhere" }',
    "no_count": "instance_group { count: 0 }",
    "limited": 'instance_group { rate_limiter { resources [ { name: "R" count: 4 }, { name: "G" global: true } ] } }',
    "seldom": "instance_group { rate_limiter { priority: 3 } }",
    "limited_by_nothing": "instance_group { rate_limiter { } }",
}


def write(folder: Path, backend: str) -> Path:
    for name, groups in GROUPS.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "model.py").write_text(PYTHON_MODEL)
        (folder / name / "config.pbtxt").write_text(f'backend: "{backend}"\n{PORTS}{groups}')
    return folder


def groups_of(port: int) -> dict[str, Any]:
    found = {}
    for name in GROUPS:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/{name}/config", timeout=30) as answer:
            found[name] = json.loads(answer.read())["instance_group"]
    return found


def test_groups_are_completed_alike(tmp_path: Path, real_triton: Any) -> None:
    theirs, ours = write(tmp_path / "triton", "python"), write(tmp_path / "naiad", "identity")
    with real_triton(theirs, tmp_path / "log", ("--disable-auto-complete-config", "--exit-on-error=false")) as triton:
        expected = groups_of(triton.http[1])
    with running_server(str(ours)) as running:
        found = groups_of(running.server.http_port)
    assert found == expected
