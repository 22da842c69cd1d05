"""A child of a trial that ends as its order's graph is called: `segv.onnx` by SIGSEGV, `hang.onnx` never."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path

from naiad.backends.onnxruntime.trial.order import Order
from naiad.core.machine.child import die_with

if __name__ == "__main__":
    order = Order.from_json(sys.stdin.read())
    die_with(order.parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    match order.graph.stem:
        case "hang":
            (order.graph.parent / "pid").write_text(str(os.getpid()))
            time.sleep(600)
        case "exit":
            sys.stderr.write("Traceback\nit was the graph\n")
            os._exit(3)
        case "babble":
            sys.stdout.write('{"error": 1}')
        case name:
            os.kill(os.getpid(), signal.Signals[f"SIG{name.upper()}"])
            Path("/dev/null").read_bytes()
