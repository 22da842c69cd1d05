"""Triton's implicit_state backend: tries out the states of sequences; which way, TEST_CASE says.

INPUT and TEST_CASE are INT32 [1], START, END and READY the controls, INPUT_STATE → OUTPUT_STATE the state.

| TEST_CASE | what happens                                                                                       |
|-----------|----------------------------------------------------------------------------------------------------|
| 0         | the model gives a state that is not configured: an error                                           |
| 1         | OUTPUT is INPUT + INPUT_STATE, and the state stays as it was                                       |
| 2         | the state grows by INPUT; an error if it is no longer in the memory in which the last step left it |
| 3         | OUTPUT_STATE, INT8, gets another MiB, filled with the step's number; an error if those before are lost |

2 needs `use_same_buffer_for_input_output`, 3 `use_growable_memory` besides, which here works on the CPU.
"""

from __future__ import annotations

import numpy as np

from naiad.backends.graphless import Graphless
from naiad.backends.sequences.accumulating import check_controls, objection
from naiad.core.clock import monotonic
from naiad.core.contracts import Batch, Instances, LoadRequest
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Array, Tensor

CONTROLS = ("START", "END", "READY")

BLOCK_BYTES = 1 << 20
"""What TEST_CASE 3 adds in each step."""


class ImplicitStateBackend(Graphless):
    """Gives instances that do what a request asks for with its state."""

    name = "implicit_state"

    def load(self, request: LoadRequest) -> Instances[InferRequest]:
        """Raise LoadFailed unless the controls are declared as described above."""
        config, version = request.tensors.config, request.tensors.version
        check_controls(config, CONTROLS, "'START', 'END, and 'READY' must be configured as the control inputs")
        batching = config.sequence_batching
        has_states = batching is not None and bool(batching.states)
        made = tuple(ImplicitStateInstance(version, has_states) for _ in request.names)
        return Instances(made, names=request.names)


class ImplicitStateInstance:
    """One copy; tries out one sequence at a time, as Triton's does."""

    def __init__(self, version: str, has_states: bool) -> None:
        self._version = version
        self._has_states = has_states
        self._steps = 0
        """Of the sequence, so far."""
        self._address: int | None = None
        """Where the state was at the last step."""

    def execute(self, batch: Batch[InferRequest]) -> list[InferResponse | InvalidRequest]:
        """Do to each request what it asks for."""
        batch.input_ready_s = monotonic()
        results = [objection(one, "TEST_CASE", *CONTROLS) or self._step(one) for one in batch.items]
        batch.output_ready_s = monotonic()
        return results

    def close(self) -> None:
        """Nothing to release."""

    def _step(self, request: InferRequest) -> InferResponse | InvalidRequest:
        if request.inputs["START"].data.item():
            self._steps, self._address = 0, None
        case, value = (int(request.inputs[name].data.item()) for name in ("TEST_CASE", "INPUT"))
        if case == 0 or not self._has_states:
            return self._undefined(request)
        state = request.inputs["INPUT_STATE"].data
        if case == 1:
            return self._answer(request, OUTPUT=state.ravel()[:1].astype(np.int32) + np.int32(value))
        if case not in (2, 3):
            return InvalidRequest(f"model '{request.model_name}': TEST_CASE must be from 0 to 3, it is {case}")
        return self._add(request, state, value) if case == 2 else self._grow(request, state)

    def _undefined(self, request: InferRequest) -> InvalidRequest:
        if self._has_states:
            return InvalidRequest("state 'undefined_state' is not a valid state name.")
        return InvalidRequest(
            f"unable to add state 'undefined_state'. State configuration is missing for model '{request.model_name}'."
        )

    def _add(self, request: InferRequest, state: Array, value: int) -> InferResponse | InvalidRequest:
        address, expected = state.ctypes.data, self._address
        self._address = address
        if expected not in (None, address):
            return InvalidRequest("Input and output state are using different buffers.")
        return self._answer(request, OUTPUT_STATE=state + np.int32(value))

    def _grow(self, request: InferRequest, state: Array) -> InferResponse | InvalidRequest:
        """Add a block to those of the steps before."""
        kept = state.ravel()[: self._steps * BLOCK_BYTES].astype(np.int8)
        blocks = np.arange(self._steps, dtype=np.int8).repeat(BLOCK_BYTES)
        if not np.array_equal(kept, blocks):
            return InvalidRequest("the state is not what the steps before have left in it")
        new = np.full(BLOCK_BYTES, self._steps, np.int8)
        self._steps += 1
        return self._answer(request, OUTPUT_STATE=np.concatenate([kept, new]).reshape(*state.shape[:-1], -1))

    def _answer(self, request: InferRequest, **outputs: Array) -> InferResponse:
        tensors = [Tensor.of(name, array) for name, array in outputs.items()]
        for tensor in tensors:
            if tensor.name == "OUTPUT":
                tensor.data = tensor.data.reshape(request.inputs["INPUT"].shape)
        return InferResponse(request.model_name, self._version, tensors, request.id)
