"""Parameters that make the identity backend slow, for trying out queues, timeouts and reloads; as in Triton's.

| parameter                        | meaning                                                             |
|----------------------------------|---------------------------------------------------------------------|
| `creation_delay_sec`             | seconds that loading a version takes longer                         |
| `execute_delay_ms`               | milliseconds that each execution takes longer                       |
| `instance_wise_delay_multiplier` | with it, instance i takes i times this times that long; 0 counts 1  |
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naiad.core.clock import monotonic
from naiad.core.contracts import Batch
from naiad.core.errors import LoadFailed

MOST_S = 3600.0
"""Who waits longer than an hour does not try anything out."""


@dataclass(frozen=True, slots=True)
class Delays:
    """What the parameters ask for."""

    creation_s: float
    execution_s: tuple[float, ...]
    """By instance."""


def read_delays(model: str, parameters: Mapping[str, str], instances: int) -> Delays:
    """Read the parameters of a model. Raises LoadFailed naming the one that is wrong."""

    def number(key: str) -> int:
        text = parameters.get(key, "0").strip()
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise LoadFailed(
                f"model '{model}': parameter '{key}' must be a whole number, not '{text[:40]}'", model=model
            )
        return int(text)

    creation_s, execute_s = float(number("creation_delay_sec")), number("execute_delay_ms") / 1000
    multiplier = number("instance_wise_delay_multiplier")
    execution_s = tuple(execute_s * max(1, multiplier * index) for index in range(instances))
    for what, seconds in (("creation_delay_sec", creation_s), ("execute_delay_ms", max(execution_s, default=0.0))):
        if seconds > MOST_S:
            raise LoadFailed(
                f"model '{model}': parameter '{what}' makes a delay of {seconds:g} s; up to {MOST_S:g} s are allowed",
                model=model,
            )
    return Delays(creation_s, execution_s)


class Delay:
    """How much longer the executions of one instance take."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = threading.Event()

    def pass_in(self, batch: Batch[Any]) -> None:
        """Let the time pass as if it were the model's run."""
        batch.input_ready_s = batch.output_ready_s = monotonic()
        if self._seconds:
            self._is_over.wait(self._seconds)
            batch.output_ready_s = monotonic()

    def end(self) -> None:
        """End a run that is under way, and delay none any more; from any thread."""
        self._is_over.set()


NO_DELAY = Delay(0.0)
