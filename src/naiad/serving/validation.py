"""Does a request suit a model? The checks of Triton's core, in its words, compiled once per model.

Source: triton-inference-server/core, `InferenceRequest::Normalize`, behaviour as clients see it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import prod

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import Tensor

_SHAPE_NOTE = (
    "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each "
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
        self.has_one_shape = all(-1 not in tensor.dims and not tensor.optional for tensor in config.inputs)

    def rows(self, request: InferRequest) -> int:
        """Return the rows of the request, 1 without a batch dimension. Raises InvalidRequest with Triton's message."""
        inputs, known, most, rows = request.inputs, self._inputs, self._max_rows, 0
        # As many as declared and, as the loop below finds, none unknown: then none is missing either.
        suits = len(inputs) == len(known) or self._may_omit(inputs)
        for name, tensor in inputs.items():
            config = known.get(name)
            if config is None or tensor.datatype != config.datatype:
                raise self._fault(request)
            shape = tensor.data.shape
            if most:
                suits = suits and bool(shape) and 1 <= shape[0] <= most and rows in (0, shape[0])
                rows = shape[0] if shape else 0
                shape = shape[1:]
            suits = suits and (shape == config.dims or _suits(shape, config.dims))
        for output in request.outputs:
            suits = suits and output.name in self._outputs
        if not suits or (most and not rows):
            raise self._fault(request)
        return rows or 1

    def _may_omit(self, inputs: Mapping[str, Tensor]) -> bool:
        return len(inputs) < len(self._inputs) and self._required.issubset(inputs)

    def _fault(self, request: InferRequest) -> InvalidRequest:
        """Return what is wrong with a request that does not suit; of several things the one that Triton would name.

        It looks at outputs, count, names, batch sizes, then at each input's datatype and shape, from the last input
        to the first.
        """
        inputs = list(reversed(request.inputs.values()))
        for output in request.outputs:
            if output.name not in self._outputs:
                return InvalidRequest(f"unexpected inference output '{output.name}' for model '{self._name}'")
        if len(inputs) != len(self._inputs) and not self._may_omit(request.inputs):
            return InvalidRequest(request.mark + self._count_message(request))
        for tensor in inputs:
            if tensor.name not in self._inputs:
                return InvalidRequest(f"unexpected inference input '{tensor.name}' for model '{self._name}'")
        if self._max_rows and (message := self._batch_message(inputs)):
            return InvalidRequest(request.mark + message)
        for tensor in inputs:
            if message := self._tensor_message(tensor):
                return InvalidRequest(request.mark + message, tensor=tensor.name)
        raise AssertionError("only for requests that do not suit")

    def _batch_message(self, inputs: Sequence[Tensor]) -> str:
        if not inputs:
            return "out of bounds index 0: request has 0 inputs; at least one must say how many rows there are"
        first = 0  # to Triton no rows are no batch yet; an input without any is found out later
        for tensor in inputs:
            shape = tensor.data.shape
            if not shape:
                return f"input '{tensor.name}' has no shape but model requires batch dimension for '{self._name}'"
            if first not in (0, shape[0]):
                return f"input '{tensor.name}' batch size does not match other inputs for '{self._name}'"
            first = shape[0]
        if first > self._max_rows:
            return f"inference request batch-size must be <= {self._max_rows} for '{self._name}'"
        return ""

    def _tensor_message(self, tensor: Tensor) -> str:
        config, shape = self._inputs[tensor.name], tensor.data.shape
        if tensor.datatype != config.datatype:
            return (
                f"inference input '{tensor.name}' data-type is '{tensor.datatype}', but model '{self._name}' expects "
                f"'{config.datatype}'"
            )
        has_rows = int(self._max_rows > 0)
        if has_rows and not shape[0] and (least := prod(shape[1:])):  # Triton takes no rows for one without its data
            row, of = BY_NAME[tensor.datatype], f"input '{tensor.name}' for model '{self._name}'"
            if row.name == "BYTES":
                return f"expected {least} string elements for inference {of}, got 0"
            return f"input byte size mismatch for {of}. Expected {least * row.size_bytes}, got 0"
        if (not has_rows or shape[0] > 0) and _suits(shape[has_rows:], config.dims):
            return ""
        expected = (-1, *config.dims) if has_rows else config.dims
        return (
            f"unexpected shape for input '{tensor.name}' for model '{self._name}'. Expected {_plain(expected)}, got "
            f"{_plain(shape)}. {_SHAPE_NOTE if has_rows else ''}"
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
            f"{expected} Got input(s) {_quoted(list(reversed(request.inputs)))}, but missing required input(s) "
            f"{_quoted(missing)}. Please provide all required input(s)."
        )

    def key(self, request: InferRequest) -> Hashable:
        """Return what is equal for requests that may share a batch; not needed for models with one shape."""
        skip = 1 if self._max_rows else 0
        return tuple(
            (name, None if self._inputs[name].is_ragged else tensor.data.shape[skip:])
            for name, tensor in sorted(request.inputs.items())
        )


def _suits(shape: tuple[int, ...], dims: tuple[int, ...]) -> bool:
    if len(shape) != len(dims):
        return False
    for wanted, got in zip(dims, shape, strict=True):  # noqa: SIM110 — half the time of a generator
        if wanted not in (-1, got):
            return False
    return True


def _plain(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _quoted(names: list[str]) -> str:
    return "[" + ",".join(f"'{name}'" for name in names) + "]"
