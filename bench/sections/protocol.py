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
from perf_analyzer import DidNotEnd, PerfAnalyzer, prepare_perf_analyzer
from quiet import Witness
from server_process import Running, running

CONCURRENCIES = {SIMPLE: (1, 8, 32), IMAGE: (1, 8)}
FAILURES_FORGIVEN = 5
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

    peer: Peer
    server: Running
    ports: dict[str, int]

    @property
    def name(self) -> str:
        return self.peer.name

    @property
    def is_up(self) -> bool:
        """Triton 2.51 now and then crashes when many streams end; it is started again then."""
        return self.server.process.poll() is None

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
                meeting = Meeting(tool, model, files, stack, pace)
                figures[model] = {way: meeting.hold(options, is_reversed=number % 2 > 0)
                                  for way, options in ways.items()}  # fmt: skip
            for way, found in figures[model].items():
                words = "; ".join(f"{name} " + ", ".join(f"{record['per_second']:,.0f}/s at {c}"
                                  for c, record in by_c.items()) for name, by_c in found.items())  # fmt: skip
                note(f"  {model}, round {number + 1}, {way}: {words}")
        rounds.append(figures)
    return {"rounds": rounds}


class Meeting:
    """Both servers with one model."""

    def __init__(self, tool: PerfAnalyzer, model: str, files: Files, stack: ExitStack, pace: Pace) -> None:
        self._tool, self._model, self._files, self._stack, self._pace = tool, model, files, stack, pace
        self._doors = [self._open(peer) for peer in (Naiad("--allow-client-shm"), Triton())]

    def hold(self, options: Sequence[str], *, is_reversed: bool) -> dict[str, dict[int, Record]]:
        """Ask both in one way, at each concurrency; figures by name and concurrency."""
        found: dict[str, dict[int, Record]] = {door.name: {} for door in self._doors}
        for concurrency in CONCURRENCIES[self._model]:
            for place in (1, 0) if is_reversed else (0, 1):
                record = self._measure(place, options, concurrency)
                found[self._doors[place].name][concurrency] = record
        return found

    def _measure(self, place: int, options: Sequence[str], concurrency: int) -> Record:
        for _ in range(FAILURES_FORGIVEN):
            door = self._doors[place]
            try:
                return door.measure(self._tool, self._model, options, concurrency, self._pace.seconds)
            except (RuntimeError, OSError) as error:
                if door.is_up and isinstance(error, DidNotEnd):
                    note(f"  {door.name} is up and is asked again: {error}")
                    continue
                if door.is_up:
                    raise
                note(f"  {door.name} has crashed and is started again: {error}")
                self._doors[place] = self._open(door.peer)
        return self._doors[place].measure(self._tool, self._model, options, concurrency, self._pace.seconds)

    def _open(self, peer: Peer) -> Door:
        launch = peer.launch(self._model, Setting(), self._files)
        log = self._files.folder / "logs" / f"{peer.name}-{self._model}-protocol.log".lower()
        server = self._stack.enter_context(running(launch, log))
        door = Door(peer, server, {"http": launch.port, "grpc": launch.grpc_port})
        door.measure(self._tool, self._model, GRPC, 8, self._pace.warm_up_s)
        return door
