"""The generate extension: one flat JSON object in, one out.

Source: Triton, "Generate Extension". A key that names an input becomes that tensor, any other key a request parameter;
what stands under the key `parameters` is treated the same way. In the answer a tensor of one element is a plain value.
All parameters are the caller's own, even those that `/infer` reserves; the protocol's (priority, timeout, sequence …)
take effect besides, where their type is right.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import prod
from typing import Any

import orjson

from naiad.core.errors import InvalidRequest, MalformedBody, NaiadError
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor
from naiad.protocol.json import tensor as tensor_json
from naiad.protocol.json.body import PROTOCOL_KEYS, parse_json, set_own_parameter, set_parameter
from naiad.protocol.limits import Limits, check_parameters, too_long


def decode(
    config: ModelConfig,
    version: str,
    body: bytes,
    limits: Limits,
    parse: Callable[[bytes, Limits, str], dict[str, Any]] = parse_json,
) -> InferRequest:
    """Make a request of a flat object, by what the model says of its inputs. Raises MalformedBody, InvalidRequest.

    parse: `parse_long_json` for a long body.
    """
    document = parse(body, limits, "attempt to get members for non-object")
    request_id = document.pop("id", "")
    if type(request_id) is not str:
        raise MalformedBody("Unable to parse 'id': attempt to access JSON non-string as string")
    if len(request_id) > limits.id_length:
        raise too_long("request id", len(request_id), limits.id_length)
    request = InferRequest(config.name, version, request_id)
    nested = document.pop("parameters", {})
    _take(request, document, config, limits)
    if type(nested) is not dict:
        raise MalformedBody(
            "Expected JSON object for keyword: 'parameters': attempt to access JSON non-object as object"
        )
    try:
        _take(request, nested, config, limits)
    except NaiadError as error:
        raise type(error)(f"Converting keyword: 'parameters': {error.message}", **error.detail) from error
    return request


def _take(request: InferRequest, values: dict[str, Any], config: ModelConfig, limits: Limits) -> None:
    """Make each value an input or a parameter."""
    check_parameters(values, limits)  # a generous bound: the model's inputs are among them
    inputs = {tensor.name: tensor for tensor in config.inputs}
    for key, value in values.items():
        if key not in inputs:
            set_own_parameter(request, key, value)
            if key in PROTOCOL_KEYS:
                with suppress(NaiadError):
                    set_parameter(request, key, value)
        elif key in request.inputs:
            raise InvalidRequest(f"{request.mark}input '{key}' already exists in request")
        else:
            request.inputs[key] = _tensor(request, inputs[key], value, config.max_batch_size > 0, limits)


def encode(response: InferResponse) -> bytes:
    """Return the answer as one flat object, sorted by key. Raises Failed, InvalidRequest for what JSON cannot carry."""
    plain: dict[str, Any] = {"id": response.id} if response.id else {}
    plain |= {"model_name": response.model_name, "model_version": response.model_version, **response.parameters}
    values = {key: orjson.dumps(value) for key, value in plain.items()}
    values |= {tensor.name: _value(tensor) for tensor in response.outputs}
    return b"{" + b",".join(b"%b:%b" % (orjson.dumps(key), values[key]) for key in sorted(values)) + b"}"


def event(data: bytes) -> bytes:
    """Return one server-sent event."""
    return b"data: %b\n\n" % data


def _tensor(request: InferRequest, spec: TensorConfig, value: Any, has_batch: bool, limits: Limits) -> Tensor:
    data = value if type(value) is list else [value]
    shape = _shape(spec, len(data), has_batch)
    if spec.datatype == "BYTES":
        return tensor_json.decode_strings(spec.name, shape, data, request, limits)
    tensor_json.refuse_booleans(spec.datatype, data)
    return tensor_json.decode(spec.name, spec.datatype, shape, len(data), data, limits)


def _shape(spec: TensorConfig, count: int, has_batch: bool) -> list[int]:
    """Give `count` values the input's shape: the innermost variable dimension takes what is left, any other is 1.

    The batch is such a dimension too, the outermost.
    """
    dims = [-1, *spec.dims] if has_batch else list(spec.dims)
    variable = [at for at, dim in enumerate(dims) if dim == -1]
    for at in variable:
        dims[at] = 1
    fixed = prod(dims)
    if variable and fixed:
        dims[variable[-1]] = count // fixed
    if prod(dims) != count:
        raise InvalidRequest(
            f"The schema can not convert input '{spec.name}' to tensor with proper shape", values=count, dims=spec.dims
        )
    return dims


def _value(tensor: Tensor) -> bytes:
    raw = tensor_json.encode(tensor)
    return raw[1:-1] if tensor.data.size == 1 else raw
