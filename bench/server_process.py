"""One server under test as a process: started, waited for, weighed, stopped with all its children.

`Launch` says what to start; `running` is the only way to start it, so that nothing outlives the benchmark.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0
POLL_S = 0.005


@dataclass(frozen=True)
class Launch:
    """How to start a server and how to know that it is ready."""

    argv: list[str]
    port: int
    ready_path: str
    """A GET of this answers 200 once the model can be used."""
    env: dict[str, str] = field(default_factory=dict)
    """Added to the environment."""
    folder: Path | None = None
    """Working directory, when it matters."""
    grpc_port: int = 0
    """0: it has none."""


@dataclass
class Running:
    """A started server."""

    process: subprocess.Popen[bytes]
    port: int
    ready_after_s: float
    """From exec to the first 200 of the ready path."""

    def resident_mb(self) -> float:
        """Resident memory in MB of the process and everything it started."""
        pages = sum(
            int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            for pid in {*_session(self.process.pid), *self.children()}
        )
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def children(self) -> list[int]:
        """Process ids of those that the process has started."""
        return [pid for pid in _all_processes() if _parent(pid) == self.process.pid]

    def processor_s(self) -> float:
        """Processor seconds used so far by the process and everything it started that still runs."""
        ticks = 0
        for pid in {*_session(self.process.pid), *self.children()}:
            with contextlib.suppress(OSError):  # it has just ended
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(launch: Launch, log: Path) -> Iterator[Running]:
    """Start the server in a session of its own, wait until it is ready, stop the whole session at the end.

    Raises RuntimeError with the end of the log when the server exits or is not ready in time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            launch.argv, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=os.environ | launch.env, cwd=launch.folder, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_ready(process, launch, begun, log)
        yield Running(process, launch.port, time.perf_counter() - begun)
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], launch: Launch, begun: float, log: Path) -> None:
    while time.perf_counter() - begun < READY_WITHIN_S:
        if process.poll() is not None:
            raise RuntimeError(f"{launch.argv[0]} exited with {process.returncode}:\n{_end(log)}")
        if _answers(launch.port, launch.ready_path):
            return
        time.sleep(POLL_S)
    raise RuntimeError(f"{launch.argv[0]} is not ready after {READY_WITHIN_S:.0f} s:\n{_end(log)}")


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def _session(leader: int) -> list[int]:
    """Process ids whose session is the leader's."""
    found = []
    for pid in _all_processes():
        with contextlib.suppress(OSError):
            if os.getsid(pid) == leader:
                found.append(pid)
    return found


def _all_processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _parent(pid: int) -> int:
    """The process that has started another; 0 where that has ended."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_WITHIN_S)
    for pid in _session(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
