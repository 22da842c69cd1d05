"""What is noted of one request that is traced: moments, tensors, and how it ended.

A noun without behaviour of its own: doors and models write into it, `naiad.observe.trace` decides which requests get
one and what becomes of it. Names of moments and activities are Triton's (its user guide, "Triton Server Trace").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from naiad.core.tensor import Tensor


class TracedDoor(Enum):
    """Where a traced request came in; the value holds the names of reading and sending."""

    HTTP = ("HTTP_RECV", "HTTP_SEND")
    GRPC = ("GRPC_WAITREAD", "GRPC_SEND")


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller's own trace, of which this request is a part; W3C Trace Context, headers of the same names."""

    traceparent: str
    tracestate: str = ""

    @property
    def is_sampled(self) -> bool:
        """Whether the caller records its trace: the lowest bit of the flags at the end."""
        return bool(int(self.traceparent[-2:], 16) & 1)


@dataclass(slots=True, eq=False)
class Trace:
    """One traced request. Written on the event loop's thread only, and never after it has been handed on."""

    id: int
    """From 1, in the order of sampling."""
    model_name: str
    model_version: str = ""
    """As the model that answered says; before, as the caller asked."""
    request_id: str = ""
    caller: Caller | None = None
    parent_id: int = 0
    """The number of the trace of the ensemble that made this request; 0 = none."""
    moments: list[tuple[str, float]] = field(default_factory=list)
    """Name and monotonic seconds, in no order."""
    tensors: list[tuple[str, Tensor]] = field(default_factory=list)
    """Activity and a tensor that nobody else will change."""
    error: str = ""
    """What the caller was told, when it went wrong."""
    sending: str = ""
    """What the moments of sending are called, without _START and _END; empty: a step's answers go to its ensemble."""
    sampler: Any = None
    """What picked the request; the tracing's own."""

    def mark(self, name: str, time_s: float) -> None:
        """Note a moment; 0 = it never came."""
        if time_s:
            self.moments.append((name, time_s))

    def mark_run(
        self, queued_s: float, started_s: float, input_ready_s: float, output_ready_s: float, finished_s: float
    ) -> None:
        """Note the moments that a model knows; those that never came are 0."""
        self.mark("QUEUE_START", queued_s)
        self.mark("COMPUTE_START", started_s)
        self.mark("COMPUTE_INPUT_END", input_ready_s)
        self.mark("COMPUTE_OUTPUT_START", output_ready_s)
        self.mark("COMPUTE_END", finished_s)
