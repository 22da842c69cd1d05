"""MLServer: the v2 protocol on FastAPI, adaptive batching in front of parallel workers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from contender import (
    APPS,
    SIMPLE,
    Files,
    Pair,
    Setting,
    encoder_environment,
    read_v2,
    v2_request,
)
from server_process import Launch, free_port

MODEL = "served"


class MLServer:
    name = "MLServer"

    def settings(self, job: str) -> list[Setting]:
        if job == SIMPLE:
            return [Setting(workers=0), Setting(workers=1)]
        return [Setting(workers=2), Setting(workers=2, batch=4, wait_ms=1), Setting(workers=2, batch=8, wait_ms=5)]

    def launch(self, job: str, setting: Setting, files: Files) -> Launch:
        folder = files.folder / "mlserver"
        folder.mkdir(exist_ok=True)
        ports = [free_port() for _ in range(3)]
        self._write(folder, job, setting, ports)
        env = encoder_environment(job, setting, files) | {"PYTHONPATH": str(APPS)}
        argv = [files.python("mlserver"), "-m", "mlserver.cli.main", "start", str(folder)]
        return Launch(argv, ports[0], f"/v2/models/{MODEL}/ready", env, folder)

    @staticmethod
    def _write(folder: Path, job: str, setting: Setting, ports: list[int]) -> None:
        server = {"host": "127.0.0.1", "http_port": ports[0], "grpc_port": ports[1], "metrics_port": ports[2],
                  "parallel_workers": setting.workers, "debug": False}  # fmt: skip
        model = {"name": MODEL, "implementation": "mlserver_app." + ("Simple" if job == SIMPLE else "Embed")}
        if setting.batch > 1:
            model |= {"max_batch_size": setting.batch, "max_batch_time": setting.wait_ms / 1000}
        (folder / "settings.json").write_text(json.dumps(server))
        (folder / "model-settings.json").write_text(json.dumps(model))

    def request(self, job: str, item: Pair | str) -> bytes:
        return v2_request(MODEL, job, item, text_shape=[1])

    def read(self, job: str, body: bytes) -> np.ndarray:
        return read_v2(job, body)
