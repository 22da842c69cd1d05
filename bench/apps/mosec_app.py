"""Mosec's server: a worker class, a list of requests per call (its dynamic batching), orjson for the answers."""

from __future__ import annotations

import os

import numpy as np
import orjson
from encoder import Encoder
from mosec import Server, Worker

BATCH = int(os.environ["BENCH_BATCH"])


class Json(Worker):
    """Answers as JSON by orjson, which is faster than the default and takes numpy arrays."""

    def serialize(self, data: object) -> bytes:
        return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


class Embed(Json):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder.from_environment()

    def forward(self, data: list[dict] | dict) -> list[dict] | dict:
        if BATCH == 1:
            return {"embedding": self.encoder.encode([data["text"]])[0]}
        return [{"embedding": row} for row in self.encoder.encode([item["text"] for item in data])]


class Simple(Json):
    def forward(self, data: list[dict] | dict) -> list[dict] | dict:
        if BATCH == 1:
            return self.add_and_subtract(data)
        return [self.add_and_subtract(item) for item in data]

    @staticmethod
    def add_and_subtract(item: dict) -> dict:
        first, second = (np.array(item[name], dtype=np.int32) for name in ("INPUT0", "INPUT1"))
        return {"OUTPUT0": first + second, "OUTPUT1": first - second}


if __name__ == "__main__":
    server = Server()
    worker = Simple if os.environ["BENCH_JOB"] == "simple" else Embed
    wait_ms = int(os.environ["BENCH_WAIT_MS"])
    server.append_worker(worker, num=int(os.environ["BENCH_WORKERS"]), max_batch_size=BATCH, max_wait_time=wait_ms)
    server.run()
