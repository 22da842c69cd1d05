"""What a model says of its sequences: `sequence_batching` of config.pbtxt, as the scheduler acts on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SequenceControl:
    """An input that tells the model where in its sequence a request stands; one element, [1]."""

    name: str
    kind: str
    """START, END, READY or CORRID."""
    datatype: str
    """Name of a row of `naiad.core.datatypes.TABLE`."""
    false_true: tuple[float, float] = (0, 1)
    """The two values of START, END and READY; CORRID is the sequence's id."""


@dataclass(frozen=True, slots=True)
class SequenceState:
    """Implicit state: an output of one step that is an input of the next, and that no caller sees."""

    input_name: str
    output_name: str
    datatype: str
    dims: tuple[int, ...]
    """Without the batch dimension; -1 = any."""
    initial_dims: tuple[int, ...] | None = None
    """Shape of the first step's input; None: that of `dims`, with 1 for each -1."""
    initial_file: str = ""
    """Inside the model's folder `initial_state`; empty = zeros."""
    uses_same_buffer: bool = False
    """`use_same_buffer_for_input_output`: it stays in one piece of memory while the sequence lives."""
    is_growable: bool = False
    """`use_growable_memory`: that piece has room to spare when it grows."""


@dataclass(frozen=True, slots=True)
class OldestFirst:
    """Strategy `oldest`: steps of different sequences are joined as they come, one of each sequence at a time."""

    max_candidates: int = 0
    """Sequences of one instance at the same time; 0 = as many as a batch has rows."""
    preferred_batch_sizes: tuple[int, ...] = ()
    max_queue_delay_s: float = 0.0
    preserves_ordering: bool = False


@dataclass(frozen=True, slots=True)
class SequenceBatching:
    """Requests that belong together go to one instance, one after the other."""

    controls: tuple[SequenceControl, ...] = ()
    states: tuple[SequenceState, ...] = ()
    max_idle_s: float = 1.0
    """A sequence without a step for so long has ended."""
    oldest: OldestFirst | None = None
    """None: strategy `direct`, in which a sequence has its own row of the batch."""
    max_queue_delay_s: float = 0.0
    """Of `direct`: how long a step may wait until enough rows have one."""
    minimum_slot_utilization: float = 0.0
    """Of `direct`: which part of the rows is enough; 0: any."""
    is_iterative: bool = False
    """One request is a whole sequence: the model gives it back to be run again until it is done."""
