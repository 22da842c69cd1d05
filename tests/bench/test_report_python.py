"""The part of the table about Python models: ratios with their aims, start and memory."""

from __future__ import annotations

from report_python import python_models


def test_ratios_and_aims() -> None:
    def found(rate: float) -> dict[str, dict[str, float]]:
        return {c: {"per_second": rate, "cpu_us": 80.0} for c in ("1", "8")}

    rounds = [{"add_sub": {"gRPC": {"Naiad": found(6000.0), "Triton": found(4000.0)}}}]
    page = python_models({"rounds": rounds, "start": {"ready_s": 1.25, "worker_mb": 41.0}})
    assert "| add and subtract, 2 x 64 bytes, gRPC, Naiad | 6,000/s (80 µs) | 6,000/s (80 µs) |" in page
    assert "| **gRPC, ratio** | 1.50x (aim ≥ 1.2x: reached) | 1.50x (aim ≥ 1.2x: reached) |" in page
    assert "| four Python models ready after the command | 1.25 s | ≤ 1.5 s: reached |" in page
    assert "| private memory of a worker | 41.0 MB | ≤ 40 MB: **missed** |" in page
