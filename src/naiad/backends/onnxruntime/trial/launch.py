"""Start a trial, wait for it within bounds, and say in words what became of it.

The child is a fresh interpreter, because a fork of a process with threads may hang. It dies with the thread that waits
for it (see `child`).
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

from naiad.backends.onnxruntime.session import bytes_beside
from naiad.backends.onnxruntime.trial.order import Order, Report
from naiad.core.errors import LoadFailed

CHILD = "naiad.backends.onnxruntime.trial.child"

LEAST_S = 120.0
"""Time for the smallest model; most need less than one second."""

BYTES_PER_S = 20e6
"""What a slow disk and processor make of larger ones: this much more time for each byte of weights."""

_MEANINGS = {
    signal.SIGSEGV: "an ONNX Runtime kernel accessed memory out of bounds",
    signal.SIGBUS: "a mapped file is truncated or misaligned",
    signal.SIGILL: "ONNX Runtime used an instruction that this processor does not have",
    signal.SIGABRT: "ONNX Runtime aborted",
    signal.SIGFPE: "an ONNX Runtime kernel divided by zero",
    signal.SIGKILL: "the machine probably ran out of memory",
}

_OTHERS = "The server and its other models keep running."

_OTHER_FILE = (
    "Serve another file of this model (`weights:`), export it again, or try another version of onnxruntime; and please "
    "report it"
)

_log = logging.getLogger("naiad.backends.onnxruntime")


def run_trial(order: Order, *, seconds: float = 0.0, child: str = CHILD) -> Report:
    """Copy and run a model in a process of its own, the module `child`.

    seconds: how long it may take; 0 = enough for its size. Raises LoadFailed saying how it died, or what it could not
    do.
    """
    seconds = seconds or LEAST_S + bytes_beside(order.graph) / BYTES_PER_S
    command = [sys.executable, "-P", "-m", child]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(  # noqa: S603  our own module, and no word of the command comes from outside
            command,
            input=order.to_json(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env=environment,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise _died(
            order.graph,
            f"did not finish within {seconds:.0f} s",
            "Serve a smaller or quantised model, or give this machine more cores",
        ) from error
    except OSError as error:
        raise LoadFailed(
            f"{order.graph}: the process for the model's first run cannot be started: {error}", path=str(order.graph)
        ) from error
    return _read(order.graph, done)


def _read(graph: Path, done: subprocess.CompletedProcess[str]) -> Report:
    if done.returncode < 0:
        raise _killed(graph, -done.returncode)
    try:
        report = Report.from_json(done.stdout)
    except ValueError as error:
        last = done.stderr.strip().rpartition("\n")[2]
        _log.warning("output of the first run: %s", done.stderr[-4000:])
        how = f"ended its process with status {done.returncode}" + (f" ({last[:300]})" if last else "")
        raise _died(graph, how, _OTHER_FILE) from error
    if report.error:
        raise LoadFailed(report.error, path=str(graph))
    return report


def _killed(graph: Path, number: int) -> LoadFailed:
    try:
        name, meaning = signal.Signals(number).name, _MEANINGS.get(signal.Signals(number), "")
    except ValueError:
        name, meaning = f"signal {number}", ""
    fix = "Free memory, or serve a smaller or quantised model" if number == signal.SIGKILL else _OTHER_FILE
    return _died(graph, f"ended its process with {name}" + (f": {meaning}" if meaning else ""), fix)


def _died(graph: Path, how: str, fix: str) -> LoadFailed:
    sentence = f"{graph}: the model's first run, in a separate process, {how}. {fix}. {_OTHERS}"
    return LoadFailed(sentence, path=str(graph))
