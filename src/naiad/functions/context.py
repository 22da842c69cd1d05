"""The model on whose behalf a function is being called, for decorators and for the function itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from naiad.functions.declared import Tensor


@dataclass(frozen=True, slots=True)
class FunctionModel:
    """What is known of a model whose function is called."""

    name: str
    version: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch_size: int = 0
    """Rows; 0: tensors have no batch dimension."""
    preferred_batch_sizes: tuple[int, ...] = ()
    decoupled: bool = False

    @property
    def batches(self) -> bool:
        """Whether axis 0 of every tensor counts rows."""
        return self.max_batch_size > 0


_current: ContextVar[FunctionModel] = ContextVar("function_model")


def current_model() -> FunctionModel:
    """Return the model that the running call is for. Raises LookupError outside of such a call."""
    model = _current.get(None)
    if model is None:
        raise LookupError("no model is being served here; this is for functions that a server calls (server.bind)")
    return model


@contextmanager
def serving(model: FunctionModel) -> Iterator[None]:
    """Let what is called inside know the model."""
    token = _current.set(model)
    try:
        yield
    finally:
        _current.reset(token)
