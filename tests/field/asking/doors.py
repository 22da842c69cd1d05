"""Three ways to ask a running server: v2 JSON, our client (binary tensors) and gRPC by tritonclient."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from naiad.testing import RunningServer

Inputs = Mapping[str, Any]
"""By name: a list of strings, or an array of numbers."""

Outputs = dict[str, Any]
"""By name: an array; text as str."""

Door = Callable[["RunningServer", str, Inputs, Mapping[str, Any]], Outputs]

_NAMES = {"int64": "INT64", "float32": "FP32", "object": "BYTES"}


def ask_json(server: RunningServer, model: str, inputs: Inputs, parameters: Mapping[str, Any]) -> Outputs:
    """A v2 request in JSON, as curl would send it. Raises AssertionError with the server's words."""
    arrays = {name: _array(values) for name, values in inputs.items()}
    body: dict[str, Any] = {
        "inputs": [
            {"name": name, "shape": array.shape, "datatype": _NAMES[array.dtype.name], "data": _plain(array)}
            for name, array in arrays.items()
        ]
    }
    if parameters:
        body["parameters"] = dict(parameters)
    request = urllib.request.Request(f"{server.url}/v2/models/{model}/infer", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            document = json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.code} {error.read().decode()}") from None
    return {one["name"]: _read(one) for one in document["outputs"]}


def ask_client(server: RunningServer, model: str, inputs: Inputs, parameters: Mapping[str, Any]) -> Outputs:
    """Our own client, which sends and reads binary tensors."""
    import naiad

    arrays = {name: _array(values) for name, values in inputs.items()}
    with naiad.Client(server.url, timeout_s=300) as client:
        return dict(client.model(model)(**arrays, parameters=parameters))


def ask_grpc(server: RunningServer, model: str, inputs: Inputs, parameters: Mapping[str, Any]) -> Outputs:
    """NVIDIA's client over gRPC."""
    from tritonclient import grpc

    tensors = []
    for name, values in inputs.items():
        array = _array(values)
        tensor = grpc.InferInput(name, array.shape, _NAMES[array.dtype.name])
        text = array.dtype.name == "object"
        if text:
            encoded = [value.encode() if isinstance(value, str) else value for value in array]
            array = np.array(encoded, dtype=object)
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    with grpc.InferenceServerClient(server.grpc_address) as client:
        result = client.infer(model, tensors, parameters=dict(parameters) or None)
    return {output.name: _text(result.as_numpy(output.name)) for output in result.get_response().outputs}


def _read(output: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Text stays Python's: numpy's own strings drop NUL characters at their end."""
    kind = object if output["datatype"] == "BYTES" else None
    return np.array(output["data"], dtype=kind).reshape(output["shape"])


def _plain(array: np.ndarray[Any, Any]) -> list[Any]:
    """JSON has no bytes: files go as base64."""
    return [base64.b64encode(value).decode() if isinstance(value, bytes) else value for value in array.tolist()]


def _array(values: Any) -> np.ndarray[Any, Any]:
    return values if isinstance(values, np.ndarray) else np.array(values, dtype=object)


def _text(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype.name != "object":
        return array
    return np.array([value.decode() for value in array.ravel()], dtype=object).reshape(array.shape)
