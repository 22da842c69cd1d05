"""What is left of Python models when the server is killed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

MODEL = """
    import os
    import subprocess
    import time
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            child = os.fork()
            if not child:
                time.sleep(1000)
            self.program = subprocess.Popen(["sleep", "1000"])
            self.pids = [os.getpid(), child, self.program.pid]

        def execute(self, requests):
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array(self.pids, np.int32))])
                    for _ in requests]
"""
CONFIG = """
    backend: "python"
    input { name: "x" data_type: TYPE_INT32 dims: [ 1 ] }
    output { name: "y" data_type: TYPE_INT32 dims: [ 3 ] }
"""


def ends(pid: int) -> select.poll:
    """What is readable when a process has ended."""
    poller = select.poll()
    poller.register(os.pidfd_open(pid), select.POLLIN)
    return poller


def test_workers_end_with_a_server_that_is_killed(tmp_path: Path) -> None:
    """And so do their forked children; programs that they have started go on, as the documentation says."""
    version = tmp_path / "models" / "m" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(textwrap.dedent(MODEL))
    (version.parent / "config.pbtxt").write_text(CONFIG)
    command = [sys.executable, "-c", "from naiad.cli.main import main; main()", "serve", str(tmp_path / "models")]
    command += ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        assert server.stderr is not None
        line = next(line for line in server.stderr if "ready on http://" in line)
        url = "http://" + line.split("ready on http://")[1].split()[0].rstrip(",;")
        body = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1], "data": [0]}]}
        request = urllib.request.Request(f"{url}/v2/models/m/infer", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            worker, child, program = json.load(answer)["outputs"][0]["data"]
        gone = {pid: ends(pid) for pid in (worker, child, program)}
        server.kill()
        assert gone[worker].poll(30_000)
        assert gone[child].poll(30_000)
        assert not gone[program].poll(0)
        os.kill(program, signal.SIGKILL)
        assert gone[program].poll(30_000)
