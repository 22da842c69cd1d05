"""The shape that all tasks' answers share: the outputs that were asked for, and the note on texts that were cut."""

from __future__ import annotations

from collections.abc import Iterable

from naiad.core.contracts import Preparation
from naiad.core.message import InferRequest, InferResponse, Parameter
from naiad.core.tensor import Tensor


def respond(request: InferRequest, preparation: Preparation, tensors: Iterable[Tensor]) -> InferResponse:
    """Answer with those of `tensors` that the request lists, all where it lists none.

    Where texts were cut, the parameters are `truncated`: true and `truncated_texts`: how many.
    """
    if request.outputs:
        asked = {output.name for output in request.outputs}
        tensors = [tensor for tensor in tensors if tensor.name in asked]
    parameters: dict[str, Parameter] = {}
    if preparation.truncated:
        parameters = {"truncated": True, "truncated_texts": preparation.truncated}
    return InferResponse(request.model_name, request.model_version, list(tensors), request.id, parameters)
