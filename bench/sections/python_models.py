"""Models of Triton's Python backend, the same files on Naiad and on Triton, asked for by perf_analyzer in turns.

`add_sub` shows what a request costs, `add_sub_large` (two tensors of 602,112 bytes in, two out) what moving bytes
costs, `bls` what a request to another model costs. Then, of Naiad alone: how soon four models of a few lines are ready,
and what memory a worker has to itself.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from contender import Files
from match import Pace, note
from meeting import GRPC, HTTP, Meeting
from peers.naiad import Naiad
from peers.python_models import BLS, LARGE, SMALL, NaiadModels, TritonModels, write_small
from perf_analyzer import prepare_perf_analyzer
from server_process import running

CONCURRENCIES = (1, 8, 32)
WAYS = {"HTTP binary": HTTP, "gRPC": GRPC}
MODELS = 4
"""Of those that are to be ready soon."""
STARTS = 5
"""The first of which fills the file cache."""


def measure(pace: Pace, files: Files) -> dict[str, object]:
    """In each round, by model, way, server and concurrency: rate, latencies, processor time; `start`: see there."""
    tool = prepare_perf_analyzer()
    rounds = []
    for number in range(pace.rounds):
        figures: dict = {}
        for model in (SMALL, LARGE, BLS):
            with ExitStack() as stack:
                meeting = Meeting(tool, (NaiadModels(), TritonModels()), model, files, stack, pace)
                figures[model] = {way: meeting.hold(options, CONCURRENCIES, is_reversed=number % 2 > 0)
                                  for way, options in WAYS.items()}  # fmt: skip
            for way, found in figures[model].items():
                words = "; ".join(f"{name} " + ", ".join(f"{record['per_second']:,.0f}/s at {c}"
                                  for c, record in by_c.items()) for name, by_c in found.items())  # fmt: skip
                note(f"  {model}, round {number + 1}, {way}: {words}")
        rounds.append(figures)
    return {"rounds": rounds, "start": measure_start(files)}


def measure_start(files: Files) -> dict[str, float]:
    """Seconds from the command until four models are ready (median), and the private MB of their largest worker."""
    repository = files.folder / "python-models" / "four"
    names = [f"add_sub_{number}" for number in range(MODELS)]
    for name in names:
        write_small(repository, name)
    ready_s, worker_mb = [], 0.0
    for _ in range(STARTS):
        launch = Naiad.serve([str(repository)], "/v2/health/ready", files)
        with running(launch, files.folder / "logs" / "naiad-four-models.log") as server:
            ready_s.append(server.ready_after_s)
            worker_mb = max(map(private_mb, server.children()))
    note(f"  four models ready after {', '.join(f'{s:.2f}' for s in ready_s)} s; a worker has {worker_mb:.1f} MB")
    return {"ready_s": median(ready_s[1:]), "worker_mb": worker_mb}


def private_mb(pid: int) -> float:
    """Memory in MB that a process shares with no other."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kilobytes) for kilobytes in re.findall(r"^Private_\w+: +(\d+) kB", rollup, re.MULTILINE)) / 1000
