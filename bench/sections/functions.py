"""A function of a program as a model: the same program with PyTriton and with `naiad.compat.pytriton`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from contender import APPS, Files
from match import Pace, note
from peers.triton import WHERE
from server_process import free_port

APP = APPS / "function_identity.py"
LIMIT_S = 300.0


def measure(pace: Pace, files: Files) -> dict[str, object]:
    """In each round, both packages' figures: seconds until four models are ready, latencies by client."""
    rounds = []
    for number in range(pace.rounds):
        figures = {
            "PyTriton": _run(files.python("triton"), "pytriton", pace, _environment(files)),
            "Naiad": _run(sys.executable, "naiad.compat.pytriton", pace, dict(os.environ)),
        }
        for name, found in figures.items():
            note(f"  functions, round {number + 1}: {name} {json.dumps(found)}")
        rounds.append(figures)
    return {"rounds": rounds}


def _run(python: str, package: str, pace: Pace, environment: dict[str, str]) -> dict[str, object]:
    command = [python, str(APP), package, str(pace.seconds), *(str(free_port()) for _ in range(3))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
    if not lines:
        raise RuntimeError(f"{package} gave no figures:\n{done.stderr[-2000:]}")
    return json.loads(lines[0].removeprefix("FIGURES "))


def _environment(files: Files) -> dict[str, str]:
    """PyTriton's stub needs the interpreter's own libpython, and its environment's Python first on PATH."""
    python = files.python("triton")
    libraries = subprocess.run([python, "-c", WHERE], capture_output=True, text=True, check=True).stdout.split()[1]
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return bare | {"LD_LIBRARY_PATH": libraries, "PATH": f"{Path(python).parent}{os.pathsep}{bare['PATH']}"}
