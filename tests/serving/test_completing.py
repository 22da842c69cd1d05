"""Classes of outputs, outputs in the client's memory: what takes long is done in a thread, and in order."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from response_sender_fixture import Asked

from naiad.core.errors import Cancelled, Failed
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.serving.completing import long_bytes, needs_completing
from naiad.serving.worker import JOINED_BYTES, SHORT_ELEMENTS

MANY = SHORT_ELEMENTS + 1


class Memory:
    """A place for an output, which can be held."""

    def __init__(self, byte_size: int) -> None:
        self.byte_size = byte_size
        self.gate = threading.Event()
        self.gate.set()
        self.written: list[int] = []
        self.threads: set[threading.Thread] = set()

    def write(self, data: bytes | memoryview) -> None:
        assert self.gate.wait(20)
        self.threads.add(threading.current_thread())
        self.written.append(len(data))


def numbers(count: int, dtype: type = np.float32) -> Tensor:
    return Tensor("y", "FP32" if dtype is np.float32 else "INT8", np.arange(count).astype(dtype))


def classified(count: int = 2) -> InferRequest:
    return InferRequest("m", outputs=(RequestedOutput("y", class_count=count),))


def stored(memory: Memory) -> InferRequest:
    request = InferRequest("m", outputs=(RequestedOutput("y"),))
    request.output_memory = {"y": memory}
    return request


STRINGS = bytes_tensor("y", [b"a"] * MANY)


@pytest.mark.parametrize(
    ("request_", "tensor", "is_long"),
    [
        (classified(), numbers(SHORT_ELEMENTS), False),
        (classified(), numbers(MANY), True),
        (stored(Memory(1)), numbers(MANY), False),
        (stored(Memory(1)), numbers(JOINED_BYTES, np.int8), False),
        (stored(Memory(1)), numbers(JOINED_BYTES + 1, np.int8), True),
        (stored(Memory(1)), STRINGS, True),
        (InferRequest("m", outputs=(RequestedOutput("y"),)), STRINGS, False),
    ],
    ids=["few classes", "many", "short bytes", "just short", "long bytes", "strings", "nothing to do"],
)
def test_what_takes_long(request_: InferRequest, tensor: Tensor, is_long: bool) -> None:
    assert (long_bytes(request_, InferResponse("m", "1", [tensor])) > 0) is is_long


def test_only_who_wants_classes_or_memory_needs_it() -> None:
    assert not needs_completing(InferRequest("m", outputs=(RequestedOutput("y"), RequestedOutput("z"))))
    assert needs_completing(InferRequest("m", outputs=(RequestedOutput("y"), RequestedOutput("z", class_count=1))))
    assert needs_completing(stored(Memory(1)))


async def test_a_million_elements_are_ranked_beside_the_loop() -> None:
    asked = Asked(request=classified())
    assert asked.sender.send(InferResponse("m", "", [numbers(1_000_000)]))
    assert asked.answers == []
    await asyncio.wait_for(asked.worker.quiet(), 20)
    ((answer, is_final),) = asked.answers
    assert isinstance(answer, InferResponse)
    assert answer.outputs[0].data.tolist() == [b"999999.000000:999999", b"999998.000000:999998"]
    assert is_final
    assert asked.model.statistics.as_json()["inference_stats"]["success"]["count"] == 1


async def test_what_is_wrong_with_it_is_told_as_ever() -> None:
    asked = Asked(request=stored(Memory(10)))
    asked.sender.send(InferResponse("m", "", [numbers(JOINED_BYTES + 1, np.int8)]))
    await asyncio.wait_for(asked.worker.quiet(), 20)
    assert asked.kinds == [(Failed, True)]
    assert asked.model.statistics.failures["BACKEND"] == 1


def held(decoupled: bool = False) -> tuple[Asked, Memory]:
    memory = Memory(10**9)
    memory.gate.clear()
    return Asked(decoupled=decoupled, takes_one=not decoupled, request=stored(memory)), memory


LONG = numbers(JOINED_BYTES + 1, np.int8)


async def test_answers_keep_their_order_though_one_is_written_in_a_thread() -> None:
    asked, memory = held(decoupled=True)
    sender = asked.sender
    assert sender.send(InferResponse("m", "", [LONG]), is_final=False)
    assert sender.send(InferResponse("m", "", [numbers(1)]), is_final=False)
    assert not sender.send(None, is_final=True)
    assert not sender.send(Failed("late"))
    assert asked.answers == []
    memory.gate.set()
    await asyncio.wait_for(asked.worker.quiet(), 20)
    sizes = [[tensor.data.size for tensor in _outputs(answer)] for answer, _ in asked.answers]
    assert sizes == [[LONG.data.size], [1], []]
    assert [is_final for _, is_final in asked.answers] == [False, False, True]
    assert memory.written == [LONG.data.nbytes, 4]
    assert threading.main_thread() not in memory.threads


async def test_a_request_can_be_withdrawn_while_its_answer_is_written() -> None:
    asked, memory = held()
    asked.sender.send(InferResponse("m", "", [LONG]))
    asked.sender.cancel()
    asked.sender.cancel()
    assert asked.kinds == [(Cancelled, True)]
    memory.gate.set()
    await asyncio.wait_for(asked.worker.quiet(), 20)
    assert asked.kinds == [(Cancelled, True)]
    assert asked.model.statistics.failures["CANCELED"] == 1


def _outputs(answer: Any) -> list[Tensor]:
    assert isinstance(answer, InferResponse)
    return answer.outputs
