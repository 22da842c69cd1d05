"""LitServe: FastAPI in front of worker processes, batching in the worker."""

from __future__ import annotations

import numpy as np

from contender import (
    APPS,
    SIMPLE,
    Files,
    Pair,
    Setting,
    encoder_environment,
    plain_request,
    read_plain,
)
from server_process import Launch, free_port


class LitServe:
    name = "LitServe"

    def settings(self, job: str) -> list[Setting]:
        if job == SIMPLE:
            return [Setting(), Setting(batch=8)]
        return [Setting(workers=2), Setting(workers=2, batch=4, wait_ms=1), Setting(workers=2, batch=8, wait_ms=5)]

    def launch(self, job: str, setting: Setting, files: Files) -> Launch:
        port = free_port()
        argv = [files.python("litserve"), str(APPS / "litserve_app.py")]
        return Launch(argv, port, "/health", encoder_environment(job, setting, files) | {"BENCH_PORT": str(port)})

    def request(self, job: str, item: Pair | str) -> bytes:
        return plain_request("/predict", job, item)

    def read(self, job: str, body: bytes) -> np.ndarray:
        return read_plain(job, body)
