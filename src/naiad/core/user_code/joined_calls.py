"""Calls of one function, joined along their rows and split again: what `naiad.batched` means, without any server.

A list, tuple or numpy array among the arguments has one element for each row. All that one call passes have the same
number; those of several calls are put one behind the other. A function sees the same kinds whether a call runs alone or
with others: a list for lists and tuples, a plain array that it may write to for arrays. Everything else is the same for
all rows, so that calls which differ in it are never joined. The function must return rows, too: a list or an array, or
a tuple or a dict of these.
"""

from __future__ import annotations

import hashlib
import inspect
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Outcome = tuple[Any, BaseException | None]
"""What a call is answered with: a result, or what it raises."""

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class BoundCall:
    """One call, its arguments by the names of the function's parameters."""

    arguments: dict[str, Any]
    rows: int
    group: str
    """Only calls with the same may be joined."""


def is_rows(value: Any) -> bool:
    """Whether an argument, or a part of a result, has one element for each row."""
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def check_signature(name: str, signature: inspect.Signature) -> None:
    """Raise TypeError for a function whose calls cannot be joined."""
    variadic = [one for one in signature.parameters.values() if one.kind in _VARIADIC]
    if variadic:
        raise TypeError(f"batched: {name} takes {variadic[0]}; give each argument a name, so that calls can be joined")
    if not signature.parameters:
        raise TypeError(f"batched: {name} takes no arguments, so that there is nothing to join")


def bind_call(name: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> BoundCall:
    """Read one call. Raises TypeError for arguments that cannot be joined, as for those that do not suit."""
    arguments = dict(signature.bind(*args, **kwargs).arguments)
    lengths = {key: len(value) for key, value in arguments.items() if is_rows(value)}
    for key, value in arguments.items():
        if isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"{name}: '{key}' is a masked array; pass its data and its mask as two arrays")
        if key not in lengths and hasattr(value, "shape") and hasattr(value, "__len__") and np.ndim(value) > 0:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise TypeError(f"{name}: '{key}' is a {kind}; batched joins lists and numpy arrays, so pass it as one")
    if not lengths:
        given = ", ".join(f"'{key}' is a {type(value).__name__}" for key, value in arguments.items()) or "none is given"
        raise TypeError(f"{name}: batched needs an argument with rows, a list or a numpy array; {given}")
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"'{key}' has {length}" for key, length in lengths.items())
        raise TypeError(f"{name}: all lists and arrays of a call must have the same number of rows; {told}")
    rows = next(iter(lengths.values()))
    if not rows:
        raise TypeError(f"{name}: '{next(iter(lengths))}' has no rows")
    return BoundCall(arguments, rows, _group(arguments))


def _group(arguments: Mapping[str, Any]) -> str:
    """What must be alike for two calls to be joined: constants, and of arrays dtype and shape behind the rows."""
    alike = []
    for key, value in arguments.items():
        if isinstance(value, np.ndarray):
            alike.append((key, "array", value.dtype.str, value.shape[1:] if value.ndim else value.item()))
        elif isinstance(value, list | tuple):
            alike.append((key, "list", "", ()))
        else:
            alike.append((key, "constant", "", value))
    return hashlib.sha256(pickle.dumps(alike, protocol=5)).hexdigest()


def join(calls: Sequence[BoundCall]) -> dict[str, Any]:
    """Return the arguments of one call that stands for all of these, which are of one group."""
    return {key: _joined([call.arguments[key] for call in calls]) for key in calls[0].arguments}


def _joined(values: Sequence[Any]) -> Any:
    if not is_rows(values[0]):
        return values[0]
    if isinstance(values[0], np.ndarray):
        alone = np.asarray(values[0])
        return alone if len(values) == 1 and alone.flags.writeable else np.concatenate([*map(np.asarray, values)])
    return [row for value in values for row in value]


def split(name: str, result: Any, rows: Sequence[int]) -> list[Outcome]:
    """Give each call its rows of a result. Raises TypeError, ValueError for one that has not a row for each.

    An exception in a list in the place of a row is raised to the call whose row that is.
    """
    ends = np.cumsum(rows).tolist()
    slices = [slice(end - count, end) for count, end in zip(rows, ends, strict=True)]
    parts = _split(name, result, slices, ends[-1])
    return [(part, None) if (error := _error_in(part)) is None else (None, error) for part in parts]


def _split(name: str, result: Any, slices: Sequence[slice], total: int) -> list[Any]:
    if isinstance(result, dict):
        columns = {key: _split(name, value, slices, total) for key, value in result.items()}
        return [{key: column[index] for key, column in columns.items()} for index in range(len(slices))]
    if isinstance(result, tuple):
        parts = [_split(name, value, slices, total) for value in result]
        return [tuple(column[index] for column in parts) for index in range(len(slices))]
    if not isinstance(result, list) and not (isinstance(result, np.ndarray) and result.ndim):
        raise TypeError(
            f"{name} returned a {type(result).__name__}; batched needs a list or a numpy array with one element for "
            "each row, or a tuple or a dict of these"
        )
    if len(result) != total:
        raise ValueError(f"{name} returned {len(result)} rows for {total}; return one for each row of its arguments")
    return [result[one] for one in slices]


def _error_in(part: Any) -> BaseException | None:
    if isinstance(part, list):
        return next((row for row in part if isinstance(row, BaseException)), None)
    return None


def run_joined(name: str, call: Callable[[dict[str, Any]], Any], calls: Sequence[BoundCall]) -> list[Outcome]:
    """Run calls of one group together; when that raises, each alone, so that it reaches only who causes it."""
    try:
        return split(name, call(join(calls)), [one.rows for one in calls])
    except BaseException as error:  # noqa: BLE001 - the function is the user's own, and may raise anything
        if len(calls) == 1:
            return [(None, error)]
    return [outcome for one in calls for outcome in run_joined(name, call, [one])]
