"""LitServe's server: one LitAPI whose predict takes a batch when batching is on."""

from __future__ import annotations

import os

import litserve
import numpy as np
from encoder import Encoder

BATCH = int(os.environ["BENCH_BATCH"])


class Embed(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 — LitServe's signature
        self.encoder = Encoder.from_environment()

    def decode_request(self, request: dict) -> str:
        return request["text"]

    def predict(self, texts: list[str] | str) -> np.ndarray:
        return self.encoder.encode([texts])[0] if BATCH == 1 else self.encoder.encode(texts)

    def encode_response(self, output: np.ndarray) -> dict:
        return {"embedding": output.tolist()}


class Simple(litserve.LitAPI):
    def setup(self, device: str) -> None:
        pass

    def decode_request(self, request: dict) -> np.ndarray:
        return np.array([request["INPUT0"], request["INPUT1"]], dtype=np.int32)

    def predict(self, pairs: np.ndarray) -> np.ndarray:
        first, second = pairs[..., 0, :], pairs[..., 1, :]
        return np.stack([first + second, first - second], axis=-2)

    def encode_response(self, output: np.ndarray) -> dict:
        return {"OUTPUT0": output[0].tolist(), "OUTPUT1": output[1].tolist()}


if __name__ == "__main__":
    kind = Simple if os.environ["BENCH_JOB"] == "simple" else Embed
    api = kind(max_batch_size=BATCH, batch_timeout=int(os.environ["BENCH_WAIT_MS"]) / 1000)
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=int(os.environ["BENCH_WORKERS"]), fast_queue=True
    )
    server.run(host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), num_api_servers=1, generate_client_file=False,
               log_level="warning")  # fmt: skip
