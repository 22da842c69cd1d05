"""Triton's repeat backend: gives the elements of IN back one by one, each after its DELAY; for trying out streams.

| tensor  | datatype, shape      | meaning                                                                    |
|---------|----------------------|----------------------------------------------------------------------------|
| `IN`    | INT32 [n], any n     | the values; [0]: no answer, only the end                                   |
| `DELAY` | UINT32 [n]           | milliseconds before each answer, after the one before                      |
| `WAIT`  | UINT32 [1]           | milliseconds after which the instance takes its next request               |
| `OUT`   | INT32 [1]            | the value                                                                  |
| `IDX`   | UINT32 [1]           | the answer's number, from 0                                                |

WAIT may be less than the sum of DELAY: then answers to several requests mix, even with one instance.
"""

from __future__ import annotations

import threading

import numpy as np

from naiad.backends.declared import Declared, check_declared, refused, shown
from naiad.backends.graphless import Graphless
from naiad.backends.parameters import MOST_ANSWERS, MOST_S, UNDER_WAY
from naiad.core.clock import monotonic
from naiad.core.contracts import Batch, Instances, LoadRequest, Send
from naiad.core.errors import InvalidRequest, NotReady
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Array, Tensor

INPUTS = (Declared("IN", "INT32", None), Declared("DELAY", "UINT32", None), Declared("WAIT", "UINT32"))
OUTPUTS = (Declared("OUT", "INT32"), Declared("IDX", "UINT32"))


class RepeatBackend(Graphless):
    """Gives instances that answer as many times as the request has elements."""

    name = "repeat"

    def load(self, request: LoadRequest) -> Instances[InferRequest]:
        """Raise LoadFailed unless the tensors are declared as the table above says, without a batch dimension."""
        config, version = request.tensors.config, request.tensors.version
        if config.max_batch_size:
            raise refused(config, "repeat backend only supports models with max_batch_size == 0")
        check_declared(config, INPUTS, OUTPUTS)
        values, delays = config.inputs[0].dims, config.inputs[1].dims
        if values != delays:
            raise refused(config, f"expected IN and DELAY shape to match, got {shown(values)} and {shown(delays)}")
        return Instances(tuple(RepeatInstance(version) for _ in request.names), names=request.names)


class RepeatInstance:
    """One copy; its turn passes to the next request after WAIT."""

    capacity = UNDER_WAY

    def __init__(self, version: str) -> None:
        self._version = version
        self._turn = threading.Lock()
        self._is_over = threading.Event()

    def execute(self, batch: Batch[InferRequest], send: Send) -> None:
        """Answer one request after the other. Raises NotReady where `interrupt` came before the last answer."""
        for number, request in enumerate(batch.items):
            error = _objection(request)
            if error is None:
                self._answer(number, request, batch, send)
            else:
                send(number, error, True)

    def interrupt(self) -> None:
        """End what is under way, and all that comes; from any thread."""
        self._is_over.set()

    def close(self) -> None:
        """Nothing to release."""

    def _answer(self, number: int, request: InferRequest, batch: Batch[InferRequest], send: Send) -> None:
        values, delays_ms = request.inputs["IN"].data, request.inputs["DELAY"].data.tolist()
        self._turn.acquire()
        has_turn = True
        try:
            answer_s = monotonic()
            batch.input_ready_s = batch.input_ready_s or answer_s
            turn_s = answer_s + int(request.inputs["WAIT"].data[0]) / 1000
            for index, delay_ms in enumerate(delays_ms):
                answer_s += delay_ms / 1000
                if has_turn and turn_s <= answer_s:
                    self._wait_until(turn_s)
                    self._turn.release()
                    has_turn = False
                self._wait_until(answer_s)
                if not send(number, self._response(request, values[index : index + 1], index), False):
                    turn_s = 0.0  # nobody waits for the others
                    break
            send(number, None, True)
            if has_turn:
                self._wait_until(turn_s)
            batch.output_ready_s = monotonic()
        finally:
            if has_turn:
                self._turn.release()

    def _wait_until(self, time_s: float) -> None:
        remaining_s = time_s - monotonic()
        if self._is_over.wait(remaining_s) if remaining_s > 0 else self._is_over.is_set():
            raise NotReady("the model is being unloaded")

    def _response(self, request: InferRequest, value: Array, index: int) -> InferResponse:
        made = {"OUT": Tensor("OUT", "INT32", value), "IDX": Tensor("IDX", "UINT32", np.array([index], np.uint32))}
        wanted = [output.name for output in request.outputs] or made
        return InferResponse(request.model_name, self._version, [made[name] for name in wanted], request.id)


def _objection(request: InferRequest) -> InvalidRequest | None:
    """What is wrong with a request; None: nothing."""
    missing = [tensor.name for tensor in INPUTS if tensor.name not in request.inputs]
    if missing:
        return InvalidRequest(f"model '{request.model_name}': input '{missing[0]}' is missing")
    values, delays = request.inputs["IN"], request.inputs["DELAY"]
    if values.shape != delays.shape:
        return InvalidRequest(
            f"expected IN and DELAY shape to match, got {shown(values.shape)} and {shown(delays.shape)}"
        )
    if len(values.data) > MOST_ANSWERS:
        return InvalidRequest(f"IN has {len(values.data)} elements; up to {MOST_ANSWERS} are allowed")
    longest_s = max(int(delays.data.sum(dtype=np.uint64)), int(request.inputs["WAIT"].data[0])) / 1000
    if longest_s > MOST_S:
        return InvalidRequest(f"DELAY and WAIT make {longest_s:g} s; up to {MOST_S:g} s are allowed")
    return None
