"""`naiad.batched`: marks the function in which a web application calls its model, so that calls of many requests join.

The decorator changes nothing of what the function means: it takes rows and returns rows, alone as together with
others. Where no server runs the application, as under `flask run` or in a unit test, it is called as it is.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol, overload

from naiad.core.user_code.joined_calls import BoundCall, bind_call, check_signature

MAX_BATCH_SIZE = 64
"""Rows of a batch where nothing is said."""


class Runtime(Protocol):
    """Who joins calls, in a process that a server has started."""

    def call(self, function: Batched, call: BoundCall) -> Any:
        """Have a call run, and return its result or raise what it raises; blocks."""
        ...

    async def acall(self, function: Batched, call: BoundCall) -> Any:
        """Do the same without blocking the running event loop."""
        ...


class Batched:
    """A marked function. It is called as before; `await function.aio(…)` is for coroutines."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        max_batch_size: int = MAX_BATCH_SIZE,
        max_wait_ms: float | None = None,
        instances: int = 0,
    ) -> None:
        self.function = function
        self.name = name or str(getattr(function, "__name__", ""))
        self.max_batch_size = max_batch_size
        self.max_wait_ms = max_wait_ms
        self.instances = instances
        self.is_async = inspect.iscoroutinefunction(function)
        scope = str(getattr(function, "__qualname__", "")).rpartition(".")[0]
        if scope and not scope.endswith("<locals>"):
            raise TypeError(f"batched: {scope}.{self.name} is a method; mark a function at the top of a module")
        self.signature = inspect.signature(function)
        check_signature(self.name, self.signature)
        if not self.name.replace("_", "").replace("-", "").replace(".", "").isalnum():
            raise ValueError(
                f"batched: '{self.name}' is no name for a model; give one: @naiad.batched(name=\"predict\")"
            )
        if max_batch_size < 1:
            raise ValueError(f"batched: max_batch_size of {self.name} must be at least 1, not {max_batch_size}")
        if max_wait_ms is not None and not 0 <= max_wait_ms < math.inf:
            raise ValueError(f"batched: max_wait_ms of {self.name} must be a number of milliseconds, not {max_wait_ms}")
        if instances < 0:
            raise ValueError(f"batched: instances of {self.name} must not be negative; 0 is one in each worker")
        functools.update_wrapper(self, function)
        if _registry.runtime is not None and self not in _registry.functions:
            raise RuntimeError(
                f"batched: {self.name} is made while the application runs; mark functions at the top of a module"
            )
        _registry.functions.append(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it; a coroutine function's coroutine is to be awaited, as before."""
        runtime = _registry.runtime
        if runtime is None or is_inside():
            return self.function(*args, **kwargs)
        call = bind_call(self.name, self.signature, args, kwargs)
        if self.is_async:
            return runtime.acall(self, call)
        _warn_if_on_loop(self.name)
        return runtime.call(self, call)

    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        """Call it from a coroutine, without blocking the event loop."""
        runtime = _registry.runtime
        if runtime is None or is_inside():
            made = self.function(*args, **kwargs)
            return await made if self.is_async else made
        return await runtime.acall(self, bind_call(self.name, self.signature, args, kwargs))

    def run(self, arguments: dict[str, Any]) -> Any:
        """Call the function itself with joined arguments; a coroutine function gives its coroutine.

        Marked functions that it calls in turn are called as they are.
        """
        bound = inspect.BoundArguments(self.signature, arguments)
        if self.is_async:
            return self._run_async(bound)
        token = _inside.set(True)
        try:
            return self.function(*bound.args, **bound.kwargs)
        finally:
            _inside.reset(token)

    async def _run_async(self, bound: inspect.BoundArguments) -> Any:
        token = _inside.set(True)
        try:
            return await self.function(*bound.args, **bound.kwargs)
        finally:
            _inside.reset(token)


class _Registry:
    """The marked functions of this process, and who joins their calls."""

    def __init__(self) -> None:
        self.functions: list[Batched] = []
        self.runtime: Runtime | None = None


_registry = _Registry()
_inside: ContextVar[bool] = ContextVar("inside_batched", default=False)
"""A marked function is what runs here."""


def functions() -> list[Batched]:
    """Return all functions that have been marked in this process."""
    return list(_registry.functions)


def run_with(runtime: Runtime | None) -> None:
    """Have calls joined from now on."""
    _registry.runtime = runtime


def is_inside() -> bool:
    """Whether a marked function is what runs here."""
    return _inside.get()


@overload
def batched(function: Callable[..., Any], /) -> Batched: ...


@overload
def batched(
    *,
    name: str | None = None,
    max_batch_size: int = MAX_BATCH_SIZE,
    max_wait_ms: float | None = None,
    instances: int = 0,
) -> Callable[[Callable[..., Any]], Batched]: ...


def batched(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    max_batch_size: int = MAX_BATCH_SIZE,
    max_wait_ms: float | None = None,
    instances: int = 0,
) -> Batched | Callable[[Callable[..., Any]], Batched]:
    """Join the calls that many requests make of a function at the same time, across threads and worker processes.

        @naiad.batched
        def embed(texts: list[str]) -> np.ndarray: ...

    Lists, tuples and numpy arrays among the arguments have one element for each row, and so must what it returns: a
    list or an array, or a tuple or dict of these. However many calls are joined, lists and tuples reach it as a list.
    Other arguments are the same for all rows; calls that differ in them are not joined. What it raises reaches only the
    calls that cause it. name: of the model as which it is seen in metrics, behind the application's; default: the
    function's. max_batch_size: rows. max_wait_ms: how long a call waits for others; None: chosen from what comes and
    how long runs take, and never while there is nothing to gain.
    instances: workers that run it; 0: all. Raises TypeError, ValueError.
    """
    if function is not None:
        if not callable(function):
            raise TypeError(f"batched: {function!r} is no function")
        return Batched(function)
    return lambda function: Batched(function, name, max_batch_size, max_wait_ms, instances)


def _warn_if_on_loop(name: str) -> None:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return
    warnings.warn(
        f"{name}(...) blocks the event loop, so that no other request gets on; use await {name}.aio(...), or make the "
        "endpoint a plain function",
        RuntimeWarning,
        stacklevel=3,
    )
