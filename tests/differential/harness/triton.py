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
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=variables, stdout=output, stderr=output, start_new_session=True) as process,
    ):
        try:
            _wait(process, f"http://127.0.0.1:{http}/v2/health/live", log)
            yield Address(("127.0.0.1", http), f"127.0.0.1:{grpc}")
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


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return when it answers; it listens only when all models are loaded. There is nothing but the port to wait for."""
    end = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=_START_S):
                return
        except urllib.error.HTTPError:  # it is up, and says that something is wrong
            return
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"Triton does not answer:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.05)
