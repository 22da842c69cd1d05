"""What is done to a response for the request that it answers: classes of outputs, outputs in the client's memory."""

from __future__ import annotations

import logging

from naiad.core.errors import Failed, NaiadError
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.serving.classification import classify
from naiad.serving.model import ServedModel
from naiad.serving.shared_memory.delivery import write_outputs
from naiad.serving.worker import JOINED_BYTES, SHORT_ELEMENTS

_log = logging.getLogger("naiad.serving")


def needs_completing(request: InferRequest) -> bool:
    """Whether anything is to be done to its responses."""
    if request.output_memory is not None:
        return True
    for output in request.outputs:  # noqa: SIM110 - a generator would cost every request more than the loop
        if output.class_count:
            return True
    return False


def long_bytes(request: InferRequest, response: InferResponse) -> int:
    """How many bytes are worked on where that takes long, so that a thread should do it; 0: it is done at once."""
    classified = {output.name for output in request.outputs if output.class_count}
    stored = request.output_memory or {}
    size = copied = 0
    takes_long = False
    for tensor in response.outputs:
        is_stored, data = tensor.name in stored, tensor.data
        if tensor.name in classified or (is_stored and tensor.datatype == "BYTES"):
            takes_long = takes_long or data.size > SHORT_ELEMENTS
            size += data.nbytes
        elif is_stored:
            copied += data.nbytes
    return size + copied if takes_long or copied > JOINED_BYTES else 0


def complete(response: InferResponse, request: InferRequest, model: ServedModel) -> Answer:
    """Return the response made so, or why it cannot be; from any thread."""
    try:
        classify(response, request, model.labels, has_batch=model.has_rows)
        if request.output_memory is not None:
            write_outputs(response, request.output_memory)
    except NaiadError as error:
        return error.with_traceback(None)  # which would refer to this frame, which refers to the error
    except Exception:  # noqa: BLE001 — a mistake of ours costs this answer, not the others of its batch
        _log.exception("an answer of model '%s' could not be completed", model.name)
        return Failed("internal error")
    return response
