"""A server in a process of its own, watched from outside: its log, its memory, its threads, its open files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from naiad.testing.checkpoints import tiny_checkpoint

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "data" / "model_repository"
START_TIMEOUT_S = 60.0


class Served:
    """The process and what can be seen of it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.http_port = self.grpc_port = 0
        self.is_stopped = False

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_ready(self) -> None:
        end_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end_s and self.process.poll() is None:
            ports = dict(re.findall(r"Started (\w+) at \S+?:(\d+)", self.log))
            if "HTTPService" in ports and "GRPCInferenceService" in ports:
                self.http_port, self.grpc_port = int(ports["HTTPService"]), int(ports["GRPCInferenceService"])
                if self._is_ready():
                    return
            time.sleep(0.05)
        raise SystemExit(f"the server did not become ready:\n{self.log}")

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/v2/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def memory_mib(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def threads(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/task").iterdir())

    def files(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def stop(self) -> None:
        """Tell it to stop, and require that it does so cleanly."""
        self.is_stopped = True
        self.process.terminate()
        if self.process.wait(60):
            raise SystemExit(f"the server did not stop cleanly: {self.process.returncode}\n{self.log[-5000:]}")

    def check_alive(self) -> None:
        if self.process.poll() is not None:
            raise SystemExit(f"the server has ended with status {self.process.returncode}:\n{self.log[-5000:]}")
        if "Traceback" in self.log:
            raise SystemExit(f"the server has noted a mistake of ours:\n{self.log[-5000:]}")


@contextmanager
def served(*options: str, repository: Path | None = None) -> Iterator[Served]:
    """Serve three small models, or a repository, until the block ends, and require a clean stop."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        ports = [f"--{door}-port=0" for door in ("http", "grpc", "metrics")]
        if repository is None:
            text = tiny_checkpoint(Path(folder) / "text")
            sources = [str(MODELS / "simple"), str(MODELS / "simple_string"), f"text={text}"]
        else:
            sources = [str(repository)]
        command = [Path(sys.executable).with_name("naiad"), "serve", *sources, *ports, "--log-format=text", *options]
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT)
        running = Served(process, log)
        try:
            running.wait_ready()
            yield running
            if not running.is_stopped:
                running.check_alive()
                running.stop()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
