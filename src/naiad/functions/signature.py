"""Inputs and outputs read from a function's parameters and type hints, where they are not given.

    NDArray[np.float32]                        a vector of any length
    Annotated[NDArray[np.float32], (3, -1)]    of that shape, without the batch dimension; -1: any length
    np.float32, float, int, bool, str, bytes   one value: shape (1,)

A parameter with a default is an optional input. The result's hint is one of these, a tuple of them (OUTPUT_1 …), or a
TypedDict or NamedTuple of them, whose fields name the outputs; of a generator, what it yields.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np

from naiad.core.errors import InvalidConfiguration
from naiad.functions.declared import Tensor
from naiad.functions.decorators.wrapping import stages

_STREAMS = (Iterator, Iterable, Generator, AsyncIterator, AsyncIterable, AsyncGenerator)
_PLAIN = {float: np.float64, int: np.int64, bool: np.bool_, str: bytes, bytes: bytes}
_FORMS = "NDArray[np.float32], Annotated[NDArray[np.float32], (3, -1)], np.float32, float, int, bool, str or bytes"


def read_inputs(function: Callable[..., Any]) -> tuple[Tensor, ...]:
    """Read the inputs. Raises InvalidConfiguration where parameters or hints leave them open."""
    called = _called(function)
    if not {"batch", "sample"} & set(stages(function)):
        raise InvalidConfiguration(
            f"{called}: it takes a list of requests, which does not tell its inputs; give inputs=[Tensor(…)], or put "
            "@batch or @sample above it"
        )
    hints = _hints(function)
    found: list[Tensor] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InvalidConfiguration(f"{called}: '{parameter}' does not name its inputs; give inputs=[Tensor(…)]")
        if parameter.name not in hints:
            raise InvalidConfiguration(
                f"{called}: parameter '{parameter.name}' has no type hint; give it one ({_FORMS}), or give "
                "inputs=[Tensor(…)]"
            )
        is_optional = parameter.default is not parameter.empty
        found.append(_tensor(called, parameter.name, hints[parameter.name], is_optional))
    return tuple(found)


def read_outputs(function: Callable[..., Any]) -> tuple[Tensor, ...]:
    """Read the outputs. Raises InvalidConfiguration where the hint of the result leaves them open."""
    called, hints = _called(function), _hints(function)
    if "return" not in hints:
        raise InvalidConfiguration(
            f"{called}: its result has no type hint; give it one ({_FORMS}), or outputs=[Tensor(…)]"
        )
    hint = hints["return"]
    while get_origin(hint) in _STREAMS:
        hint = get_args(hint)[0]
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        return tuple(_tensor(called, f"OUTPUT_{number}", part) for number, part in enumerate(parts, 1))
    if typing.is_typeddict(hint) or (isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")):
        fields = typing.get_type_hints(hint, include_extras=True)
        return tuple(_tensor(called, name, part) for name, part in fields.items())
    if hint is dict or get_origin(hint) in (dict, Mapping):
        raise InvalidConfiguration(
            f"{called}: a dict does not name its outputs; give outputs=[Tensor(…)], or use a TypedDict for the hint"
        )
    return (_tensor(called, "OUTPUT_1", hint),)


def _tensor(called: str, name: str, hint: Any, is_optional: bool = False) -> Tensor:
    shape: Any = None
    hint = _not_none(hint)
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        shape = next((note for note in notes if isinstance(note, tuple | list)), None)
        for note in notes:
            if isinstance(note, Tensor):
                return Tensor(note.shape, note.dtype, name, is_optional or note.optional)
    hint = _not_none(hint)
    if get_origin(hint) is np.ndarray:
        scalar = (*get_args(get_args(hint)[1]), Any)[0]
        if isinstance(scalar, type) and issubclass(scalar, np.generic) and scalar is not np.generic:
            return Tensor((-1,) if shape is None else shape, scalar, name, is_optional)
    if hint in _PLAIN:
        return Tensor((1,) if shape is None else shape, _PLAIN[hint], name, is_optional)
    if isinstance(hint, type) and issubclass(hint, np.generic):
        return Tensor((1,) if shape is None else shape, hint, name, is_optional)
    raise InvalidConfiguration(
        f"{called}: the hint {hint!r} of '{name}' does not tell a dtype; use {_FORMS}, or give inputs and outputs"
    )


def _not_none(hint: Any) -> Any:
    """The hint itself, for one that also allows None."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    parts = [part for part in get_args(hint) if part is not type(None)]
    return parts[0] if len(parts) == 1 else hint


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(_innermost(function), include_extras=True)
    except (NameError, TypeError) as error:
        raise InvalidConfiguration(f"{_called(function)}: its type hints cannot be read: {error}") from error


def _innermost(function: Any) -> Any:
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif inspect.isroutine(function):
            return function
        else:
            function = type(function).__call__


def _called(function: Any) -> str:
    return f"function {getattr(function, '__qualname__', None) or repr(function)}"
