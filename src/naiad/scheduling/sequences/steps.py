"""What an instance is given for a step besides the caller's inputs, and what of its answer is not the caller's.

A step is a request with a place in a sequence. Its inputs are completed with controls and states just before it runs;
the states among its outputs go to the sequence just after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse, RequestedOutput, SequenceStep
from naiad.core.model.config import ModelConfig
from naiad.core.model.sequences import SequenceBatching
from naiad.core.tensor import Array, Tensor
from naiad.scheduling.contract import Job
from naiad.scheduling.decision import Waiting
from naiad.scheduling.sequences.controls import Controls
from naiad.scheduling.sequences.lane import LiveSequence
from naiad.scheduling.sequences.states import ALL, States, zeros


@dataclass(slots=True)
class Shaped:
    """A step as a policy sees it where states have shapes, too."""

    size: int
    shape_key: Any
    queued_s: float
    cost: int


class Steps:
    """Completes the requests of one model, and takes the states out of its answers."""

    def __init__(self, config: ModelConfig, initial: Mapping[str, Array] | None = None) -> None:
        """initial: first values of states, by input name, without the batch dimension; zeros where there is none."""
        self.model = config.name
        batching = config.sequence_batching or SequenceBatching()
        has_rows = config.max_batch_size > 0
        self.is_iterative = batching.is_iterative
        self.takes_text_ids = any(
            control.kind == "CORRID" and control.datatype == "BYTES" for control in batching.controls
        )
        """Ids are strings, not numbers."""
        self._controls = Controls(config.name, batching.controls, has_rows=has_rows)
        self._states = None
        if batching.states:
            outputs = [output.name for output in config.outputs]
            self._states = States(batching.states, outputs, initial or {}, has_rows=has_rows)
        self._adds_nothing = not batching.controls and not batching.states

    def check(self, job: Job) -> SequenceStep:
        """Return a request's place in its sequence. Raises InvalidRequest, in Triton's words, for one without."""
        if job.size > 1:
            raise InvalidRequest(
                f"inference request to model '{self.model}' must specify batch-size 1 due to requirements of sequence "
                "batcher"
            )
        step: SequenceStep | None = job.item.sequence
        if step is None or not step.id:
            raise InvalidRequest(
                f"inference request to model '{self.model}' must specify a non-zero or non-empty correlation ID"
            )
        return step

    def check_id(self, id: int | str) -> None:  # noqa: A002 — what the protocol calls it
        """Raise InvalidRequest for an id that the model's CORRID cannot hold."""
        self._controls.check(id)

    def complete(self, job: Job, sequence: LiveSequence) -> Any:
        """Return what an instance is given for a step that is about to run; the caller's request stays as it is."""
        if self._adds_nothing:
            return job.item
        asked: InferRequest = job.item
        step = asked.sequence
        assert step is not None
        inputs, outputs = {**asked.inputs, **self._controls.of(step, sequence)}, asked.outputs
        if self._states is not None:
            if step.is_first:
                self._states.begin(sequence)
            inputs.update(sequence.states)
            if outputs:
                listed = {output.name for output in outputs}
                outputs = (*outputs, *(RequestedOutput(name) for name in self._states.names if name not in listed))
        return InferRequest(
            asked.model_name,
            asked.model_version,
            asked.id,
            inputs,
            outputs,
            asked.parameters,
            asked.priority,
            asked.timeout_us,
            asked.arrived_s,
            step,
        )

    def complete_alone(self, request: InferRequest) -> Any:
        """Return what an instance is given for a request that is a whole sequence, whatever id it has."""
        sequence = LiveSequence(0)
        return self.complete(Job(request, 1, _untold), sequence)

    def absent(self, like: InferRequest) -> InferRequest:
        """Make the request of a row that has no step; like: a completed one of the same batch."""
        inputs = {
            name: Tensor(name, tensor.datatype, zeros(tensor.datatype, tensor.shape))
            for name, tensor in like.inputs.items()
        }
        inputs.update(self._controls.absent)
        return InferRequest(
            like.model_name, like.model_version, inputs=inputs, outputs=like.outputs, sequence=SequenceStep()
        )

    def take_states(self, job: Job, sequence: LiveSequence, result: Any) -> None:
        """Take the states out of a step's answer, if it is one, and keep them for the next step."""
        if self._states is not None and isinstance(result, InferResponse):
            outputs = job.item.outputs
            self._states.keep(sequence, result, frozenset([one.name for one in outputs]) if outputs else ALL)

    def as_waiting(self, job: Job, sequence: LiveSequence) -> Waiting:
        """Return what a policy is to see of a step that waits."""
        if self._states is None or not self._states.has_variable:
            return job
        begins: bool = job.item.sequence.is_first
        return Shaped(job.size, (job.shape_key, self._states.shapes(sequence, begins=begins)), job.queued_s, job.cost)


def _untold(job: Job, result: Any, is_final: bool) -> None:
    """Hear of a step that no scheduler runs: nobody will be told."""
