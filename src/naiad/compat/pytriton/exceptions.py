"""What binding and serving raise, by PyTriton's names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from naiad.core.errors import AlreadyExists, InvalidConfiguration, NaiadError


class PyTritonError(Exception):
    """Base of the others."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PyTritonValidationError(PyTritonError):
    """A name, or something about a function, is wrong."""


class PyTritonInvalidOperationError(PyTritonError):
    """Not now, or not here."""


class PyTritonBadParameterError(PyTritonError):
    """A parameter is wrong."""


class PyTritonModelConfigError(PyTritonError):
    """The configuration of a model is wrong."""


class PyTritonUnrecoverableError(PyTritonError):
    """Raised by a function that can answer no more: the server stops."""


class PyTritonRuntimeError(PyTritonError):
    """Everything else."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn our errors into PyTriton's."""
    try:
        yield
    except AlreadyExists as error:
        raise PyTritonInvalidOperationError(error.message) from error
    except InvalidConfiguration as error:
        raise PyTritonValidationError(error.message) from error
    except NaiadError as error:
        raise PyTritonRuntimeError(error.message) from error
