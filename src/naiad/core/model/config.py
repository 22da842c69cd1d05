"""What a model says of itself, in Triton's terms: the typed part that the server acts on.

`naiad.modelconfig` makes these from config.pbtxt, JSON, YAML or from the model file. `document` keeps every field, also
those without effect here, because clients read them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from naiad.core.model.ensemble import Ensemble
from naiad.core.model.sequences import SequenceBatching


@dataclass(frozen=True, slots=True)
class TensorConfig:
    """One declared input or output."""

    name: str
    datatype: str
    """Name of a row of `naiad.core.datatypes.TABLE`."""
    dims: tuple[int, ...]
    """Without the batch dimension; -1 = any."""
    reshape: tuple[int, ...] | None = None
    """Shape given to / taken from the model instead of `dims`; None = the same."""
    optional: bool = False
    is_ragged: bool = False
    """`allow_ragged_batch`: requests of different shapes may share a batch."""
    label_filename: str = ""
    """Outputs: one label a line, for the classification extension; relative to the model folder."""


@dataclass(frozen=True, slots=True)
class BatchInput:
    """Inputs that the backend makes for each batch, from the shapes of one input of its requests; `batch_input`."""

    kind: str
    """`BATCH_ELEMENT_COUNT` …, as in config.pbtxt."""
    names: tuple[str, ...]
    """What the model calls them; they are all alike."""
    datatype: str
    """INT32 or FP32."""
    source: str
    """The input whose shapes they tell of."""


@dataclass(frozen=True, slots=True)
class BatchOutput:
    """Outputs that the model gives flat for a whole batch, to be cut by the shapes of an input; `batch_output`."""

    names: tuple[str, ...]
    source: str
    """The input with the shapes."""


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """What a full or slow queue does with a request."""

    delays_on_timeout: bool = False
    """DELAY (run after the others) instead of REJECT."""
    default_timeout_s: float = 0.0
    """0 = no limit."""
    allows_timeout_override: bool = False
    max_queue_size: int = 0
    """Requests; 0 = no limit of its own."""


@dataclass(frozen=True, slots=True)
class DynamicBatching:
    """Joining waiting requests; `dynamic_batching` of config.pbtxt."""

    preferred_batch_sizes: tuple[int, ...] = ()
    max_queue_delay_s: float = 0.0
    preserves_ordering: bool = False
    priority_levels: int = 0
    default_priority_level: int = 0
    default_queue_policy: QueuePolicy = QueuePolicy()
    priority_queue_policies: Mapping[int, QueuePolicy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchCost:
    """A bound on what a batch costs: `max_batch_cost` and the parameters that belong to it."""

    most: int
    """Elements."""
    input: str
    """The input whose elements are counted."""
    pads: bool = False
    """Each row counts as long as the longest of the batch."""


@dataclass(frozen=True, slots=True)
class RateResource:
    """So many of a resource that an execution takes while it runs."""

    name: str
    count: int
    is_global: bool = False
    """There is one for all devices, instead of one for each."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the instances of a group need for an execution, where the server limits rates; `rate_limiter`."""

    resources: tuple[RateResource, ...] = ()
    priority: int = 0
    """n: one execution while an instance of priority 1 has n; 0 counts 1."""


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """How many loaded copies, and where."""

    name: str
    kind: str
    """KIND_CPU, KIND_GPU, KIND_MODEL (KIND_AUTO is resolved at load)."""
    count: int = 1
    is_passive: bool = False
    rate_limit: RateLimit = RateLimit()
    gpu: int | None = None
    """Number of the GPU that a group of KIND_GPU runs on."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The typed view of one model's configuration, after validation and auto-complete."""

    name: str
    platform: str = ""
    backend: str = ""
    max_batch_size: int = 0
    """Rows; 0 = tensors have no batch dimension."""
    inputs: tuple[TensorConfig, ...] = ()
    outputs: tuple[TensorConfig, ...] = ()
    batch_inputs: tuple[BatchInput, ...] = ()
    batch_outputs: tuple[BatchOutput, ...] = ()
    dynamic_batching: DynamicBatching | None = None
    batch_cost: BatchCost | None = None
    sequence_batching: SequenceBatching | None = None
    instance_groups: tuple[InstanceGroup, ...] = ()
    default_model_filename: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """`parameters { key value { string_value } }`."""
    is_decoupled: bool = False
    ensemble: Ensemble | None = None
    """None: a model that computes itself."""
    uses_response_cache: bool = False
    document: Mapping[str, Any] = field(default_factory=dict)
    """The whole configuration as JSON values, as `GET …/config` answers it."""

    @property
    def instance_inputs(self) -> tuple[TensorConfig, ...]:
        """What an instance is given: the callers' inputs, then what the scheduler of sequences adds to them."""
        batching = self.sequence_batching
        if batching is None:
            return self.inputs
        controls = [TensorConfig(control.name, control.datatype, (1,)) for control in batching.controls]
        states = [TensorConfig(state.input_name, state.datatype, state.dims) for state in batching.states]
        return (*self.inputs, *controls, *states)

    @property
    def instance_outputs(self) -> tuple[TensorConfig, ...]:
        """What an instance gives: the callers' outputs, then the states that are none of them."""
        batching = self.sequence_batching
        if batching is None:
            return self.outputs
        known = {tensor.name for tensor in self.outputs}
        states = [state for state in batching.states if state.output_name not in known]
        return (*self.outputs, *(TensorConfig(state.output_name, state.datatype, state.dims) for state in states))
