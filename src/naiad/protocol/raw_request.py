"""The raw binary request: `Inference-Header-Content-Length: 0`, the whole body is the one input's bytes.

Source: KServe V2, binary tensor extension, "Raw Binary Request": one input, at most one variable dimension, batch 1;
all outputs come back as binary.
"""

from __future__ import annotations

from math import prod

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import bytes_tensor
from naiad.protocol import binary
from naiad.protocol.limits import Limits, raw_too_large


def decode_raw(config: ModelConfig, version: str, body: bytes, limits: Limits) -> InferRequest:
    """Make a request from bare bytes, by what the model says of its one input. Raises InvalidRequest."""
    if len(body) > limits.body_bytes:
        raise raw_too_large(len(body), limits.body_bytes)
    request = InferRequest(config.name, version)
    if len(config.inputs) != 1:
        raise InvalidRequest(
            f"{request.mark}Raw request must only have 1 input (found 1) to be deduced but got {len(config.inputs)} "
            f"inputs in '{config.name}' model configuration"
        )
    spec = config.inputs[0]
    batch = (1,) if config.max_batch_size > 0 else ()
    variable = [at for at, dim in enumerate(spec.dims) if dim == -1]
    if len(variable) > 1:
        raise InvalidRequest(
            f"{request.mark}The shape of the raw input '{spec.name}' can not be deduced because there are more than "
            "one variable-sized dimension"
        )
    if spec.datatype == "BYTES":
        if any(dim != 1 for dim in spec.dims):
            raise InvalidRequest(
                f"{request.mark}For BYTE datatype raw input '{spec.name}', the model must have input shape [1]"
            )
        binary.check_strings(spec.name, 1, len(body), limits)
        request.inputs[spec.name] = bytes_tensor(spec.name, [body], (*batch, *spec.dims))
        return request
    dims = list(spec.dims)
    fixed = prod(dim for dim in dims if dim != -1) * BY_NAME[spec.datatype].size_bytes
    if variable:
        dims[variable[0]] = len(body) // fixed if fixed else 0
    # Its name is Triton's, for the message about its size.
    tensor = binary.decode("raw_input", spec.datatype, (*batch, *dims), body, request)
    tensor.name = spec.name
    request.inputs[spec.name] = tensor
    return request
