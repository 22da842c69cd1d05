"""The rate limiter in a running server, through Triton's own client: who runs beside whom, and what it counts."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.testing import RunningServer, running_server

http = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed (requirements/dev.txt)")

CONFIG = """
backend: "identity" max_batch_size: 4
input { name: "x" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_INT32 dims: [ 1 ] }
parameters { key: "execute_delay_ms" value { string_value: "20" } }
"""


def write(folder: Path, name: str, groups: str) -> None:
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "config.pbtxt").write_text(f"{CONFIG}{groups}")


def group(resource: str, priority: int = 1, more: str = "count: 1") -> str:
    return f"instance_group {{ {more} rate_limiter {{ resources {{ {resource} }} priority: {priority} }} }}\n"


ONE = 'name: "R" count: 1'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    write(tmp_path, "often", group(ONE))
    write(tmp_path, "seldom", group(ONE, 3))
    write(tmp_path, "free", "instance_group { count: 1 }")
    write(tmp_path, "greedy", group('name: "R" count: 9'))
    write(tmp_path, "mixed", group('name: "R" count: 1 global: true'))
    with running_server(
        str(tmp_path),
        rate_limit="execution_count",
        rate_limit_resource=("R:1",),
        model_control_mode="explicit",
        load_model=("often", "seldom", "free"),
        join_waiting=False,
    ) as running:
        yield running


def ask(client: Any, model: str) -> None:
    tensor = http.InferInput("x", [1, 1], "INT32")
    tensor.set_data_from_numpy(np.ones((1, 1), np.int32))
    client.infer(model, [tensor])


def count(running: RunningServer, model: str) -> int:
    with http.InferenceServerClient(running.address) as client:
        return int(client.get_inference_statistics(model)["model_stats"][0]["execution_count"])


def metrics(running: RunningServer) -> str:
    with urllib.request.urlopen(running.metrics_url, timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def test_two_models_share_a_resource_by_their_priorities(server: RunningServer) -> None:
    stop = threading.Event()

    def flood(model: str) -> None:
        with http.InferenceServerClient(server.address) as client:
            while not stop.is_set():
                ask(client, model)

    threads = [threading.Thread(target=flood, args=(model,)) for model in ("often", "seldom") for _ in range(3)]
    began_s = time.monotonic()
    for thread in threads:
        thread.start()
    pages = [metrics(server)]
    while count(server, "often") < 30 and time.monotonic() < began_s + 30:
        time.sleep(0.05)
        pages.append(metrics(server))
    stop.set()
    for thread in threads:
        thread.join()
    took_s = time.monotonic() - began_s
    often, seldom = count(server, "often"), count(server, "seldom")
    assert (often + seldom) * 0.02 <= took_s, "one at a time"
    assert 2 <= often / seldom <= 4, "the one of priority 3 runs a third as often"
    assert all('naiad_rate_limit_resource_total{device="0",resource="R"} 1\n' in page for page in pages)
    assert any('naiad_rate_limit_resource_used{device="0",resource="R"} 1\n' in page for page in pages)
    pending = r'^naiad_rate_limit_pending_count\{model="(\w+)",\S+ (\d+)$'
    waiting = [dict(re.findall(pending, page, re.MULTILINE)) for page in pages]
    assert all(models.keys() == {"often", "seldom", "free"} for models in waiting)
    assert any("1" in models.values() for models in waiting)
    waited = re.search(r'^naiad_rate_limit_duration_seconds_sum\{model="seldom",\S+ (\S+)$', pages[-1], re.MULTILINE)
    assert waited is not None
    assert float(waited[1]) > 0.02


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            "greedy",
            'Resource count for "R" is limited to 1 which will prevent scheduling of one or more model instances',
        ),
        ("mixed", 'Resource "R" is present as both global and device-specific resource in the model configuration.'),
    ],
)
def test_what_could_never_run_is_not_loaded_and_the_others_serve(server: RunningServer, model: str, words: str) -> None:
    with http.InferenceServerClient(server.address) as client:
        with pytest.raises(Exception, match=re.escape(words)):
            client.load_model(model)
        for other in ("often", "seldom", "free"):
            ask(client, other)
        client.unload_model("often")
        client.unload_model("seldom")
        client.load_model("often")
        ask(client, "often")


def test_a_client_that_leaves_gives_up_its_place(server: RunningServer) -> None:
    held = threading.Thread(target=lambda: ask(http.InferenceServerClient(server.address), "often"))
    held.start()
    body = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1, 1], "data": [1]}]}
    request = urllib.request.Request(f"{server.url}/v2/models/seldom/infer", json.dumps(body).encode())
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(request, timeout=0.001)
    held.join()
    with http.InferenceServerClient(server.address) as client:
        ask(client, "often")


def test_without_it_nothing_is_limited(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "greedy", group('name: "R" count: 9'))
    with running_server(str(tmp_path), rate_limit_resource=("R:1",)) as running:
        with http.InferenceServerClient(running.address) as client:
            ask(client, "greedy")
        assert "naiad_rate_limit_" not in metrics(running)
    assert "--rate-limit-resource has no effect without --rate-limit execution_count" in caplog.text


@pytest.mark.parametrize("rate_limit", ["execution_count", "off"])
def test_a_resource_that_cannot_be_read_ends_the_start(rate_limit: str) -> None:
    with (
        pytest.raises(InvalidConfiguration, match="--rate-limit-resource option format is"),
        running_server(rate_limit=rate_limit, rate_limit_resource=("R",)),
    ):
        raise AssertionError("it has started")
