"""`send_request`: a request from inside of a hook to another endpoint of the same server.

As in ClearML, what goes wrong is None to the caller; why stands in the server's log.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..api.errors import TritonModelException
from ..api.request import InferenceRequest
from ..api.tensor import Tensor
from ..link import current
from .encoding import encode

BODY, IS_JSON, CHAIN = "BODY", "json", "endpoint_chain"
"""The tensor of a request and of its answer; the parameters of a request: what the body is, who led to it."""

SUFFIX = ".serve"
"""An endpoint's name as a model has this behind it."""

BETWEEN = " > "
"""The names of a chain."""

chain: ContextVar[str] = ContextVar("chain", default="")
"""Endpoints whose hooks led to the one that runs now, itself included."""

trace: ContextVar[Any] = ContextVar("trace", default=None)
"""The trace of the request that runs now, an InferenceTrace, for those that are made for it."""


def send(_: Any, endpoint: str, version: str | None = None, data: Any = None) -> Any:
    """Stand for `Preprocess.send_request`, and wait."""
    try:
        return _read(_request(endpoint, version, data).exec(), endpoint)
    except (TritonModelException, ValueError, TypeError) as error:
        return _failed(endpoint, error)


async def send_async(_: Any, endpoint: str, version: str | None = None, data: Any = None) -> Any:
    """Stand for `Preprocess.send_request` of an asynchronous class."""
    try:
        return _read(await _request(endpoint, version, data).async_exec(), endpoint)
    except (TritonModelException, ValueError, TypeError) as error:
        return _failed(endpoint, error)


def _request(endpoint: str, version: Any, data: Any) -> InferenceRequest:
    name = str(endpoint).strip("/")
    wanted = "" if version is None else str(version).strip("/")
    base, slash, last = name.rpartition("/")
    if slash and not wanted and last.isdigit():  # ClearML makes one URL of both
        name, wanted = base, last
    if wanted and not wanted.isdigit():
        raise ValueError(f"there is no version '{wanted}'")
    is_json = not isinstance(data, (bytes, bytearray, memoryview))
    body = b"" if data is None else encode(data) if is_json else bytes(data)
    return InferenceRequest(
        model_name=name + SUFFIX,
        model_version=int(wanted) if wanted else -1,
        inputs=[Tensor(BODY, np.frombuffer(body, np.uint8))],
        requested_output_names=[BODY],
        trace=trace.get(),
        parameters={IS_JSON: is_json, CHAIN: chain.get()},
    )


def _read(response: Any, endpoint: str) -> Any:
    """Return the document of an InferenceResponse."""
    error = response.error()
    if error is not None:
        return _failed(endpoint, error.message())
    return json.loads(response.output_tensors()[0].as_numpy().tobytes())


def _failed(endpoint: str, why: object) -> None:
    current().log("WARNING", f"send_request to '{endpoint}' gives None: {why}")
