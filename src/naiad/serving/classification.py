"""The classification extension: an output's top n as `value:index[:label]` strings.

Source: KServe V2 / Triton, "Classification Extension"; values are printed with six decimals as C++'s std::to_string
does, integers without.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Tensor, bytes_tensor

_MOST_ELEMENTS = 1_000_000
_UNSUPPORTED = ("BYTES", "BOOL", "FP16", "BF16")


def classify(
    response: InferResponse, request: InferRequest, labels: Mapping[str, Sequence[str]], *, has_batch: bool
) -> InferResponse:
    """Replace every output that asked for classes. Raises InvalidRequest for a datatype that cannot be ranked."""
    counts = {output.name: output.class_count for output in request.outputs if output.class_count}
    if not counts:
        return response
    for at, tensor in enumerate(response.outputs):
        if tensor.name in counts:
            response.outputs[at] = _top(tensor, counts[tensor.name], labels.get(tensor.name, ()), has_batch)
    return response


def _top(tensor: Tensor, count: int, labels: Sequence[str], has_batch: bool) -> Tensor:
    if tensor.datatype in _UNSUPPORTED:
        raise InvalidRequest(f"class result not available for output due to unsupported type '{tensor.datatype}'")
    if tensor.data.size > _MOST_ELEMENTS:
        raise InvalidRequest("classification output tensor too large")
    has_batch = has_batch and tensor.data.ndim > 0
    size = len(tensor.data) if has_batch else 1
    rows = tensor.data.reshape(size, math.prod(tensor.shape[1:]) if has_batch else tensor.data.size)
    count = min(count, rows.shape[1])
    texts: list[bytes] = []
    for row in rows:
        best = np.argsort(-row.astype(np.float64), kind="stable")[:count].tolist()
        texts += [_line(row[index].item(), index, labels).encode() for index in best]
    return bytes_tensor(tensor.name, texts, (len(rows), count) if has_batch else (count,))


def _line(value: float, index: int, labels: Sequence[str]) -> str:
    number = f"{value:.6f}" if isinstance(value, float) else str(value)
    return f"{number}:{index}:{labels[index]}" if index < len(labels) else f"{number}:{index}"
