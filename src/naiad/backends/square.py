"""Triton's square backend: answers a request for n with n answers, each of them n; for trying out streams.

`IN` and `OUT` are INT32 [1]; with a batch dimension, each request is one row. Parameters, as in Triton's:

| parameter                | meaning                                                               |
|--------------------------|-----------------------------------------------------------------------|
| `CUSTOM_INFER_DELAY_NS`  | nanoseconds before each answer, as if the model ran                   |
| `CUSTOM_OUTPUT_DELAY_NS` | nanoseconds more before each answer that is sent                      |
| `CUSTOM_FAIL_COUNT`      | of each request's answers, so many are errors: those before the empty |
| `CUSTOM_EMPTY_COUNT`     | so many at the end are not sent                                       |
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from naiad.backends.declared import Declared, check_declared
from naiad.backends.graphless import Graphless
from naiad.backends.parameters import MOST_ANSWERS, UNDER_WAY, check_delay, whole_number
from naiad.core.clock import monotonic
from naiad.core.contracts import Batch, Instances, LoadRequest, Send
from naiad.core.errors import InvalidRequest, ModelFailed, NotReady
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Course:
    """What the parameters make of a request's answers."""

    infer_s: float = 0.0
    output_s: float = 0.0
    failures: int = 0
    empty: int = 0

    @classmethod
    def of(cls, config: ModelConfig) -> Course:
        """Read the parameters. Raises LoadFailed naming the one that is wrong."""
        name, given = config.name, config.parameters
        infer_s = whole_number(name, given, "CUSTOM_INFER_DELAY_NS") / 1e9
        output_s = whole_number(name, given, "CUSTOM_OUTPUT_DELAY_NS") / 1e9
        check_delay(name, "CUSTOM_INFER_DELAY_NS", infer_s)
        check_delay(name, "CUSTOM_OUTPUT_DELAY_NS", output_s)
        failures, empty = (whole_number(name, given, f"CUSTOM_{what}_COUNT") for what in ("FAIL", "EMPTY"))
        return cls(infer_s, output_s, failures, empty)

    def sends(self, index: int, count: int) -> bool:
        """Whether anything is sent as the answer of that number."""
        return index + self.empty < count

    def fails(self, index: int, count: int) -> bool:
        """Whether that is an error."""
        return index + self.empty + self.failures >= count


class SquareBackend(Graphless):
    """Gives instances that answer n times."""

    name = "square"

    def load(self, request: LoadRequest) -> Instances[InferRequest]:
        """Raise LoadFailed unless there are one IN and one OUT, and the parameters are numbers of sane size."""
        config, version = request.tensors.config, request.tensors.version
        check_declared(config, (Declared("IN", "INT32"),), (Declared("OUT", "INT32"),))
        course = Course.of(config)
        return Instances(tuple(SquareInstance(version, course) for _ in request.names), names=request.names)


class SquareInstance:
    """One copy."""

    capacity = UNDER_WAY

    def __init__(self, version: str, course: Course) -> None:
        self._version = version
        self._course = course
        self._is_over = threading.Event()

    def execute(self, batch: Batch[InferRequest], send: Send) -> None:
        """Answer all requests at once, each with its first, its second … Raises NotReady after `interrupt`."""
        batch.input_ready_s = monotonic()
        counts: dict[int, int] = {}
        for number, request in enumerate(batch.items):
            answer = _count(request)
            if isinstance(answer, InvalidRequest):
                send(number, answer, True)
            else:
                counts[number] = answer
        index = 0
        while counts:
            for number in [number for number, count in counts.items() if count == index]:
                send(number, None, True)
                del counts[number]
            if counts:
                self._send_all(index, counts, batch, send)
            index += 1
        batch.output_ready_s = monotonic()

    def interrupt(self) -> None:
        """End what is under way, and all that comes; from any thread."""
        self._is_over.set()

    def close(self) -> None:
        """Nothing to release."""

    def _send_all(self, index: int, counts: dict[int, int], batch: Batch[InferRequest], send: Send) -> None:
        """Send everybody's answer of that number; who has been withdrawn gets no more."""
        course = self._course
        self._wait(course.infer_s)
        sent = [number for number, count in counts.items() if course.sends(index, count)]
        if sent:
            self._wait(course.output_s)
        for number in sent:
            answer = self._answer(batch.items[number], counts[number], course.fails(index, counts[number]))
            if not send(number, answer, False):
                counts[number] = index + 1

    def _answer(self, request: InferRequest, count: int, fails: bool) -> Answer:
        if fails:
            return ModelFailed("simulated failure")
        value = np.full(request.inputs["IN"].shape, count, np.int32)
        return InferResponse(request.model_name, self._version, [Tensor("OUT", "INT32", value)], request.id)

    def _wait(self, seconds: float) -> None:
        if self._is_over.wait(seconds) if seconds else self._is_over.is_set():
            raise NotReady("the model is being unloaded")


def _count(request: InferRequest) -> int | InvalidRequest:
    """How many answers a request wants."""
    if "IN" not in request.inputs:
        return InvalidRequest(f"model '{request.model_name}': input 'IN' is missing")
    data = request.inputs["IN"].data
    if data.size != 1:
        return InvalidRequest("unexpected shape for IN input")
    count = int(data.item())
    if not 0 <= count <= MOST_ANSWERS:
        return InvalidRequest(f"IN must be from 0 to {MOST_ANSWERS}, it is {count}")
    return count
