"""Run a module of ours in a process of its own, which may die of what it is given without anybody else doing so.

The child is a fresh interpreter, because a fork of a process with threads may hang. It dies with the thread that waits
for it (`die_with`). Not here: what is asked and answered (`backends/onnxruntime/trial/`, `tasks/tokenizing/trial/`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended."""

    status: int
    """Its exit status; below zero the signal that ended it."""
    output: str
    complaints: str
    """What it wrote to stderr."""

    @property
    def killed_by(self) -> signal.Signals | int | None:
        """The signal that ended it; a plain number for one without a name."""
        if self.status >= 0:
            return None
        try:
            return signal.Signals(-self.status)
        except ValueError:
            return -self.status


def run_child(module: str, order: str, *, seconds: float) -> Ended:
    """Run `module` with an order on its stdin, and wait for it. Raises TimeoutError after so long, OSError."""
    command = [sys.executable, "-P", "-m", module]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(  # noqa: S603  our own module, and no word of the command comes from outside
            command,
            input=order,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env=environment,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"did not finish within {seconds:.0f} s") from error
    return Ended(done.returncode, done.stdout, done.stderr)


def die_with(parent: int) -> None:
    """In the child: end when the one who waits ends, and be the first to go when memory is short."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if os.getppid() != parent:
        os._exit(1)


def limit_memory(more_bytes: int) -> None:
    """In the child: let it have so much more address space than it has now. No limit where the system has none."""
    import resource

    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + more_bytes
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))
