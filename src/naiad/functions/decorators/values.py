"""`@first_value` and `@fill_optionals`: one value for a whole batch, and values for inputs that were left out."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import numpy as np

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.tensor import Array
from naiad.functions.context import FunctionModel, current_model
from naiad.functions.decorators.batching import rows_of
from naiad.functions.decorators.wrapping import Arguments, Function, Named, wrap


def first_value(*keys: str, squeeze_single_values: bool = True, strict: bool = True) -> Callable[[Function], Function]:
    """Give the function, of these inputs, the value of the first row alone; for a setting that goes for the batch.

    squeeze_single_values: an array of one element becomes that element. strict: raise InvalidRequest where rows have
    different values; requests that were only joined by the server are then run one by one. For models with a batch
    dimension.
    """

    def reduce(inputs: MutableMapping[str, Any]) -> None:
        for key in keys:
            if key in inputs:
                inputs[key] = _first(key, inputs[key], squeeze_single_values, strict)

    def before(args: Arguments, named: Named) -> tuple[Arguments, Named, None]:
        model = current_model()
        if not model.batches:
            raise ValueError(f"@first_value: model '{model.name}' has no batch dimension, so that there are no rows")
        if named:
            inputs = dict(named)
            reduce(inputs)
            return args, inputs, None
        for request in args[-1]:
            reduce(request)
        return args, named, None

    return lambda function: wrap(function, "first_value", before, lambda outputs, _: outputs)


def fill_optionals(**defaults: Array) -> Callable[[Function], Function]:
    """Fill inputs that requests leave out with these arrays, given without the batch dimension; stands outermost.

    Raises InvalidConfiguration for what is no array, and in the first call for one that does not suit its input.
    """
    for name, default in defaults.items():
        if not isinstance(default, np.ndarray):
            raise InvalidConfiguration(
                f"@fill_optionals: the default of '{name}' must be a numpy array, not {default!r}"
            )
    checked: set[FunctionModel] = set()

    def before(args: Arguments, named: Named) -> tuple[Arguments, Named, None]:
        model = current_model()
        if model not in checked:
            for name, default in defaults.items():
                _check(model, name, default)
            checked.add(model)
        for request in args[-1]:
            rows = rows_of(request)
            for name, default in defaults.items():
                if name not in request:
                    request[name] = np.repeat(default[None], rows, axis=0) if model.batches else default.copy()
        return args, named, None

    return lambda function: wrap(function, "fill_optionals", before, lambda outputs, _: outputs)


def _first(key: str, values: Array, squeeze: bool, strict: bool) -> Any:
    if strict and any(not np.array_equal(values[0], other) for other in values[1:]):
        raise InvalidRequest(
            f"input '{key}' must have the same value in every row of a batch, not {values.tolist()}", input=key
        )
    first = values[0]
    return first.reshape(-1)[0] if squeeze and isinstance(first, np.ndarray) and first.size == 1 else first


def _check(model: FunctionModel, name: str, default: Array) -> None:
    declared = next((tensor for tensor in model.inputs if tensor.name == name), None)
    if declared is None:
        names = ", ".join(str(tensor.name) for tensor in model.inputs)
        raise InvalidConfiguration(f"@fill_optionals: model '{model.name}' has no input '{name}'; it has {names}")
    wanted = np.dtype(np.float32) if declared.row.name == "BF16" else declared.row.numpy
    if default.dtype != wanted and not (wanted == np.object_ and default.dtype.kind in "SU"):
        raise InvalidConfiguration(
            f"@fill_optionals: the default of '{name}' is {default.dtype}, but the input takes {wanted}"
        )
    suits = len(default.shape) == len(declared.shape)
    if not suits or any(dim not in (-1, has) for dim, has in zip(declared.shape, default.shape, strict=True)):
        raise InvalidConfiguration(
            f"@fill_optionals: the default of '{name}' has shape {list(default.shape)}, but the input takes "
            f"{list(declared.shape)} (-1 = any), without the batch dimension"
        )
