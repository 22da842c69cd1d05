"""Why a request failed, in the words of the metric `nv_inference_request_failure`."""

from __future__ import annotations

from naiad.core.errors import Cancelled, DeadlineExceeded, Failed, NaiadError, Overloaded


def failure_reason(error: NaiadError) -> str:
    """Return the label `reason`: REJECTED, CANCELED, BACKEND or OTHER."""
    if isinstance(error, Cancelled):
        return "CANCELED"
    if isinstance(error, Overloaded | DeadlineExceeded):
        return "REJECTED"
    if isinstance(error, Failed):
        return "BACKEND"
    return "OTHER"
