"""Wrapping a function so that the wrapper is of its kind: awaited if it is awaited, a generator if it is one.

A decorator says what happens before a call and after it, and writes no loop and no `await` of its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.functions.calling.kinds import Kind, kind_of

Function = Callable[..., Any]
Arguments = tuple[Any, ...]
Named = Mapping[str, Any]

Before = Callable[[Arguments, Named], tuple[Arguments, Named, Any]]
"""Gives the arguments of the call, and what `after` must know."""

After = Callable[[Any, Any], Any]
"""Makes the outputs of what the function gave, and of what `before` has noted."""

Split = Callable[[Arguments, Named], tuple[Sequence[tuple[Arguments, Named]], Any]]
"""Gives the arguments of every call, and what `merge` must know."""

Merge = Callable[[Sequence[Any], Any], Any]
"""Makes one result of those of all calls."""

STAGE = "_served_stage"
"""Attribute of a wrapper: which decorator made it."""


def wrap(function: Function, stage: str, before: Before, after: After) -> Function:
    """Put something before and after every call."""
    kind = kind_of(function)

    async def coroutine(*args: Any, **named: Any) -> Any:
        args, given, state = before(args, named)
        return after(await function(*args, **given), state)

    async def async_generator(*args: Any, **named: Any) -> AsyncIterator[Any]:
        args, given, state = before(args, named)
        async for outputs in function(*args, **given):
            yield after(outputs, state)

    def generator(*args: Any, **named: Any) -> Iterator[Any]:
        args, given, state = before(args, named)
        for outputs in function(*args, **given):
            yield after(outputs, state)

    def plain(*args: Any, **named: Any) -> Any:
        args, given, state = before(args, named)
        outputs = function(*args, **given)
        if inspect.isgenerator(outputs):
            return (after(one, state) for one in outputs)
        return after(outputs, state)

    wrappers: dict[Kind, Function] = {
        Kind.COROUTINE: coroutine,
        Kind.ASYNC_GENERATOR: async_generator,
        Kind.GENERATOR: generator,
        Kind.PLAIN: plain,
    }
    return _marked(wrappers[kind], function, stage)


def wrap_calls(function: Function, stage: str, split: Split, merge: Merge) -> Function:
    """Call a function several times for one. Raises InvalidConfiguration for one that gives its answers one by one."""
    kind = kind_of(function)
    if kind.is_streaming:
        raise InvalidConfiguration(
            f"@{stage} calls a function several times for a batch, which a generator's answers cannot be put together "
            "from; leave it out, or return all answers at once"
        )

    async def coroutine(*args: Any, **named: Any) -> Any:
        calls, state = split(args, named)
        return merge([await function(*args, **given) for args, given in calls], state)

    def plain(*args: Any, **named: Any) -> Any:
        calls, state = split(args, named)
        return merge([function(*args, **given) for args, given in calls], state)

    return _marked(coroutine if kind is Kind.COROUTINE else plain, function, stage)


def stages(function: Function) -> list[str]:
    """Name the decorators of a function, the outermost first."""
    found: list[str] = []
    one: Any = function
    while one is not None:
        stage = vars(one).get(STAGE) if hasattr(one, "__dict__") else None
        if stage is None and inspect.ismethod(one):
            one = one.__func__
            continue
        if isinstance(one, functools.partial):
            one = one.func
            continue
        if stage is not None:
            found.append(stage)
        one = getattr(one, "__wrapped__", None)
    return found


def _marked(wrapper: Function, function: Function, stage: str) -> Function:
    marked = functools.wraps(function)(wrapper)
    setattr(marked, STAGE, stage)
    return marked
