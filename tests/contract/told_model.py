"""A model that answers with what reached it, so that doors can be compared in what they pass on."""

from __future__ import annotations

import json
from typing import Any

from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import bytes_tensor
from naiad.observe.statistics import ModelStatistics
from naiad.serving.response_sender import ResponseSender

CONFIG = ModelConfig("told", inputs=(TensorConfig("IN", "INT32", (1,)),), outputs=(TensorConfig("OUT", "BYTES", (1,)),))


class Told:
    """A ServedModel."""

    name, version, config = "told", "1", CONFIG

    def __init__(self) -> None:
        self.statistics = ModelStatistics(self.name, self.version)
        self.labels: dict[str, list[str]] = {}
        self.has_rows = False

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        step = request.sequence
        seen: dict[str, Any] = {
            "id": request.id,
            "inputs": list(request.inputs),
            "outputs": [output.name for output in request.outputs],
            "sequence": None if step is None else [step.id, step.is_first, step.is_last],
            "priority": request.priority,
            "timeout_us": request.timeout_us,
            "parameters": {key: [type(value).__name__, value] for key, value in sorted(request.parameters.items())},
            "has_arrived": request.arrived_s > 0,
        }
        sender.send(InferResponse("told", "1", [bytes_tensor("OUT", [json.dumps(seen).encode()])]))

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        pass
