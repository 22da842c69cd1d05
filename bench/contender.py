"""What the benchmark asks of a contender, and the words that all of them share.

A contender is one file in `peers/` with one class of the shape `Peer`; the smallest to read first is `peers/mosec.py`.
The jobs are `simple` (two INT32[16] in, their sum and difference out), `fp32` and `int8` (text in, MiniLM's embedding
out); in the section `protocol` also `image` (FP32[3, 224, 224] in, the same out).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from drive import post
from server_process import Launch

SIMPLE, IMAGE, FP32, INT8 = "simple", "image", "fp32", "int8"
TEXT_JOBS = (FP32, INT8)

Pair = tuple[list[int], list[int]]
APPS = Path(__file__).with_name("apps")


@dataclass(frozen=True)
class Files:
    """What was made before the first measurement; see `environment.py`."""

    folder: Path
    """.bench: environments, graphs, logs."""
    checkpoint: Path
    """MiniLM's folder with model.safetensors and tokenizer.json."""
    repository: Path
    """A model repository with `simple` as an ONNX model."""
    image_repository: Path
    """A model repository with `image` as an ONNX model."""
    graphs: dict[str, Path]
    """Padded ONNX graphs by job."""

    @property
    def tokenizer(self) -> Path:
        return self.checkpoint / "tokenizer.json"

    def python(self, peer: str) -> str:
        """The interpreter of a peer's own environment."""
        return str(self.folder / "env" / peer / "bin" / "python")


@dataclass(frozen=True)
class Setting:
    """One way to run a contender; the benchmark tries all and takes the best of each."""

    workers: int = 1
    """Instances, or worker processes."""
    threads: int = 1
    """ONNX Runtime threads in each."""
    batch: int = 1
    """Requests that may be joined; 1: batching off."""
    wait_ms: int = 0
    """How long the batcher may wait for more."""

    @property
    def words(self) -> str:
        waiting = f", {self.wait_ms} ms" if self.batch > 1 else ""
        return f"{self.workers}x{self.threads} threads, batch {self.batch}{waiting}"


class Peer(Protocol):
    """A server under test."""

    name: str

    def settings(self, job: str) -> list[Setting]:
        """The settings worth trying for a job; empty when the contender cannot do it."""

    def launch(self, job: str, setting: Setting, files: Files) -> Launch:
        """Write whatever the server reads and say how to start it on free ports."""

    def request(self, job: str, item: Pair | str) -> bytes:
        """The HTTP request that asks for one item."""

    def read(self, job: str, body: bytes) -> np.ndarray:
        """The answer's numbers: (2, 16) for `simple`, (384,) for text."""


def encoder_environment(job: str, setting: Setting, files: Files) -> dict[str, str]:
    """What `apps/encoder.py` and the applications beside it read."""
    graph = files.graphs.get(job)
    return {
        "BENCH_JOB": job,
        "BENCH_GRAPH": str(graph) if graph else "",
        "BENCH_TOKENIZER": str(files.tokenizer),
        "BENCH_THREADS": str(setting.threads),
        "BENCH_WORKERS": str(setting.workers),
        "BENCH_BATCH": str(setting.batch),
        "BENCH_WAIT_MS": str(setting.wait_ms),
        "BENCH_APPS": str(APPS),
        "TOKENIZERS_PARALLELISM": "false" if setting.workers > 1 else "true",
    }


def plain_request(path: str, job: str, item: Pair | str) -> bytes:
    """A request to a server with a JSON format of the application's own."""
    body = {"INPUT0": item[0], "INPUT1": item[1]} if job == SIMPLE else {"text": item}
    return post(path, json.dumps(body).encode())


def read_plain(job: str, body: bytes) -> np.ndarray:
    """The twin of `plain_request` for answers."""
    answer = json.loads(body)
    return np.array([answer["OUTPUT0"], answer["OUTPUT1"]]) if job == SIMPLE else np.array(answer["embedding"])


def v2_request(model: str, job: str, item: Pair | str, text_shape: list[int]) -> bytes:
    """A v2 inference request with JSON tensors."""
    if job == SIMPLE:
        tensors = [{"name": f"INPUT{i}", "datatype": "INT32", "shape": [1, 16], "data": item[i]} for i in (0, 1)]
    else:
        tensors = [{"name": "text", "datatype": "BYTES", "shape": text_shape, "data": [item]}]
    return post(f"/v2/models/{model}/infer", json.dumps({"inputs": tensors}).encode())


def read_v2(job: str, body: bytes) -> np.ndarray:
    """The twin of `v2_request` for answers; the embedding is the first output whatever its name."""
    outputs = {output["name"]: output["data"] for output in json.loads(body)["outputs"]}
    return (
        np.array([outputs["OUTPUT0"], outputs["OUTPUT1"]]) if job == SIMPLE else np.array(next(iter(outputs.values())))
    )
