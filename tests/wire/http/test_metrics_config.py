"""Summaries and histograms of latencies, from a request to the page."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from naiad.testing import RunningServer, running_server

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"
ROWS = """
name: "rows"
backend: "identity"
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }
model_transaction_policy { decoupled: true }
model_metrics { metric_control: [ {
  metric_identifier: { family: "nv_inference_first_response_histogram_ms" }
  histogram_options: { buckets: [ -1, 0.0, 2.5, 100000 ] }
} ] }
"""
ENTRY = {"shape": [1, 16], "datatype": "INT32", "data": list(range(16))}
SUMMARY = "nv_inference_request_summary_us"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    repository = tmp_path_factory.mktemp("models")
    shutil.copytree(SIMPLE, repository / "simple")
    (repository / "rows" / "1").mkdir(parents=True)
    (repository / "rows" / "config.pbtxt").write_text(ROWS)
    asked = ("summary_latencies=true", "summary_quantiles=0.5:0.05,0.9:0.01", "histogram_latencies=true")
    with running_server(str(repository), metrics_config=(*asked, "counter_latencies=false")) as running:
        yield running


def page(server: RunningServer) -> str:
    return httpx2.get(f"http://127.0.0.1:{server.server.metrics_port}/metrics").text


def test_a_model_that_was_not_asked_has_no_quantiles(server: RunningServer) -> None:
    assert f'{SUMMARY}{{model="rows",version="1",quantile="0.5"}} Nan\n' in page(server)


def test_requests_are_seen_in_summaries(server: RunningServer) -> None:
    body = {"inputs": [{"name": f"INPUT{n}", **ENTRY} for n in (0, 1)]}
    for _ in range(3):
        assert httpx2.post(f"http://{server.address}/v2/models/simple/infer", json=body).status_code == 200
    text = page(server)
    for stage in ("request", "queue", "compute_input", "compute_infer", "compute_output"):
        assert f'nv_inference_{stage}_summary_us_count{{model="simple",version="1"}} 3\n' in text
        found = re.findall(
            rf'^nv_inference_{stage}_summary_us{{model="simple",.*quantile="(.*)"}} (\d+)$', text, re.MULTILINE
        )
        assert [which for which, _ in found] == ["0.5", "0.9"]
    assert "nv_inference_request_duration_us" not in text
    assert 'nv_inference_request_success{model="simple",version="1"} 3\n' in text


def test_the_first_response_of_a_decoupled_model_is_in_its_own_buckets(server: RunningServer) -> None:
    answer = httpx2.post(f"http://{server.address}/v2/models/rows/generate", json={"x": [1.0]})
    assert answer.status_code == 200, answer.text
    name = "nv_inference_first_response_histogram_ms"
    rows = re.findall(rf'^{name}_bucket{{model="(.*)",version="1",le="(.*)"}} (\d+)$', page(server), re.MULTILINE)
    assert [(model, bound) for model, bound, _ in rows] == [
        ("rows", bound) for bound in ("-1", "0", "2.5", "100000", "+Inf")
    ]
    assert [count for _, _, count in rows[::3]] == ["0", "1"]
