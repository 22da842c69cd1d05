"""The metrics pages of NVIDIA's own server, where `make test-triton` has set it up, and of ours."""

from __future__ import annotations

import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simple_in_python import PYTHON_MODEL

from naiad.testing import running_server

SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"
BODY = (
    b'{"inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"INT32","data":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]},'
    b'{"name":"INPUT1","shape":[1,16],"datatype":"INT32","data":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}]}'
)
CONFIGS = {
    "usual": (),
    "summaries": ("summary_latencies=true", "summary_quantiles=0.5:0.05,0.9:0.01"),
    "no counters": ("counter_latencies=false", "summary_latencies=true"),
}
NUMBER = r"-?\d+(\.\d+)?(e[+-]\d\d+)?|Nan"


@pytest.fixture(scope="module", params=CONFIGS)
def pages(request: Any, tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[tuple[str, str]]:
    """Triton's and ours, after three requests that were answered and one that was not."""
    folder, config = tmp_path_factory.mktemp("metrics"), CONFIGS[request.param]
    for name in ("triton", "naiad"):
        shutil.copytree(SIMPLE, folder / name / "simple")
    config_file = folder / "triton" / "simple" / "config.pbtxt"
    config_file.write_text(config_file.read_text().replace('platform: "onnxruntime_onnx"', 'backend: "python"'))
    (folder / "triton" / "simple" / "1" / "model.py").write_text(PYTHON_MODEL)
    from harness.ports import free_ports
    from harness.statistics import settled_statistics

    (port,) = free_ports(1)
    options = [f"--metrics-config={one}" for one in config]
    options += ["--allow-metrics=true", f"--metrics-port={port}", "--metrics-address=127.0.0.1"]
    with (
        real_triton(folder / "triton", folder / "log", tuple(options)) as triton,
        running_server(str(folder / "naiad"), metrics_config=config) as ours,
    ):
        for http in (triton.http[1], ours.server.http_port):
            ask(http)
            settled_statistics(http, "simple", 3)
        yield page(port), page(ours.server.metrics_port)


def ask(port: int) -> None:
    for _ in range(3):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/simple/infer", BODY, timeout=30):
            pass


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def series(text: str) -> set[str]:
    return {line.rpartition(" ")[0] for line in text.splitlines() if line.startswith("nv_")}


def heads(text: str) -> dict[str, list[str]]:
    """The lines of HELP and TYPE by metric."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            found.setdefault(line.split()[2], []).append(line)
    return found


def test_ours_has_every_series_of_tritons(pages: tuple[str, str]) -> None:
    triton, ours = map(series, pages)
    assert triton - ours == set()
    assert ours - triton <= {'nv_model_load_duration_secs{model="simple",version="1"}'}, "newer than 2.51"


def test_names_texts_and_types_are_tritons(pages: tuple[str, str]) -> None:
    triton, ours = map(heads, pages)
    common = [name for name in triton if name in ours]
    assert len(common) > 10
    assert [ours[name] for name in common] == [triton[name] for name in common]


def test_numbers_are_written_alike(pages: tuple[str, str]) -> None:
    for text in pages:
        numbers = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith("nv_")]
        assert [one for one in numbers if not re.fullmatch(NUMBER, one) or one.endswith(".0")] == []


def test_counts_are_equal(pages: tuple[str, str]) -> None:
    """Where the counters of latencies are off, Triton counts no requests either, which is a mistake."""
    triton, ours = (
        dict(re.findall(r"^(nv_inference_(?:request_success|count))\S* (\S+)$", text, re.MULTILINE)) for text in pages
    )
    assert ours == {"nv_inference_request_success": "3", "nv_inference_count": "3"}
    has_counters = "nv_inference_queue_duration_us" in pages[0]
    assert triton == (ours if has_counters else dict.fromkeys(ours, "0"))
