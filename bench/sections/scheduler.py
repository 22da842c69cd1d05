"""The scheduler alone, and what it costs that models are many."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from contender import Files
from drive import measure_load
from match import Pace, note, record
from peers.naiad import Naiad
from peers.slow import CONFIG, check, request, write
from quiet import Witness
from server_process import Launch, running

ALONE = Path(__file__).parent.parent / "scheduler_alone.py"
MODELS = 200
CLIENTS = 8
QUICK = CONFIG.format(backend="identity", most=8, more="")


def measure(pace: Pace, files: Files) -> dict[str, object]:
    """Costs in one process; in each round, rates of one model alone and among many."""
    alone = run_alone()
    rate = 1 / alone["seconds"]["100"]
    note(f"  {rate:,.0f} requests/s through the scheduler, {alone['bytes']:,.0f} bytes for a waiting request")
    rounds = []
    for number in range(pace.rounds):
        figures = {}
        ways = [("one", 1), ("many", MODELS)]
        for name, models in ways[::-1] if number % 2 else ways:
            figures[name] = _rate(_launch(models, files), pace, files)
        note(f"  round {number + 1}: " + ", ".join(f"{key} {one['per_second']:,.0f}/s" for key, one in figures.items()))
        rounds.append(figures)
    return {"alone": alone, "rounds": rounds}


def run_alone() -> dict:
    """Run scheduler_alone.py in a process of its own. Raises RuntimeError with its words."""
    done = subprocess.run([sys.executable, str(ALONE)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"scheduler_alone.py: {done.stderr.strip()[-1500:]}")
    return json.loads(done.stdout)


def _launch(models: int, files: Files) -> Launch:
    return Naiad.serve([str(_repository(str(models), files, models))], "/v2/health/ready", files)


def _repository(name: str, files: Files, models: int = 1) -> Path:
    """A repository with `slow`, which is quick here, and with others that nobody asks."""
    folder = files.folder / "many" / name
    write(folder, QUICK)
    for number in range(1, models):
        write(folder, QUICK.replace('"slow"', f'"other-{number}"'), name=f"other-{number}")
    return folder


def _rate(launch: Launch, pace: Pace, files: Files) -> dict[str, float]:
    """One model at eight clients."""
    with running(launch, files.folder / "logs" / "many.log") as server:
        measure_load(server.port, [request()], CLIENTS, pace.warm_up_s)
        witness = Witness(server.processor_s)
        figures = measure_load(server.port, [request()], CLIENTS, pace.seconds)
        check(figures.bodies[0])
        return record(figures) | {"others_share": witness.others_share()}
