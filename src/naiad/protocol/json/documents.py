"""The JSON documents of v2 that are not inference: server and model metadata.

Config, index and statistics are built by their owners; this file only holds what is the protocol's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from naiad.core.model.config import ModelConfig, TensorConfig

SERVER_NAME = "triton"
"""Clients compare it (Triton's own examples do); `--id` changes it."""

SERVER_VERSION = "2.73.0"
"""The version of Triton's contract that this server speaks; its own version is in the log and `naiad --version`."""

EXTENSIONS = (
    "classification",
    "sequence",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "system_shared_memory",
    "cuda_shared_memory",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "trace",
    "logging",
)
"""Extensions that work, in the order in which Triton lists them."""


def server_metadata(name: str = SERVER_NAME) -> dict[str, Any]:
    """`GET /v2`."""
    return {"name": name, "version": SERVER_VERSION, "extensions": list(EXTENSIONS)}


def model_metadata(config: ModelConfig, versions: Sequence[str]) -> dict[str, Any]:
    """`GET /v2/models/NAME`: shapes carry a leading -1 where the model takes batches."""
    batch = (-1,) if config.max_batch_size > 0 else ()

    def describe(tensor: TensorConfig) -> dict[str, Any]:
        return {"name": tensor.name, "datatype": tensor.datatype, "shape": [*batch, *tensor.dims]}

    return {
        "name": config.name,
        "versions": list(versions),
        "platform": config.platform or config.backend,
        "inputs": [describe(tensor) for tensor in config.inputs],
        "outputs": [describe(tensor) for tensor in config.outputs],
    }
