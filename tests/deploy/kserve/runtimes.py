"""KServe's way with a model: its storage initialiser fills a folder, and a runtime of deploy/kserve serves that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".bench" / "env" / "kserve" / "bin" / "python"
FOLDER = ROOT / "deploy" / "kserve"
START_S = 120.0
_DOWNLOAD = "import sys; from kserve_storage import Storage; Storage.download(sys.argv[1], sys.argv[2])"
"""As the initialiser's entry point does."""
_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def initialise(uri: str, folder: Path, environ: Mapping[str, str]) -> None:
    """Fill a folder, which must exist. Raises RuntimeError with the initialiser's words."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "HF_HUB_DISABLE_TELEMETRY": "1", **environ}
    done = subprocess.run(
        [PYTHON, "-c", _DOWNLOAD, uri, str(folder)], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])


def runtime(name: str) -> dict[str, Any]:
    """The spec of a runtime by its name."""
    documents = yaml.safe_load_all((FOLDER / "runtime.yaml").read_text())
    found: dict[str, Any] = next(each for each in documents if each["metadata"]["name"] == name)["spec"]
    return found


def can_mount_read_only() -> bool:
    """Whether this user may have mounts of its own, as a container has."""
    if os.geteuid() or not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


@dataclass
class Serving:
    """A runtime at work."""

    http: str
    grpc: str
    log: Path


@contextmanager
def serving(name: str, model: str, folder: Path, scratch: Path) -> Iterator[Serving]:
    """Run the arguments of a runtime on a folder, which is mounted read-only where that can be done.

    model: the InferenceService's name. scratch: for what a container has to itself. Its ports, which only one process
    of a machine can have, are chosen by the system.
    """
    [container] = runtime(name)["containers"]
    words = [word.replace("{{.Name}}", model).replace("/mnt/models", str(folder)) for word in container["args"]]
    words = [re.sub(r"-port=\d+$", "-port=0", re.sub(r"=0\.0\.0\.0$", "=127.0.0.1", word)) for word in words]
    words = [word for word in words if not word.startswith("--lame-duck")]
    command = [str(Path(sys.executable).with_name("naiad")), *words, "--metrics-port=0"]
    if can_mount_read_only():
        command = ["unshare", "--mount", "sh", "-c", _READ_ONLY, str(folder), *command]
    env = os.environ | {each["name"]: each["value"].replace("/tmp", str(scratch)) for each in container["env"]}  # noqa: S108
    log = scratch / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env | {"NAIAD_LOG_FORMAT": "text"})
    try:
        ports = _wait(process, log)
        yield Serving(f"http://127.0.0.1:{ports['HTTPService']}", f"127.0.0.1:{ports['GRPCInferenceService']}", log)
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    """The ports, once it is ready, which the probe of the runtime would tell."""
    import urllib.request

    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s and process.poll() is None:
        ports = dict(re.findall(r"Started (\w+) at \S+?:(\d+)", log.read_text()))
        if "GRPCInferenceService" in ports and "HTTPService" in ports:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{ports['HTTPService']}/v2/health/ready", timeout=5):
                    return ports
            except OSError:
                pass
        time.sleep(0.05)
    raise RuntimeError(log.read_text()[-5000:])
