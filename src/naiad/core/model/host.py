"""What code inside of a model may ask of the server that runs it, so that backends need not know the server.

The server's side is `naiad.serving.host`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from naiad.core.message import Deliver, InferRequest
from naiad.core.trace import Trace


class CustomMetric(Protocol):
    """One set of labels of a metric that models have made; any thread may use it."""

    def increment(self, value: float) -> None:
        """Add to a counter or a gauge."""
        ...

    def set(self, value: float) -> None:
        """Set a gauge."""
        ...

    def observe(self, value: float) -> None:
        """Count a value in a histogram."""
        ...

    @property
    def value(self) -> float:
        """What a counter or a gauge is at."""
        ...

    def close(self) -> None:
        """Let go of it; the last one takes it from the page."""
        ...


class CustomMetrics(Protocol):
    """The metrics of models' own; any thread may use them. A name has one kind, and all who name it share it."""

    def declare(self, name: str, text: str, kind: str) -> None:
        """Make a metric; kind: counter, gauge, histogram. Raises InvalidRequest for a name that cannot be."""
        ...

    def open(self, name: str, labels: Mapping[str, str], buckets: Sequence[float] | None) -> CustomMetric:
        """Return the metric of these labels; its buckets are upper bounds. Raises InvalidRequest, NotFound."""
        ...


class ModelHost(Protocol):
    """The server, to code inside of a model. Any thread may call, the event loop's included."""

    metrics: CustomMetrics

    def infer(
        self, request: InferRequest, deliver: Deliver, parent: Trace | None, *, takes_one: bool
    ) -> Callable[[], None]:
        """Send a request to a model; the result withdraws it.

        `deliver` is called on the event loop's thread, as by `Engine.submit`, and so perhaps before this returns.
        parent: the trace that it is part of.
        """
        ...

    def load(self, name: str, config: str | None, files: Mapping[str, str]) -> Future[None]:
        """Load a model; files: path inside its folder → base64."""
        ...

    def unload(self, name: str, *, dependents: bool) -> Future[None]:
        """Unload a model."""
        ...

    def is_ready(self, name: str, version: str) -> Future[bool]:
        """Whether a model can answer now."""
        ...

    def describe(self, name: str, version: str) -> Future[dict[str, Any]]:
        """Say what a model takes and gives: `inputs`: rows of name, datatype, whether optional; `outputs`: names.

        The future raises NotFound, NotReady.
        """
        ...

    def room(self, name: str, version: str) -> int:
        """How many batches a model can run at the same time; 1 where it is not there. On the event loop's thread."""
        ...
