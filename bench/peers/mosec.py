"""Mosec: a Rust front with Python worker processes and dynamic batching."""

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


class Mosec:
    name = "Mosec"

    def settings(self, job: str) -> list[Setting]:
        if job == SIMPLE:
            return [Setting(), Setting(workers=2), Setting(batch=8)]
        return [Setting(workers=2), Setting(workers=2, batch=4), Setting(workers=2, batch=8, wait_ms=5)]

    def launch(self, job: str, setting: Setting, files: Files) -> Launch:
        port = free_port()
        argv = [files.python("mosec"), str(APPS / "mosec_app.py"), "--address", "127.0.0.1", "--port", str(port)]
        argv += ["--timeout", "60000"]
        return Launch(argv, port, "/metrics", encoder_environment(job, setting, files))

    def request(self, job: str, item: Pair | str) -> bytes:
        return plain_request("/inference", job, item)

    def read(self, job: str, body: bytes) -> np.ndarray:
        return read_plain(job, body)
