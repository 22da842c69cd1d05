"""Have a trial run, within bounds, and say in words what became of it."""

from __future__ import annotations

import logging
import signal
from pathlib import Path

from naiad.backends.onnxruntime.session import bytes_beside
from naiad.backends.onnxruntime.trial.order import Order, Report
from naiad.core.errors import LoadFailed
from naiad.core.machine.child import Ended, run_child

CHILD = "naiad.backends.onnxruntime.trial.child"

LEAST_S = 120.0
"""Time for the smallest model; most need less than one second."""

BYTES_PER_S = 20e6
"""What a slow disk and processor make of larger ones: this much more time for each byte of weights."""

_MEANINGS: dict[int, str] = {
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
    try:
        ended = run_child(child, order.to_json(), seconds=seconds)
    except TimeoutError as error:
        raise _died(
            order.graph, str(error), "Serve a smaller or quantised model, or give this machine more cores"
        ) from error
    except OSError as error:
        raise LoadFailed(
            f"{order.graph}: the process for the model's first run cannot be started: {error}", path=str(order.graph)
        ) from error
    return _read(order.graph, ended)


def _read(graph: Path, ended: Ended) -> Report:
    if ended.killed_by is not None:
        raise _killed(graph, ended.killed_by)
    try:
        report = Report.from_json(ended.output)
    except ValueError as error:
        last = ended.complaints.strip().rpartition("\n")[2]
        _log.warning("output of the first run: %s", ended.complaints[-4000:])
        how = f"ended its process with status {ended.status}" + (f" ({last[:300]})" if last else "")
        raise _died(graph, how, _OTHER_FILE) from error
    if report.error:
        raise LoadFailed(report.error, path=str(graph))
    return report


def _killed(graph: Path, number: signal.Signals | int) -> LoadFailed:
    name = number.name if isinstance(number, signal.Signals) else f"signal {number}"
    meaning = _MEANINGS.get(number, "")
    fix = "Free memory, or serve a smaller or quantised model" if number == signal.SIGKILL else _OTHER_FILE
    return _died(graph, f"ended its process with {name}" + (f": {meaning}" if meaning else ""), fix)


def _died(graph: Path, how: str, fix: str) -> LoadFailed:
    sentence = f"{graph}: the model's first run, in a separate process, {how}. {fix}. {_OTHERS}"
    return LoadFailed(sentence, path=str(graph))
