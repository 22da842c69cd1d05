"""Requests of different lengths to NVIDIA's own server and to ours, all at once: which of them share a batch."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from identity_in_python import identity_in_python

from naiad.testing import running_server

PYTHON_MODEL = identity_in_python()
CONFIG = """
backend: "{backend}"
max_batch_size: 4
input {{ name: "INPUT0" data_type: TYPE_INT32 dims: [ -1 ] allow_ragged_batch: {ragged} }}
output {{ name: "OUTPUT0" data_type: TYPE_INT32 dims: [ -1 ] }}
batch_input {{ kind: BATCH_ELEMENT_COUNT target_name: "COUNT" data_type: TYPE_INT32 source_input: "INPUT0" }}
batch_output {{ kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: "OUTPUT0" source_input: "INPUT0" }}
dynamic_batching {{ max_queue_delay_microseconds: 1000000 }}
"""
MODELS = {"ragged": "true", "even": "false"}
LENGTHS = (2, 4, 1, 3)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[dict[str, int]]:
    """By server, its port for HTTP."""
    folder = tmp_path_factory.mktemp("models")
    for owner, backend in (("triton", "python"), ("naiad", "identity")):
        for name, ragged in MODELS.items():
            version = folder / owner / name / "1"
            version.mkdir(parents=True)
            (version / "model.py").write_text(PYTHON_MODEL)
            (version.parent / "config.pbtxt").write_text(CONFIG.format(backend=backend, ragged=ragged))
    with ExitStack() as opened:
        triton = opened.enter_context(real_triton(folder / "triton", folder / "log"))
        ours = opened.enter_context(running_server(str(folder / "naiad")))
        yield {"triton": triton.http[1], "naiad": ours.server.http_port}


def ask(port: int, model: str, length: int) -> Any:
    tensor = {"name": "INPUT0", "datatype": "INT32", "shape": [1, length], "data": [length] * length}
    data = json.dumps({"inputs": [tensor]}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/{model}/infer", data, timeout=30) as answer:
        output = json.loads(answer.read())["outputs"][0]
    return output["shape"], output["data"]


@pytest.mark.parametrize(("model", "executions"), [("ragged", 1), ("even", 4)])
def test_the_same_requests_share_a_batch(ports: dict[str, int], model: str, executions: int) -> None:
    for port in ports.values():
        with ThreadPoolExecutor(len(LENGTHS)) as threads:
            answers = list(threads.map(lambda length: ask(port, model, length), LENGTHS))  # noqa: B023 - at once
        assert answers == [([1, length], [length] * length) for length in LENGTHS]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/{model}/stats", timeout=30) as answer:
            stats = json.loads(answer.read())["model_stats"][0]
        assert (stats["inference_count"], stats["execution_count"]) == (4, executions)
