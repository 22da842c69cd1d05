"""Two servers that are both up, the one that is not asked idle, asked in turns by perf_analyzer.

Every measurement of one is followed by the same of the other, so that a slow minute of the machine hits both.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from contender import Files, Peer, Setting
from match import Pace, Record, note
from perf_analyzer import DidNotEnd, PerfAnalyzer
from quiet import Witness
from server_process import Running, running

FAILURES_FORGIVEN = 5
LEAST_WARM_UP_S = 3.0
"""In less, perf_analyzer may find a window without an answer on a busy machine, and gives up."""
GRPC, HTTP = ("-i", "grpc"), ("-i", "http")


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


class Meeting:
    """Both servers with one model."""

    def __init__(
        self, tool: PerfAnalyzer, peers: Sequence[Peer], model: str, files: Files, stack: ExitStack, pace: Pace
    ) -> None:
        """stack: what stops the servers."""
        self._tool, self._model, self._files, self._stack, self._pace = tool, model, files, stack, pace
        self._doors = [self._open(peer) for peer in peers]

    def hold(
        self, options: Sequence[str], concurrencies: Sequence[int], *, is_reversed: bool
    ) -> dict[str, dict[int, Record]]:
        """Ask both in one way, at each concurrency; figures by name and concurrency."""
        found: dict[str, dict[int, Record]] = {door.name: {} for door in self._doors}
        for concurrency in concurrencies:
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
        door.measure(self._tool, self._model, GRPC, 8, max(self._pace.warm_up_s, LEAST_WARM_UP_S))
        return door
