"""perf_analyzer's report is read as it is written, and the table shows ratios with their aims."""

from __future__ import annotations

import pytest

from perf_analyzer import read_report
from report import markdown

HEAD = (
    "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,"
    "Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency\n"
)


def test_rate_and_latencies_come_out_of_the_report() -> None:
    report = HEAD + "8,7121.16,0,828,207,17,23,42,0,859,1154,2821,6512\n"
    assert read_report(report) == {"per_second": 7121.16, "p50_ms": 0.859, "p99_ms": 6.512}


def test_a_report_without_answers_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match="no answers"):
        read_report(HEAD + "8,0,0,0,0,0,0,0,0,0,0,0,0\n")


def test_the_table_has_ratios_and_aims() -> None:
    """Ratios of the rounds, shared memory against gRPC on the image model, aims where there are some."""

    def by_concurrency(rate: float) -> dict[str, dict[str, float]]:
        return {c: {"per_second": rate, "cpu_us": 30.0} for c in ("1", "8")}

    round_ = {
        "simple": {"gRPC": {"Naiad": by_concurrency(9200.0), "Triton": by_concurrency(4000.0)}},
        "image": {
            "gRPC": {"Naiad": by_concurrency(1000.0), "Triton": by_concurrency(500.0)},
            "gRPC, shared memory": {"Naiad": by_concurrency(1900.0), "Triton": by_concurrency(1500.0)},
        },
    }
    machine = {"versions": {"naiad": "0"}, "peers": {}, "processor": "", "cores": 2, "memory_gb": 1, "system": "",
               "python": "", "commit": "", "date": "", "load_average": 0}  # fmt: skip
    page = markdown({"machine": machine, "rounds": 1, "protocol": {"rounds": [round_]}})
    assert "| gRPC, Naiad | 9,200/s (30 µs) | 9,200/s (30 µs) |" in page
    assert "| **gRPC, Naiad / Triton** | 2.30x (aim ≥ 2.4x: **missed**) | 2.30x (aim ≥ 2.4x: **missed**) |" in page
    assert "| **shared memory / gRPC, Naiad** | 1.90x (aim ≥ 2x: **missed**)" in page
    assert "| **shared memory / gRPC, Triton** | 3.00x | 3.00x |" in page
