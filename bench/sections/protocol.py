"""gRPC, binary HTTP, streams and shared memory, asked for by Triton's own perf_analyzer; Naiad against Triton.

Both servers are up the whole time, the one that is not asked idle; every measurement of one is followed by the same of
the other, in turns, so that a slow minute of the machine hits both. `simple` shows what a request costs, `image`
(600 kB in, 600 kB out) what moving bytes costs.
"""

from __future__ import annotations

from contextlib import ExitStack

from contender import IMAGE, SIMPLE, Files
from match import Pace, note
from meeting import GRPC, HTTP, Meeting
from peers.naiad import Naiad
from peers.triton import Triton
from perf_analyzer import prepare_perf_analyzer

CONCURRENCIES = {SIMPLE: (1, 8, 32), IMAGE: (1, 8)}
IMAGE_BYTES = 3 * 224 * 224 * 4


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


def measure(pace: Pace, files: Files) -> dict[str, object]:
    """In each round, by model, way, server and concurrency: rate, latencies, processor time for a request."""
    tool = prepare_perf_analyzer()
    rounds = []
    for number in range(pace.rounds):
        figures: dict = {}
        for model, ways in WAYS.items():
            with ExitStack() as stack:
                peers = (Naiad("--allow-client-shm"), Triton())
                meeting = Meeting(tool, peers, model, files, stack, pace)
                figures[model] = {way: meeting.hold(options, CONCURRENCIES[model], is_reversed=number % 2 > 0)
                                  for way, options in ways.items()}  # fmt: skip
            for way, found in figures[model].items():
                words = "; ".join(f"{name} " + ", ".join(f"{record['per_second']:,.0f}/s at {c}"
                                  for c, record in by_c.items()) for name, by_c in found.items())  # fmt: skip
                note(f"  {model}, round {number + 1}, {way}: {words}")
        rounds.append(figures)
    return {"rounds": rounds}
