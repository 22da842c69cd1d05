"""`@group_by_keys` and `@group_by_values`: a call for each group of requests, or of rows, that belong together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from naiad.core.errors import InvalidConfiguration
from naiad.core.tensor import Array
from naiad.functions.decorators.outputs import by_name
from naiad.functions.decorators.wrapping import Arguments, Function, Named, stages, wrap_calls

Pad = Callable[[Sequence[Mapping[str, Array]]], Sequence[Mapping[str, Array]]]
"""Makes the outputs of all groups equal in every dimension but the first."""


def group_by_keys(function: Function) -> Function:
    """Call the function once for each set of inputs that requests have; stands above `@batch`."""

    def split(args: Arguments, named: Named) -> tuple[list[tuple[Arguments, Named]], list[list[int]]]:
        *others, requests = args
        groups: dict[Hashable, list[int]] = {}
        for number, request in enumerate(requests):
            groups.setdefault(frozenset(request), []).append(number)
        calls = [((*others, [requests[number] for number in group]), named) for group in groups.values()]
        return calls, list(groups.values())

    def merge(results: Sequence[Any], groups: Sequence[Sequence[int]]) -> list[Any]:
        merged: dict[int, Any] = {}
        for group, answers in zip(groups, results, strict=True):
            merged.update(zip(group, answers, strict=True))
        return [merged[number] for number in sorted(merged)]

    return wrap_calls(function, "group_by_keys", split, merge)


def group_by_values(*keys: str, pad_fn: Pad | None = None) -> Callable[[Function], Function]:
    """Call the function once for each combination of values that rows have in these inputs; stands below `@batch`.

    pad_fn: makes the groups' outputs equal in shape, as `ConstantPadder()` does, where they may differ.
    """

    def decorate(function: Function) -> Function:
        if "batch" in stages(function):
            raise InvalidConfiguration("@group_by_values groups rows, so it stands below @batch and not above it")
        return wrap_calls(function, "group_by_values", split, merge)

    def split(args: Arguments, named: Named) -> tuple[list[tuple[Arguments, Named]], list[list[int]]]:
        if missing := [key for key in keys if key not in named]:
            raise ValueError(f"@group_by_values: there is no input '{missing[0]}'; inputs are {', '.join(named)}")
        groups: dict[Hashable, list[int]] = {}
        for row in range(len(named[keys[0]])):
            groups.setdefault(tuple(_value(named[key][row]) for key in keys), []).append(row)
        calls: list[tuple[Arguments, Named]] = [
            (args, {name: array[group] for name, array in named.items()}) for group in groups.values()
        ]
        return calls, list(groups.values())

    def merge(results: Sequence[Any], groups: Sequence[Sequence[int]]) -> dict[str, Array]:
        outputs: Sequence[Mapping[str, Array]] = [by_name(result) for result in results]
        if pad_fn is not None:
            outputs = pad_fn(outputs)
        order = np.argsort(np.concatenate([np.asarray(group) for group in groups]), kind="stable")
        return {name: np.concatenate([one[name] for one in outputs])[order] for name in outputs[0]}

    if not keys:
        raise InvalidConfiguration("@group_by_values needs the names of the inputs to group by")
    return decorate


class ConstantPadder:
    """Fills arrays up to the longest in every dimension but the first; for `group_by_values(pad_fn=…)`."""

    def __init__(self, pad_value: Any = 0) -> None:
        """pad_value: for numbers; strings are filled with empty ones."""
        self.pad_value = pad_value

    def __call__(self, batches: Sequence[Mapping[str, Array]]) -> list[dict[str, Array]]:
        """Pad the outputs of all groups. Raises ValueError for an output whose dtypes differ."""
        padded: list[dict[str, Array]] = [{} for _ in batches]
        for name in dict.fromkeys(name for batch in batches for name in batch):
            arrays = [batch[name] for batch in batches if name in batch]
            if len({array.dtype.kind for array in arrays}) > 1:
                raise ValueError(f"output '{name}' has different dtypes: {', '.join(str(one.dtype) for one in arrays)}")
            longest = np.max([array.shape[1:] for array in arrays], axis=0).tolist()
            for batch, target in zip(batches, padded, strict=True):
                if name in batch:
                    target[name] = self._pad(batch[name], longest)
        return padded

    def _pad(self, array: Array, longest: Sequence[int]) -> Array:
        widths = [(0, 0), *((0, most - has) for has, most in zip(array.shape[1:], longest, strict=True))]
        fill = b"" if array.dtype.kind in "SO" else "" if array.dtype.kind == "U" else self.pad_value
        if array.dtype.kind == "O":  # of which numpy pads none
            made = np.full([has + after for has, (_, after) in zip(array.shape, widths, strict=True)], fill, np.object_)
            made[tuple(slice(has) for has in array.shape)] = array
            return made
        return np.pad(array, widths, mode="constant", constant_values=fill)


def _value(value: Any) -> Hashable:
    """A value that is equal for equal rows."""
    if isinstance(value, np.ndarray):
        return tuple(value.ravel().tolist()) if value.dtype == np.object_ else (value.shape, value.tobytes())
    return value.tobytes() if isinstance(value, np.generic) else value
