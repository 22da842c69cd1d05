"""`@batch` and `@sample`: from a list of requests to named arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from naiad.core.tensor import Array
from naiad.functions.calling.kinds import kind_of
from naiad.functions.decorators.outputs import by_name
from naiad.functions.decorators.wrapping import Arguments, Function, Named, wrap, wrap_calls
from naiad.functions.request import Request


def batch(function: Function) -> Function:
    """Call the function with the rows of all requests together: each input as one array, by name.

    It returns a dict of arrays, or the arrays in the order of the outputs, whose axis 0 counts the same rows; each
    request gets its own. A generator yields such. Requests must have the same inputs, which those of a server do.
    """
    return wrap(function, "batch", _join, _split)


def sample(function: Function) -> Function:
    """Call the function with the inputs of one request, by name; for models without a batch dimension.

    It returns a dict of arrays, or the arrays in the order of the outputs. Of several requests, each is a call.
    """
    if kind_of(function).is_streaming:
        return wrap(function, "sample", _only, lambda outputs, _: [by_name(outputs)])
    return wrap_calls(function, "sample", _each, lambda results, _: [by_name(outputs) for outputs in results])


def rows_of(request: Mapping[str, Array]) -> int:
    """How many rows a request has; 1 where it has no inputs."""
    return len(view(request, next(iter(request)))) if len(request) else 1


def view(request: Mapping[str, Array], name: str) -> Array:
    """An input, to be read only."""
    return request.view(name) if isinstance(request, Request) else request[name]


def _join(args: Arguments, named: Named) -> tuple[Arguments, Named, list[int]]:
    *others, requests = args
    names = list(requests[0])
    for request in requests:
        if set(request) != set(names):
            raise ValueError(
                f"@batch: requests with different inputs ({', '.join(sorted(request))} and {', '.join(sorted(names))}) "
                "cannot be joined; put @group_by_keys or @fill_optionals above it"
            )
    arrays = {name: np.concatenate([view(request, name) for request in requests]) for name in names}
    return tuple(others), {**arrays, **named}, [rows_of(request) for request in requests]


def _split(outputs: Any, rows: Sequence[int]) -> list[dict[str, Array]]:
    arrays, total = by_name(outputs), sum(rows)
    for name, array in arrays.items():
        shape = getattr(array, "shape", None)
        if shape is None:
            raise TypeError(f"output '{name}' is of type {type(array).__name__}; return a numpy array")
        if not shape or shape[0] != total:
            raise ValueError(f"output '{name}' has shape {list(shape)}; axis 0 must be the {total} rows of the inputs")
    ends = np.cumsum(rows).tolist()
    return [
        {name: array[end - count : end] for name, array in arrays.items()}
        for end, count in zip(ends, rows, strict=True)
    ]


def _each(args: Arguments, named: Named) -> tuple[list[tuple[Arguments, Named]], None]:
    *others, requests = args
    return [(tuple(others), {**request, **named}) for request in requests], None


def _only(args: Arguments, named: Named) -> tuple[Arguments, Named, None]:
    *others, requests = args
    if len(requests) != 1:
        raise ValueError(
            f"@sample: a generator answers one request at a time, and there are {len(requests)}; use @batch, or bind "
            "it with max_batch_size=0"
        )
    return tuple(others), {**requests[0], **named}, None
