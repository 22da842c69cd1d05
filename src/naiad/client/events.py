"""An inference whose answers come one by one: what is sent to `generate_stream`, and how its events are read.

The generate extension has no shapes: it carries the elements alone, so that only tensors go whose shape follows from
their number and the model's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NoReturn

import numpy as np
import orjson

import naiad.client.metadata as meta
from naiad.client.calls import Options, Reply, scalar, understanding
from naiad.client.errors import from_answer
from naiad.client.result import Result
from naiad.client.values import from_tensors, to_tensors
from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest
from naiad.core.tensor import Tensor, bytes_tensor

_PREFIX = "data: "
_OURS = ("model_name", "model_version", "id")
"""Keys of an event that are neither outputs nor the model's parameters."""


@dataclass(frozen=True, slots=True)
class Events:
    """One exchange that is answered by events."""

    target: tuple[str, str]
    """HTTP method and path."""
    content: bytes
    model: meta.ModelMetadata
    lone_outputs: frozenset[str]
    """Outputs that come back without the dimension that no input had."""

    def read(self, line: str, address: str) -> Result | None:
        """Read a line of the answer; None for one between events. Raises the error that an event names."""
        if not line.startswith(_PREFIX):
            return None
        raw = line.removeprefix(_PREFIX).encode()
        reply = Reply(address, 200, raw)
        with understanding(reply):
            document = orjson.loads(raw)
            if "error" not in document:
                return self._result(document)
        raise from_answer(500, raw, address)

    def refuse(self, reply: Reply) -> NoReturn:
        """Raise what a server says that sends no events; one that fails at once may say it in an event."""
        raise from_answer(reply.status, reply.body.removeprefix(_PREFIX.encode()), reply.address)

    def _result(self, document: Mapping[str, Any]) -> Result:
        outputs = {one.name: one for one in self.model.outputs}
        tensors = [_tensor(outputs[name], value) for name, value in document.items() if name in outputs]
        return Result(
            from_tensors(iter(tensors), self.lone_outputs),
            str(document["model_name"]),
            str(document.get("model_version", "")),
            str(document.get("id", "")),
            {name: value for name, value in document.items() if name not in outputs and name not in _OURS},
        )


def stream(model: meta.ModelMetadata, path: str, inputs: Mapping[str, Any], options: Options) -> Events:
    """Ask for answers one by one.

    Raises InvalidRequest for an input that the model does not have, that does not suit it, or that events cannot carry.
    """
    tensors, lone_outputs = to_tensors(inputs, model)
    wanted = {one.name: one for one in model.inputs}
    document: dict[str, Any] = {tensor.name: _elements(tensor, wanted[tensor.name]) for tensor in tensors}
    if options.id:
        document["id"] = options.id
    document["parameters"] = {name: scalar(value) for name, value in options.parameters.items()}
    try:
        content = orjson.dumps(document)
    except TypeError as error:
        raise InvalidRequest(f"id and parameters must be plain values: {error}") from error
    return Events(("POST", f"{path}/generate_stream"), content, model, lone_outputs)


def _elements(tensor: Tensor, wanted: meta.TensorMetadata) -> list[Any]:
    """Give a tensor's elements in row-major order."""
    shape = list(wanted.shape)
    variable = [at for at, dim in enumerate(shape) if dim == -1]
    for at in variable:
        shape[at] = 1
    fixed = prod(shape)
    if variable and fixed:
        shape[variable[-1]] = tensor.data.size // fixed
    if tuple(shape) != tensor.shape or tensor.datatype == "BF16":
        raise InvalidRequest(
            f"input '{tensor.name}' of shape {list(tensor.shape)} and datatype {tensor.datatype} cannot be streamed "
            "over HTTP, which carries no shapes; use a gRPC stream",
            input=tensor.name,
        )
    elements: list[Any] = tensor.data.ravel().tolist()
    if tensor.datatype != "BYTES":
        return elements
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"input '{tensor.name}' holds bytes that are not UTF-8 and cannot be streamed over HTTP; use a gRPC stream",
            input=tensor.name,
        ) from error


def _tensor(declared: meta.TensorMetadata, value: Any) -> Tensor:
    """Make an output; one of several variable dimensions comes as its elements."""
    values = value if isinstance(value, list) else [value]
    shape = declared.shape if declared.shape.count(-1) <= 1 else (-1,)
    if declared.datatype == "BYTES":
        made = bytes_tensor(declared.name, [text.encode() for text in values])
        return Tensor(declared.name, "BYTES", made.data.reshape(shape))
    data = np.array(values, dtype=BY_NAME[declared.datatype].numpy)
    return Tensor(declared.name, declared.datatype, data.reshape(shape))
