"""Does a request suit a model? The checks of Triton's core, in its words, compiled once per model.

Source: triton-inference-server/core, `InferenceRequest::Normalize`, behaviour as clients see it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.model_config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor

_SHAPE_NOTE = (
    " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each "
    "input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting "
    "max_batch_size to zero. See the model configuration docs for more info on max_batch_size."
)


class RequestCheck:
    """The checks of one model version."""

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._name = config.name
        self._max_rows = config.max_batch_size
        self._inputs = {tensor.name: tensor for tensor in config.inputs}
        self._required = frozenset(tensor.name for tensor in config.inputs if not tensor.optional)
        self._outputs = frozenset(tensor.name for tensor in config.outputs)
        self._has_one_shape = all(-1 not in tensor.dims and not tensor.optional for tensor in config.inputs)

    def check(self, request: InferRequest) -> tuple[int, Hashable]:
        """Return the rows of the request and a key that is equal for requests that may share a batch.

        Raises InvalidRequest with Triton's message.
        """
        inputs = request.inputs
        # As many as declared and, as the loop below finds, none unknown: then none is missing either.
        if len(inputs) != len(self._inputs) and not self._may_omit(inputs):
            raise InvalidRequest(request.mark + self._count_message(request))
        rows = -1
        for name, tensor in inputs.items():
            config = self._inputs.get(name)
            if config is None:
                raise InvalidRequest(self._unknown_message(request, name))
            if tensor.datatype != config.datatype:
                raise InvalidRequest(
                    f"{request.mark}inference input '{name}' data-type is '{tensor.datatype}', but model "
                    f"'{self._name}' expects '{config.datatype}'"
                )
            rows = self._check_shape(request, config, tensor, rows)
        for output in request.outputs:
            if output.name not in self._outputs:
                raise InvalidRequest(f"unexpected inference output '{output.name}' for model '{self._name}'")
        return max(rows, 1), None if self._has_one_shape else self._key(request)

    def _may_omit(self, inputs: Mapping[str, Tensor]) -> bool:
        return len(inputs) < len(self._inputs) and self._required.issubset(inputs)

    def _check_shape(self, request: InferRequest, config: TensorConfig, tensor: Tensor, rows: int) -> int:
        """Check one input; returns the batch size so far (-1 without a batch dimension)."""
        shape: tuple[int, ...] = tensor.data.shape
        if not self._max_rows:
            if shape != config.dims and not _suits(shape, config.dims):
                raise self._shape_error(request, config, shape)
            return -1
        if not shape or (shape[1:] != config.dims and not _suits(shape[1:], config.dims)):
            raise self._shape_error(request, config, shape)
        if shape[0] > self._max_rows:
            raise InvalidRequest(
                f"{request.mark}inference request batch-size must be <= {self._max_rows} for '{self._name}'"
            )
        if shape[0] < 1:
            raise self._shape_error(request, config, shape)
        if rows not in (-1, shape[0]):
            raise InvalidRequest(
                f"{request.mark}input '{config.name}' batch size does not match other inputs for '{self._name}'"
            )
        return shape[0]

    def _shape_error(self, request: InferRequest, config: TensorConfig, shape: tuple[int, ...]) -> InvalidRequest:
        expected = (-1, *config.dims) if self._max_rows else config.dims
        return InvalidRequest(
            f"{request.mark}unexpected shape for input '{config.name}' for model '{self._name}'. "
            f"Expected {_plain(expected)}, got {_plain(shape)}.{_SHAPE_NOTE}",
            expected=expected,
            got=shape,
        )

    def _count_message(self, request: InferRequest) -> str:
        got, known, least = len(request.inputs), len(self._inputs), len(self._required)
        if least == known:
            expected = f"expected {known} inputs but got {got} inputs for model '{self._name}'."
        else:
            expected = (
                f"expected number of inputs between {least} and {known} but got {got} inputs for model '{self._name}'."
            )
        missing = [tensor.name for tensor in self._config.inputs if tensor.name not in request.inputs]
        missing = [name for name in missing if name in self._required]
        return (
            f"{expected} Got input(s) {_quoted(list(request.inputs))}, but missing required input(s) "
            f"{_quoted(missing)}. Please provide all required input(s)."
        )

    def _unknown_message(self, request: InferRequest, name: str) -> str:
        if not self._required.issubset(request.inputs):
            return request.mark + self._count_message(request)
        return f"unexpected inference input '{name}' for model '{self._name}'"

    def _key(self, request: InferRequest) -> Hashable:
        skip = 1 if self._max_rows else 0
        return tuple(
            (name, None if self._inputs[name].is_ragged else tensor.data.shape[skip:])
            for name, tensor in sorted(request.inputs.items())
        )


def _suits(shape: tuple[int, ...], dims: tuple[int, ...]) -> bool:
    return len(shape) == len(dims) and all(wanted in (-1, got) for wanted, got in zip(dims, shape, strict=True))


def _plain(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _quoted(names: list[str]) -> str:
    return "[" + ",".join(f"'{name}'" for name in names) + "]"
