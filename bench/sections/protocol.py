"""gRPC, binary HTTP, streams and shared memory, asked for by Triton's own perf_analyzer; Naiad against Triton.

Both servers are up the whole time, the one that is not asked idle; every measurement of one is followed by the same of
the other, in turns, so that a slow minute of the machine hits both. `simple` shows what a request costs, `image`
(600 kB in, 600 kB out) what moving bytes costs.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from contender import IMAGE, SIMPLE, Files, Peer, Setting
from match import Pace, Record, note
from peers.naiad import Naiad
from peers.triton import Triton
from perf_analyzer import PerfAnalyzer, prepare_perf_analyzer
from quiet import Witness
from server_process import Running, running

CONCURRENCIES = {SIMPLE: (1, 8, 32), IMAGE: (1, 8)}
IMAGE_BYTES = 3 * 224 * 224 * 4
GRPC, HTTP = ("-i", "grpc"), ("-i", "http")


def shared(output_bytes: int) -> tuple[str, ...]:
    """perf_analyzer's options for tensors in system shared memory, inputs and outputs."""
    return ("--shared-memory", "system", "--output-shared-memory-size", str(output_bytes))


WAYS: dict[str, dict[str, tuple[str, ...]]] = {
    SIMPLE: {
        "gRPC": GRPC,
        "gRPC stream": (*GRPC, "--streaming"),
        "gRPC, shared memory": (*GRPC, *shared(64)),
        "HTTP binary": HTTP,
    },
    IMAGE: {
        "gRPC": GRPC,
        "gRPC, shared memory": (*GRPC, *shared(IMAGE_BYTES)),
        "HTTP binary": HTTP,
        "HTTP, shared memory": (*HTTP, *shared(IMAGE_BYTES)),
    },
}
"""By model: how it is asked, with perf_analyzer's options for it."""


@dataclass(frozen=True)
class Door:
    """One server that is up."""

    name: str
    server: Running
    ports: dict[str, int]

    def answered(self, model: str) -> int:
        """Requests of a model that were answered so far, by the server's own count."""
        url = f"http://127.0.0.1:{self.server.port}/v2/models/{model}/stats"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(json.load(answer)["model_stats"][0]["inference_stats"]["success"]["count"])

    def measure(
        self, tool: PerfAnalyzer, model: str, options: Sequence[str], concurrency: int, seconds: float
    ) -> Record:
        """Figures, with the processor time that the server took for a request, its children's included."""
        witness, count, used_s = Witness(self.server.processor_s), self.answered(model), self.server.processor_s()
        figures = tool.measure(model, self.ports[options[1]], options, concurrency, seconds)
        used_s, count = self.server.processor_s() - used_s, self.answered(model) - count
        return figures | {"cpu_us": used_s / count * 1e6, "others_share": witness.others_share()}


def measure(pace: Pace, files: Files) -> dict[str, object]:
    """In each round, by model, way, server and concurrency: rate, latencies, processor time for a request."""
    tool = prepare_perf_analyzer()
    rounds = []
    for number in range(pace.rounds):
        figures: dict = {}
        for model, ways in WAYS.items():
            with ExitStack() as stack:
                doors = [_open(peer, model, files, stack) for peer in (Naiad("--allow-client-shm"), Triton())]
                for door in doors:
                    door.measure(tool, model, GRPC, 8, pace.warm_up_s)
                figures[model] = {
                    way: _meet(doors[::-1] if number % 2 else doors, tool, model, options, pace.seconds)
                    for way, options in ways.items()
                }
            for way, found in figures[model].items():
                words = "; ".join(f"{name} " + ", ".join(f"{record['per_second']:,.0f}/s at {c}"
                                  for c, record in by_c.items()) for name, by_c in found.items())  # fmt: skip
                note(f"  {model}, round {number + 1}, {way}: {words}")
        rounds.append(figures)
    return {"rounds": rounds}


def _open(peer: Peer, model: str, files: Files, stack: ExitStack) -> Door:
    launch = peer.launch(model, Setting(), files)
    server = stack.enter_context(running(launch, files.folder / "logs" / f"{peer.name}-{model}-protocol.log".lower()))
    return Door(peer.name, server, {"http": launch.port, "grpc": launch.grpc_port})


def _meet(
    doors: Sequence[Door], tool: PerfAnalyzer, model: str, options: Sequence[str], seconds: float
) -> dict[str, dict[int, Record]]:
    found: dict[str, dict[int, Record]] = {door.name: {} for door in doors}
    for concurrency in CONCURRENCIES[model]:
        for door in doors:
            found[door.name][concurrency] = door.measure(tool, model, options, concurrency, seconds)
    return found
