"""The process of a trial: copies the graph for this machine, opens it as the server will, and runs it in many sizes.

Order in on stdin, report out on stdout. Crashing is one of its jobs: when memory runs out the kernel takes it first,
and it never lives longer than the server's thread that waits for it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from naiad.backends.onnxruntime.trial.order import Order, Report
from naiad.core.encoding.files import EncoderFiles
from naiad.core.errors import LoadFailed, NaiadError
from naiad.core.machine.child import die_with


def main() -> None:
    """Read the order, carry it out, report."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no report
    order = Order.from_json(sys.stdin.read())
    die_with(order.parent)
    try:
        report = carry_out(order)
    except NaiadError as error:
        report = Report(error=error.message)
    except MemoryError:
        report = Report(error=f"{order.graph}: its first run ran out of memory; serve a smaller or quantised model")
    answers.write(report.to_json())
    answers.close()


def carry_out(order: Order) -> Report:
    """Copy, open, run. Raises NaiadError where the model cannot."""
    from naiad.backends.onnxruntime.prepared.copying import open_original
    from naiad.backends.onnxruntime.signature import read_ports

    copies = _open_copy(order)
    sessions = copies or [open_original(order.graph, count) for count in order.threads]
    dependence = _try(order, sessions)
    ports = replace(read_ports(sessions[0]), dependence=dependence, makers=_makers(order.graph))
    return Report(ports=ports, is_copied=bool(copies))


def _makers(graph: Path) -> dict[str, str]:
    """See Ports; nothing for a file in the runtime's own format."""
    from naiad.backends.onnxruntime.prepared.extents import read_makers

    with suppress(OSError, ValueError):
        return read_makers(graph)
    return {}


def _open_copy(order: Order) -> list[Any]:
    """Make the copy and open it; no sessions where there shall be none, or the runtime cannot write this graph."""
    from naiad.backends.onnxruntime.prepared.copying import GRAPH, make_copy, open_copy

    if order.made is None:
        return []
    try:
        make_copy(order.graph, order.made)
        return [open_copy(order.made / GRAPH, count) for count in order.threads]
    except (LoadFailed, OSError, ValueError) as error:
        sys.stderr.write(f"no copy of {order.graph}: {error}\n")
        return []


def _try(order: Order, sessions: list[Any]) -> str:
    """Run them; gives how rows depend on each other, as far as that is looked for."""
    if order.spec is None:
        from naiad.backends.onnxruntime.trial.feeds import run_by_shapes

        run_by_shapes(sessions)
        return ""
    if order.spec.layout == "packed":
        from naiad.backends.onnxruntime.trial.feeds import run_packed

        run_packed(sessions, order.spec)
        return ""
    from naiad.backends.onnxruntime.trial.probe import run_padded

    return run_padded(EncoderFiles(order.graph, order.spec, constants=order.constants), sessions)


if __name__ == "__main__":
    main()
