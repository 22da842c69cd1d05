"""A function that says it can answer no more: noticed once, and not called again."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from naiad.compat.pytriton.exceptions import PyTritonUnrecoverableError
from naiad.functions.calling.kinds import Kind, kind_of

Function = Callable[..., Any]


def watched(function: Function, told: Callable[[PyTritonUnrecoverableError], None]) -> Function:
    """Return the function; `told` is called when it first raises PyTritonUnrecoverableError."""
    ended: list[PyTritonUnrecoverableError] = []

    @contextmanager
    def watching() -> Iterator[None]:
        if ended:
            raise ended[0]
        try:
            yield
        except PyTritonUnrecoverableError as error:
            if not ended:
                ended.append(error)
                told(error)
            raise

    async def coroutine(*args: Any) -> Any:
        with watching():
            return await function(*args)

    async def async_generator(*args: Any) -> AsyncIterator[Any]:
        with watching():
            async for outputs in function(*args):
                yield outputs

    def generator(*args: Any) -> Iterator[Any]:
        with watching():
            yield from function(*args)

    def plain(*args: Any) -> Any:
        with watching():
            return function(*args)

    wrappers: dict[Kind, Function] = {
        Kind.COROUTINE: coroutine,
        Kind.ASYNC_GENERATOR: async_generator,
        Kind.GENERATOR: generator,
        Kind.PLAIN: plain,
    }
    return functools.wraps(function)(wrappers[kind_of(function)])
