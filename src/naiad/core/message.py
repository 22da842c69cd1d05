"""The two nouns that every door makes and every model answers: a request and a response.

They know nothing of HTTP, gRPC or JSON. Time stamps travel on the request, so that statistics need no second clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from naiad.core.client_memory import OutputMemory
from naiad.core.errors import NaiadError
from naiad.core.flow import Flow
from naiad.core.tensor import Tensor
from naiad.core.trace import Trace
from naiad.core.user_code.application import Work

Parameter = bool | int | float | str


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """One output that the caller listed."""

    name: str
    binary: bool = False
    """HTTP: answer as bytes behind the JSON, not inside it."""
    class_count: int = 0
    """Classification extension: give the top n as `value:index[:label]` strings; 0 = the tensor itself."""


@dataclass(slots=True)
class SequenceStep:
    """A request's place in a sequence of requests that belong together."""

    id: int | str = 0
    """The correlation ID: an unsigned 64-bit number, or at most 128 bytes of text; 0 and "" = none."""
    is_first: bool = False
    is_last: bool = False


@dataclass(slots=True)
class InferRequest:
    """One inference request, on its way from a door to a model."""

    model_name: str
    model_version: str = ""
    """Empty: the version that the traffic rules pick."""
    id: str = ""
    inputs: dict[str, Tensor] = field(default_factory=dict)
    """By tensor name, in the order in which the caller sent them."""
    outputs: tuple[RequestedOutput, ...] = ()
    """Empty: all outputs."""
    parameters: dict[str, Parameter] = field(default_factory=dict)
    """The caller's own; those the protocol knows (priority, timeout, sequence …) are fields instead."""
    priority: int = 0
    """1 = highest; 0 = the model's default level."""
    timeout_us: int = 0
    """Wanted by the caller; counts only as far as the model's queue policy allows; 0 = none."""
    arrived_s: float = 0.0
    """Monotonic seconds; by the door, when the last byte was there."""
    sequence: SequenceStep | None = None
    """None: the caller gave none of the sequence parameters, as nearly all do."""
    wants_empty_final: bool = False
    """gRPC stream: tell of the end even where it comes after the last answer, in an answer of its own."""
    trace: Trace | None = None
    """By the door, for the few requests that are traced."""
    output_memory: dict[str, OutputMemory] | None = None
    """Shared memory extension: by output, where to put it instead of sending it; None: nowhere, as with nearly all."""
    stages_s: list[float] | None = None
    """Steps of ensembles: seconds of gathering inputs, running, splitting outputs, to which the model adds its own."""
    flow: Flow | None = None
    """By a caller that may be slower than the model: what holds a decoupled model back; None: nothing does."""

    work: Work | None = None
    """For the models of an application: what there is to do, in place of inputs."""

    @property
    def mark(self) -> str:
        """What errors begin with that are about the request and not about its bytes, as in Triton."""
        return f"[request id: {self.id or '<id_unknown>'}] "


@dataclass(slots=True)
class InferResponse:
    """One answer; decoupled models give several to one request."""

    model_name: str
    model_version: str
    outputs: list[Tensor]
    id: str = ""
    parameters: dict[str, Parameter] = field(default_factory=dict)
    tokens: int = 0
    """Text models: tokens that were run for this request, special tokens included."""
    is_empty: bool = False
    """Decoupled models: no answer, only the news that there are no more; always the last."""
    stored: frozenset[str] = frozenset()
    """Names of outputs that have been written to the caller's memory; the doors send no data of these."""


Answer = InferResponse | NaiadError
"""What a request ends in."""

Deliver = Callable[[Answer, bool], None]
"""What a door takes answers with: called on the event loop's thread with each answer and whether it is the last."""


def add_stages(stages_s: list[float], more_s: Sequence[float]) -> None:
    """Add seconds of the three stages to those of a request (`InferRequest.stages_s`)."""
    for at, seconds in enumerate(more_s):
        stages_s[at] += seconds
