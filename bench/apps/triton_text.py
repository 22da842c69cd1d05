"""Text to embeddings as a model of Triton's Python backend: all texts of a batch are padded together."""

from __future__ import annotations

import os
import sys

sys.path.append(os.environ["BENCH_APPS"])

import numpy as np
import triton_python_backend_utils as pb_utils
from encoder import Encoder


class TritonPythonModel:
    def initialize(self, args: dict) -> None:  # noqa: ARG002 — Triton's signature
        self.encoder = Encoder.from_environment()

    def execute(self, requests: list) -> list:
        texts = [pb_utils.get_input_tensor_by_name(request, "text").as_numpy() for request in requests]
        rows = iter(self.encoder.encode([text.decode() for batch in texts for text in batch.reshape(-1)]))
        responses = []
        for batch in texts:
            embedding = np.stack([next(rows) for _ in range(batch.size)])
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("embedding", embedding)]))
        return responses
