"""The same program with PyTriton and with our names for it; what comes back is the same."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("pytriton_script.py")
THEIRS = Path(__file__).parents[2] / ".bench" / "env" / "triton" / "bin" / "python"

OURS_WORKS = {"Waiting"}
"""Models that fail in PyTriton: a coroutine function below `@batch` that returns a list."""


def free_ports() -> list[str]:
    sockets = [socket.socket() for _ in range(3)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def results(python: Path, package: str, environment: dict[str, str]) -> list[Any]:
    command = [str(python), str(SCRIPT), package, *free_ports()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULTS ")]
    assert lines, done.stderr[-2000:]
    found: list[Any] = json.loads(lines[0].removeprefix("RESULTS "))
    return found


def test_the_same_program_gives_the_same(real_triton: Any) -> None:
    libraries = [str(THEIRS), "-c", "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"]
    told = subprocess.run(libraries, capture_output=True, text=True, check=True).stdout.strip()
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    theirs = results(
        THEIRS,
        "pytriton",
        {**bare, "LD_LIBRARY_PATH": told, "PATH": f"{THEIRS.parent}{os.pathsep}{bare['PATH']}"},
    )
    ours = results(Path(sys.executable), "naiad.compat.pytriton", dict(os.environ))
    asked = told_questions()
    assert len(ours) == len(theirs) == len(asked)
    differing = [
        (name, verb, mine, other)
        for (name, verb), mine, other in zip(asked, ours, theirs, strict=True)
        if mine != other and name not in OURS_WORKS
    ]
    assert differing == []


def told_questions() -> list[tuple[str, str]]:
    """Model and method of each question, in the order of the results: those of ModelClient are asked twice."""
    questions = subprocess.run(
        [sys.executable, "-c", QUESTIONS, str(SCRIPT)], capture_output=True, text=True, check=True, timeout=60
    )
    return [(name, verb) for name, verb in json.loads(questions.stdout)]


QUESTIONS = """
import json, runpy, sys
script, sys.argv = sys.argv[1], ["", "naiad.compat.pytriton", "0", "0", "0"]
asked = runpy.run_path(script)["ASKED"]
print(json.dumps([one[:2] for one in asked for _ in range(1 if one[0] == "Countdown" else 2)]))
"""


@pytest.fixture(autouse=True)
def _there(real_triton: Any) -> None:
    """Skips, with a reason, where there is no Triton."""
