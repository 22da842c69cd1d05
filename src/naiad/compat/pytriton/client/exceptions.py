"""What the clients raise, by PyTriton's names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from naiad.client.errors import Unreachable
from naiad.core.errors import DeadlineExceeded, NaiadError


class PyTritonClientError(Exception):
    """Base of the others."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PyTritonClientValueError(PyTritonClientError):
    """A wrong value was given."""


class PyTritonClientInvalidUrlError(PyTritonClientValueError):
    """The URL is wrong."""


class PyTritonClientTimeoutError(PyTritonClientError):
    """There was no answer in time, or no server."""


class PyTritonClientModelUnavailableError(PyTritonClientError):
    """There is no such model, or it cannot answer."""


class PyTritonClientClosedError(PyTritonClientError):
    """The client is closed."""


class PyTritonClientModelDoesntSupportBatchingError(PyTritonClientError):
    """A batch was sent to a model without a batch dimension."""


class PyTritonClientInferenceServerError(PyTritonClientError):
    """The server, or the function, answered with an error."""


class PyTritonClientQueueFullError(PyTritonClientError):
    """Too many requests wait in this client."""


@contextmanager
def inferring(timeout_s: float) -> Iterator[None]:
    """Turn our errors into PyTriton's. timeout_s: of the request, for the message."""
    try:
        yield
    except (DeadlineExceeded, Unreachable) as error:
        raise PyTritonClientTimeoutError(
            f"Timeout occurred during inference request. Timeout: {timeout_s} s. Message: {error.message}"
        ) from error
    except NaiadError as error:
        raise PyTritonClientInferenceServerError(
            f"Error occurred during inference request. Message: {error.message}"
        ) from error
