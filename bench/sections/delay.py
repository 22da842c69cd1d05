"""How long to wait for company: a model that takes ten milliseconds a batch, in a closed loop and in bursts.

Closed: eight clients and batches of up to eight, where a batcher that waits for nobody makes halves. Bursts: fifty
requests every tenth of a second and batches of up to 64, an open loop that one by one cannot keep up with.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from contender import Files
from drive import Burst, measure_bursts, measure_load
from load import percentile_ms
from match import Pace, note, record
from peers.slow import Slow, check, request
from quiet import Witness
from server_process import running

CLOSED = (
    Slow("Naiad", 8),
    Slow("Naiad, waiting for nobody", 8, options=("--no-adaptive-batching",)),
    Slow("Triton, default", 8, is_triton=True),
    Slow("Triton, 5 ms of delay", 8, is_triton=True, delay_us=5000),
)
"""The last one, whose delay somebody has found by trying, fills its batches: the yardstick at eight clients."""
OPEN = (
    Slow("Naiad", 64),
    Slow("Triton, default", 64, is_triton=True),
    Slow("Naiad, one by one", 64, options=("--no-batching",)),
)
CLIENTS = (1, 2, 8)
SIZE, PERIOD_S = 50, 0.1
APART_S = 0.003
"""Clients do not begin in the same moment: those that do stay together for a while, whatever the batcher does."""
RUNS_AFTER_S, RUNS_WITHIN_S, RUNS_S = 0.5, 2.0, 0.1
"""Runs are drawn of some tenth of a second, which lies within two seconds after the first half."""
SHOWN_S = 2.0
"""Of the last round, every request of so many seconds is kept for the picture."""


def measure(pace: Pace, files: Files, *, with_triton: bool = True) -> dict[str, object]:
    """In each round, figures by contender and number of clients, and latencies of the bursts."""
    logs = files.folder / "logs"
    rounds, bursts = [], {}
    for number in range(pace.rounds):
        closed, opened = {}, {}
        for slow in _order(CLOSED, number, with_triton):
            with running(slow.launch(files), logs / "slow.log") as server:
                measure_load(server.port, [request()], 8, pace.warm_up_s)
                closed[slow.name] = {}
                for clients in CLIENTS:
                    witness = Witness(server.processor_s)
                    figures = measure_load(server.port, [request()], clients, pace.seconds, apart_s=APART_S)
                    check(figures.bodies[0])
                    closed[slow.name][clients] = record(figures) | {"others_share": witness.others_share()}
            rates = ", ".join(f"{one['per_second']:.0f}/s at {c}" for c, one in closed[slow.name].items())
            note(f"  closed loop, round {number + 1}: {slow.name} {rates}")
        for slow in _order(OPEN, number, with_triton):
            with running(slow.launch(files), logs / "slow.log") as server:
                measure_load(server.port, [request()], 8, pace.warm_up_s)
                sent = measure_bursts(server.port, request(), SIZE, PERIOD_S, pace.seconds)
            opened[slow.name] = latencies(sent)
            bursts[slow.name] = [[one.sent_s, one.took_s] for one in sent if one.sent_s < SHOWN_S]
            note(f"  bursts, round {number + 1}: {slow.name} p50 {opened[slow.name]['p50_ms']:.1f}, "
                 f"p99 {opened[slow.name]['p99_ms']:.1f} ms")  # fmt: skip
        rounds.append({"closed": closed, "open": opened})
    return {"rounds": rounds, "bursts": bursts, "runs": measure_runs(files, with_triton)}


def measure_runs(files: Files, with_triton: bool) -> dict[str, list]:
    """Begin and end (seconds) and rows of the runs of some moments at eight clients, from the servers' own traces."""
    found = {}
    for slow in _order(CLOSED[:3][::-1], 0, with_triton):
        trace = files.folder / "slow" / f"{slow.name.lower().replace(' ', '-')}-trace.json"
        trace.unlink(missing_ok=True)
        words = ("rate=1", "level=TIMESTAMPS", f"triton,file={trace}")
        traced = replace(slow, options=(*slow.options, *(f"--trace-config={one}" for one in words)))
        with running(traced.launch(files), files.folder / "logs" / "slow.log") as server:
            measure_load(server.port, [request()], 8, RUNS_AFTER_S + RUNS_WITHIN_S, apart_s=APART_S)
        found[slow.name] = runs_of(json.loads(trace.read_text()))
    return found


def runs_of(trace: list[dict]) -> list[tuple[float, float, int]]:
    """The runs of a tenth of a second in a trace file, of the tenth with the median of rows.

    Requests that began to be computed at the same time ran together.
    """
    stamps: dict[int, dict[str, int]] = {}
    for entry in trace:
        stamps.setdefault(entry["id"], {}).update({one["name"]: one["ns"] for one in entry.get("timestamps", ())})
    ends: dict[int, list[int]] = {}
    for at_ns in stamps.values():
        if "COMPUTE_START" in at_ns and "COMPUTE_END" in at_ns:
            ends.setdefault(at_ns["COMPUTE_START"], []).append(at_ns["COMPUTE_END"])
    begun = sorted(ends)
    windows = []
    for at, ns in enumerate(begun):
        if begun[0] + RUNS_AFTER_S * 1e9 <= ns <= begun[-1] - RUNS_S * 1e9:
            windows.append([one for one in begun[at:] if one < ns + RUNS_S * 1e9])
    windows.sort(key=lambda window: sum(len(ends[ns]) for ns in window))
    usual = windows[len(windows) // 2]
    return [((ns - usual[0]) / 1e9, (max(ends[ns]) - usual[0]) / 1e9, len(ends[ns])) for ns in usual]


def _order(contenders: Sequence[Slow], number: int, with_triton: bool) -> list[Slow]:
    """Alternate, so that nobody always comes last."""
    chosen = [one for one in contenders if with_triton or not one.is_triton]
    return chosen[::-1] if number % 2 else chosen


def latencies(sent: list[Burst]) -> dict[str, float]:
    """Of all requests, and the longest of the last burst."""
    took = sorted(one.took_s for one in sent)
    return {
        "p50_ms": percentile_ms(took, 0.50),
        "p99_ms": percentile_ms(took, 0.99),
        "last_ms": 1000 * max(one.took_s for one in sent if one.sent_s == max(other.sent_s for other in sent)),
    }
