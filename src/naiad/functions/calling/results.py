"""What a function returned, checked and made into answers: names, types, shapes, rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from naiad.core.bf16 import float_to_bf16
from naiad.core.datatypes import Datatype
from naiad.core.errors import InvalidRequest, ModelFailed, NaiadError
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Array, Tensor, raw_strings
from naiad.functions.calling.kinds import Kind
from naiad.functions.context import FunctionModel
from naiad.functions.declared import Tensor as Declared


class Results:
    """The answers of one model's functions."""

    def __init__(self, model: FunctionModel, kind: Kind, *, strict: bool = True) -> None:
        """strict: outputs must be as declared; else numbers are cast, and other names and shapes passed on."""
        self._model = model
        self._verb = "yielded" if kind.is_streaming else "returned"
        self._strict = strict
        self._declared = {str(tensor.name): tensor for tensor in model.outputs}

    def answers(self, requests: Sequence[InferRequest], returned: Any) -> list[InferResponse | NaiadError | None]:
        """One for each request, in order; None where a generator has nothing for it. Raises ModelFailed.

        Arrays are copied: the function may use its own again.
        """
        if not isinstance(returned, list | tuple):
            raise self._failed(
                f"{self._verb} {_kind(returned)}; a list with one dict of arrays for each request is needed (or put "
                "@batch or @sample above it)"
            )
        if len(returned) != len(requests):
            raise self._failed(f"{self._verb} {len(returned)} results for {len(requests)} requests")
        return [self._answer(request, one) for request, one in zip(requests, returned, strict=True)]

    def _answer(self, request: InferRequest, returned: Any) -> InferResponse | NaiadError | None:
        if returned is None and self._verb == "yielded":
            return None
        if isinstance(returned, NaiadError):
            return returned
        if not isinstance(returned, Mapping):
            raise self._failed(
                f"{self._verb} {_kind(returned)} for a request; a dict of arrays by output name is needed"
            )
        outputs = [self._tensor(name, array, request) for name, array in returned.items()]
        names = {tensor.name for tensor in outputs}
        wanted = [output.name for output in request.outputs]
        due = wanted or (list(self._declared) if self._strict else [])
        if missing := [name for name in due if name not in names]:
            raise self._failed(f"{self._verb} no output '{missing[0]}', only {', '.join(sorted(names)) or 'nothing'}")
        if wanted:
            outputs = [tensor for tensor in outputs if tensor.name in wanted]
        return InferResponse(request.model_name, self._model.version, outputs, request.id)

    def _tensor(self, name: Any, array: Any, request: InferRequest) -> Tensor:
        declared = self._declared.get(name) if isinstance(name, str) else None
        if declared is None and (self._strict or not isinstance(name, str)):
            raise self._failed(f"{self._verb} an output {name!r}; the model has {', '.join(self._declared)}")
        if not isinstance(array, np.ndarray):
            raise self._failed(f"{self._verb} {_kind(array)} for output '{name}'; a numpy array is needed")
        made = self._typed(name, array, declared)
        if declared is not None and self._strict:
            self._check_shape(declared, made.data.shape, request)
        return made

    def _typed(self, name: str, array: Array, declared: Declared | None) -> Tensor:
        """Give an array its datatype: the declared one."""
        row = None if declared is None else declared.row
        if array.dtype.kind in "OSU" and (row is None or row.name == "BYTES" or not self._strict):
            return Tensor(name, "BYTES", self._strings(name, array))
        if row is not None and row.name == "BF16" and array.dtype.kind == "f":
            return Tensor(name, "BF16", float_to_bf16(array.astype(np.float32)))
        if row is None or not self._strict:
            return self._cast(name, array, row)
        if array.dtype.newbyteorder("=") != row.numpy:
            wanted = np.dtype(np.float32) if row.name == "BF16" else row.numpy
            cast = "" if "O" in (array.dtype.kind, wanted.kind) else f"; convert it: .astype(np.{wanted})"
            raise self._failed(f"{self._verb} {array.dtype} for output '{name}', which is declared as {row.name}{cast}")
        return Tensor(name, row.name, array.astype(row.numpy))

    def _cast(self, name: str, array: Array, row: Datatype | None) -> Tensor:
        """Give an array the declared datatype if it can be cast to it, else its own."""
        if row is not None and row.name not in ("BYTES", "BF16") and array.dtype.kind in "biuf":
            return Tensor(name, row.name, array.astype(row.numpy))
        try:
            return Tensor.of(name, array.astype(array.dtype.newbyteorder("=")))
        except InvalidRequest as error:
            raise self._failed(f"{self._verb} an output '{name}' of {array.dtype}, which tensors cannot be") from error

    def _strings(self, name: str, array: Array) -> Array:
        strings = np.empty(array.size, np.object_)
        try:
            strings[:] = raw_strings(Tensor(name, "BYTES", array))
        except NaiadError as error:
            raise self._failed(f"{self._verb} an output '{name}' with an element that is no string") from error
        return strings.reshape(array.shape)

    def _check_shape(self, declared: Declared, shape: tuple[int, ...], request: InferRequest) -> None:
        rest = shape[1:] if self._model.batches else shape
        suits = len(rest) == len(declared.shape) and (not self._model.batches or bool(shape))
        if not suits or any(dim not in (-1, has) for dim, has in zip(declared.shape, rest, strict=True)):
            expected = [*(["rows"] if self._model.batches else []), *declared.shape]
            raise self._failed(
                f"{self._verb} shape {list(shape)} for output '{declared.name}', which is declared as "
                f"[{', '.join(map(str, expected))}] (-1 = any)"
            )
        if self._model.batches and request.inputs:
            rows = len(next(iter(request.inputs.values())).data)
            if shape[0] != rows:
                raise self._failed(f"{self._verb} {shape[0]} rows of output '{declared.name}' for a request of {rows}")

    def _failed(self, what: str) -> ModelFailed:
        return ModelFailed(f"the function of model '{self._model.name}' {what}", model=self._model.name)


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "an array"
    return "None" if value is None else f"a {type(value).__name__}"
