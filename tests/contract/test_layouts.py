"""What a model answers looks the same through every door, however its arrays lie in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from doors import DOORS, Case, in_process

from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Array, Tensor
from naiad.observe.statistics import ModelStatistics
from naiad.serving.response_sender import ResponseSender
from naiad.testing import RunningServer, running_server

NUMBERS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
STRINGS = np.array([b"a", "größe".encode(), b"", b"d"], np.object_)

LAID: dict[str, tuple[str, Array]] = {
    "a column": ("FP32", NUMBERS[:, :, 1]),
    "one of many columns": ("FP32", NUMBERS[0, :, 2]),
    "Fortran": ("FP32", np.asfortranarray(NUMBERS)),
    "backwards": ("FP32", NUMBERS[::-1, ::-1]),
    "big-endian": ("FP32", NUMBERS.astype(">f4")),
    "big-endian integers": ("INT64", np.arange(6).astype(">i8")[::2]),
    "one value repeated": ("FP64", np.broadcast_to(np.float64(0.5), (3, 2))),
    "a scalar": ("INT32", np.array(7, np.int32)),
    "nothing": ("FP32", np.zeros((0, 3), np.float32)),
    "rows of nothing": ("FP32", np.zeros((3, 0), np.float32)),
    "truth": ("BOOL", np.array([[True, False], [False, True]]).T),
    "every second string": ("BYTES", STRINGS[::2]),
    "strings backwards": ("BYTES", STRINGS.reshape(2, 2).T),
    "no strings": ("BYTES", STRINGS[:0]),
    "large and strided": ("FP32", np.arange(8000, dtype=np.float32)[::2]),
}


class Laid:
    """A ServedModel whose answer is one of LAID."""

    version = "1"

    def __init__(self, name: str) -> None:
        self.name = name
        self.config = ModelConfig(name, inputs=(TensorConfig("IN", "INT32", (1,)),))
        self.statistics = ModelStatistics(name, "1")
        self.labels: dict[str, list[str]] = {}
        self.has_rows = False

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        datatype, data = LAID[self.name]
        sender.send(InferResponse(self.name, "1", [Tensor("OUT", datatype, data)]))

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:

        async def add() -> None:
            for name in LAID:
                running.server.engine.catalog.add(Laid(name))

        running.run(add)
        yield running


@pytest.mark.parametrize("name", LAID)
def test_every_door_gives_the_same_numbers(server: RunningServer, name: str) -> None:
    case = Case(name, {"IN": ("INT32", np.array([1], np.int32))})
    outcomes: dict[str, Any] = {door: ask(server, case) for door, ask in DOORS.items()}
    outcomes["in-process"] = in_process(server, case)
    datatype, data = LAID[name]
    expected = (("OUT", datatype, data.shape, tuple(data.ravel().tolist())),)
    assert {door: (one.tensors, one.error) for door, one in outcomes.items()} == dict.fromkeys(outcomes, (expected, ""))
