"""What kind of function it is: whether it is awaited, and whether it gives its answers one by one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any


class Kind(Enum):
    """How a function is called."""

    PLAIN = "function"
    COROUTINE = "coroutine function"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "asynchronous generator"

    @property
    def is_asynchronous(self) -> bool:
        """Whether it runs on an event loop."""
        return self in (Kind.COROUTINE, Kind.ASYNC_GENERATOR)

    @property
    def is_streaming(self) -> bool:
        """Whether it gives any number of answers to a request."""
        return self in (Kind.GENERATOR, Kind.ASYNC_GENERATOR)


def kind_of(function: Callable[..., Any]) -> Kind:
    """Tell the kind of a function, a method, a partial or an object that can be called."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    if inspect.isasyncgenfunction(function):
        return Kind.ASYNC_GENERATOR
    if inspect.iscoroutinefunction(function):
        return Kind.COROUTINE
    return Kind.GENERATOR if inspect.isgeneratorfunction(function) else Kind.PLAIN
