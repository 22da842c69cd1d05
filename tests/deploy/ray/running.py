"""A cluster of Ray for the tests, and programs beside it in its network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".bench" / "env" / "ray" / "bin" / "python"
HTTP_PORT, GRPC_PORT = 8000, 9000
"""In the network of the cluster, which has nobody else."""
NODES = 3
CLUSTER_S = 600.0
"""What everything together may take; then the cluster is ended, whatever happens."""
TRIES = 3
"""Ray gives a node 30 s to start, which is short on a busy machine."""
NEW = ("unshare", "--net", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
"""A network, a name and processes of its own: they end together, those of a start that has failed, too."""


def why_not() -> str:
    """Why no cluster can run here; empty if one can."""
    if not PYTHON.exists():
        return "Ray is not installed; run `make test-deploy`"
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "unshare and nsenter are not installed; Ray listens on all addresses, so it gets a network of its own"
    if subprocess.run([*NEW, "true"], capture_output=True, check=False).returncode:
        return "this user may not make a network; Ray listens on all addresses, so it gets a network of its own"
    return ""


PATIENT = {
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
}
"""Of Ray with its own proxies, which it ends where the machine is too busy to start them in a few seconds."""


class RayCluster:
    """Several nodes, and one proxy for each protocol."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address: str = self._read()
        """For the `--address` of Ray's commands, inside the network."""

    def order(self, do: str, **arguments: Any) -> Any:
        """Have something done; see `House` in cluster.py. Raises RuntimeError with its error."""
        to, _ = _pipes(self._process)
        to.write(json.dumps({"do": do, **arguments}) + "\n")
        to.flush()
        return self._read()

    def _read(self) -> Any:
        answer = json.loads(_pipes(self._process)[1].readline() or '{"error": "the cluster has ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["ok"]

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program in the network of the cluster."""
        inside = ["nsenter", f"--target={self._process.pid}", "--net", "--uts", *command]
        return subprocess.Popen(inside, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)

    def ask(self, *arguments: str) -> Any:
        """Run asking.py there and return what it finds."""
        process = self.start(sys.executable, str(Path(__file__).with_name("asking.py")), *arguments)
        found, _ = process.communicate(timeout=120)
        assert process.returncode == 0, f"{arguments} ended with {process.returncode}"
        return json.loads(found)

    @contextmanager
    def load(self, model: str) -> Iterator[dict[str, Any]]:
        """Keep clients of every kind asking; afterwards the dict has what became of their requests."""
        outcome: dict[str, Any] = {}
        process = self.start(sys.executable, str(Path(__file__).with_name("asking.py")), "load", model)
        try:
            assert _pipes(process)[1].readline() == "asking\n"
            yield outcome
            found, _ = process.communicate(timeout=120)
            outcome.update(json.loads(found))
        finally:
            process.kill()
            process.wait()


@contextmanager
def running_cluster() -> Iterator[RayCluster]:
    """Start one, and take it down."""
    with ExitStack() as stack:
        for last in range(TRIES, 0, -1):
            started = stack.enter_context(ExitStack())
            try:
                cluster = started.enter_context(_started())
                break
            except RuntimeError:
                started.close()
                if last == 1:
                    raise
        yield cluster


@contextmanager
def _started() -> Iterator[RayCluster]:
    """Raise RuntimeError if it does not start; what Ray has logged is on stderr then."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        environ = {**os.environ, **PATIENT, "PYTHONPATH": str(ROOT / "src"), "NAIAD_CACHE": f"{folder}/cache"}
        program = [str(PYTHON), str(Path(__file__).with_name("cluster.py")), folder, str(NODES)]
        with Path(folder, "log").open("w") as log:
            process = subprocess.Popen(
                [*NEW, "timeout", f"{CLUSTER_S:g}", *program],
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environ,
            )
        try:
            yield RayCluster(process)
        except RuntimeError:
            sys.stderr.write(Path(folder, "log").read_text())
            raise
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout
