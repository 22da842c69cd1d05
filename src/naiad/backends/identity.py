"""The smallest backend: what comes in goes out. Read this one first; every other backend has the same three parts.

`Backend.complete` fills in the configuration, `Backend.load` makes an instance, `Instance.execute` answers a batch. For
trying out clients, schedulers and doors without a model file: `backend: "identity"` in config.pbtxt.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.core.clock import monotonic
from naiad.core.contracts import Batch, LoadRequest
from naiad.core.errors import InvalidRequest, LoadFailed, NaiadError
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Tensor


class IdentityBackend:
    """Gives instances whose n-th output is the n-th input."""

    name = "identity"

    def complete(self, config: dict[str, Any], version_dir: Path, settings: Mapping[str, str]) -> dict[str, Any]:  # noqa: ARG002 — there is no file to ask
        """Leave the configuration as it is."""
        return config

    def load(self, request: LoadRequest) -> IdentityInstance:
        """Raise LoadFailed unless inputs and outputs have the same datatypes."""
        inputs, outputs = request.config.inputs, request.config.outputs
        if not inputs or [tensor.datatype for tensor in inputs] != [tensor.datatype for tensor in outputs]:
            raise LoadFailed(f"model '{request.config.name}': identity needs outputs with the datatypes of its inputs")
        names = {before.name: after.name for before, after in zip(inputs, outputs, strict=True)}
        return IdentityInstance(names, request.version)


class IdentityInstance:
    """One copy of nothing."""

    def __init__(self, output_names: dict[str, str], version: str) -> None:
        self._output_names, self._version = output_names, version

    def execute(self, batch: Batch[InferRequest]) -> list[InferResponse | NaiadError]:
        """Answer each request with its own arrays under the outputs' names."""
        batch.input_ready_s = batch.output_ready_s = monotonic()
        return [self._answer(request) for request in batch.items]

    def _answer(self, request: InferRequest) -> InferResponse | NaiadError:
        made = {self._output_names[t.name]: t for t in request.inputs.values() if t.name in self._output_names}
        wanted = [output.name for output in request.outputs] or [
            name for name in self._output_names.values() if name in made
        ]
        if missing := [name for name in wanted if name not in made]:
            return InvalidRequest(f"model '{request.model_name}': no input for output '{missing[0]}'")
        tensors = [Tensor(name, made[name].datatype, made[name].data) for name in wanted]
        return InferResponse(request.model_name, self._version, tensors, request.id)

    def close(self) -> None:
        """Nothing to release."""
