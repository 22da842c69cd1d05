"""NVIDIA's own server, from the wheel nvidia-pytriton, in an environment of its own (`make test-triton` makes it)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.address import Address
from harness.ports import free_ports

ENVIRONMENT = Path(__file__).parents[3] / ".bench" / "env" / "triton"
FOUND = sorted(ENVIRONMENT.glob("lib/python3*/site-packages/pytriton/tritonserver/bin/tritonserver"))
_START_S = 240.0
_STOP_S = 5.0
_TRIES = 3
_ITS_OWN_CRASH = "boost::interprocess::lock_exception"
"""Of its Python backend, while many programs of models start on a busy machine; it is started once more then."""


@contextmanager
def running_triton(repository: Path, log: Path, options: tuple[str, ...] = ()) -> Iterator[Address]:
    """Serve a repository on free loopback ports until the block ends."""
    home = FOUND[0].parents[1]
    _put_stub(home)
    http, grpc = free_ports(2)
    command = [
        str(FOUND[0]), f"--model-repository={repository}", f"--backend-directory={home / 'backends'}",
        "--http-address=127.0.0.1", f"--http-port={http}", "--grpc-address=127.0.0.1", f"--grpc-port={grpc}",
        "--allow-metrics=false", "--exit-timeout-secs=2", *options,
    ]  # fmt: skip
    variables = os.environ | {
        "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": f"{sysconfig.get_config_var('LIBDIR')}:{home.parents[1] / 'nvidia_pytriton.libs'}",
    }
    for left in reversed(range(_TRIES)):
        with _process(command, variables, log) as process:
            if _answers(process, f"http://127.0.0.1:{http}/v2/health/live"):
                yield Address(("127.0.0.1", http), f"127.0.0.1:{grpc}")
                return
        told = log.read_text()
        if not left or _ITS_OWN_CRASH not in told:
            raise RuntimeError(f"Triton does not answer:\n{told[-3000:]}")


@contextmanager
def _process(command: list[str], variables: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run Triton until the block ends."""
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=variables, stdout=output, stderr=output, start_new_session=True) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            with suppress(ProcessLookupError):  # the programs of its models outlive it when it does not end well
                os.killpg(process.pid, signal.SIGKILL)


def _put_stub(home: Path) -> None:
    """Put the Python backend's program where the backend looks for it; the wheel has one for each Python."""
    stub = home / "backends" / "python" / "triton_python_backend_stub"
    version = FOUND[0].parents[4].name.removeprefix("python")
    if not stub.exists():
        shutil.copy(home / "python_backend_stubs" / version / stub.name, stub)


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    """Wait until it answers; it listens only when all models are loaded. There is nothing but the port to wait for."""
    end = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=_START_S):
                return True
        except urllib.error.HTTPError:  # it is up, and says that something is wrong
            return True
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.05)
