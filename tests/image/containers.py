"""Real containers of the image, run as an operator would who trusts nobody: read-only, without capabilities.

They share the machine's network, so that the tests' own Hub is where it is for everybody, and choose free ports.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import threading
import tomllib
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
IMAGE = os.environ.get("NAIAD_IMAGE", f"localhost/naiad:{VERSION}")
FREE_PORTS = {f"NAIAD_{door}_PORT": "0" for door in ("HTTP", "GRPC", "METRICS")}
TRITON_PORTS = ["--http-port=0", "--grpc-port=0", "--metrics-port=0"]
START_TIMEOUT_S = 120
_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
HARD = [
    "--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never",
    "--no-healthcheck",  # podman keeps its timers with systemd, which not every machine has
    f"--ulimit=nofile={min(1024, _LIMIT)}:{_LIMIT}", "--ulimit=nproc=4096:4096",
]  # fmt: skip
"""ulimits: podman's own need rights that a machine may not have."""


def podman(*words: str, check: bool = True, timeout: float = 180) -> subprocess.CompletedProcess[str]:
    runtime = ["--runtime=runc"] if shutil.which("runc") or Path("/usr/sbin/runc").exists() else []
    return subprocess.run(
        ["podman", *runtime, *words], capture_output=True, text=True, check=check, timeout=timeout
    )  # fmt: skip


def why_not(image: str = IMAGE) -> str:
    """Why there are no containers of this image here; empty: there are."""
    if shutil.which("podman") is None:
        return "podman is not installed (Debian: apt-get install podman runc)"
    if podman("image", "exists", image, check=False).returncode != 0:
        return f"there is no image {image}; make image builds it"
    done = podman("run", "--rm", *HARD, image, "--version", check=False)
    return "" if done.returncode == 0 else f"containers cannot run here: {done.stderr.strip().splitlines()[-1:]}"


@dataclass
class Container:
    """One that runs, seen from outside."""

    id: str
    log: str = ""
    """Up to the line that says that it is ready."""
    http_port: int = 0
    grpc_port: int = 0
    metrics_port: int = 0

    def wait_ready(self) -> None:
        process = subprocess.Popen(
            ["podman", "logs", "--follow", self.id],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        limit = threading.Timer(START_TIMEOUT_S, process.kill)
        limit.start()
        try:
            for line in process.stdout:
                self.log += line
                if "ready on http://" in line:
                    break
            else:
                raise AssertionError(f"it ended, or took too long, before it was ready:\n{self.log}")
        finally:
            limit.cancel()
            process.kill()
            process.communicate()
        ports = dict(re.findall(r"Started ([\w ]+) at \S+?:(\d+)", self.log))
        self.http_port = int(ports["HTTPService"])
        self.grpc_port = int(ports["GRPCInferenceService"])
        self.metrics_port = int(ports["Metrics Service"])

    def get(self, path: str, body: Any = None, port: int = 0) -> str:
        """What it answers, errors included."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.http_port}{path}", data)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def embed(self, model: str, text: str) -> list[float]:
        body = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]}
        found: list[float] = json.loads(self.get(f"/v2/models/{model}/infer", body))["outputs"][0]["data"]
        return found

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program inside."""
        return podman("exec", self.id, *words, check=False)

    def whole_log(self) -> str:
        done = podman("logs", self.id)
        return done.stdout + done.stderr

    def stop(self) -> int:
        """SIGTERM, as docker stop and Kubernetes send it; the exit status."""
        podman("kill", "--signal", "TERM", self.id)
        return self.status()

    def status(self) -> int:
        return int(podman("wait", self.id).stdout)


@contextmanager
def container(
    *words: str,
    options: Sequence[str] = (),
    image: str = IMAGE,
    is_server: bool = True,
    **environment: str,
) -> Iterator[Container]:
    """Start one; yields when it is ready, or, if it is no server, at once."""
    variables = [f"--env={name}={value}" for name, value in {**FREE_PORTS, **environment}.items()]
    done = podman("run", "--detach", *HARD, *variables, *options, image, *words, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    one = Container(done.stdout.strip())
    try:
        if is_server:
            one.wait_ready()
        yield one
    finally:
        podman("rm", "--force", "--volumes", "--time=5", one.id)


@contextmanager
def volume() -> Iterator[str]:
    """A volume that containers share, one after the other."""
    name = f"naiad-test-{uuid.uuid4().hex[:12]}"
    podman("volume", "create", name)
    try:
        yield name
    finally:
        podman("volume", "rm", "--force", name)
