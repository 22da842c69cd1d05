"""What is sent to a server over gRPC, and how its answer is read; no waiting here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from naiad.client.metadata import ModelMetadata, read_model
from naiad.core.datatypes import BY_NAME
from naiad.core.errors import Failed
from naiad.core.message import Parameter
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.proto.pool import message_class
from naiad.protocol import binary
from naiad.protocol.grpc.messages import document_of

Value = TypeVar("Value")

STREAM = "ModelStreamInfer"


@dataclass(frozen=True, slots=True)
class GrpcCall(Generic[Value]):
    """One RPC."""

    method: str
    request: Any
    answer: str
    """Name of the message that comes back."""
    read: Callable[[Any], Value]


def is_ready() -> GrpcCall[bool]:
    """Ask whether the server takes requests."""
    return _call("ServerReady", lambda answer: bool(answer.ready))


def is_model_ready(name: str, version: str) -> GrpcCall[bool]:
    """Ask whether a model takes requests."""
    return _call("ModelReady", lambda answer: bool(answer.ready), name=name, version=version)


def model_config(name: str, version: str) -> GrpcCall[dict[str, Any]]:
    """Ask for a model's configuration, in the names of config.pbtxt."""
    return _call("ModelConfig", lambda answer: document_of(answer.config), name=name, version=version)


def model_metadata(name: str, version: str) -> GrpcCall[ModelMetadata]:
    """Ask for a model's inputs and outputs."""
    return _call("ModelMetadata", lambda answer: read_model(document_of(answer)), name=name, version=version)


def load(name: str, config: str | None, files: Mapping[str, bytes]) -> GrpcCall[None]:
    """Load a model. files: by their paths in its folder."""
    call = _call("RepositoryModelLoad", lambda _: None, model_name=name)
    if config is not None:
        call.request.parameters["config"].string_param = config
    for path, content in files.items():
        call.request.parameters[path].bytes_param = content
    return call


def unload(name: str) -> GrpcCall[None]:
    """Unload a model."""
    return _call("RepositoryModelUnload", lambda _: None, model_name=name)


def infer(
    name: str,
    version: str,
    tensors: Sequence[Tensor],
    *,
    request_id: str = "",
    outputs: Sequence[str] = (),
    parameters: Mapping[str, Parameter] | None = None,
) -> GrpcCall[list[Tensor]]:
    """Ask for an inference; also what a stream takes."""
    request = message_class("ModelInferRequest")(model_name=name, model_version=version, id=request_id)
    for tensor in tensors:
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        request.raw_input_contents.append(binary.encode(tensor))
    for output in outputs:
        request.outputs.add(name=output)
    for key, value in (parameters or {}).items():
        kind = "bool" if isinstance(value, bool) else "int64" if isinstance(value, int) else "string"
        setattr(request.parameters[key], "double_param" if isinstance(value, float) else f"{kind}_param", value)
    return GrpcCall("ModelInfer", request, "ModelInferResponse", read_tensors)


def read_tensors(answer: Any) -> list[Tensor]:
    """Read the outputs of a ModelInferResponse. Raises Failed for one that does not follow the protocol."""
    raw = list(answer.raw_output_contents)
    if raw and len(raw) != len(answer.outputs):
        raise Failed(f"the server sent {len(answer.outputs)} outputs, but the data of {len(raw)}")
    return [
        binary.decode(output.name, output.datatype, tuple(output.shape), raw[at]) if raw else _typed(output)
        for at, output in enumerate(answer.outputs)
    ]


def _typed(output: Any) -> Tensor:
    row, shape = BY_NAME[output.datatype], tuple(output.shape)
    values = list(getattr(output.contents, row.contents_field))
    if row.name == "BYTES":
        return bytes_tensor(output.name, values, shape)
    return Tensor(output.name, row.name, np.array(values, row.numpy).reshape(shape))


def _call(method: str, read: Callable[[Any], Value], **fields: Any) -> GrpcCall[Value]:
    return GrpcCall(method, message_class(f"{method}Request")(**fields), f"{method}Response", read)
