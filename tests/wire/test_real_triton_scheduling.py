"""The same requests in the same order at NVIDIA's own server and at ours, as under `naiad triton`: who runs when.

The model takes a fixed time for each execution, so that the answers come in steps; requests of one step ran together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from stories import executions, story

from naiad.testing import running_server

RUN_S = 0.6
"""Of one execution; long enough for a busy machine."""
LONG_RUN_S = 1.2
"""Where time limits must be over before it ends, or may not be."""

PYTHON_MODEL = """
import json
import time
import triton_python_backend_utils as triton

class TritonPythonModel:
    def initialize(self, args):
        self.run_ms = int(json.loads(args["model_config"])["parameters"]["execute_delay_ms"]["string_value"])

    def execute(self, requests):
        time.sleep(self.run_ms / 1000)
        found = [triton.get_input_tensor_by_name(request, "INPUT0").as_numpy() for request in requests]
        return [triton.InferenceResponse([triton.Tensor("OUTPUT0", array)]) for array in found]
"""

CONFIG = """
input {{ name: "INPUT0" data_type: TYPE_INT32 dims: [ 1 ] }}
output {{ name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 1 ] }}
instance_group {{ count: 1 kind: KIND_CPU }}
backend: "{backend}"
parameters {{ key: "execute_delay_ms" value {{ string_value: "{delay_ms:.0f}" }} }}
"""

DELAY = "default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 600000 }"
REJECT = "default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 600000 }"
OVERRIDE = "default_queue_policy { allow_timeout_override: %s default_timeout_microseconds: 10000000 }"
OF_LEVEL = "priority_queue_policy { key: 1 value { max_queue_size: 1 } }"
LEVELS = "priority_levels: %d default_priority_level: 2"


@dataclass(frozen=True)
class Request:
    name: str
    after: float = 0.0
    """Runs after the first request began."""
    priority: int = 0
    timeout_us: int = 0


BUSY = Request("busy")
"""What the others find running."""


def one_by_one(names: str, after: float = 0.2, priority: int = 0) -> list[Request]:
    return [Request(name, after + number / 20, priority) for number, name in enumerate(names)]


MODELS = {
    "plain": "max_batch_size: 8",
    "joined": "max_batch_size: 8 dynamic_batching { }",
    "many": "max_batch_size: 80 dynamic_batching { }",
    "preferred": "max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 4 ] }",
    "delayed": f"max_batch_size: 1 dynamic_batching {{ {LEVELS % 2} {DELAY} }}",
    "rejected": f"max_batch_size: 1 dynamic_batching {{ {LEVELS % 2} {REJECT} }}",
    "overtaken": f"max_batch_size: 2 dynamic_batching {{ {LEVELS % (2**64 - 1)} }}",
    "full": "max_batch_size: 1 dynamic_batching { default_queue_policy { max_queue_size: 2 } }",
    "full_level": f"max_batch_size: 1 dynamic_batching {{ {LEVELS % 2} {OF_LEVEL} }}",
    "overridden": f"max_batch_size: 1 dynamic_batching {{ {OVERRIDE % 'true'} }}",
    "not_overridden": f"max_batch_size: 1 dynamic_batching {{ {OVERRIDE % 'false'} }}",
    "patient": "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 300000 }",
}

STORIES: dict[str, list[Request]] = {
    "plain": [BUSY, *one_by_one("abc")],
    "joined": [BUSY, *one_by_one("abc")],
    "many": [BUSY, *(Request(str(number), 0.2) for number in range(70))],
    "preferred": [BUSY, *one_by_one("abcdef")],
    "delayed": [BUSY, Request("late", 0.1, 1), Request("low", 0.9, 2), Request("high", 0.9, 1)],
    "rejected": [BUSY, Request("late", 0.1, 1), Request("low", 0.9, 2), Request("high", 0.9, 1)],
    "overtaken": [BUSY, *one_by_one("abc", priority=9), *one_by_one("xy", 0.6, priority=1)],
    "full": [BUSY, *one_by_one("abc")],
    "full_level": [BUSY, *one_by_one("ab", priority=1), *one_by_one("cd", 0.5, priority=2)],
    "overridden": [BUSY, Request("short", 0.2, timeout_us=150_000), Request("long", 0.4, timeout_us=20_000_000)],
    "not_overridden": [BUSY, Request("short", 0.2, timeout_us=150_000)],
    "patient": [*one_by_one("ab", 0.0), Request("c", 0.8)],
}


def run_s_of(model: str) -> float:
    return LONG_RUN_S if model in ("delayed", "rejected") else RUN_S


def write(folder: Path, backend: str, put: Callable[[Path], object]) -> Path:
    for name, config in MODELS.items():
        version = folder / name / "1"
        version.mkdir(parents=True)
        put(version)
        text = CONFIG.format(backend=backend, delay_ms=run_s_of(name) * 1000)
        (folder / name / "config.pbtxt").write_text(f'name: "{name}" {config}\n{text}')
    return folder


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[tuple[int, int]]:
    """Of the real server and of ours."""
    folder = tmp_path_factory.mktemp("models")
    theirs = write(folder / "triton", "python", lambda version: (version / "model.py").write_text(PYTHON_MODEL))
    ours = write(folder / "naiad", "identity", lambda _: None)
    with ExitStack() as opened:
        triton = opened.enter_context(real_triton(theirs, folder / "log"))
        naiad = opened.enter_context(
            running_server(str(ours), join_waiting=False, run_ahead=False, adaptive_batching=False)
        )
        yield triton.http[1], naiad.server.http_port


def ask(port: int, model: str, request: Request) -> tuple[int, Any]:
    """Status, and the error if there is one."""
    document = {
        "inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 1], "data": [1]}],
        "parameters": {"priority": request.priority, "timeout": request.timeout_us},
    }
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", f"/v2/models/{model}/infer", json.dumps(document))
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer.get("error")


@pytest.mark.parametrize("model", STORIES)
def test_requests_run_when_they_run_at_triton(ports: tuple[int, int], model: str) -> None:
    theirs, ours = (story(STORIES[model], partial(ask, port, model), run_s_of(model)) for port in ports)
    assert ours == theirs
    answered = sum(status == 200 for status, _, _ in theirs.values())
    assert executions(ports[1], model, answered) == executions(ports[0], model, answered)
