"""The written Deployment in real containers, by `podman play kube`: fetches its model at start, answers, stops cleanly.

Podman is no kubelet: it would turn HTTP probes into calls of a program that the image does not have, so these are taken
away here, and tests/deploy/kubernetes/kubelet.py acts on them. Containers share the machine's network, where they find
the tests' Hub, and choose free ports.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kubelet import wait_until

from naiad import __version__
from naiad.kubernetes.choices import Choices
from naiad.kubernetes.contents import Contents
from naiad.kubernetes.deployment import USER
from naiad.kubernetes.objects import objects
from naiad.kubernetes.writing import to_yaml
from naiad.testing import LocalHub
from naiad.testing.checkpoints import tiny_checkpoint

IMAGE = f"localhost/naiad:{__version__}"
CONTAINER = "naiad-played-pod-0-naiad"
CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""
"""Podman's own limits need rights that a machine may not have."""


def podman(environ: Mapping[str, str], *words: str) -> str:
    done = subprocess.run(
        ["podman", *words], env=os.environ | environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    (tmp_path / "containers.conf").write_text(CONF)
    found = {"CONTAINERS_CONF": str(tmp_path / "containers.conf")}
    if shutil.which("podman") is None or not (shutil.which("runc") or Path("/usr/sbin/runc").exists()):
        pytest.skip("podman and runc are not installed")
    if shutil.which("catatonit") is None and not Path("/usr/libexec/podman/catatonit").exists():
        pytest.skip("podman plays no pods without catatonit (Debian: apt-get install catatonit)")
    known = subprocess.run(
        ["podman", "image", "exists", IMAGE], env=os.environ | found, capture_output=True, timeout=60, check=False
    )
    if known.returncode:
        pytest.skip(f"there is no image {IMAGE}")
    tried = ["podman", "run", "--rm", "--network=host", "--pull=never", IMAGE, "--version"]
    done = subprocess.run(tried, env=os.environ | found, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"containers cannot run here: {done.stderr[-300:]}")
    return found


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub() as running:
        running.add_folder("acme/tiny", tiny_checkpoint(tmp_path / "checkpoint"))
        yield running


def documents(hub: LocalHub) -> list[dict[str, Any]]:
    ports = {f"NAIAD_{door}_PORT": "0" for door in ("HTTP", "GRPC", "METRICS")}
    env = {**ports, "HF_ENDPOINT": hub.url, "NAIAD_LOG_FORMAT": "text"}
    choices = Choices(
        name="naiad-played", image=IMAGE, replicas=1, env=env, lame_duck_s=1, drain_timeout_s=10, grace_s=20
    )
    files = dict(objects(choices, Contents("models:\n  - source: acme/tiny\n    name: tiny\n")))
    [deployment] = files["deployment.yaml"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    for key in ("startupProbe", "readinessProbe", "livenessProbe", "ports"):
        container.pop(key)
    return [*files["config-map.yaml"], deployment]


def test_the_deployment_in_real_containers(environ: Mapping[str, str], hub: LocalHub, tmp_path: Path) -> None:
    path = tmp_path / "play.yaml"
    path.write_text(to_yaml(documents(hub)))
    try:
        podman(environ, "play", "kube", "--network=host", str(path))
        wait_until(
            lambda: "ready on http://" in podman(environ, "logs", CONTAINER),
            120,
            lambda: podman(environ, "logs", CONTAINER),
        )
        [found] = json.loads(podman(environ, "inspect", CONTAINER))
        assert found["HostConfig"]["ReadonlyRootfs"] is True
        assert found["Config"]["User"].split(":")[0] == str(USER)
        assert not found["EffectiveCaps"]
        check_answer(podman(environ, "logs", CONTAINER))
        podman(environ, "stop", "--time=20", CONTAINER)  # SIGTERM first; killed, it would be started again
        [found] = json.loads(podman(environ, "inspect", CONTAINER))
        assert (found["State"]["Status"], found["State"]["ExitCode"]) == ("exited", 0)
    finally:
        podman(environ, "pod", "rm", "--force", "--ignore", "--time=5", "naiad-played-pod-0")


def check_answer(log: str) -> None:
    ports = dict(re.findall(r"Started (\w+) at \S+?:(\d+)", log))
    inputs = [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["hello world"]}]
    url = f"http://127.0.0.1:{ports['HTTPService']}/v2/models/tiny/infer"
    with urllib.request.urlopen(url, json.dumps({"inputs": inputs}).encode(), timeout=60) as answer:
        [output] = json.load(answer)["outputs"]
    assert (output["name"], output["shape"]) == ("embedding", [1, 32])
