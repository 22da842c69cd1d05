"""A model that takes ten milliseconds for a batch of any size, on Naiad and on Triton: what is measured is the batcher.

Naiad runs its identity backend with a delay, Triton its Python backend with the same sleep.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from contender import APPS, Files, Setting
from drive import post
from peers.naiad import Naiad
from peers.triton import Triton
from server_process import Launch

JOB = "slow"
VALUES = [1.0, 2.0, 3.0, 4.0]
CONFIG = """name: "slow"
backend: "{backend}"
max_batch_size: {most}
input [ {{ name: "IN" data_type: TYPE_FP32 dims: [ 4 ] }} ]
output [ {{ name: "OUT" data_type: TYPE_FP32 dims: [ 4 ] }} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
{more}
"""
JOINS = "dynamic_batching {{ max_queue_delay_microseconds: {us} }}"


@dataclass(frozen=True)
class Slow:
    """One way to serve it."""

    name: str
    most: int
    """`max_batch_size`."""
    is_triton: bool = False
    joins: bool = True
    """With a `dynamic_batching` block; without one, Triton runs requests one by one."""
    delay_us: int = 0
    options: tuple[str, ...] = ()
    """Of `naiad serve`, or of tritonserver."""

    def launch(self, files: Files) -> Launch:
        """Write the repository and say how to start the server."""
        repository = files.folder / JOB / self.name.lower().replace(" ", "-").replace(",", "")
        more = JOINS.format(us=self.delay_us) if self.joins else ""
        if self.is_triton:
            write(repository, CONFIG.format(backend="python", most=self.most, more=more), "triton_slow.py")
            launch = OverRepository(repository).launch(JOB, Setting(), files)
            return replace(launch, argv=[*launch.argv, *self.options])
        more += '\nparameters { key: "execute_delay_ms" value { string_value: "10" } }'
        write(repository, CONFIG.format(backend="identity", most=self.most, more=more))
        return Naiad.serve([str(repository), *self.options], "/v2/models/slow/ready", files)


class OverRepository(Triton):
    """Triton over a repository that has been written already."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository

    def repository(self, job: str, setting: Setting, files: Files) -> Path:  # noqa: ARG002 - as the other jobs
        return self._repository


def write(repository: Path, config: str, application: str = "", name: str = JOB) -> None:
    """Write a model folder; application: a file of apps/ for Triton's Python backend."""
    folder = repository / name / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "config.pbtxt").write_text(config)
    if application:
        shutil.copy(APPS / application, folder / "model.py")


def request(name: str = JOB) -> bytes:
    """The request that all are sent."""
    inputs = [{"name": "IN", "datatype": "FP32", "shape": [1, len(VALUES)], "data": VALUES}]
    return post(f"/v2/models/{name}/infer", json.dumps({"inputs": inputs}).encode())


def check(body: bytes) -> None:
    """Raise RuntimeError unless it is the right answer."""
    if json.loads(body)["outputs"][0]["data"] != VALUES:
        raise RuntimeError(f"a wrong answer: {body[:200]!r}")
