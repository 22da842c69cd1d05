"""How throughput grows with an endpoint's workers: hooks that burn 5 ms of processor time before an ONNX model.

    .venv/bin/python bench/preprocess.py --workers 1 2 4 --seconds 3 --rounds 3

Prints a table: requests a second, and the ratio to one worker, of the same round. The aim is the workers, up to the
cores that are left to them: the load generator and the server need some of the processor, too. Beside it stands what
the hooks alone reach in as many processes with nothing else around, which no server can pass.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from drive import measure_load, post
from graph import build_simple
from server_process import Launch, free_port, running

BURN_S = 0.005
CONCURRENCY = 16
HOOKS = f"""
import time
import numpy as np

class Preprocess:
    def preprocess(self, body, state, collect_custom_statistics_fn=None):
        end = time.thread_time() + {BURN_S}
        while time.thread_time() < end:
            pass
        row = np.array([body["x"]], np.int32)
        return [row, row]

    def postprocess(self, data, state, collect_custom_statistics_fn=None):
        return {{"sum": data[0]}}
"""
MANIFEST = """
models: [{{source: {repository}}}]
endpoints: [{{endpoint: burning, model: simple, preprocess: {code}, workers: {workers}}}]
"""


def serve(folder: Path, workers: int, seconds: float) -> float:
    """Requests a second with so many workers."""
    manifest = folder / f"naiad-{workers}.yaml"
    code, repository = folder / "hooks.py", folder / "repository"
    manifest.write_text(MANIFEST.format(repository=repository, code=code, workers=workers))
    port = free_port()
    naiad = [str(Path(sys.executable).with_name("naiad")), "serve", "--manifest", str(manifest)]
    options = [f"--http-port={port}", "--no-allow-grpc", "--no-allow-metrics"]
    with running(Launch([*naiad, *options], port, "/v2/health/ready"), folder / "log") as server:
        request = post("/serve/burning", json.dumps({"x": list(range(16))}).encode())
        figures = measure_load(server.port, [request], CONCURRENCY, seconds)
    return figures.per_second


def _burn(until_s: float) -> int:
    done = 0
    while time.perf_counter() < until_s:
        end = time.thread_time() + BURN_S
        while time.thread_time() < end:
            pass
        done += 1
    return done


def alone(workers: int, seconds: float) -> float:
    """How often a second as many processes can burn that long, with nothing else to do."""
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.map(_burn, [0.0] * workers)
        return sum(pool.map(_burn, [time.perf_counter() + seconds] * workers)) / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rounds: list[dict[int, tuple[float, float]]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "hooks.py").write_text(HOOKS)
        build_simple(folder / "repository")
        for _ in range(given.rounds):
            found = {n: (alone(n, given.seconds), serve(folder, n, given.seconds)) for n in given.workers}
            rounds += [found]
    cores, first = len(os.sched_getaffinity(0)), given.workers[0]
    print(f"{cores} cores, {CONCURRENCY} clients, {BURN_S * 1e3:g} ms of hooks, {given.rounds} rounds; medians\n")
    print("| workers | hooks alone | Naiad | ratio to the first, alone | ratio to the first, Naiad | Naiad to alone |")
    print("|---|---|---|---|---|---|")
    for n in given.workers:
        bare, served = (statistics.median(one[n][at] for one in rounds) for at in (0, 1))
        grown = [statistics.median(one[n][at] / one[first][at] for one in rounds) for at in (0, 1)]
        share = statistics.median(one[n][1] / one[n][0] for one in rounds)
        print(f"| {n} | {bare:,.0f}/s | {served:,.0f}/s | {grown[0]:.2f} | {grown[1]:.2f} | {share:.0%} |")


if __name__ == "__main__":
    main()
