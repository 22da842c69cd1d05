"""Why a request failed: in the words of the metric `nv_inference_request_failure`, and naming the request."""

from __future__ import annotations

from naiad.core.errors import Cancelled, DeadlineExceeded, Failed, NaiadError, Overloaded
from naiad.core.message import InferRequest


def naming_request(error: NaiadError, request: InferRequest) -> NaiadError:
    """Return the error; one of the queue, which knows no requests, with the request's id before it, as in Triton."""
    if isinstance(error, Overloaded | DeadlineExceeded) and not error.message.startswith(request.mark):
        return type(error)(request.mark + error.message, **error.detail)
    return error


def failure_reason(error: NaiadError) -> str:
    """Return the label `reason`: REJECTED, CANCELED, BACKEND or OTHER."""
    if isinstance(error, Cancelled):
        return "CANCELED"
    if isinstance(error, Overloaded | DeadlineExceeded):
        return "REJECTED"
    if isinstance(error, Failed):
        return "BACKEND"
    return "OTHER"
