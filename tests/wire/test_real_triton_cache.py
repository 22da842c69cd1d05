"""The same requests to a cached model of NVIDIA's own server and of ours: what is counted, and what the metrics are."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from identity_in_python import identity_in_python

from naiad.testing import running_server

ROOT = Path(__file__).parents[2]
PYTHON_MODEL = identity_in_python()
CONFIG = """
max_batch_size: 4
input {{ name: "INPUT0" data_type: TYPE_INT32 dims: [ -1 ] }}
output {{ name: "OUTPUT0" data_type: TYPE_INT32 dims: [ -1 ] }}
backend: "{backend}"
{more}
"""
MODELS = {
    "cached": "response_cache { enable: true }",
    "batched": "dynamic_batching { } response_cache { enable: true }",
    "plain": "",
}
STORY: list[tuple[list[list[int]], dict[str, Any]]] = [
    ([[1, 2]], {}),
    ([[1, 2]], {"id": "again"}),
    ([[1, 3]], {}),
    ([[5], [6]], {}),
    ([[5], [6]], {"parameters": {"priority": 1, "timeout": 100}}),
    ([[1, 2]], {"outputs": [{"name": "OUTPUT0"}]}),
    ([[1, 2]], {"outputs": [{"name": "OUTPUT0"}]}),
    ([[0] * 500], {}),
    ([[0] * 500], {}),
]
"""Rows, and what else the request has."""

ALL_OR_NAMED = 1
"""The sixth request names the only output, which Triton takes for the same as naming none, and we for another one."""


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[dict[str, tuple[int, int]]]:
    """By server, its ports for HTTP and metrics."""
    folder = tmp_path_factory.mktemp("models")
    for owner, backend in (("triton", "python"), ("naiad", "identity")):
        for name, more in MODELS.items():
            version = folder / owner / name / "1"
            version.mkdir(parents=True)
            (version / "model.py").write_text(PYTHON_MODEL)
            (version.parent / "config.pbtxt").write_text(CONFIG.format(backend=backend, more=more))
    from harness.ports import free_ports
    from harness.statistics import settled_statistics

    (port,) = free_ports(1)
    (caches,) = (ROOT / ".bench" / "env" / "triton").glob("lib/python3*/site-packages/pytriton/tritonserver/caches")
    options = [
        f"--cache-directory={caches}",
        "--cache-config=local,size=2000",
        "--metrics-config=summary_latencies=true",
    ]
    options += ["--allow-metrics=true", f"--metrics-port={port}", "--metrics-address=127.0.0.1"]
    with ExitStack() as opened:
        triton = opened.enter_context(real_triton(folder / "triton", folder / "log", tuple(options)))
        ours = opened.enter_context(
            running_server(
                str(folder / "naiad"), cache_config=["local,size=2000"], metrics_config=["summary_latencies=true"]
            )
        )
        found = {"triton": (triton.http[1], port), "naiad": (ours.server.http_port, ours.server.metrics_port)}
        for http, _ in found.values():
            for name in MODELS:
                for rows, more in STORY:
                    ask(http, name, rows, more)
                settled_statistics(http, name, len(STORY))
        yield found


def ask(port: int, model: str, rows: list[list[int]], more: dict[str, Any]) -> Any:
    """The shape of the answer, whose values are those of the request."""
    tensor = {"name": "INPUT0", "datatype": "INT32", "shape": [len(rows), len(rows[0])], "data": rows}
    data = json.dumps({"inputs": [tensor], **more}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/{model}/infer", data, timeout=30) as answer:
        output = json.loads(answer.read())["outputs"][0]
    assert output["data"] == [value for row in rows for value in row]
    return output["shape"]


def counts(port: int, model: str, requests: int = 0) -> dict[str, int]:
    """What is counted, once it is so many requests."""
    from harness.statistics import settled_statistics

    stats = settled_statistics(port, model, requests)
    return {
        "inferences": stats["inference_count"],
        "executions": stats["execution_count"],
        **{stage: found["count"] for stage, found in stats["inference_stats"].items()},
    }


def heads(port: int) -> dict[str, list[str]]:
    """HELP and TYPE of the metrics about the cache."""
    found: dict[str, list[str]] = {}
    for line in page(port).splitlines():
        if line.startswith("#") and "nv_cache_" in line:
            found.setdefault(line.split()[2], []).append(line)
    return found


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
        return text


@pytest.mark.parametrize("model", MODELS)
def test_the_same_is_counted_but_for_a_request_that_names_its_outputs(
    ports: dict[str, tuple[int, int]], model: str
) -> None:
    theirs, ours = (counts(ports[owner][0], model) for owner in ("triton", "naiad"))
    if model != "plain":
        theirs["cache_hit"] -= ALL_OR_NAMED
        runs = ("cache_miss", "inferences", "executions", "compute_input", "compute_infer", "compute_output")
        theirs.update({stage: theirs[stage] + ALL_OR_NAMED for stage in runs})
    assert ours == theirs


def test_the_metrics_are_tritons(ports: dict[str, tuple[int, int]]) -> None:
    theirs, ours = (heads(ports[owner][1]) for owner in ("triton", "naiad"))
    assert len(ours) > 10
    assert ours == theirs


def test_the_models_are_those_that_ask_for_it(ports: dict[str, tuple[int, int]]) -> None:
    theirs, ours = (
        set(re.findall(r'^nv_cache_\w+\{model="(\w+)"', page(ports[owner][1]), re.MULTILINE))
        for owner in ("triton", "naiad")
    )
    assert ours == theirs == {"cached", "batched"}


def test_the_same_bytes_in_another_shape_are_another_request(ports: dict[str, tuple[int, int]]) -> None:
    """Triton answers in the shape of the first request, which stands on the page about differences."""
    shapes = {
        owner: [ask(http, "cached", rows, {}) for rows in ([[7, 8]], [[7], [8]])] for owner, (http, _) in ports.items()
    }
    assert shapes == {"triton": [[1, 2], [1, 2]], "naiad": [[1, 2], [2, 1]]}


@pytest.mark.parametrize("parameters", [{"mine": "x"}, {"sequence_id": 7}])
def test_parameters_that_may_matter_are_no_hit(ports: dict[str, tuple[int, int]], parameters: dict[str, Any]) -> None:
    found = {}
    for owner, (http, _) in ports.items():
        ask(http, "cached", [[9, 9, 9]], {})
        before = counts(http, "cached")
        ask(http, "cached", [[9, 9, 9]], {"parameters": parameters})
        after = counts(http, "cached", before["success"] + 1)
        found[owner] = after["cache_hit"] - before["cache_hit"]
    assert found == {"triton": 1, "naiad": 0}
