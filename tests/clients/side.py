"""One of Triton's four clients and one of our two gRPC transports, so that a test is written once for all of them.

What a method gives is awaited where it must be, so tests are coroutines; the server runs in a thread of its own.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

MODULES = ("http", "http.aio", "grpc", "grpc.aio")
CLASSES = ("InferenceServerClient", "InferInput", "InferRequestedOutput", "InferResult", "InferAsyncRequest")

SIDES = [
    ("http", "http2"),
    ("http.aio", "http2"),
    *((name, by) for name in ("grpc", "grpc.aio") for by in ("http2", "aio")),
]
"""Client and gRPC transport."""

EACH_SIDE = pytest.mark.parametrize(
    ("side", "transport"), SIDES, indirect=["transport"], ids=[f"{name}-{by}" for name, by in SIDES]
)


def module_of(name: str) -> Any:
    return pytest.importorskip(f"tritonclient.{name}", reason="tritonclient is not installed (requirements/dev.txt)")


def public_methods(module: Any) -> Iterator[tuple[type, str]]:
    """Every public method of the module's classes."""
    for class_name in CLASSES:
        cls = getattr(module, class_name, None)
        for name in () if cls is None else dir(cls):
            if not name.startswith("_") and callable(getattr(cls, name)):
                yield cls, name


def keys_of(module: Any) -> set[str]:
    """`Class.method` of every public method."""
    return {f"{cls.__name__}.{name}" for cls, name in public_methods(module)}


def watch(module: Any, patch: pytest.MonkeyPatch) -> set[str]:
    """Note which of the methods are called from now on; returns the growing set."""
    seen: set[str] = set()

    def watched(key: str, method: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            seen.add(key)
            return method(*arguments, **named)

        return call

    for cls, name in list(public_methods(module)):
        raw = inspect.getattr_static(cls, name)
        made = watched(f"{cls.__name__}.{name}", getattr(cls, name))
        patch.setattr(cls, name, staticmethod(made) if isinstance(raw, staticmethod) else made)
    return seen


class Side:
    """A client of one module, connected to a server."""

    def __init__(self, name: str, served: Any, **options: Any) -> None:
        self.name, self.served = name, served
        self.module = module_of(name)
        self.is_grpc = name.startswith("grpc")
        self.is_async = name.endswith("aio")
        running = served.running
        self.client = self.module.InferenceServerClient(
            running.grpc_address if self.is_grpc else running.address, **options
        )

    async def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the client."""
        made = getattr(self.client, method)(*arguments, **named)
        return await made if inspect.isawaitable(made) else made

    async def ask(self, method: str, *arguments: Any, **named: Any) -> Any:
        """The same for methods that tell something: always as JSON values."""
        return await self.call(method, *arguments, **named, **({"as_json": True} if self.is_grpc else {}))

    async def fails(self, method: str, *arguments: Any, **named: Any) -> Any:
        """The exception that a call ends in."""
        exception = importlib.import_module("tritonclient.utils").InferenceServerException
        with pytest.raises(exception) as caught:
            await self.call(method, *arguments, **named)
        return caught.value

    def input(self, name: str, data: Any, datatype: str = "INT32") -> Any:
        made = self.module.InferInput(name, list(data.shape), datatype)
        made.set_data_from_numpy(data)
        return made

    def output(self, name: str, **options: Any) -> Any:
        return self.module.InferRequestedOutput(name, **options)

    def numbers(self, added: int = 1) -> list[Any]:
        """Inputs of `simple`: 0…15, and `added` sixteen times."""
        left = np.arange(16, dtype=np.int32)[None]
        return [self.input("INPUT0", left), self.input("INPUT1", np.full((1, 16), added, np.int32))]

    def values(self, *values: int) -> list[Any]:
        """Input of `repeat` and `plain`."""
        return [self.input("IN", np.array(values, np.int32))]


@asynccontextmanager
async def opened(name: str, served: Any, **options: Any) -> Any:
    """A Side that is closed in the end."""
    side = Side(name, served, **options)
    try:
        yield side
    finally:
        await side.call("close")
