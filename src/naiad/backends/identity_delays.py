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

from naiad.backends.parameters import check_delay, whole_number
from naiad.core.clock import monotonic
from naiad.core.contracts import Batch


@dataclass(frozen=True, slots=True)
class Delays:
    """What the parameters ask for."""

    creation_s: float
    execution_s: tuple[float, ...]
    """By instance."""


def read_delays(model: str, parameters: Mapping[str, str], instances: int) -> Delays:
    """Read the parameters of a model. Raises LoadFailed naming the one that is wrong."""
    creation_s = float(whole_number(model, parameters, "creation_delay_sec"))
    execute_s = whole_number(model, parameters, "execute_delay_ms") / 1000
    multiplier = whole_number(model, parameters, "instance_wise_delay_multiplier")
    execution_s = tuple(execute_s * max(1, multiplier * index) for index in range(instances))
    check_delay(model, "creation_delay_sec", creation_s)
    check_delay(model, "execute_delay_ms", max(execution_s, default=0.0))
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
