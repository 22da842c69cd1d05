"""The part of the table about models of Triton's Python backend; see `sections/python_models.py`."""

from __future__ import annotations

from peers.python_models import BLS, LARGE, SMALL
from report_words import NAIAD, against, middle, ratio, table

TRITON = "Triton"
AIMS = {SMALL: 1.2, LARGE: 1.5, BLS: 1.5}
"""By model: requests per second against Triton's, at each concurrency."""
WORDS = {
    SMALL: "add and subtract, 2 x 64 bytes",
    LARGE: "add and subtract, 2 x 602,112 bytes",
    BLS: "a request to an ONNX model (BLS)",
}
READY_S, WORKER_MB = 1.5, 40.0
"""Aims: four models ready after the command, and what a worker has to itself."""


def python_models(data: dict) -> str:
    """Rates with the processor time of a request, and ratios; then start and memory."""
    rounds, rows = data["rounds"], []
    for model, ways in rounds[0].items():
        for way, found in ways.items():
            concurrencies = list(found[NAIAD])
            for name in (NAIAD, TRITON):
                cells = [
                    f"{middle(rounds, model, way, name, c, 'per_second'):,.0f}/s "
                    f"({middle(rounds, model, way, name, c, 'cpu_us'):,.0f} µs)"
                    for c in concurrencies
                ]
                rows.append([f"{WORDS[model]}, {way}, {name}", *cells])
            ratios = [
                ratio(rounds, (model, way, NAIAD, c, "per_second"), (model, way, TRITON, c, "per_second"))
                for c in concurrencies
            ]
            rows.append([f"**{way}, ratio**", *(against(one, AIMS[model]) for one in ratios)])
    head = ["", *(f"concurrency {c}" for c in concurrencies)]
    start = data["start"]
    return "\n\n".join(
        [
            "## Python models: the same model.py, asked for by perf_analyzer (processor time of a request)",
            table(head, rows),
            table(
                ["", NAIAD, "aim"],
                [
                    ["four Python models ready after the command", f"{start['ready_s']:.2f} s",
                     _reached(start["ready_s"], READY_S, "s")],
                    ["private memory of a worker", f"{start['worker_mb']:.1f} MB",
                     _reached(start["worker_mb"], WORKER_MB, "MB")],
                ],
            ),
        ]
    )  # fmt: skip


def _reached(value: float, aim: float, unit: str) -> str:
    return f"≤ {aim:g} {unit}: " + ("reached" if value <= aim else "**missed**")
