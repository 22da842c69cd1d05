"""A Flask application under Waitress, as many services run, and the same file under Naiad: bursts of requests.

Fifty requests every tenth of a second, for a model that takes ten milliseconds a run, one at a time: one by one nobody
can keep up with that.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from contender import APPS, Files
from drive import measure_bursts, measure_load, post
from environment import ROOT, make_environment
from match import Pace, note
from peers.naiad import Naiad
from sections.delay import PERIOD_S, SIZE, latencies
from server_process import Launch, free_port, running

APP = "flask_slow"
VALUES = [1.0, 2.0, 3.0, 4.0]


@dataclass(frozen=True)
class Contender:
    """One way to serve the application."""

    name: str
    threads: int = 0
    """Of Waitress; 0: it is Naiad."""

    def launch(self, files: Files) -> Launch:
        """Say how to start it."""
        if not self.threads:
            return Naiad.serve([f"{APPS / APP}.py:app"], "/ready", files)
        port = free_port()
        argv = [files.python("waitress"), "-m", "waitress", f"--listen=127.0.0.1:{port}", f"--threads={self.threads}"]
        return Launch([*argv, f"{APP}:app"], port, "/ready", folder=APPS)


CONTENDERS = (
    Contender("Naiad, the same application"),
    Contender("Flask + Waitress, 4 threads", 4),
    Contender("Flask + Waitress, 64 threads", 64),
)
"""Four threads are Waitress's own choice."""


def measure(pace: Pace, files: Files) -> dict[str, object]:
    """In each round, the bursts' latencies by contender."""
    make_environment("waitress", ROOT / "requirements" / "bench-waitress.txt")
    asked = post("/predict", json.dumps({"values": VALUES}).encode())
    rounds = []
    for number in range(pace.rounds):
        found = {}
        for one in CONTENDERS[number % 3 :] + CONTENDERS[: number % 3]:
            with running(one.launch(files), files.folder / "logs" / "applications.log") as server:
                figures = measure_load(server.port, [asked], 4, pace.warm_up_s)
                if json.loads(figures.bodies[0])["values"] != VALUES:
                    sys.exit(f"{one.name}: a wrong answer: {figures.bodies[0][:200]!r}")
                found[one.name] = latencies(measure_bursts(server.port, asked, SIZE, PERIOD_S, pace.seconds))
            note(f"  applications, round {number + 1}: {one.name} p50 {found[one.name]['p50_ms']:.1f}, "
                 f"p99 {found[one.name]['p99_ms']:.1f} ms")  # fmt: skip
        rounds.append(found)
    return {"rounds": rounds}
