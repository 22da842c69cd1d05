"""What a worker answers, held against the model's configuration: nothing reaches a client that it does not declare."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from naiad.backends.python.traceback import logged
from naiad.backends.python.worker.forms import Form
from naiad.backends.python.worker.tensors import Unpacked
from naiad.backends.python.worker.wire import Garbled, Message
from naiad.backends.reshape import Reshape
from naiad.core.errors import (
    AlreadyExists,
    Cancelled,
    DeadlineExceeded,
    Failed,
    HookFailed,
    InvalidRequest,
    ModelFailed,
    NaiadError,
    NotFound,
    NotReady,
    Overloaded,
    Rescheduled,
    Unsupported,
)
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.model.config import ModelConfig
from naiad.core.places import without_places
from naiad.core.tensor import Tensor

HOOK_FAILED = 16
"""As the worker's `endpoint.answering` has it."""

ERRORS: dict[int, type[NaiadError]] = {
    0: Failed,
    1: ModelFailed,
    2: NotFound,
    3: InvalidRequest,
    4: NotReady,
    5: Unsupported,
    6: AlreadyExists,
    7: Cancelled,
    HOOK_FAILED: HookFailed,
}
"""By the codes of Triton's TritonError, and one more."""

CODES = [
    (DeadlineExceeded, 4),
    (Overloaded, 4),
    *((kind, code) for code, kind in ERRORS.items() if kind is not Failed and kind is not InvalidRequest),
    (InvalidRequest, 3),
    (Failed, 1),
]
"""The other way: the first that fits."""

RESCHEDULED = "rescheduled"

MOST_FITTING = 64
"""Sizes of requests that are known to go with a form of answers."""

_log = logging.getLogger("naiad.model")


class Answers:
    """Reads the answers of one model version."""

    def __init__(self, config: ModelConfig, version: str) -> None:
        self._name = config.name
        self._version = version
        self._batch_dims = int(config.max_batch_size > 0)
        self._is_decoupled = config.is_decoupled
        self._outputs = {tensor.name: tensor for tensor in config.outputs}
        self._has_strings = any(tensor.datatype == "BYTES" for tensor in config.outputs)
        self._reshapes = {
            tensor.name: Reshape(tensor.reshape, tensor.dims, self._batch_dims)
            for tensor in config.outputs
            if tensor.reshape is not None and tensor.reshape != tensor.dims
        }

    def are_long(self, message: Message) -> bool:
        """Whether reading a reply may take so long that the loop should not do it: where there are many strings."""
        return self._has_strings and message.is_long

    def read(self, row: Any, request: InferRequest, unpacked: Unpacked, instance: str) -> Answer:
        """Return an answer, or what is wrong with it. Raises Garbled."""
        if row == RESCHEDULED:
            return Rescheduled()
        try:
            error, parameters, rows, strays = row
            if error is not None:
                return self.error(error, instance)
            if strays:
                return self._unknown(strays)
            tensors = [Tensor(one[0], one[1], unpacked.array(one)) for one in rows]
        except (ValueError, TypeError, IndexError) as wrong:
            raise Garbled(f"an answer makes no sense: {wrong}") from wrong
        try:
            for tensor in tensors:
                self._check(tensor, request)
        except NaiadError as wrong:
            return wrong.with_traceback(None)
        return InferResponse(self._name, self._version, tensors, request.id, parameters or {})

    def formed(self, form: Form, request: InferRequest, frame: bytes | bytearray, at: int) -> Answer:
        """Return an answer that came in a form, or what is wrong with it. Raises Garbled."""
        try:
            arrays = form.arrays(frame, at)
        except (ValueError, TypeError) as wrong:
            raise Garbled(f"an answer makes no sense: {wrong}") from wrong
        tensors = [Tensor(row[0], row[1], data) for row, data in zip(form.tensors, arrays, strict=True)]
        rows = _rows(request)
        if rows not in form.fits or self._reshapes:
            try:
                for tensor in tensors:
                    self._check(tensor, request)
            except NaiadError as wrong:
                return wrong.with_traceback(None)
            if len(form.fits) < MOST_FITTING:
                form.fits.add(rows)
        return InferResponse(self._name, self._version, tensors, request.id, {})

    def error(self, row: Sequence[Any], instance: str) -> NaiadError:
        """Return the error that a model has made, or that stands for what its code raised, which is logged."""
        code, message, traceback = row
        if code == HOOK_FAILED:
            return HookFailed(without_places(str(message)), model=self._name)
        if not traceback:
            return ERRORS[code](str(message))
        _log.error("%s: execute failed: %s", instance, message, exc_info=logged(traceback))
        return ModelFailed(without_places(str(message)), model=self._name)

    def _check(self, tensor: Tensor, request: InferRequest) -> None:
        """Raise ModelFailed for an output that is not as it is declared; give it its declared shape."""
        declared = self._outputs.get(tensor.name)
        if declared is None:
            raise self._unknown([tensor.name])
        if tensor.datatype != declared.datatype:
            raise ModelFailed(
                f"model '{self._name}': output '{tensor.name}' is declared as {declared.datatype}, but the model "
                f"returned {tensor.datatype}",
                model=self._name,
            )
        dims = declared.dims if declared.reshape is None else declared.reshape
        shape = tensor.shape
        inner = shape[self._batch_dims :]
        if len(shape) != len(dims) + self._batch_dims or any(
            dim not in (-1, got) for dim, got in zip(dims, inner, strict=True)
        ):
            expected = [-1, *dims] if self._batch_dims else list(dims)
            raise ModelFailed(
                f"model '{self._name}': output '{tensor.name}' is declared with shape {expected}, but the model "
                f"returned {list(shape)}",
                model=self._name,
            )
        rows = _rows(request)
        if self._batch_dims and not self._is_decoupled and rows not in (-1, shape[0]):
            raise ModelFailed(
                f"model '{self._name}': output '{tensor.name}' has {shape[0]} rows for a request of {rows}; its first "
                "dimension must be the batch",
                model=self._name,
            )
        if tensor.name in self._reshapes:
            tensor.data = self._reshapes[tensor.name](tensor.data)

    def _unknown(self, names: Sequence[Any]) -> ModelFailed:
        declared = ", ".join(f"'{name}'" for name in self._outputs)
        return ModelFailed(
            f"model '{self._name}' returned an output '{names[0]}', which its configuration does not declare; it "
            f"declares {declared}",
            model=self._name,
        )


def _rows(request: InferRequest) -> int:
    """Return the rows of a request; -1 where it has no inputs that could tell."""
    for tensor in request.inputs.values():
        return len(tensor.data)
    return -1
