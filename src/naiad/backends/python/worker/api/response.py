"""A response as model code makes it, and as it gets one from another model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import TritonError, TritonModelException
from .tensor import Tensor


class InferenceResponse:
    """Output tensors, or an error in their place."""

    __slots__ = ("_error", "_parameters", "_tensors")

    def __init__(
        self,
        output_tensors: Iterable[Tensor] = (),
        error: TritonError | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Raises TypeError for what is no tensor or no error, TritonModelException for parameters of other types."""
        self._tensors = list(output_tensors or ())
        for tensor in self._tensors:
            if type(tensor) is not Tensor and not isinstance(tensor, Tensor):
                raise TypeError(f"output_tensors must be pb_utils.Tensor objects, not {type(tensor).__name__}")
        if isinstance(error, (str, TritonModelException)):
            error = TritonError(str(error))
        if error is not None and not isinstance(error, TritonError):
            raise TypeError(f"error must be a pb_utils.TritonError, not {type(error).__name__}")
        self._error = error
        self._parameters = None if not parameters else checked_parameters(parameters)

    def output_tensors(self) -> list[Tensor]:
        """Return the tensors."""
        return self._tensors

    def has_error(self) -> bool:
        """Whether it is an error."""
        return self._error is not None

    def error(self) -> TritonError | None:
        """Return the error; None where there is none."""
        return self._error

    def parameters(self) -> str:
        """Return the parameters as JSON."""
        return json.dumps(self._parameters or {})


def checked_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as they travel. Raises TritonModelException for a key that is no str, or another type."""
    if not isinstance(parameters, Mapping):
        raise TritonModelException(f"parameters must be a dict, not {type(parameters).__name__}")
    for key, value in parameters.items():
        if type(key) is not str:
            raise TritonModelException(f"Expect parameters keys to have type str, found type {type(key)}")
        if type(value) not in (bool, int, str):
            raise TritonModelException(
                f"Expect parameters values to have type bool/int/str, found type {type(value)} for '{key}'"
            )
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise TritonModelException(f"parameter '{key}' does not fit into 64 bits")
    return dict(parameters)
